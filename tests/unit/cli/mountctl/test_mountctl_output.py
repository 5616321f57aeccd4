"""mountctl: what people see."""

import io
import json
import sys

import pytest
import trio

from mountd.cli import mountctl
from mountd.cli.ctl import exits
from mountd.stores.interface import HealthState, StoreHealth


def test_datastore_list(run, data, tmp_path):
    code, out, _ = run("datastore", "list")
    local = f"{tmp_path}/state/workspace"
    width = len(f"{local}/workspaceblobstore")
    assert code == 0
    assert out == (
        f"NAME                DEFAULT  STATE  KIND    {'STORAGE':<{width}}  CREDENTIAL  FROM      SHOWN AT\n"
        f"data                         ok     memory  {'memory':<{width}}  anonymous   socket    /data\n"
        f"workspaceblobstore  yes      ok     local   {local}/workspaceblobstore  anonymous   built-in  /workspaceblobstore\n"
        f"workspacefilestore           ok     local   {local}/workspacefilestore  anonymous   built-in  /workspacefilestore\n"
    )


def test_mapping_add_list_remove(run, data):
    assert run("mapping", "add", "/deep/x", "data/in", "--ttl", "60")[1] == "/deep/x shows data/in/.\n"
    out = run("mapping", "list")[1]
    assert out.splitlines()[:3] == [
        "PATH                 SHOWS                ACCESS  FRESHNESS  FROM",
        "/data                data/                ro      ttl 10 s   the datastore",
        "/deep/x              data/in/             ro      ttl 60 s   socket",
    ]
    assert run("mapping", "remove", "/deep/x")[0] == 0
    assert run("mapping", "remove", "/deep/x")[0] == exits.NOT_FOUND


def test_stat(run, data):
    code, out, _ = run("stat", "/mnt/mountd/data/in/a.txt")
    facts = dict(line.split(None, 1) for line in out.splitlines() if len(line.split(None, 1)) == 2)
    assert code == 0
    assert facts["path"] == "/data/in/a.txt"
    assert facts["key"] == "in/a.txt"
    assert facts["size"] == "5 (5 B)"
    assert facts["modified"] == "2023-11-14 22:13:20"


def test_warm_waits_and_is_cached_tells_by_its_exit_code(run, data):
    assert run("cache", "is-cached", "/data")[0] == exits.FAILURE
    code, out, _ = run("cache", "warm", "/data")
    assert code == 0
    assert "1 of 1, 5 B" in out
    assert run("cache", "is-cached", "/data/in/a.txt") == (
        0,
        "/data/in/a.txt: all of 5 B in 1 files (memory 5 B, disk 0 B)\n",
        "",
    )
    # What five bytes take in memory, with what it costs to know them.
    assert run("cache", "clear")[1] == "1.5 KiB freed.\n"
    assert run("cache", "usage")[1].startswith("memory     0 B of 64.0 MiB\n")


def test_status_says_why_a_datastore_is_not_well(daemon, run, data):
    daemon.house.storages.stores["data"].condition = StoreHealth(
        HealthState.REFUSED,
        1,
        last_error="The key was refused.",
        last_error_code="denied",
        request_id="r-1",
    )
    code, out, _ = run("status")
    assert code == 0
    assert "mountpoint          /mnt/mountd\n" in out
    assert "data is refused: The key was refused. Check the credential;" in out
    assert "(request r-1)" in out


def test_doctor(daemon, run, data):
    daemon.do(daemon.house.put, "data", "a//b", b"x")
    code, out, _ = run("datastore", "doctor", "data")
    assert (code, out) == (
        0,
        "data: the storage answers.\n"
        "1 awkward keys among 2 keys.\n"
        "KEY     SHOWN AS     WHY\n"
        "'a//b'  a/~~empty/b  an empty segment (\"//\", or a leading slash)\n",
    )


def test_tasks_and_events(daemon, run, data):
    gate = daemon.house.storages.stores["data"]
    gate.gate = trio.Event()
    code, task_id, _ = run("cache", "warm", "/data", "--no-wait")
    assert code == 0
    task_id = task_id.strip()
    assert run("tasks", "list")[1].splitlines()[1].split()[:4] == [task_id, "warm", "/data", "running"]
    assert run("tasks", "cancel", task_id)[1] == f"Task {task_id} is asked to end.\n"
    code, out, _ = run("tasks", "show", task_id, "--follow")
    assert (code, "state    cancelled" in out) == (exits.FAILURE, True)
    lines = run("events", "--no-follow", "--json")[1].splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["datastore.registered", "task.cancelled"]


def test_health_log_level_metrics_stop(daemon, run):
    assert run("health")[:2] == (0, "ready\n")
    level = run("log-level")[1]
    assert run("log-level", level.strip())[1] == level
    assert "# TYPE mountd_store_requests_total counter" in run("metrics")[1]
    assert run("stop")[0] == 0
    assert daemon.ended.wait(10)
    code, out, err = run("status")
    assert (code, out) == (exits.NOT_RUNNING, "")
    assert err.count("\n") == 1
    assert "mountd serve" in err


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize("words", [("status",), ("cache", "warm", "/data"), ("datastore", "doctor", "data")])
def test_on_a_terminal_it_is_drawn(run, data, monkeypatch, words):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    assert mountctl.main(words) == 0
    assert "data" in terminal.getvalue()
    if words == ("status",):
        assert "\x1b[32mok" in terminal.getvalue()


def test_prefetch_hands_an_order_over(daemon, run, data, tmp_path, monkeypatch):
    order = tmp_path / "order"
    order.write_bytes(b"/data/none\n/mnt/mountd/data/in\n")
    code, out, _ = run("prefetch", "--order", str(order))
    assert code == exits.FAILURE
    assert "done     2 of 2, 0 B (0 read, 0 ahead, 2 bad)\n" in out
    assert "2 of 2 lines name no file that could be fetched. Line 1, /data/none: " in out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"data/in/a.txt\0/data/in/a.txt")))
    code, task_id, _ = run("prefetch", "--order", "-", "-0", "--no-wait")
    assert code == 0
    assert json.loads(run("--json", "tasks", "show", task_id.strip())[1])["subject"] == "2 lines"
    assert run("tasks", "cancel", task_id.strip())[0] == 0
    assert run("prefetch", "--order", str(tmp_path / "none"))[0] == exits.USAGE

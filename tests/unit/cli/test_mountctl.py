"""mountctl against a real server: what people see, what programs read, and the exit codes scripts rely on."""

import io
import json
import subprocess
import sys
import threading
import time

import pytest
import trio

from mountd import errors
from mountd.cli import mountctl
from mountd.cli.ctl import exits
from mountd.cli.ctl.arguments import parser
from mountd.stores.interface import HealthState, StoreHealth
from tests.unit.control.served import KEY, OTHER_KEY, running


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with running(tmp_path, mountpoint="/mnt/mountd") as served:
        served.house.workspace.host.mark_mounted()
        monkeypatch.setenv("MOUNTD_SOCKET", str(served.socket))
        yield served


@pytest.fixture
def run(daemon, capsys):
    def carry_out(*words):
        code = mountctl.main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return carry_out


@pytest.fixture
def data(daemon, run):
    assert run("datastore", "register", "data", "--kind", "memory", "--container", "c")[0] == 0
    daemon.do(daemon.house.put, "data", "in/a.txt", b"hello")


# What people see -------------------------------------------------------------------------------------------------


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
    assert run("cache", "clear")[1] == "5 B freed.\n"
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


# What programs read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("datastore", "list"),
        ("datastore", "show", "data"),
        ("datastore", "default"),
        ("datastore", "doctor", "data"),
        ("mapping", "list"),
        ("mapping", "add", "/x", "data"),
        ("stat", "/data"),
        ("files",),
        ("cache", "usage"),
        ("cache", "clear"),
        ("cache", "invalidate", "/data"),
        ("cache", "warm", "/data"),
        ("cache", "warm", "/data", "--no-wait"),
        ("tasks", "list"),
        ("health",),
        ("log-level",),
        ("stop",),
    ],
)
def test_every_answer_is_json_where_asked(run, data, words):
    for place in (("--json", *words), (*words, "--json")):
        if words not in (("mapping", "add", "/x", "data"), ("stop",)) or place[0] == "--json":
            code, out, err = run(*place)
            assert (code, err) == (0, "")
            json.loads(out)


def test_an_error_is_json_where_asked(run):
    code, out, err = run("--json", "datastore", "show", "none")
    assert (code, out) == (exits.NOT_FOUND, "")
    assert set(json.loads(err)) == {"code", "message", "remedy", "request_id"}


# Exit codes ------------------------------------------------------------------------------------------------------


def test_every_error_has_a_documented_exit_code():
    waiting, codes = [errors.MountdError], set()
    while waiting:
        kind = waiting.pop()
        codes.add(kind.code)
        waiting.extend(kind.__subclasses__())
    assert set(exits.BY_ERROR) <= codes
    assert {exits.exit_code(code) for code in codes} <= set(exits.MEANINGS)
    assert exits.table() in parser().format_help()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("datastore", "show", "none"), exits.NOT_FOUND),
        (("stat", "/none"), exits.NOT_FOUND),
        (("tasks", "show", "none"), exits.NOT_FOUND),
        (("datastore", "register", "data", "--kind", "memory"), exits.CONFLICT),
        (("datastore", "unregister", "workspaceblobstore"), exits.CONFLICT),
        (("datastore", "register", "x-y", "--kind", "memory"), exits.USAGE),
        (("mapping", "remove", "/data"), exits.USAGE),
    ],
)
def test_exit_codes(run, data, words, code):
    told = run(*words)
    assert told[0] == code
    assert told[2].startswith("mountctl: ")


def test_a_wrong_command_line_is_a_usage_error(run):
    with pytest.raises(SystemExit) as caught:
        mountctl.main(["datastore", "frobnicate"])
    assert caught.value.code == exits.USAGE


# Secrets ---------------------------------------------------------------------------------------------------------

BLOB = ("datastore", "register", "photos", "--account", "account1", "--container", "photos")


def revealed(daemon):
    return daemon.house.workspace.datastores.access("photos").credential.account_key


def test_a_secret_from_a_file(daemon, run, tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    code, out, err = run(*BLOB, "--account-key-file", str(tmp_path / "key"))
    assert (code, revealed(daemon)) == (0, KEY)
    assert KEY not in out + err


def test_a_secret_from_the_environment(daemon, run, monkeypatch):
    monkeypatch.setenv("THE_KEY", KEY)
    assert run(*BLOB, "--account-key-env", "THE_KEY")[0] == 0
    monkeypatch.setenv("THE_KEY", OTHER_KEY)
    assert run("datastore", "rotate", "photos", "--account-key-env", "THE_KEY")[0] == 0
    assert revealed(daemon) == OTHER_KEY


def test_a_secret_from_standard_input(daemon, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n"))
    assert run(*BLOB, "--account-key-file", "-")[0] == 0
    assert revealed(daemon) == KEY


@pytest.mark.parametrize("option", ["--account-key", "--sas-token", "--connection-string", "--client-secret"])
def test_a_secret_in_argv_is_refused_and_not_repeated(run, capsys, option):
    for words in ([option, KEY], [f"{option}={KEY}"]):
        with pytest.raises(SystemExit) as caught:
            mountctl.main([*BLOB, *words])
        told = capsys.readouterr().err
        assert caught.value.code == exits.USAGE
        assert f"{option}-file" in told
        assert KEY not in told


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--account-key-file", "/none"), "/none"),
        (("--account-key-env", "NOT_SET"), "NOT_SET"),
        (("--account-key-file", "-", "--sas-token-file", "-"), "--sas-token-file"),
    ],
)
def test_a_secret_that_cannot_be_read(run, words, named):
    code, _, err = run(*BLOB, *words)
    assert code == exits.USAGE
    assert named in err


def test_key_and_sas_together_are_refused_naming_both(run, tmp_path):
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "sas").write_text("sig=abc")
    code, _, err = run(*BLOB, "--account-key-file", str(tmp_path / "key"), "--sas-token-file", str(tmp_path / "sas"))
    assert code == exits.USAGE
    assert "account_key" in err
    assert "sas_token" in err


# Starting, ending ------------------------------------------------------------------------------------------------

HEAVY = {
    "rich",
    "pydantic",
    "fastapi",
    "trio",
    "asyncio",
    "yaml",
    "cryptography",
    "prometheus_client",
    "mountd.sdk.datastore",
}


def test_it_starts_light(daemon):
    program = (
        "import sys; from mountd.cli import mountctl; code = mountctl.main(['status', '--json']);"
        "print(*sys.modules, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0
    assert HEAVY.isdisjoint(done.stderr.split())


def test_a_reader_that_has_had_enough(daemon):
    command = f"{sys.executable} -m mountd.cli.mountctl metrics | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=False, capture_output=True, text=True)
    assert done.stderr == ""


def test_events_are_told_as_they_happen(daemon, run, capsys):
    def later():
        daemon.house.workspace.events.emit("test.event", "x", "It happened.")
        daemon.house.workspace.stop()

    threading.Timer(0.2, lambda: daemon.token.run_sync_soon(later)).start()
    code, out, _ = run("events")
    assert code == 0
    assert [line.split()[2] for line in out.splitlines()] == ["test.event", "daemon.stopping"]


# Completion ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ((), {"datastore", "mapping", "cache", "status", "stop"}),
        (("da",), {"datastore"}),
        (("datastore", "re"), {"register"}),
        (("datastore", "show", ""), {"data", "workspaceblobstore", "workspacefilestore"}),
        (("mapping", "add", "/x", "d"), {"data"}),
        (("datastore", "register", "x", "--kind", ""), {"blob", "local", "memory"}),
        (("datastore", "register", "x", "--account-key-"), {"--account-key-file", "--account-key-env"}),
        (("datastore", "register", "x", "--account-key-file", ""), set()),
        (("log-level", ""), {"debug", "info", "warning", "error"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("stat", ""), set()),
    ],
)
def test_completion_offers_the_grammar_and_the_names(run, data, words, offered):
    code, out, _ = run(mountctl.COMPLETE, *words)
    assert code == 0
    assert offered <= set(out.splitlines())
    if words:
        assert offered == set(out.splitlines())


def test_completion_is_silent_where_no_daemon_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MOUNTD_SOCKET", str(tmp_path / "none"))
    assert mountctl.main([mountctl.COMPLETE, "datastore", "show", ""]) == 0
    assert capsys.readouterr() == ("", "")


def test_bash_completes(run):
    script = run("completion", "bash")[1]
    program = f"""
mountctl() {{ {sys.executable} -m mountd.cli.mountctl "$@"; }}
{script}
COMP_WORDS=(mountctl datastore re); COMP_CWORD=2
_mountctl; echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", program], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("register\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script_that_asks_mountctl(run, shell):
    code, out, _ = run("completion", shell)
    assert code == 0
    assert mountctl.COMPLETE in out

"""mountctl: what programs read, the exit codes scripts rely on, how it starts and ends."""

import json
import subprocess
import sys
import threading

import pytest

from mountd import errors
from mountd.cli import mountctl
from mountd.cli.ctl import exits
from mountd.cli.ctl.arguments import parser


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

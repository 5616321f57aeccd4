"""No secret leaves the daemon but by the one operation that is there for it (test_secret_operation.py).

A daemon at log level debug is given a key, a SAS, a connection string, a client secret and a certificate, and all that can
fail is made to fail, bugs included. Then everything that can be read of it is searched, in every spelling.
"""

import json
import os
import subprocess
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mountd.emulator import Emulator, Fault
from mountd.errors import MountdError
from mountd.fuse.mountinfo import mount_at
from mountd.sdk.transport import Transport
from tests.fixtures.daemons import BIN, Node, command
from tests.fixtures.registering import KEY_2, WRONG_KEY, place, secret
from tests.fixtures.secrecy import Search

pytestmark = pytest.mark.fuse

CLIENT_SECRET = "clientS3cret~of/the+application=="
BUGS = '''
"""Bugs for a daemon: each raises what a careless line of code might, with the secrets at hand in its text, and a cause."""
import os


def _plant():
    from mountd.control.cached import Cached
    from mountd.control.datastores import Datastores
    from mountd.stores.blob.store import BlobStore
    from mountd.stores.credentials import Outgoing

    def shown(store):
        signer, outgoing = store._objects._signer, Outgoing("GET", "/x")
        signer.sign(outgoing)
        return f"{outgoing.target} {outgoing.headers} {signer.__dict__}"

    begin, get = BlobStore.begin, Datastores.get

    def failing_begin(self, version, *asked):
        if version.key != "bug":
            return begin(self, version, *asked)
        try:
            raise KeyError(shown(self))
        except KeyError as error:
            raise RuntimeError("a bug: " + shown(self)) from error

    def failing_get(self, name):
        if name != "with_key" or not os.path.exists(__file__ + ".on"):
            return get(self, name)
        raise RuntimeError(f"a bug: {self._registry.get(name)} {self._registry.get(name).credential.key.reveal()}")

    BlobStore.begin, Datastores.get = failing_begin, failing_get


def _when_it_runs():
    import trio

    run = trio.run

    def running(*words, **options):
        _plant()
        return run(*words, **options)

    trio.run = running


_when_it_runs()
'''


@pytest.fixture
def buggy(tmp_path: Path) -> dict[str, str]:
    """The environment of a daemon with bugs."""
    (tmp_path / "bugs").mkdir()
    (tmp_path / "bugs/sitecustomize.py").write_text(BUGS)
    return {"PYTHONPATH": str(tmp_path / "bugs")}


class Told:
    """All that mountctl, and the SDK, have said."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._transport = Transport(str(node.socket), 30.0)
        self.everything: list[str] = []

    def __call__(self, *words: object, **environment: str) -> int:
        done = self._node.control(*words, check=False, **environment)
        self.everything += [done.stdout, done.stderr]
        return done.returncode

    def ask(self, method: str, path: str, /, **body: Any) -> None:
        """Without a process, and whatever comes of it: an error's whole text, its chain too."""
        try:
            self.everything.append(json.dumps(self._transport.call(method, path, body=body or None)))
        except MountdError:
            self.everything.append(traceback.format_exc())


def filled(emulator: Emulator) -> Emulator:
    container = emulator.container("data")
    for name in ("a", "b", "bug", "large"):
        container.put(name, os.urandom(3 << 20 if name == "large" else 2000))
    return emulator


def given(emulator: Emulator) -> dict[str, tuple[tuple[str, ...], dict[str, str]]]:
    """Datastores, and how mountctl is told their credentials."""
    identity = emulator.identity
    identity.application("by-secret", secret=CLIENT_SECRET)
    certificate = identity.application("by-certificate", certificate=True).certificate
    who = ("--tenant-id", identity.authority.tenant, "--authority-url", emulator.origin, "--client-id")
    words, environment = secret("client-secret", CLIENT_SECRET)
    more, certified = secret("certificate", certificate)
    return {
        "with_key": secret("account-key", emulator.key),
        "with_sas": secret("sas-token", emulator.sas("data")),
        "with_string": secret("connection-string", emulator.connection_string()),
        "with_secret": ((*who, "by-secret", *words), environment),
        "with_certificate": ((*who, "by-certificate", *more), certified),
    }


def handed_over(emulator: Emulator, registered: dict[str, tuple[tuple[str, ...], dict[str, str]]]) -> dict[str, str]:
    """Every secret there is by now."""
    found = {name: environment["THE_SECRET"] for name, (_, environment) in registered.items()}
    sas = found["with_sas"]
    found["with_sas, its signature"] = sas.partition("sig=")[2].partition("&")[0]
    return found | {"wrong key": WRONG_KEY, "second key": KEY_2, "key": emulator.key}


def fail_in_every_way(node: Node, emulator: Emulator, tell: Told, names: list[str]) -> None:
    root = node.path
    faults = (
        Fault("expired"), Fault("reset_before", count=4), Fault("reset_after", count=4),
        Fault("truncate", after_bytes=100, count=4),
        Fault("corrupt", count=2), Fault("busy", retry_after=0.1, count=4), Fault("busy", code="InternalError", count=4),
        Fault("busy", code="AuthorizationFailure"),
    )  # fmt: skip
    for fault in faults:
        emulator.faults.set(fault)
        for name in names:
            tell.ask("POST", "/v1/cache/invalidate", path=f"/{name}")
            with suppress(OSError):
                os.listdir(root / name)
            with suppress(OSError):
                (root / name / "a").read_bytes()
        tell.ask("GET", f"/v1/datastores/{names[1]}/diagnosis")
        tell.ask("PUT", f"/v1/datastores/{names[1]}/credential", sas_token=emulator.sas("data", "r"))
        tell("datastore", "show", names[1])
    emulator.faults.clear()
    for name in names:
        with suppress(OSError):  # a bug under it
            (root / name / "bug").read_bytes()
    (node.folder / "bugs/sitecustomize.py.on").touch()
    for words in (("--json", "datastore", "show", "with_key"), ("datastore", "show", "with_key")):
        assert tell(*words) == 1  # a bug again
    (node.folder / "bugs/sitecustomize.py.on").unlink()
    at = {"account": emulator.account, "container": "data", "endpoint": emulator.endpoint}
    for method in ("account_key", "sas_token", "connection_string", "client_secret", "certificate", "nonsense"):
        for text in (WRONG_KEY, f"sig={WRONG_KEY}&se=2099-01-01", f"AccountName=x;AccountKey={WRONG_KEY}", "no/thing;"):
            tell.ask("POST", "/v1/datastores", name="bad", **at, credential={method: text})
    bad, environment = secret("connection-string", f"AccountName=x;AccountKey={WRONG_KEY}")
    tell("datastore", "register", "bad", *place(emulator), *bad, **environment)
    both = {"X": emulator.key, "Y": emulator.sas("data")}
    tell("datastore", "register", "both", *place(emulator), "--account-key-env", "X", "--sas-token-env", "Y", **both)
    wrong, environment = secret("account-key", WRONG_KEY)
    tell("datastore", "rotate", "with_key", "--skip-validation", *wrong, **environment)
    with suppress(OSError):
        (root / "with_key/b").read_bytes()
    emulator.identity.authority.revoke()
    emulator.rotate_key(KEY_2)
    for name in names:
        tell.ask("POST", "/v1/cache/invalidate", path=f"/{name}")
        with suppress(OSError):
            os.listdir(root / name)
    tell("cache", "warm", "/with_sas")


def ask_everything(node: Node, search: Search) -> None:
    """Every GET that the daemon describes, but the one operation."""
    transport = Transport(str(node.socket), 30.0)
    described: Any = transport.call("GET", "/openapi.json")
    names = [each["name"] for each in node.asked("datastore", "list")]
    tasks = [each["id"] for each in node.asked("tasks", "list")]
    asked = 0
    for path, operations in described["paths"].items():
        if "get" not in operations or path.endswith("/credential"):
            continue
        filled_in = [path]
        for word, values in (("{name}", names), ("{task_id}", tasks)):
            filled_in = [
                each.replace(word, value) for each in filled_in for value in (values if word in each else [""])
            ]
        for each in filled_in:
            query = {"path": "/with_sas/a"} if each in ("/v1/path", "/v1/cache/held") else {}
            query |= {"recent": "1000", "follow": "false"} if each == "/v1/events" else {}
            with transport._answer("GET", each, query, None, 30.0) as answer:
                search.look(f"GET {each}", answer.read() + str(answer.headers).encode())
            asked += 1
    assert asked > 20
    search.look("openapi", json.dumps(described))


def show_command_lines(node: Node, search: Search, tell: Told, emulator: Emulator) -> None:
    """While mountctl waits for a secret, and while it has one."""
    words = ("datastore", "register", "typed", *place(emulator), "--account-key-file", "-")
    with subprocess.Popen(
        [str(BIN / "mountctl"), "--socket", str(node.socket), *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as waiting:  # fmt: skip
        emulator.faults.set(Fault("latency", ("ListBlobs",), seconds=0.5))
        search.processes()
        assert waiting.stdin is not None
        assert waiting.stdout is not None
        waiting.stdin.write(emulator.key + "\n")
        waiting.stdin.close()
        listed = subprocess.run(["ps", "auxww"], capture_output=True, text=True, check=True).stdout
        assert "account-key-file -" in listed
        search.look("ps auxww", listed)
        search.processes()
        tell.everything.append(waiting.stdout.read())
    assert waiting.returncode == 0
    emulator.faults.clear()
    assert tell("datastore", "register", "typed", "--account-key", emulator.key) == 2


@pytest.fixture
def tokens(tls_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every access token that the authority issues."""
    issued: list[str] = []
    issue = tls_emulator.identity.authority.issue

    def remembered(*words: Any) -> str:
        issued.append(issue(*words))
        return issued[-1]

    monkeypatch.setattr(tls_emulator.identity.authority, "issue", remembered)
    return issued


def test_nothing_that_can_be_read_of_a_daemon_holds_a_secret(
    node: Node, tls_emulator: Emulator, tokens: list[str], buggy: dict[str, str]
) -> None:
    emulator = filled(tls_emulator)
    quick = "stall_timeout: 1s, connect_timeout: 1s, breaker_trial_delay: 0.1s, deadline: 2s, retry_attempts: 3"
    trust = f"stores: {{ca_file: {emulator.certificate_authority}, {quick}}}\n"
    node.serve(f"logging: {{level: debug, burst: 100000, file: {node.folder}/more.log}}\n" + trust, **buggy)
    tell, registered = Told(node), given(emulator)
    for name, (words, environment) in registered.items():
        assert tell("--json", "datastore", "register", name, *place(emulator), *words, **environment) == 0, (
            tell.everything
        )
        assert (node.path / name / "a").stat().st_size == 2000
    secrets = handed_over(emulator, registered)
    for name in registered:  # the one operation, which must leave no trace
        answer: Any = Transport(str(node.socket), 10.0).call("GET", f"/v1/datastores/{name}/credential")
        assert answer["credential"]["method"]
    assert len((node.path / "with_sas/large").read_bytes()) == 3 << 20
    early = Search(secrets)
    show_command_lines(node, early, tell, emulator)
    fail_in_every_way(node, emulator, tell, list(registered))
    search = Search(secrets | {f"token {number}": token for number, token in enumerate(tokens)})
    assert len(tokens) >= 2
    for words in ("status", "datastore list", "events --no-follow", "tasks list", "stat /with_sas/a"):
        tell(*words.split())
        tell("--json", *words.split())
    ask_everything(node, search)
    search.look("mountctl", "\n".join(tell.everything))
    search.processes()
    search.look("mountinfo", Path("/proc/self/mountinfo").read_bytes())
    search.below(node.folder, but=[node.folder / "bugs/sitecustomize.py"])
    assert node.stop() == 0
    search.below(node.folder, but=[node.folder / "bugs/sitecustomize.py"])
    assert not early.found + search.found
    assert node.log.count("a bug: ") >= len(registered), "bugs were logged, with their causes"
    assert "KeyError" in node.log
    assert "***" in node.log
    kept = sum(path.stat().st_size for path in (node.folder / "cache").rglob("*") if path.is_file())
    assert kept > 1 << 20, "what the cache keeps on disk was searched too"


def test_a_mount_of_its_own_holds_no_secret_either(node: Node, emulator: Emulator) -> None:
    """In the background, where its log is a file; with each secret of the environment, right and wrong."""
    filled(emulator)
    secrets = {
        "AZURE_STORAGE_SAS_TOKEN": emulator.sas("data"),
        "AZURE_STORAGE_CONNECTION_STRING": emulator.connection_string(),
        "AZURE_STORAGE_KEY": emulator.key,
    }
    search = Search(secrets | {"key": emulator.key, "wrong key": WRONG_KEY})
    config = node.folder / "debug.yaml"
    config.write_text("logging: {level: debug}\n")
    places = ("--cache-dir", node.folder / "cache", "--state-dir", node.folder / "state", "--socket", node.socket)
    words = ("mount", f"{emulator.endpoint}/data", node.path, "--allow-http", "--config", config, *places)
    for name, value in secrets.items():
        done = command("mountd", *words, **{name: value})
        search.look(name, done.stdout + done.stderr)
        search.processes()
        assert (node.path / "a").stat().st_size == 2000
        emulator.faults.set(Fault("expired"))
        with suppress(OSError):
            (node.path / "b").read_bytes()
        emulator.faults.clear()
        for told in (("status",), ("--json", "datastore", "show", "source")):
            search.look(name, node.control(*told).stdout)
        command("mountd", "unmount", node.path)
    wrong = {"AZURE_STORAGE_KEY": WRONG_KEY, "AZURE_STORAGE_SAS_TOKEN": f"sv=1&sig={WRONG_KEY}"}
    for name, value in wrong.items():
        done = command("mountd", *words, check=False, **{name: value})
        assert done.returncode == 1
        search.look(name, done.stdout + done.stderr)
    in_address = command(
        "mountd", "mount", f"{emulator.endpoint}/data?sig={WRONG_KEY}", node.path, "--allow-http", check=False
    )
    assert in_address.returncode == 2
    search.look("a SAS in the address", in_address.stdout + in_address.stderr)
    search.below(node.folder)
    assert not search.found
    assert "refused the credential" in (node.folder / "state/mountd.log").read_text()


def test_a_bug_that_ends_the_daemon_is_in_its_log_without_the_secret(
    node: Node, emulator: Emulator, buggy: dict[str, str]
) -> None:
    """The last words of a process are a traceback too: cleaned, and in the log of a mount in the background."""
    filled(emulator)
    (node.folder / "bugs/sitecustomize.py").write_text(
        BUGS.replace("_plant()\n        return run", "_end()\n        return run")
        + "\n\ndef _end():\n    from mountd.control.workspace import Workspace\n\n    async def opened(self):\n"
        "        found = self._registry.get('source')\n"
        "        raise RuntimeError(f'a bug at the end: {found.credential.key.reveal()}')\n\n"
        "    Workspace.open = opened\n"
    )
    places = ("--cache-dir", node.folder / "cache", "--state-dir", node.folder / "state", "--socket", node.socket)
    source = (f"{emulator.endpoint}/data", node.path, "--allow-http")
    search = Search({"key": emulator.key})
    for way in ((), ("--foreground",)):
        done = command("mountd", "mount", *source, *places, *way, check=False, AZURE_STORAGE_KEY=emulator.key, **buggy)
        assert done.returncode == 1
        search.look("its words", done.stdout + done.stderr)
        log = (node.folder / "state/mountd.log").read_text() if not way else done.stderr
        assert "a bug at the end: ***" in log
        assert "RuntimeError" in log
        assert "bug" in done.stderr
        assert mount_at(str(node.path)) is None
    search.below(node.folder)
    assert not search.found

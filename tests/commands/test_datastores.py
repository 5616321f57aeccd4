"""Datastores of a live daemon: registering in every way and what refuses it, owning, using, leaving."""

import base64
import contextlib
import json
import os
import socket
import time
from pathlib import Path

import pytest

from mountd.cli.ctl import exits
from mountd.emulator import Emulator, EmulatorSettings
from tests.fixtures.daemons import Node
from tests.fixtures.registering import MIB, PATTERN, WRONG_KEY, failure, filled, place, register, secret

pytestmark = pytest.mark.fuse


# Registering ---------------------------------------------------------------------------------------------------------


def unresolved() -> str:
    """What this machine says of a name that nobody has: a machine without DNS cannot know that."""
    try:
        socket.getaddrinfo("nobody.blob.mountd.invalid", 443)
    except socket.gaierror as error:
        return "unknown_account" if error.errno == socket.EAI_NONAME else "unavailable"
    raise AssertionError("this machine's DNS resolves what cannot exist")


def test_each_reason_not_to_register_has_its_own_name(node: Node, emulator: Emulator) -> None:
    """Code, sentence, remedy and exit status are each reason's own; and nothing was registered."""
    filled(emulator)
    hour_ago = time.time() - 3600
    ended = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(hour_ago))
    node.serve(no_proxy="*")
    key = secret("account-key", emulator.key)
    here, elsewhere = place(emulator), place(emulator, "elsewhere")
    nowhere = ("--account", "nobody", "--container", "data", "--endpoint-suffix", "mountd.invalid")
    dead = ("--account", emulator.account, "--container", "data", "--allow-http", "--endpoint", "http://127.0.0.1:9/x")
    with Emulator(settings=EmulatorSettings(clock=lambda: time.time() + 3600)) as ahead:
        ahead.container("data")
        cases = {
            unresolved(): (nowhere, key, "nobody"),
            "no_container": (elsewhere, key, f"no container {emulator.endpoint}/elsewhere"),
            "denied": (here, secret("account-key", WRONG_KEY), "give the new one"),
            "expired": (here, secret("sas-token", emulator.sas("data", expiry=hour_ago)), ended),
            "clock_skew": (place(ahead), secret("account-key", ahead.key), "60 minutes behind"),
            "cannot_tell": (here, (("--method", "anonymous"), {}), "look alike"),
        }
        sentences = set()
        for code, (where, (words, environment), says) in cases.items():
            said, text, status = failure(
                node.control(*("--json", "datastore", "register", "x"), *where, *words, check=False, **environment)
            )
            assert (said, status) == (code, exits.exit_code(code)), text
            assert says in text
            assert emulator.key not in text
            sentences.add(text)
        assert len(sentences) == len(cases)
        words, environment = key
        said, text, status = failure(
            node.control(*("--json", "datastore", "register", "x"), *dead, *words, check=False, **environment)
        )
        assert (said, status) == ("unavailable", exits.UNREACHABLE)
        assert "network" in text
    assert {exits.exit_code(code) for code in ("no_container", "denied", "unavailable")} == {5, 4, 7}
    assert [each["name"] for each in node.asked("datastore", "list")] == ["workspaceblobstore", "workspacefilestore"]


def test_a_sas_that_ended_while_registered_says_when(node: Node, emulator: Emulator) -> None:
    """The service is the one that knows: by its clock, the token is over."""
    filled(emulator)
    node.serve()
    now = time.time()
    with Emulator(settings=EmulatorSettings(clock=lambda: now + 600)) as later:
        filled(later)
        sas = later.sas("data", expiry=now + 300)
        words, environment = secret("sas-token", sas)
        code, text, status = failure(register(node, "x", later, *words, check=False, **environment))
    assert (code, status) == ("expired", 4)
    assert time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(now + 300)) in text


def test_what_is_registered_with_a_warning(node: Node, emulator: Emulator) -> None:
    """A SAS that ends soon, and capital letters."""
    filled(emulator)
    node.serve()
    ends = time.time() + 86400
    words, environment = secret("sas-token", emulator.sas("data", expiry=ends))
    done = register(node, "Data", emulator, *words, **environment)
    assert json.loads(done.stdout)["name"] == "data"
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(ends))
    assert f"the SAS ends at {when}; rotate it before." in done.stderr
    assert "'Data' contains capital letters and is converted to lowercase: 'data'" in done.stderr
    for words in (("status",), ("datastore", "show", "DATA"), ("datastore", "list"), ("datastore", "doctor", "data")):
        said = node.control(*words)
        assert when in said.stdout + said.stderr
    assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"


def test_key_and_sas_together_are_refused_naming_both(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    sas = emulator.sas("data")
    words = ("--account-key-env", "THE_KEY", "--sas-token-env", "THE_SAS")
    code, text, status = failure(register(node, "x", emulator, *words, check=False, THE_KEY=emulator.key, THE_SAS=sas))
    assert (code, status) == ("invalid_definition", 2)
    assert "account_key" in text
    assert "sas_token" in text
    assert emulator.key not in text
    assert sas not in text


def test_no_validation_registers_what_refuses(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    words, environment = secret("account-key", WRONG_KEY)
    register(node, "data", emulator, "--skip-validation", *words, **environment)
    with pytest.raises(PermissionError):
        os.listdir(node.path / "data")
    assert node.asked("datastore", "show", "data")["state"] == "refused"


def test_a_container_is_made_when_asked_for(node: Node, emulator: Emulator) -> None:
    node.serve()
    words, environment = secret("account-key", emulator.key)
    done = register(node, "new", emulator, *words, check=False, container="not-yet", **environment)
    assert failure(done)[0] == "no_container"
    assert "not-yet" not in emulator.state.containers
    for name in ("new", "again"):  # what is there already stays
        register(node, name, emulator, "--create-if-not-exists", *words, container="not-yet", **environment)
        assert os.listdir(node.path / name) == ([] if name == "new" else ["x"])
        emulator.container("not-yet").put("x")


def test_overwriting_needs_saying_and_follows_open_files(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    emulator.container("other").put("other.txt", b"other")
    node.serve()
    register(node, "data", emulator)
    words, environment = secret("account-key", emulator.key)
    code, text, status = failure(
        register(node, "data", emulator, *words, check=False, container="other", **environment)
    )
    assert (code, status) == ("datastore_exists", exits.CONFLICT)
    with open(node.path / "data/folder/plain.txt", "rb") as file:
        code, text, _ = failure(
            register(node, "data", emulator, "--overwrite", *words, check=False, container="other", **environment)
        )
        assert code == "datastore_in_use"
        assert "/data/folder/plain.txt" in text
        assert file.read() == b"content"
    register(node, "data", emulator, "--overwrite", *words, container="other", **environment)
    assert (node.path / "data/other.txt").read_bytes() == b"other"
    assert os.listdir(node.path / "data") == ["other.txt"]


# Leaving -------------------------------------------------------------------------------------------------------------


def test_unregistering_forgets_and_never_touches_the_storage(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"
    node.control("datastore", "unregister", "data")
    assert os.listdir(node.path) == ["workspaceblobstore", "workspacefilestore"]
    with pytest.raises(FileNotFoundError):
        os.stat(node.path / "data")
    assert failure(node.control("--json", "datastore", "show", "data", check=False))[::2] == ("unknown_datastore", 5)
    assert {served.method for served in emulator.requests} <= {"GET", "HEAD"}
    assert emulator.container("data").keys() == ["folder/plain.txt", "large.bin"]


def test_unregistering_what_is_used_needs_force(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    node.control("mapping", "add", "/train/set", "data/folder")

    def refused() -> str:
        code, text, status = failure(node.control("--json", "datastore", "unregister", "data", check=False))
        assert (code, status) == ("datastore_in_use", exits.CONFLICT)
        return text

    assert "/train/set" in refused()
    node.control("mapping", "remove", "/train/set")
    node.control("datastore", "default", "data")
    assert "default" in refused()
    node.control("datastore", "default", "workspaceblobstore")
    descriptor = os.open(node.path / "data/large.bin", os.O_RDONLY)
    try:
        assert "/data/large.bin" in refused()
        assert os.pread(descriptor, 7, 0) == PATTERN[:7]
        node.control("mapping", "add", "/train/set", "data/folder")
        node.control("datastore", "unregister", "data", "--force")
        with contextlib.suppress(OSError):  # its storage is closed: what is not cached fails, and hangs nobody
            os.pread(descriptor, 7, 40 * MIB)
    finally:
        os.close(descriptor)
    assert not any(path.startswith(("/data", "/train")) for path in paths(node))
    assert sorted(os.listdir(node.path)) == ["workspaceblobstore", "workspacefilestore"]
    assert "Traceback" not in node.log


def paths(node: Node) -> list[str]:
    return [mapping["path"] for mapping in node.asked("mapping", "list")]


# Owners --------------------------------------------------------------------------------------------------------------


def test_a_first_start_has_two_local_datastores(node: Node) -> None:
    """And says so in every listing, so that nobody takes them for a cloud."""
    node.serve()
    listed = {each["name"]: each for each in node.asked("datastore", "list")}
    assert {name: (each["kind"], each["default"], each["origin"]) for name, each in listed.items()} == {
        "workspaceblobstore": ("local", True, "built-in"),
        "workspacefilestore": ("local", False, "built-in"),
    }
    for name, each in listed.items():
        assert "a local folder in the state directory" in each["note"]
        assert "a local folder in the state directory" in " ".join(
            node.control("datastore", "show", name).stdout.split()
        )
        Path(each["folder"], "made here.txt").write_text(name)
        assert (node.path / name / "made here.txt").read_text() == name
    for words in (("status",), ("datastore", "list")):
        assert str(node.folder / "state/workspace/workspaceblobstore") in node.control(*words).stdout.replace("\n", "")
    assert node.asked("datastore", "default") == {"name": "workspaceblobstore"}


def test_the_configured_storage_is_the_workspace(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    (node.folder / "key").write_text(emulator.key + "\n")
    node.serve(
        f"storage: {{account: {emulator.account}, container: data, endpoint: '{emulator.endpoint}', allow_http: true,"
        f" account_key: {{file: {node.folder}/key}}}}\n"
    )
    listed = {each["name"]: each for each in node.asked("datastore", "list")}
    assert {name: (each["kind"], each["default"], each["origin"]) for name, each in listed.items()} == {
        "workspaceblobstore": ("blob", True, "file"),
        "workspacefilestore": ("local", False, "built-in"),
    }
    assert (node.path / "workspaceblobstore/folder/plain.txt").read_bytes() == b"content"


def test_secrets_of_the_file_come_from_files_variables_and_systemd(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    (node.folder / "sas").write_text("?" + emulator.sas("data") + "\n")
    (node.folder / "handed").mkdir()
    (node.folder / "handed/the-key").write_text(emulator.key)
    at = f"account: {emulator.account}, container: data, endpoint: '{emulator.endpoint}', allow_http: true"
    node.serve(
        "datastores:\n"
        f"  by_file: {{{at}, sas_token: {{file: {node.folder}/sas}}}}\n"
        f"  by_env: {{{at}, connection_string: {{env: THE_CONNECTION}}}}\n"
        f"  by_systemd: {{{at}, account_key: {{credential: the-key}}}}\n",
        THE_CONNECTION=emulator.connection_string(),
        CREDENTIALS_DIRECTORY=str(node.folder / "handed"),
    )
    for name in ("by_file", "by_env", "by_systemd"):
        assert (node.path / name / "folder/plain.txt").read_bytes() == b"content"
        assert node.asked("datastore", "show", name)["origin"] == "file"


def test_the_registry_s_key_may_be_a_systemd_credential(node: Node, emulator: Emulator) -> None:
    """Then no key lies beside what it opens, and the registry opens with nothing else."""
    filled(emulator)
    (node.folder / "handed").mkdir()
    (node.folder / "handed/mountd-registry-key").write_text(base64.b64encode(os.urandom(32)).decode())
    (node.folder / "handed/mountd-registry-key").chmod(0o400)
    node.serve(CREDENTIALS_DIRECTORY=str(node.folder / "handed"))
    register(node, "data", emulator)
    assert not (node.folder / "state/registry.key").exists()
    assert node.stop() == 0
    node.serve(CREDENTIALS_DIRECTORY=str(node.folder / "handed"))
    assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"


def test_what_the_file_owns_the_socket_does_not_change(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    (node.folder / "key").write_text(emulator.key)
    node.serve(
        "default_datastore: ours\n"
        f"datastores:\n  ours: {{account: {emulator.account}, container: data, endpoint: '{emulator.endpoint}',"
        f" allow_http: true, account_key: {{file: {node.folder}/key}}}}\n"
        "mappings:\n  /train: {datastore: ours, prefix: folder}\n"
    )
    register(node, "theirs", emulator)
    key, environment = secret("account-key", emulator.key)
    for words in (
        ("datastore", "rotate", "ours", *key),
        ("datastore", "rotate", "ours", "--skip-validation", *key),
        ("datastore", "unregister", "ours"),
        ("datastore", "unregister", "ours", "--force"),
        ("datastore", "register", "ours", *place(emulator), "--overwrite", *key),
        ("datastore", "default", "theirs"),
        ("mapping", "remove", "/train"),
    ):
        code, text, status = failure(node.control("--json", *words, check=False, **environment))
        assert (code, status) == ("owned_by_file", 4), words
        assert "configuration file" in text
    origins = {each["name"]: each["origin"] for each in node.asked("datastore", "list")}
    assert (origins["ours"], origins["theirs"]) == ("file", "socket")
    table = node.control("datastore", "list").stdout
    assert {line.split()[0] for line in table.splitlines() if " file " in line} == {"ours"}
    assert os.listdir(node.path / "train") == ["plain.txt"]


def test_the_default_is_kept(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    node.control("datastore", "default", "data")
    assert failure(node.control("--json", "datastore", "default", "nobody", check=False))[0] == "unknown_datastore"
    node.kill()
    node.serve()
    assert node.asked("datastore", "default") == {"name": "data"}
    assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"

"""Credentials on a live daemon: each way of signing in serves a mount, and one changes to another under open files."""

import hashlib
import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from mountd.emulator import Emulator, Fault
from tests.fixtures.daemons import Node
from tests.fixtures.proxy import Proxy
from tests.fixtures.registering import KEY_2, KEY_3, WRONG_KEY, register, secret

pytestmark = pytest.mark.fuse

SECRET = "the s3cret/of+it"
MIB = 1 << 20
PATTERN = random.Random(11).randbytes(MIB + 13)
LARGE = 96 * MIB


def filled(emulator: Emulator) -> Emulator:
    container = emulator.container("data")
    container.put("a//b", b"awkward")
    container.put("folder/plain.txt", b"content")
    container.fill("large.bin", PATTERN, LARGE)
    return emulator


def pattern(start: int, size: int) -> bytes:
    """What the large file has there."""
    skipped = start % len(PATTERN)
    return (PATTERN * (size // len(PATTERN) + 2))[skipped : skipped + size]


def trusting(emulator: Emulator) -> str:
    """The configuration that believes the emulator's certificate."""
    return f"stores:\n  ca_file: {emulator.certificate_authority}\n"


def application(emulator: Emulator, kind: str, folder: Path) -> tuple[tuple[str, ...], dict[str, str]]:
    """An application of the emulator's directory, and how mountctl is told to be it."""
    identity, client = emulator.identity, kind.replace(" ", "-")
    who = ("--tenant-id", identity.authority.tenant, "--client-id", client, "--authority-url", emulator.origin)
    match kind:
        case "client secret":
            identity.application(client, secret=SECRET)
            words, environment = secret("client-secret", SECRET)
        case "client certificate":
            made = identity.application(client, certificate=True)
            words, environment = secret("certificate", made.certificate)
        case _:
            identity.application(client, subject="system:job")
            (folder / "token").write_text(identity.federated_token("system:job"))
            words, environment = ("--method", "workload_identity", "--token-file", str(folder / "token")), {}
    return (*who, *words), environment


def test_sha256sum_goes_on_through_every_rotation(node: Node, tls_emulator: Emulator, tmp_path: Path) -> None:
    """Key, other key, SAS, client secret, connection string, certificate; what was before is void at once."""
    emulator = filled(tls_emulator)
    node.serve(trusting(emulator) + "  concurrency: 4\n")
    register(node, "data", emulator)
    emulator.faults.set(Fault("bandwidth", ("GetBlob",), key="large.bin", bytes_per_second=2 * MIB))
    with subprocess.Popen(["sha256sum", node.path / "data/large.bin"], stdout=subprocess.PIPE, text=True) as reading:

        def rotate(words: tuple[str, ...], environment: dict[str, str], *, mode: str) -> None:
            node.control("datastore", "rotate", "data", *words, **environment)
            assert node.asked("datastore", "show", "data")["credential"] == mode

        def void(key: str) -> None:
            """From now on only `key` signs; a read with what came last must succeed, as the file is not done."""
            emulator.rotate_key(key)
            asked = emulator.requests.count("GetBlob")
            deadline = time.monotonic() + 20
            while emulator.requests.count("GetBlob") < asked + 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert emulator.requests.count("GetBlob") >= asked + 2
            assert reading.poll() is None

        emulator.rotate_key(KEY_2, keep_old=True)
        rotate(*secret("account-key", KEY_2), mode="account_key")
        void(KEY_2)
        rotate(*secret("sas-token", emulator.sas("data")), mode="sas")
        rotate(*application(emulator, "client secret", tmp_path), mode="client_secret")
        void(KEY_3)
        rotate(*secret("connection-string", emulator.connection_string()), mode="account_key")
        emulator.identity.authority.revoke()
        void(KEY_3)
        rotate(*application(emulator, "client certificate", tmp_path), mode="client_certificate")
        void(KEY_2)
        emulator.faults.clear()
        assert reading.stdout is not None
        digest = reading.stdout.read().split()[0]
    assert reading.returncode == 0
    assert digest == hashlib.sha256(pattern(0, LARGE)).hexdigest()


def wait_for(emulator: Emulator, status: int) -> None:
    """Until a GET was answered so."""
    deadline = time.monotonic() + 20
    while not any(served.status == status for served in emulator.requests):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_sha256sum_goes_on_though_its_key_is_void_before_the_new_one_is_given(node: Node, emulator: Emulator) -> None:
    """As many replace a key: at the storage first. Its reads wait for a moment, and are asked again with the new one."""
    filled(emulator)
    node.serve("stores: {concurrency: 4, rotation_wait: 20s}\n")
    register(node, "data", emulator)
    emulator.faults.set(Fault("bandwidth", ("GetBlob",), key="large.bin", bytes_per_second=16 * MIB))
    with subprocess.Popen(["sha256sum", node.path / "data/large.bin"], stdout=subprocess.PIPE, text=True) as reading:
        wait_for(emulator, 206)
        emulator.rotate_key(KEY_2)
        wait_for(emulator, 403)
        while node.asked("status")["requests_in_flight"]:
            pass  # what was under way before arrives: from here on the reader itself has been refused
        words, environment = secret("account-key", KEY_2)
        node.control("datastore", "rotate", "data", *words, **environment)
        assert reading.poll() is None
        emulator.faults.clear()
        assert reading.stdout is not None
        digest = reading.stdout.read().split()[0]
    assert digest == hashlib.sha256(pattern(0, LARGE)).hexdigest()


def test_an_open_file_outlives_the_key_it_was_opened_with(node: Node, emulator: Emulator) -> None:
    """While the key is void its reads are EACCES; with the new one the same descriptor reads on."""
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    descriptor = os.open(node.path / "data/large.bin", os.O_RDONLY)
    try:
        assert os.pread(descriptor, 100, 0) == pattern(0, 100)
        emulator.rotate_key(KEY_2)
        with pytest.raises(PermissionError):
            os.pread(descriptor, 100, 90 * MIB)
        words, environment = secret("account-key", KEY_2)
        node.control("datastore", "rotate", "data", *words, **environment)
        assert os.pread(descriptor, 100, 90 * MIB) == pattern(90 * MIB, 100)
    finally:
        os.close(descriptor)
    assert node.asked("datastore", "show", "data")["state"] == "ok"


def test_a_wrong_key_is_refused_and_changes_nothing(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    words, environment = secret("account-key", WRONG_KEY)
    refused = node.control("--json", "datastore", "rotate", "data", *words, check=False, **environment)
    assert refused.returncode == 4
    failure = json.loads(refused.stderr)
    assert failure["code"] == "denied"
    assert failure["request_id"]
    assert "rotated" in failure["remedy"]
    assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"
    shown = node.asked("datastore", "show", "data")
    assert (shown["state"], shown["last_error"]) == ("ok", None)


def test_a_wrong_key_is_eacces_and_status_says_why(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    words, environment = secret("account-key", WRONG_KEY)
    node.control("datastore", "rotate", "data", "--skip-validation", *words, **environment)
    for read in (
        (node.path / "data/folder/plain.txt").read_bytes,
        lambda: os.listdir(node.path / "data/folder"),
        lambda: os.stat(node.path / "data/unknown"),
    ):
        with pytest.raises(PermissionError):
            read()
    shown = node.asked("datastore", "show", "data")
    assert shown["state"] == "refused"
    assert shown["last_error"]["code"] == "denied"
    request = shown["last_error"]["request_id"]
    assert request
    for words in (("status",), ("datastore", "show", "data")):
        said = " ".join(node.control(*words).stdout.split())
        assert "refused" in said
        assert "The key or signature is wrong, or was rotated: give the new one." in said
        assert request in said
    assert request in node.log
    words, environment = secret("account-key", emulator.key)
    node.control("datastore", "rotate", "data", *words, **environment)
    assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"
    assert node.asked("datastore", "show", "data")["state"] == "ok"


def everybody(emulator: Emulator, folder: Path) -> dict[str, str]:
    """The environment in which each identity that needs one is found."""
    emulator.identity.az(folder)
    emulator.identity.application("default-client", secret="the default's s3cret")
    return {
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": emulator.metadata_endpoint,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "AZURE_TENANT_ID": emulator.identity.authority.tenant,
        "AZURE_CLIENT_ID": "default-client",
        "AZURE_CLIENT_SECRET": "the default's s3cret",
        "AZURE_AUTHORITY_HOST": emulator.origin,
    }


def test_every_way_to_sign_in_serves_a_mount(node: Node, tls_emulator: Emulator, tmp_path: Path) -> None:
    """Listing, a plain name and one that obstore would misname; the storage checks each signature and token."""
    emulator = filled(tls_emulator)
    emulator.container("open").put("folder/plain.txt", b"content")
    emulator.container("open").put("a//b", b"awkward")
    emulator.container("open").state.public = "container"
    node.serve(trusting(emulator), **everybody(emulator, tmp_path))
    ways = {  # what mountctl is told, and whether that asks for a token
        "key": (secret("account-key", emulator.key), False),
        "sas": (secret("sas-token", "?" + emulator.sas("data")), False),
        "account_sas": (secret("sas-token", emulator.account_sas()), False),
        "connection_string": (secret("connection-string", emulator.connection_string()), False),
        "managed_identity": ((("--method", "managed_identity"), {}), True),
        "azure_cli": ((("--method", "azure_cli"), {}), False),
        "default_chain": ((("--method", "default_chain"), {}), True),
        "client_secret": (application(emulator, "client secret", tmp_path), True),
        "client_certificate": (application(emulator, "client certificate", tmp_path), True),
        "workload_identity": (application(emulator, "workload identity", tmp_path), True),
    }
    for name, ((words, environment), tokens) in ways.items():
        before = emulator.requests.count("Token")
        register(node, name, emulator, *words, **environment)
        assert (node.path / name / "folder/plain.txt").read_bytes() == b"content", name
        assert (node.path / name / "a/~~empty/b").read_bytes() == b"awkward", name
        assert (emulator.requests.count("Token") > before) is tokens, name
    register(node, "anonymous", emulator, "--method", "anonymous", container="open")
    assert (node.path / "anonymous/a/~~empty/b").read_bytes() == b"awkward"
    assert {each["state"] for each in node.asked("datastore", "list") if each["kind"] == "blob"} == {"ok"}


def test_a_one_shot_mount_without_a_credential_is_the_node_s_identity(
    node: Node, tls_emulator: Emulator, tmp_path: Path
) -> None:
    emulator = filled(tls_emulator)
    (tmp_path / "trust.yaml").write_text(trusting(emulator))
    environment = everybody(emulator, tmp_path)
    node.mount(f"{emulator.endpoint}/data", "--config", tmp_path / "trust.yaml", **environment)
    assert (node.path / "folder/plain.txt").read_bytes() == b"content"
    assert emulator.requests.count("Token") > 0


def test_an_identity_that_is_refused_says_so(node: Node, tls_emulator: Emulator, tmp_path: Path) -> None:
    emulator = filled(tls_emulator)
    node.serve(trusting(emulator))
    words, environment = application(emulator, "client secret", tmp_path)
    refused = register(node, "data", emulator, *words, check=False, **(environment | {"THE_SECRET": "an 0ther secret"}))
    assert refused.returncode == 4
    failure = json.loads(refused.stderr)
    assert failure["code"] == "denied"
    assert "AADSTS7000215" in failure["message"]
    emulator.identity.application("client-secret", secret=SECRET, permissions="w")
    refused = register(node, "data", emulator, *words, check=False, **environment)
    assert "Storage Blob Data Reader" in json.loads(refused.stderr)["remedy"]


def test_the_proxy_is_the_way_to_the_storage_plain(node: Node, emulator: Emulator) -> None:
    """A host that exists nowhere: what went around the proxy would not arrive."""
    filled(emulator)
    with Proxy(emulator.port) as proxy:
        node.serve(f"stores:\n  proxy: {proxy.url}\n")
        endpoint = f"http://storage.invalid/{emulator.account}"
        node.register("data", endpoint, emulator.account, "data", emulator.key)
        assert sorted(os.listdir(node.path / "data")) == ["a", "folder", "large.bin"]
        assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"
        assert (node.path / "data/a/~~empty/b").read_bytes() == b"awkward"
        assert proxy.asked
        assert all(f" {endpoint}/data" in line for line in proxy.asked)
        assert node.stop() == 0


def test_the_proxy_is_the_way_to_the_storage_and_to_tokens_encrypted(
    node: Node, tls_emulator: Emulator, tmp_path: Path
) -> None:
    emulator = filled(tls_emulator)
    host = f"{emulator.account}.blob.localhost"
    with Proxy(emulator.port) as proxy:
        node.serve(trusting(emulator) + f"  proxy: {proxy.url}\n")
        words, environment = application(emulator, "client secret", tmp_path)
        node.control(
            *("datastore", "register", "data", "--account", emulator.account, "--container", "data"),
            *("--endpoint-suffix", "localhost", "--endpoint", f"https://{host}", *words),
            **environment,
        )
        assert (node.path / "data/folder/plain.txt").read_bytes() == b"content"
        assert (node.path / "data/a/~~empty/b").read_bytes() == b"awkward"
        ways = {line.split()[1] for line in proxy.asked}
        assert ways == {f"{host}:443", f"127.0.0.1:{emulator.port}"}, "the storage, and the token service"
        assert node.stop() == 0

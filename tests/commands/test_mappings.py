"""Mappings of a live daemon, and mounting a registered datastore by its name."""

import os
import subprocess
from pathlib import Path

import pytest

from mountd.emulator import Emulator, Fault
from tests.fixtures.daemons import Node, command
from tests.fixtures.registering import MIB, failure, filled, large_digest, register, secret

pytestmark = pytest.mark.fuse


def test_mappings_come_and_go_while_a_file_elsewhere_is_read(node: Node, emulator: Emulator) -> None:
    filled(emulator)
    other = emulator.container("other")
    other.put("deep/er/inner.txt", b"inner")
    node.serve("stores:\n  concurrency: 4\n")
    register(node, "data", emulator)
    words, environment = secret("account-key", emulator.key)
    register(node, "other", emulator, *words, container="other", **environment)
    emulator.faults.set(Fault("bandwidth", ("GetBlob",), key="large.bin", bytes_per_second=2 * MIB))
    with subprocess.Popen(["sha256sum", node.path / "data/large.bin"], stdout=subprocess.PIPE, text=True) as reading:
        for turn in range(3):
            node.control("mapping", "add", "/data/inside", "other/deep")
            assert sorted(os.listdir(node.path / "data")) == ["folder", "inside", "large.bin"]
            assert (node.path / "data/inside/er/inner.txt").read_bytes() == b"inner"
            node.control("mapping", "add", f"/new/{turn}/place", "other/deep/er")
            assert os.listdir(node.path / f"new/{turn}/place") == ["inner.txt"]
            node.control("mapping", "remove", "/data/inside")
            assert sorted(os.listdir(node.path / "data")) == ["folder", "large.bin"]
            with pytest.raises(FileNotFoundError):
                os.stat(node.path / "data/inside")
            assert reading.poll() is None
        node.control("datastore", "unregister", "other", "--force")
        assert reading.poll() is None
        emulator.faults.clear()
        assert reading.stdout is not None
        assert reading.stdout.read().split()[0] == large_digest()
    assert reading.returncode == 0
    assert sorted(os.listdir(node.path)) == ["data", "workspaceblobstore", "workspacefilestore"]


def test_paths_of_mappings(node: Node, emulator: Emulator) -> None:
    """Two on one path are refused; a person's replaces the datastore's own; a prefix that nothing has is an empty folder."""
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    node.control("mapping", "add", "/train", "data/folder")
    code, text, status = failure(node.control("--json", "mapping", "add", "/train", "data", check=False))
    assert (code, status) == ("invalid_definition", 2)
    assert "/train already shows data/folder/" in text
    node.control("mapping", "add", "/data", "data/folder", "--uid", "1234", "--file-mode", "0600")
    assert os.listdir(node.path / "data") == ["plain.txt"]
    status = os.stat(node.path / "data/plain.txt")
    assert (status.st_uid, status.st_mode & 0o777) == (1234, 0o600)
    node.control("mapping", "remove", "/data")
    assert sorted(os.listdir(node.path / "data")) == ["folder", "large.bin"]
    node.control("mapping", "add", "/nothing", "data/no/such/prefix")
    assert os.listdir(node.path / "nothing") == []
    emulator.container("data").put("no/such/prefix/now", b"there")
    node.control("cache", "invalidate", "/nothing")
    assert os.listdir(node.path / "nothing") == ["now"]
    for words, expected in ((("/x", "nobody"), "unknown_datastore"), (("x/../y", "data"), "invalid_definition")):
        assert failure(node.control("--json", "mapping", "add", *words, check=False))[0] == expected


# Mounting a registered one -----------------------------------------------------------------------------------------


@pytest.fixture
def second(node: Node, tmp_path: Path):
    """Another mountpoint of the same machine."""
    (tmp_path / "second/mnt").mkdir(parents=True)
    made = Node(tmp_path / "second")
    yield made
    made.clean()


def test_mount_by_name_asks_the_running_service(node: Node, second: Node, emulator: Emulator) -> None:
    filled(emulator)
    node.serve()
    register(node, "data", emulator)
    second.mount("data/folder", MOUNTD_SOCKET=str(node.socket))
    assert os.listdir(second.path) == ["plain.txt"]
    assert (second.path / "plain.txt").read_bytes() == b"content"
    refused = command(
        "mountd", "mount", "nobody", second.path, check=False, MOUNTD_SOCKET=str(node.socket)
    )  # fmt: skip
    assert refused.returncode == 1
    assert "no datastore 'nobody'" in refused.stderr


def test_mount_by_name_without_a_service_reads_its_registry(node: Node, second: Node, emulator: Emulator) -> None:
    """Both the socket's datastores and the file's, of the service whose configuration is named."""
    filled(emulator)
    (node.folder / "key").write_text(emulator.key)
    node.serve(
        f"datastores:\n  ours: {{account: {emulator.account}, container: data, endpoint: '{emulator.endpoint}',"
        f" allow_http: true, account_key: {{file: {node.folder}/key}}}}\n"
    )
    register(node, "theirs", emulator)
    assert node.stop() == 0
    for name in ("theirs", "ours"):
        second.mount(f"{name}/folder", "--config", node.folder / "config.yaml")
        assert os.listdir(second.path) == ["plain.txt"]
        assert second.stop() == 0

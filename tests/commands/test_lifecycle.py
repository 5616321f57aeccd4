"""A daemon's beginnings and ends: refused with a sentence, killed at any moment, stopped in every way; and nothing is left."""

import contextlib
import hashlib
import os
import random
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from mountd.emulator import Emulator, Fault
from mountd.fuse.mountinfo import mount_at
from tests.fixtures.daemons import Node, command

pytestmark = pytest.mark.fuse

LARGE = random.Random(3).randbytes(48 << 20)


@pytest.fixture
def container(emulator: Emulator):
    made = emulator.container("data")
    made.put("large.bin", LARGE)
    for number in range(50):
        made.put(f"small/{number:02d}.txt", f"small {number}".encode())
    return made


def mounted(node: Node, emulator: Emulator, *options: object) -> Node:
    return node.mount(f"{emulator.endpoint}/data", *options, AZURE_STORAGE_KEY=emulator.key)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def in_background(node: Node, source: str, *options: object, check: bool = True, **environment: str):
    places = ("--cache-dir", node.folder / "cache", "--state-dir", node.folder / "state", "--socket", node.socket)
    return command("mountd", "mount", source, node.path, "--allow-http", *places, *options, check=check, **environment)


def test_background_returns_when_usable_and_unmount_when_gone(node, emulator, container):
    in_background(node, f"{emulator.endpoint}/data", AZURE_STORAGE_KEY=emulator.key)
    assert sorted(os.listdir(node.path)) == ["large.bin", "small"]
    pid = node.asked("status")["pid"]
    command("mountd", "unmount", node.path)
    assert mount_at(str(node.path)) is None
    assert not node.socket.exists()
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def test_unmount_without_places_waits_for_the_daemon_too(node, emulator, container, monkeypatch):
    """With the derived directories, `mountd unmount` knows the daemon and returns after its end."""
    done = command(
        "mountd", "mount", f"{emulator.endpoint}/data", node.path, "--allow-http", AZURE_STORAGE_KEY=emulator.key
    )
    assert done.stdout == ""
    daemons = [pid for pid in os.listdir("/proc") if pid.isdigit() and str(node.path) in _words(pid)]
    assert len(daemons) == 1
    command("mountd", "unmount", node.path)
    assert not _runs(daemons[0])


def _runs(pid: str) -> bool:
    """A dead process that nobody has reaped is not running; that is up to the machine's init."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _words(pid: str) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"container": "missing"}, "container"),
        ({"key": "d3Jvbmc="}, "refused"),
        ({"endpoint": "http://127.0.0.1:9/devstoreaccount1"}, "connection"),
    ],
)
def test_what_cannot_be_mounted_is_a_sentence_and_a_status(node, emulator, container, change, says):
    endpoint = change.get("endpoint", emulator.endpoint)
    key = change.get("key", emulator.key)
    done = in_background(node, f"{endpoint}/{change.get('container', 'data')}", check=False, AZURE_STORAGE_KEY=key)
    assert done.returncode == 1
    assert says in done.stderr.lower()
    assert "Traceback" not in done.stderr
    assert key not in done.stderr
    assert mount_at(str(node.path)) is None


def test_no_verify_mounts_what_does_not_answer(node):
    node.mount("http://127.0.0.1:9/devstoreaccount1/data", "--no-verify", AZURE_STORAGE_KEY="a2V5")
    assert node.asked("health")["ready"]
    assert node.stop() == 0


def test_mountpoints_that_cannot_be(node, emulator, container, tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").write_text("x")
    for place, says in (("nowhere", "does not exist"), ("file", "not a directory"), ("full", "not empty")):
        refused = command(
            "mountd", "mount", f"{emulator.endpoint}/data", tmp_path / place, "--allow-http", check=False,
            AZURE_STORAGE_KEY=emulator.key,
        )  # fmt: skip
        assert refused.returncode == 1
        assert says in refused.stderr


def test_a_second_daemon_is_refused_naming_the_first(node, emulator, container, tmp_path):
    mounted(node, emulator)
    (tmp_path / "other").mkdir()
    for given, says in (("--state-dir", "state"), ("--cache-dir", "cache")):
        places = {"--state-dir": tmp_path / "state2", "--cache-dir": tmp_path / "cache2"}
        places[given] = tmp_path / says
        words = [word for pair in places.items() for word in pair]
        refused = command(
            "mountd", "mount", f"{emulator.endpoint}/data", tmp_path / "other", "--allow-http", *words, check=False,
            AZURE_STORAGE_KEY=emulator.key,
        )  # fmt: skip
        assert refused.returncode == 1
        assert f"pid {node.process.pid}" in refused.stderr
        assert says in refused.stderr
    again = in_background(node, f"{emulator.endpoint}/data", check=False, AZURE_STORAGE_KEY=emulator.key)
    assert again.returncode == 1
    assert digest(node.path / "large.bin") == hashlib.sha256(LARGE).hexdigest()


def test_any_number_side_by_side(node, emulator, container, tmp_path):
    places = [tmp_path / f"m{number}" for number in range(3)]
    for place in places:
        place.mkdir()
        command(
            "mountd", "mount", f"{emulator.endpoint}/data/small", place, "--allow-http", AZURE_STORAGE_KEY=emulator.key
        )
    try:
        assert [len(os.listdir(place)) for place in places] == [50, 50, 50]
    finally:
        for place in places:
            command("mountd", "unmount", place)


@pytest.mark.parametrize("moment", [0.05, 0.15, 0.4])
def test_kill_9_while_reading_and_start_again(node, emulator, container, moment):
    """The dead mount is cleaned up, the bytes are right, and what the cache had is not fetched again."""
    emulator.faults.set(Fault("latency", seconds=0.02))
    mounted(node, emulator)
    reader = threading.Thread(target=_read_whatever_comes, args=(node.path,))
    reader.start()
    time.sleep(moment)
    node.kill()
    reader.join(30)
    assert not reader.is_alive()
    with pytest.raises(OSError, match="Transport endpoint"):
        os.statvfs(node.path)
    mounted(node, emulator)
    assert digest(node.path / "large.bin") == hashlib.sha256(LARGE).hexdigest()
    assert node.stop() == 0


def _read_whatever_comes(path: Path) -> None:
    """Until the daemon is killed under it."""
    with contextlib.suppress(OSError):
        (path / "large.bin").read_bytes()


def test_the_cache_survives_a_kill(node, emulator, container):
    mounted(node, emulator)
    assert digest(node.path / "large.bin") == hashlib.sha256(LARGE).hexdigest()
    deadline = time.monotonic() + 20
    while (on_disk := node.asked("cache", "usage")["disk_bytes"]) < len(LARGE) // 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert on_disk >= len(LARGE) // 2
    node.kill()
    emulator.requests.clear()
    mounted(node, emulator)
    assert digest(node.path / "large.bin") == hashlib.sha256(LARGE).hexdigest()
    fetched = sum(served.sent for served in emulator.requests.all() if served.key == "large.bin")
    assert fetched <= len(LARGE) - on_disk // 2


@pytest.mark.parametrize("way", ["SIGTERM", "SIGINT", "mountctl", "umount"])
def test_every_way_to_stop_leaves_nothing(node, emulator, container, way):
    mounted(node, emulator)
    os.listdir(node.path)
    if way == "mountctl":
        node.control("stop")
    elif way == "umount":
        subprocess.run(["umount", node.path], check=True)
    else:
        node.process.send_signal(getattr(signal, way))
    assert node.process.wait(20) == 0
    assert mount_at(str(node.path)) is None
    assert not node.socket.exists()
    left = [path for path in node.folder.rglob("*") if ".tmp" in path.name or path.name.endswith(".new")]
    assert not left


def test_reads_in_flight_finish_before_the_end(node, emulator, container):
    mounted(node, emulator)
    emulator.faults.set(Fault("latency", ("GetBlob",), seconds=1.5))
    result: list[bytes] = []
    descriptor = os.open(node.path / "small" / "07.txt", os.O_RDONLY)
    reader = threading.Thread(target=lambda: result.append(os.read(descriptor, 100)))
    reader.start()
    time.sleep(0.5)
    assert node.stop() == 0
    reader.join(10)
    assert result == [b"small 7"]
    with pytest.raises(OSError, match="not connected"):
        os.close(descriptor)


def test_the_filesystem_type_is_ours(node, emulator, container):
    mounted(node, emulator)
    mount = mount_at(str(node.path))
    assert mount is not None
    assert mount.kind == "fuse.mountd"


def test_options_of_mount_8(node, emulator, container):
    mounted(node, emulator, "-o", "ro,uid=1234,gid=2345,umask=027,ttl=3,noatime,allow_other")
    status = os.stat(node.path / "large.bin")
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 2345, 0o640)
    with pytest.raises(OSError, match="Read-only"):
        (node.path / "new").write_text("x")


def test_the_service_manager_is_told_when_the_mount_is_usable(node, emulator, container):
    """Type=notify: READY only when the tree can be read, STOPPING when the end begins."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(node.folder / "notify"))
        manager.settimeout(30)
        node.serve(NOTIFY_SOCKET=str(node.folder / "notify"))
        assert manager.recv(100) == b"READY=1"
        assert "workspaceblobstore" in os.listdir(node.path)
        assert node.stop() == 0
        assert manager.recv(100) == b"STOPPING=1"

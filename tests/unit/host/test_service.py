"""What the daemon asks of its host: ownership of directories, limits, the service manager."""

import errno
import os
import resource
import socket
import subprocess
import sys

import pytest

from mountd import service
from mountd.errors import AlreadyRunning, DirectoryUnsafe


def test_a_second_owner_is_refused_and_told_the_pid(tmp_path):
    refused = pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}")
    with service.sole_owner(tmp_path, "state"), refused, service.sole_owner(tmp_path, "state"):
        pass
    with service.sole_owner(tmp_path, "state"):
        pass


def test_a_killed_owner_leaves_the_directory_free(tmp_path):
    program = (
        "import sys; from pathlib import Path; from mountd import service\n"
        "with service.sole_owner(Path(sys.argv[1]), 'state'):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(AlreadyRunning, match=f"pid {first.pid}"), service.sole_owner(tmp_path, "state"):
            pass
        first.kill()
        first.wait()
    with service.sole_owner(tmp_path, "state"):
        pass


def test_directories_are_made_private(tmp_path):
    made = service.private_directory(tmp_path / "a" / "state", "state")
    assert made.stat().st_mode & 0o777 == 0o700


def test_a_directory_others_can_reach_is_refused(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open" / "somebody's").write_text("file")
    (tmp_path / "open").chmod(0o755)
    with pytest.raises(DirectoryUnsafe, match=r"mode 0755.*chmod 0700"):
        service.private_directory(tmp_path / "open", "cache")


def test_an_empty_directory_of_ours_is_closed_to_others(tmp_path):
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o755)
    assert service.private_directory(tmp_path / "open", "cache").stat().st_mode & 0o777 == 0o700


def test_the_service_manager_hears(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        service.notify("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_a_deaf_service_manager_is_no_failure(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    service.notify("READY=1")
    assert "does not listen" in caplog.text


def test_file_limit_is_raised_as_far_as_permitted():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        in_force = service.raise_file_limit()
        assert in_force == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        assert in_force == min(hard, service.WANTED_FILES) or hard == resource.RLIM_INFINITY
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_directory_that_cannot_be_made_is_a_sentence(tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(DirectoryUnsafe, match=r"state directory .* cannot be used: (File exists|Not a directory)"):
        service.private_directory(tmp_path / place, "state")


def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(service.os, "open", full)
    with (
        pytest.raises(DirectoryUnsafe, match="state directory .* cannot be used: No space left"),
        service.sole_owner(tmp_path, "state"),
    ):
        pytest.fail("it is not ours")

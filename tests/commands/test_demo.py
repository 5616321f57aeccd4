"""`mountd demo`: the proof without a terminal, staying with one, and a next run after any end of the last."""

import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

from mountd import service
from mountd.fuse.mountinfo import mount_at
from tests.fixtures.daemons import BIN

pytestmark = pytest.mark.fuse


@pytest.fixture
def folder(_fuse, tmp_path):
    return tmp_path / "demo"


def run(folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [BIN / "mountd", "demo", "--folder", folder],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_without_a_terminal_it_proves_and_cleans_up(folder):
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for said in ("199 files", "SHA-256 of every file", "random read", "mmap", "proved: everything is equal"):
        assert said in done.stdout
    assert not folder.exists()
    assert mount_at(str(folder / "mnt")) is None


def test_a_folder_that_is_not_a_demos_is_left_alone(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    done = run(folder)
    assert done.returncode == 1
    assert f"{folder} is not empty and not of a demo" in done.stderr
    assert (folder / "thesis.txt").read_text() == "years of work"


def started(folder: Path, stdin: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen([BIN / "mountd", "demo", "--folder", folder], stdin=stdin, stdout=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while not os.path.ismount(folder / "mnt"):
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    return process


def test_after_a_killed_demo_the_next_one_works(folder):
    process = started(folder, subprocess.DEVNULL)
    process.kill()
    process.wait(10)
    orphan = service.owner_of(folder / "state")
    assert orphan is not None
    done = run(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"pid {orphan}" in done.stdout
    assert "proved" in done.stdout
    assert not folder.exists()


def test_on_a_terminal_it_stays_until_ctrl_c(folder):
    terminal, side = pty.openpty()
    process = started(folder, side)
    deadline = time.monotonic() + 60
    registered = folder / "mnt" / "demo" / "README.txt"
    while not registered.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)
    assert process.poll() is None
    assert registered.read_text().startswith("A sample container")
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0
    assert not folder.exists()
    os.close(terminal)
    os.close(side)

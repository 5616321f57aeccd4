"""The cache directory in trouble while a real mount uses it: full, garbled, gone. Reads are right, a metric counts."""

import os
import random
import shutil
import subprocess
import time

import pytest

from tests.faults.mount.arranged import serving, until
from tests.fixtures.required import unavailable

pytestmark = pytest.mark.fuse

MIB = 1 << 20
FILES = {f"{number:02d}": random.Random(number).randbytes(2 * MIB) for number in range(24)}
SMALL = "cache: {memory: 16MiB, disk: 1GiB, disk_free: %s, disk_write_rate: 1GiB}\n"
"""Less memory than the files have: what is read again comes from the disk, or from the storage."""


@pytest.fixture
def filled(emulator):
    container = emulator.container("data")
    for name, data in FILES.items():
        container.put(name, data)
    return emulator


@pytest.fixture
def tiny_disk(node):
    """The cache directory on a file system of 20 MiB."""
    if os.geteuid() != 0:
        unavailable("a file system of its own for the cache directory needs root")
    place = node.folder / "cache"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m,mode=0700", "tmpfs", place], check=True)
    yield place
    node.clean()
    subprocess.run(["umount", "--lazy", place], check=True)


def read_again(node) -> None:
    """Every file, through the daemon: the kernel's pages are dropped first."""
    for name, data in FILES.items():
        file = os.open(node.path / "box" / name, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            assert os.pread(file, len(data) + 1, 0) == data
        finally:
            os.close(file)


def failures(node, *what: str) -> float:
    """What the metric counts of these."""
    lines = node.control("metrics").stdout.splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("mountd_cache_failures_total") and any(f'"{kind}"' in line for kind in what)
    )


def on_disk(node) -> int:
    bytes_there: int = node.asked("cache", "usage")["disk_bytes"]
    return bytes_there


def test_a_disk_with_less_room_than_is_to_be_left_free(node, filled, tiny_disk):
    serving(node, more=SMALL % "2GiB", box=filled)
    read_again(node)
    read_again(node)
    until(lambda: failures(node, "disk_full") > 0, 5, "the metric counts")
    assert on_disk(node) == 0
    assert not node.asked("cache", "usage")["disk_healthy"]


def test_a_disk_that_others_fill(node, filled, tiny_disk):
    serving(node, more=SMALL % "0", box=filled)
    (node.path / "box" / "00").read_bytes()
    until(lambda: on_disk(node) > 0, 5, "something is kept")
    full = pytest.raises(OSError, match="No space left")
    with open(tiny_disk / "of others", "wb", buffering=0) as filler, full:
        while True:
            filler.write(bytes(MIB))
    read_again(node)
    read_again(node)
    until(lambda: failures(node, "disk_full", "disk_write") > 0, 5, "the metric counts")
    assert node.stop() == 0


@pytest.fixture
def kept(node, filled):
    """A service whose files are on its disk, and too many for its memory."""
    serving(node, more=SMALL % "0", box=filled)
    read_again(node)
    until(lambda: on_disk(node) > 40 * MIB, 10, "the files are on disk")
    return node


def extents(node):
    found = sorted(path for path in (node.folder / "cache").rglob("*.extent"))
    assert found
    return found


def test_garbled_while_it_runs_and_at_the_next_start(kept):
    choose = random.Random(1)
    for path in extents(kept):
        size = path.stat().st_size
        with open(path, "r+b") as file:
            for _ in range(8):
                file.seek(choose.randrange(size))
                file.write(choose.randbytes(100))
            if choose.random() < 0.3:
                file.truncate(size // 2)
    read_again(kept)
    assert failures(kept, "disk_read") > 0
    kept.kill()
    for path in extents(kept):
        path.write_bytes(choose.randbytes(path.stat().st_size))
    serving_again(kept)
    read_again(kept)
    assert kept.stop() == 0


def serving_again(node):
    node.start("serve", "--config", node.folder / "config.yaml", **node.environment)


@pytest.mark.parametrize("gone", ["files", "folder"])
def test_gone_while_it_runs(kept, gone):
    for path in extents(kept):
        path.unlink()
    if gone == "folder":
        shutil.rmtree(path.parent)
    read_again(kept)
    assert failures(kept, "disk_read") > 0
    time.sleep(0.1)
    read_again(kept)
    assert kept.stop() == 0

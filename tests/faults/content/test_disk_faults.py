"""The cache's disk in trouble under a real mount: full, read-only, gone, and well again. It stops keeping and says so once;
readers get every byte; it keeps again when it can."""

import os
import random
import shutil
import subprocess

import pytest

from tests.faults.mount.arranged import serving, until
from tests.fixtures.required import unavailable

pytestmark = pytest.mark.fuse

MIB = 1 << 20
FILES = {f"{number:02d}": random.Random(number).randbytes(2 * MIB) for number in range(24)}
SMALL = "cache: {memory: 16MiB, disk: 1GiB, disk_free: 0, disk_write_rate: 1GiB}\n"
"""Less memory than the files have: what is read again comes from the disk, or from the storage."""
STOPPED, AGAIN = "nothing more is kept in the cache", "the cache is written again"


@pytest.fixture
def disk(node):
    """The cache directory on a file system of its own, 64 MiB."""
    if os.geteuid() != 0:
        unavailable("a file system of its own for the cache directory needs root")
    place = node.folder / "cache"
    place.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0700", "tmpfs", place], check=True)
    yield place
    node.clean()
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.fixture
def emulated(emulator):
    container = emulator.container("data")
    for name, data in FILES.items():
        container.put(name, data)
    return emulator


def remounted(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", place], check=True)


def read_again(node, names=tuple(FILES)):
    """These files, through the daemon: the kernel's pages are dropped first."""
    for name in names:
        file = os.open(node.path / "box" / name, os.O_RDONLY)
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            assert os.pread(file, len(FILES[name]) + 1, 0) == FILES[name]
        finally:
            os.close(file)


def counted(node, metric, label):
    lines = node.control("metrics").stdout.splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric) and f'"{label}"' in line)


def usage(node):
    return node.asked("cache", "usage")


def keeps_again(node):
    """Reads until the cache says that it keeps."""

    def well():
        node.control("cache", "clear")
        read_again(node, list(FILES)[:4])
        return usage(node)["disk_healthy"]

    until(well, 20, "the cache is written again")
    assert AGAIN in node.log


def test_a_disk_that_others_fill_and_empty_again(node, emulated, disk):
    serving(node, more=SMALL, box=emulated)
    full = pytest.raises(OSError, match="No space left")
    with open(disk / "of others", "wb", buffering=0) as filler, full:
        while True:
            filler.write(bytes(MIB))
    for _ in range(3):
        read_again(node)
    until(lambda: not usage(node)["disk_healthy"], 5, "the cache says that it keeps nothing")
    assert counted(node, "mountd_cache_failures_total", "disk_full") > 0
    assert node.log.count(STOPPED) == 1
    assert "there is no room that it may take" in node.log
    assert "FAILING" in node.control("cache", "usage").stdout
    (disk / "of others").unlink()
    keeps_again(node)
    assert node.stop() == 0


def test_a_disk_that_becomes_read_only_and_writable_again(node, emulated, disk):
    serving(node, more=SMALL, box=emulated)
    read_again(node)
    until(lambda: usage(node)["disk_bytes"] > 20 * MIB, 10, "files are kept")
    (extent, *_) = (disk / "extents").iterdir()
    held = os.open(
        extent, os.O_RDONLY
    )  # what is open to be written keeps a file system writable: the daemon's is one extent
    os.close(held)
    node.stop()
    remounted(disk, "ro")
    serving(node, more=SMALL, box=emulated)
    before = counted(node, "mountd_cache_blocks_total", "disk")
    for _ in range(2):
        read_again(node)
    assert counted(node, "mountd_cache_blocks_total", "disk") > before  # what it holds is served all the same
    assert not usage(node)["disk_healthy"]
    assert "Read-only file system" in node.log
    remounted(disk, "rw")
    keeps_again(node)
    assert node.stop() == 0


def test_a_directory_that_vanishes_is_made_again(node, emulated):
    serving(node, more=SMALL, box=emulated)
    read_again(node)
    until(lambda: usage(node)["disk_bytes"] > 20 * MIB, 10, "files are kept")
    shutil.rmtree(node.folder / "cache")
    for _ in range(2):
        read_again(node)

    def kept():
        node.control("cache", "clear")
        read_again(node, list(FILES)[:8])
        return any((node.folder / "cache").glob("extents/*.extent"))

    until(kept, 20, "something is kept again")
    assert (node.folder / "cache").stat().st_mode & 0o777 == 0o700
    read_again(node)
    assert node.stop() == 0

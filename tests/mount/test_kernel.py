"""What the kernel is told: its limits of the mount, and what to forget."""

import os
import time
from pathlib import Path

import pytest

from mountd.fuse.kernel_tuning import fusectl
from mountd.fuse.mountinfo import mount_at
from tests.fixtures.mounts import FAKE
from tests.fixtures.required import unavailable

FILES = {"file": b"content", "forget": b"file", "link": b"file"}


def limit(mounted, name):
    mount = mount_at(str(mounted.path))
    assert mount is not None
    with fusectl() as folder:
        descriptor = os.open(f"{mount.connection}/{name}", os.O_RDONLY, dir_fd=folder)
        try:
            return int(os.read(descriptor, 100))
        finally:
            os.close(descriptor)


def read_ahead_kb(mounted):
    mount = mount_at(str(mounted.path))
    assert mount is not None
    with open(f"/sys/class/bdi/{mount.device}/read_ahead_kb") as file:
        return int(file.read())


def test_the_kernels_limits_are_set_where_permitted(mounting):
    mounted = mounting(FILES, tree=FAKE)
    if os.geteuid() != 0 or set(mounted.ready) != {"read_ahead_kb", "max_background", "congestion_threshold"}:
        unavailable(f"the kernel's limits cannot be set here, only {mounted.ready}")
    assert read_ahead_kb(mounted) == 1024
    assert limit(mounted, "max_background") == 1024
    assert limit(mounted, "congestion_threshold") == 48


def test_zero_leaves_the_kernels_own_limits(mounting):
    mounted = mounting(FILES, tree=FAKE, read_ahead=0, max_background=0, congestion_threshold=0)
    assert mounted.ready == {}
    assert read_ahead_kb(mounted) == 128


@pytest.mark.parametrize(
    "name", ["https://acct/c/a,b", "a,allow_other", "c/donn\u00e9es \u4e2d", "back\\slash", "a\\,b"]
)
def test_the_mount_table_shows_the_source_as_it_is_written(mounting, name):
    """A name of a prefix is not an option of the mount, whatever stands in it."""
    mounted = mounting(FILES, tree=FAKE, name=name)
    mount = mount_at(str(mounted.path))
    assert mount is not None
    assert mount.source == name
    assert (mounted.path / "file").read_bytes() == b"content"


def test_setting_the_limits_leaves_no_mount_behind(mounting):
    before = Path("/proc/self/mounts").read_text().count("fusectl")
    mounting(FILES, tree=FAKE)
    assert Path("/proc/self/mounts").read_text().count("fusectl") == before


def test_the_kernel_forgets_what_it_is_told_to(mounting):
    mounted = mounting(FILES, tree=FAKE)

    def lookups():
        os.stat(mounted.path / "file")
        return int(os.getxattr(mounted.path, "user.lookups"))

    first = lookups()
    assert lookups() == first  # remembered
    (mounted.path / "forget").read_bytes()
    told = lookups()
    deadline = time.monotonic() + 5
    while (now := lookups()) == told and now <= first + 1 and time.monotonic() < deadline:
        time.sleep(0.01)  # another process's thread is telling the kernel
    assert max(now, told) > first + 1  # one for `forget`, one more for `file`
    assert mounted.stop() == 0
    assert mounted.line() == {"bugs": {}}


@pytest.mark.parametrize("other", [{"default_permissions": False}, {"allow_other": True}, {"name": "my data"}])
def test_the_mounts_options(mounting, other):
    mounted = mounting(FILES, tree=FAKE, **other)
    assert (mounted.path / "file").read_bytes() == b"content"
    assert os.access(mounted.path / "file", os.R_OK)
    mount = mount_at(str(mounted.path))
    assert mount is not None
    assert (mount.kind, mount.source) == ("fuse.mountd", other.get("name", "mountd"))
    line = next(line for line in Path("/proc/self/mounts").read_text().splitlines() if str(mounted.path) in line)
    assert ("allow_other" in line) == other.get("allow_other", False)
    assert ("default_permissions" in line) == other.get("default_permissions", True)
    if not other.get("default_permissions", True):
        assert not os.access(mounted.path / "file", os.W_OK)

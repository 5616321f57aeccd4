"""Handlers that fail on a real mount: EIO for that call, and the mount lives.

By reflection and for all of them, those included that the kernel does not ask for here, in tests/architecture.
"""

import errno
import os

import pytest

from tests.fixtures.mounts import FAKE

FILES = {"file": b"content", "folder/inner": b"x", "link": b"file"}


@pytest.fixture(scope="module")
def mounted(mounting):
    return mounting(FILES, tree=FAKE, failing=[], read_only=False)


def read(path):
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


CALLS = {
    "create": lambda at: os.open(at / "new1", os.O_CREAT | os.O_WRONLY),
    "getxattr": lambda at: os.getxattr(at / "file", "user.etag"),
    "link": lambda at: os.link(at / "file", at / "new2"),
    "listxattr": lambda at: os.listxattr(at / "file"),
    "lookup": lambda at: os.stat(at / "never seen"),
    "mkdir": lambda at: os.mkdir(at / "new3"),
    "mknod": lambda at: os.mkfifo(at / "new4"),
    "open": lambda at: read(at / "file"),
    "opendir": os.listdir,
    "read": lambda at: read(at / "file"),
    "readdir": os.listdir,
    "readlink": lambda at: os.readlink(at / "link"),
    "removexattr": lambda at: os.removexattr(at / "file", "user.etag"),
    "rename": lambda at: os.rename(at / "file", at / "new5"),
    "rmdir": lambda at: os.rmdir(at / "folder"),
    "setattr": lambda at: os.chmod(at / "file", 0o600),
    "setxattr": lambda at: os.setxattr(at / "file", "user.a", b"b"),
    "statfs": os.statvfs,
    "symlink": lambda at: os.symlink("file", at / "new6"),
    "unlink": lambda at: os.unlink(at / "file"),
    "flush": lambda at: os.close(os.open(at / "file", os.O_RDONLY)),
    "fsync": lambda at: os.fsync(os.open(at / "file", os.O_RDONLY)),
    "fsyncdir": lambda at: os.fsync(os.open(at, os.O_RDONLY)),
}
UNSEEN = {"release": lambda at: read(at / "file"), "releasedir": os.listdir}


@pytest.mark.parametrize("kind", ["Exception", "KeyError", "group"])
@pytest.mark.parametrize("operation", sorted(CALLS))
def test_a_bug_is_eio_for_its_call_and_the_mount_lives(mounted, operation, kind):
    mounted.fail(operation, kind)
    try:
        with pytest.raises(OSError) as failed:
            CALLS[operation](mounted.path)
        assert failed.value.errno == errno.EIO
    finally:
        bugs = mounted.heal()
    assert bugs[f"fuse.{operation}"] >= 1
    assert (mounted.path / "file").read_bytes() == b"content"
    assert sorted(os.listdir(mounted.path)) == ["file", "folder", "link"]


@pytest.mark.parametrize("kind", ["Exception", "KeyError", "group"])
@pytest.mark.parametrize("operation", sorted(UNSEEN))
def test_a_bug_that_no_caller_can_see_is_counted_and_the_mount_lives(mounted, operation, kind):
    before = mounted.heal().get(f"fuse.{operation}", 0)
    mounted.fail(operation, kind)
    UNSEEN[operation](mounted.path)
    os.statvfs(mounted.path)  # answered after the release, which nobody waits for
    assert mounted.heal()[f"fuse.{operation}"] > before
    assert (mounted.path / "file").read_bytes() == b"content"


def test_a_bug_at_the_start_does_not_keep_the_mount_from_serving(mounting):
    mounted = mounting(FILES, tree=FAKE, failing=["init", "KeyError"])
    assert (mounted.path / "file").read_bytes() == b"content"
    assert mounted.heal() == {"fuse.init": 1}

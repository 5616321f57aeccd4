"""Until writing comes, every way to change something is EROFS, on the real kernel; and nothing is ENOSYS."""

import errno
import os

import pytest

FILES = {"file": b"content", "folder/inner": b"x", "link": b"file"}


@pytest.fixture(scope="module")
def tree(mounting):
    return mounting(FILES, read_only=False).path


def opening(flags):
    return lambda tree: os.close(os.open(tree / "file", flags))


WAYS = {
    "open to write": opening(os.O_WRONLY),
    "open to read and write": opening(os.O_RDWR),
    "truncate at open": opening(os.O_WRONLY | os.O_TRUNC),
    "truncate at open to read": opening(os.O_RDONLY | os.O_TRUNC),
    "append": opening(os.O_WRONLY | os.O_APPEND),
    "create": lambda tree: os.open(tree / "new", os.O_CREAT | os.O_WRONLY, 0o644),
    "create exclusively": lambda tree: os.open(tree / "new", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644),
    "truncate": lambda tree: os.truncate(tree / "file", 0),
    "mkdir": lambda tree: os.mkdir(tree / "new"),
    "mkfifo": lambda tree: os.mkfifo(tree / "new"),
    "unlink": lambda tree: os.unlink(tree / "file"),
    "rmdir": lambda tree: os.rmdir(tree / "folder"),
    "rename": lambda tree: os.rename(tree / "file", tree / "new"),
    "rename over": lambda tree: os.replace(tree / "file", tree / "folder/inner"),
    "link": lambda tree: os.link(tree / "file", tree / "new"),
    "symlink": lambda tree: os.symlink("file", tree / "new"),
    "chmod": lambda tree: os.chmod(tree / "file", 0o600),
    "chown": lambda tree: os.chown(tree / "file", 1, 1),
    "utime": lambda tree: os.utime(tree / "file", (1, 1)),
    "setxattr": lambda tree: os.setxattr(tree / "file", "user.a", b"b"),
    "removexattr": lambda tree: os.removexattr(tree / "file", "user.a"),
}


@pytest.mark.parametrize("read_only", [False, True], ids=["mapping", "mount"])
@pytest.mark.parametrize("way", WAYS)
def test_writing_is_refused(way, read_only, tree, read_only_tree):
    place = read_only_tree if read_only else tree
    with pytest.raises(OSError) as refused:
        WAYS[way](place)
    assert refused.value.errno == errno.EROFS
    assert (place / "file").read_bytes() == b"content"
    assert sorted(os.listdir(place)) == ["file", "folder", "link"]


@pytest.fixture(scope="module")
def read_only_tree(mounting):
    return mounting(FILES, read_only=True).path

"""What the kernel asks the daemon, counted: each upcall costs a program 20 µs and more, so that nothing is asked twice.

Counted are the requests that somebody waits for; the kernel forgets inodes when it likes.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.fixtures.required import unavailable

SMALL = 100 << 10
SMALL_FILES, FOLDERS, IN_EACH = 8, 12, 7
FILES = {
    **{f"small/{number}.bin": bytes([number]) * SMALL for number in range(SMALL_FILES)},
    **{f"walk/{folder:02d}/{number}": b"x" for folder in range(FOLDERS) for number in range(IN_EACH)},
}
OPEN_AND_CLOSE = {"open": 1, "flush": 1, "release": 1}
LISTED = {"opendir": 1, "readdir": 2, "releasedir": 1}
"""A directory that fits one reply; the second readdir is the only way to tell the kernel that there is no more."""


@pytest.fixture(scope="module")
def mounted(mounting):
    """Read and listed once. Its ttl outlives the tests."""
    found = mounting(FILES)
    for number in range(SMALL_FILES):
        read_whole(small(found, number))
    os.listdir(found.path / "small")
    walk(found.path / "walk")
    return found


def small(mounted, number):
    return mounted.path / f"small/{number}.bin"


def read_whole(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        while os.read(descriptor, 1 << 20):
            pass
    finally:
        os.close(descriptor)


def walk(top):
    """As find does it, and every other program: each directory listed, each entry looked at."""
    return [os.lstat(os.path.join(root, name)) for root, *names in os.walk(top) for name in sum(names, [])]


@contextmanager
def upcalls(mounted) -> Iterator[dict[str, int]]:
    """How often each operation was asked for meanwhile, once that is over."""
    asked: dict[str, int] = {}
    before = mounted.operations()
    yield asked
    for name, count in mounted.operations().items():
        if name != "forget" and count > before.get(name, 0):
            asked[name] = count - before.get(name, 0)


def test_a_file_in_the_kernels_cache_is_opened_and_closed(mounted):
    with upcalls(mounted) as asked:
        read_whole(small(mounted, 0))
    assert asked == OPEN_AND_CLOSE


def test_reading_it_again_and_again_asks_for_no_access_time(mounted):
    """Python's open() asks for the size of what it opens; on a mount that is not read-only that is one more upcall each time."""
    with upcalls(mounted) as asked:
        for _ in range(5):
            small(mounted, 1).read_bytes()
            os.stat(small(mounted, 1))
    assert asked == dict.fromkeys(OPEN_AND_CLOSE, 5)


def test_a_file_whose_pages_the_kernel_dropped_is_read_in_one_more(mounted):
    descriptor = os.open(small(mounted, 2), os.O_RDONLY)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    with upcalls(mounted) as asked:
        read_whole(small(mounted, 2))
    assert asked == OPEN_AND_CLOSE | {"read": 1}


def test_a_second_listing_opens_reads_and_closes_the_directory_and_nothing_else(mounted):
    with upcalls(mounted) as asked:
        walk(mounted.path / "small")
    assert asked == LISTED


def test_a_second_ls_l_asks_nothing_of_the_files(mounted):
    """`ls -l` looks for labels and ACLs; one refusal for each kind is enough for it, however many files there are."""
    with upcalls(mounted) as asked:
        subprocess.run(["ls", "-l", mounted.path / "small"], check=True, capture_output=True, timeout=60)
    assert asked.pop("getxattr", 0) <= 3
    assert asked == LISTED


def test_a_second_walk_costs_each_directory_four(mounted):
    with upcalls(mounted) as asked:
        assert len(walk(mounted.path / "walk")) == FOLDERS * (1 + IN_EACH)
    assert asked == {name: count * (FOLDERS + 1) for name, count in LISTED.items()}


def test_a_name_that_is_not_there_is_asked_once(mounted):
    with upcalls(mounted) as asked:
        for _ in range(5):
            assert not (mounted.path / "walk/none").exists()
    assert asked == {"lookup": 1}


# The last one: the kernel forgets what the others count on.


def test_files_of_which_the_kernel_knows_nothing_any_more_cost_five_each(mounted):
    """What the bench calls small-warm. And one look-up of their folder."""
    if os.geteuid() != 0 or not os.access("/proc/sys/vm/drop_caches", os.W_OK):
        unavailable("only root makes the kernel drop its caches")
    for _ in range(2):  # at first it spares names that were used lately
        with open("/proc/sys/vm/drop_caches", "w") as caches:
            caches.write("3\n")
    with upcalls(mounted) as asked:
        for number in range(SMALL_FILES):
            read_whole(small(mounted, number))
    each = dict.fromkeys(("open", "read", "flush", "release"), SMALL_FILES)
    assert asked == each | {"lookup": SMALL_FILES + 1}

"""A blob that another client replaces or deletes under a real mount: an open file goes on with its version or is ESTALE, and is
never a mixture (SEMANTICS 3); a new open sees the new one when its mapping's freshness says so (SEMANTICS 4)."""

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from mountd.emulator import Emulator
from tests.faults.mount.arranged import serving
from tests.fixtures.daemons import Node

pytestmark = pytest.mark.fuse

SIZE = 6 << 20
MAPPINGS = """mappings:
  /second: {datastore: box, ttl: 1s}
  /minute: {datastore: box, ttl: 60s}
  /always: {datastore: box, freshness: close-to-open}
"""
KEYS = count(1)


@pytest.fixture(scope="module")
def service(_fuse, tmp_path_factory):
    folder = tmp_path_factory.mktemp("node")
    (folder / "mnt").mkdir()
    node = Node(folder)
    with Emulator() as emulator:
        container = emulator.container("data")
        for number in range(1, 31):
            container.fill(f"file{number}", b"a" * 4096, SIZE)
        try:
            yield container, serving(node, more=MAPPINGS, box=emulator)
        finally:
            node.clean()


@pytest.fixture
def blob(service):
    """A key of its own for each test, with a first version of `a`s. All were there before anything was listed."""
    container, _ = service
    return container, f"file{next(KEYS)}"


def read_or_stale(file: int, offset: int) -> bytes | None:
    try:
        return os.pread(file, 128 << 10, offset)
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
        return None


def seen(path) -> set[int]:
    """The bytes that a whole file consists of."""
    return set(path.read_bytes())


@pytest.mark.parametrize("change", ["replaced", "shorter", "deleted"])
@pytest.mark.parametrize("mapping", ["second", "minute", "always"])
def test_an_open_file_is_its_version_or_estale(service, blob, mapping, change):
    _, node = service
    container, key = blob
    path = node.path / mapping / key
    file = os.open(path, os.O_RDONLY)
    try:
        assert os.pread(file, 1000, 0) == b"a" * 1000
        if change == "deleted":
            container.delete(key)
        else:
            container.put(key, b"b" * (SIZE if change == "replaced" else 1000))
        pieces = [read_or_stale(file, offset) for offset in range(0, SIZE, 128 << 10)]
        # The kernel gives what is cached before what is gone: a part of a piece is no less of that version.
        assert all(piece is None or (piece and piece == b"a" * len(piece)) for piece in pieces)
        assert None in pieces  # what nobody had fetched is gone
        # A read that met the change makes the path fresh, whatever its ttl.
        if change == "deleted":
            with pytest.raises(FileNotFoundError):
                path.read_bytes()
        else:
            assert seen(path) == {ord("b")}
        assert read_or_stale(file, SIZE - 1000) in (None, b"a" * 1000)
        assert os.fstat(file).st_size == SIZE
    finally:
        os.close(file)


def test_the_next_open_sees_it_when_the_ttl_is_over(service, blob):
    _, node = service
    container, key = blob
    path = node.path / "second" / key
    assert seen(path) == {ord("a")}
    container.put(key, b"b" * SIZE)
    time.sleep(1.1)
    assert seen(path) == {ord("b")}
    container.delete(key)
    time.sleep(1.1)
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    assert key not in os.listdir(path.parent)
    container.put(key, b"c")
    time.sleep(1.1)
    assert path.read_bytes() == b"c"


def test_with_close_to_open_the_next_open_sees_it(service, blob):
    _, node = service
    container, key = blob
    path = node.path / "always" / key
    for letter in b"abcd":
        container.put(key, bytes([letter]) * SIZE)
        assert seen(path) == {letter}


def test_until_the_ttl_is_over_it_is_one_version(service, blob):
    _, node = service
    container, key = blob
    path = node.path / "minute" / key
    assert seen(path) == {ord("a")}
    container.put(key, b"b" * SIZE)
    assert seen(path) == {ord("a")}
    assert os.stat(path).st_size == SIZE


def test_invalidating_asks_at_once(service, blob):
    _, node = service
    container, key = blob
    path = node.path / "minute" / key
    assert seen(path) == {ord("a")}
    container.put(key, b"b" * (SIZE // 2))
    node.control("cache", "invalidate", f"/minute/{key}")
    assert seen(path) == {ord("b")}
    assert os.stat(path).st_size == SIZE // 2
    container.delete(key)
    node.control("cache", "invalidate", "/minute")
    with pytest.raises(FileNotFoundError):
        os.stat(path)
    assert key not in os.listdir(path.parent)


def test_o_direct_asks_at_once(service, blob):
    _, node = service
    container, key = blob
    path = node.path / "minute" / key
    assert seen(path) == {ord("a")}
    container.put(key, b"b" * SIZE)
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        assert os.pread(file, 4096, 0) == b"b" * 4096
    finally:
        os.close(file)


@pytest.mark.parametrize("mapping", ["second", "always"])
def test_readers_of_a_blob_that_changes_all_the_time_never_see_a_mixture(service, blob, mapping):
    _, node = service
    container, key = blob
    path = node.path / mapping / key
    over = threading.Event()
    whole = []

    def read() -> None:
        while not over.is_set():
            try:
                with open(path, "rb", buffering=0) as file:
                    data = b"".join(iter(lambda: file.read(1 << 20), b""))
            except OSError as error:
                if error.errno != errno.ESTALE:
                    raise
                continue
            assert len(data) == SIZE
            assert data.count(data[0]) == SIZE
            whole.append(data[0])

    with ThreadPoolExecutor(4) as readers:
        running = [readers.submit(read) for _ in range(4)]
        for number in range(20):
            container.put(key, bytes([number]) * SIZE)
            time.sleep(0.1)
        over.set()
        for reader in running:
            reader.result(30)
    assert len(set(whole)) > 1
    if mapping == "always":
        assert seen(path) == {19}

"""The cache directory of the disk tier: whose it is, what formats it may hold, and a file system without direct writes."""

import os

import pytest
import trio

from mountd.content.library import BlockContent
from mountd.errors import AlreadyRunning, DirectoryUnsafe, TooNew
from mountd.types import MiB
from tests.fixtures.content_store import GeneratedStore, content_of
from tests.fixtures.disk_contents import CONFIG, extents, nothing, reading, with_content


@pytest.fixture
def store():
    return GeneratedStore()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "cache"


async def test_a_second_daemon_is_refused_naming_the_first(directory):
    async def use(content):
        async with trio.open_nursery() as nursery:
            with pytest.raises(AlreadyRunning, match=rf"pid {os.getpid()}\b"):
                BlockContent(CONFIG, nursery, directory)

    await with_content(directory, use)
    await with_content(directory, nothing)


async def test_the_directory_is_private_or_refused(directory, nursery):
    await with_content(directory, nothing)
    assert directory.stat().st_mode & 0o777 == 0o700
    directory.chmod(0o750)
    with pytest.raises(DirectoryUnsafe, match="0750"):
        BlockContent(CONFIG, nursery, directory)
    with pytest.raises(DirectoryUnsafe, match="cannot be used"):
        BlockContent(CONFIG, nursery, directory / "lock" / "below a file")


async def test_a_newer_format_is_refused_and_left_as_it_is(directory, nursery):
    await with_content(directory, nothing)
    (directory / "format").write_text("mountd cache 3\n")
    for _ in range(2):
        with pytest.raises(TooNew, match="mountd cache 3"):
            BlockContent(CONFIG, nursery, directory)
    assert (directory / "format").read_text() == "mountd cache 3\n"


async def test_an_older_mountds_cache_is_emptied_and_the_log_says_so(store, directory, caplog):
    version = store.put("a", 900_000)
    await with_content(directory, reading(store, version))
    (directory / "format").write_text("mountd cache 1\n")
    (directory / "extents" / "notes.txt").write_text("mine")
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 900_000)
    assert len(store.requests) == 1
    assert "older mountd's (mountd cache 1): 1 files removed" in caplog.text
    assert (directory / "format").read_text() == "mountd cache 2\n"
    assert (directory / "extents" / "notes.txt").read_text() == "mine"


async def test_an_older_extent_in_our_directory_is_never_read(store, directory):
    version = store.put("a", 900_000)
    await with_content(directory, reading(store, version))
    (file,) = extents(directory)
    file.write_bytes(b"mountd extent 1\n" + file.read_bytes()[16:])
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 900_000)
    assert len(store.requests) == 1


@pytest.mark.parametrize("direct", [True, False])
async def test_where_no_direct_writes_are_possible_the_cache_works_all_the_same(store, directory, monkeypatch, direct):
    real, asked = os.open, []

    def opened(path, flags, *more, **others):
        asked.append(flags & os.O_DIRECT)
        if flags & os.O_DIRECT and not direct:
            raise OSError(22, "Invalid argument")
        return real(path, flags, *more, **others)

    monkeypatch.setattr(os, "open", opened)
    versions = [store.put(f"{size}", size) for size in (1, 5_000, 300_000, 5 * MiB + 77)]

    async def use(content):
        return [await reading(store, version)(content) for version in versions]

    expected = [content_of(version.key, "1", version.size) for version in versions]
    assert await with_content(directory, use) == expected
    store.requests.clear()
    assert await with_content(directory, use) == expected
    assert store.requests == []
    assert any(asked)

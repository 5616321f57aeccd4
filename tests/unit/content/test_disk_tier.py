"""The disk tier: what survives a restart, and what damage comes to. Real files and threads, real clock, no waiting."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import trio

from mountd.content.config import CacheConfig
from mountd.content.library import BlockContent
from mountd.types import GiB, KiB, MiB
from tests.fixtures.content_store import GeneratedStore, content_of, source_of
from tests.fixtures.disk_contents import CONFIG, extents, read_all, reading, with_content


@pytest.fixture
def store():
    return GeneratedStore()


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "cache"


@pytest.mark.parametrize("size", [1, 100_000, MiB, 5 * MiB + 77])
async def test_what_was_read_is_there_after_a_restart(store, directory, size):
    version = store.put("ü/a b", size)
    await with_content(directory, reading(store, version))
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("ü/a b", "1", size)
    assert store.requests == []


async def test_small_random_reads_come_from_large_records(store, directory):
    version = store.put("a", 8 * MiB)
    await with_content(directory, reading(store, version))
    store.requests.clear()

    async def use(content):
        opened = content.open(source_of(store), version)
        for offset in (5_000_000, 17, 8 * MiB - 3, 128 * KiB - 1):
            assert await opened.read(offset, 4096) == content_of("a", "1", 8 * MiB)[offset : offset + 4096]
        return content.held(store.identity, version)

    held = await with_content(directory, use)
    assert store.requests == []
    assert (held.disk, held.size) == (8 * MiB, 8 * MiB)
    assert held.memory <= MiB


async def test_another_etag_size_or_storage_is_another_content(store, directory):
    await with_content(directory, reading(store, store.put("a", 1000)))
    store.requests.clear()
    newer = store.put("a", 1000, "2")
    assert await with_content(directory, reading(store, newer)) == content_of("a", "2", 1000)
    longer = store.put("a", 1001, "1")
    assert await with_content(directory, reading(store, longer)) == content_of("a", "1", 1001)
    elsewhere = GeneratedStore("another box")
    assert await with_content(directory, reading(elsewhere, elsewhere.put("a", 1000))) == content_of("a", "1", 1000)
    assert len(store.requests) == 2
    assert len(elsewhere.requests) == 1


async def test_a_dropped_key_stays_dropped_after_a_restart(store, directory):
    version, other = store.put("a", 1000), store.put("b", 1000)

    async def use(content):
        await read_all(content, store, version)
        await read_all(content, store, other)
        content.drop(store.identity, "a")
        assert content.held(store.identity, version).disk == 0

    async def look(content):
        await content._disk.flush()
        return content.held(store.identity, version).disk, content.held(store.identity, other).disk

    await with_content(directory, use)
    assert await with_content(directory, look) == (0, 1000)


async def test_clear_frees_all_that_is_not_open(store, directory):
    versions = [store.put(f"{number}", MiB) for number in range(30)]

    async def use(content):
        for version in versions:
            await read_all(content, store, version)
            await content._disk.flush()
        opened = content.open(source_of(store), versions[29])
        assert await content.clear() >= 29 * MiB + 12 * MiB  # what is open shares an extent with others
        kept = content.held(store.identity, versions[29])
        assert (kept.memory, kept.disk) == (MiB, MiB)
        assert content.usage().disk_bytes < 10 * MiB
        opened.close()

    async def look(content):
        await content._disk.flush()
        return [content.held(store.identity, version).disk for version in versions]

    await with_content(directory, use)
    assert await with_content(directory, look) == [0] * 29 + [MiB]


async def test_the_limit_is_kept_and_the_oldest_unused_leave(store, directory):
    config = CacheConfig(memory=32 * MiB, disk=40 * MiB, disk_free=0, disk_write_rate=GiB)
    versions = [store.put(f"{number}", MiB) for number in range(90)]

    async def use(content):
        for version in versions:
            await content.warm(source_of(store), version)
            await content._disk.flush()
            assert content.usage().disk_bytes <= 40 * MiB
        return [content.held(store.identity, version).disk for version in versions]

    held = await with_content(directory, use, config)
    assert held[:40] == [0] * 40
    assert held[-20:] == [MiB] * 20
    assert sum(file.stat().st_size for file in extents(directory)) <= 40 * MiB


@pytest.mark.parametrize(("cut", "requests"), [(1, 0), (200, 0), (6_000, 1), (400_000, 1), (900_050, 1)])
async def test_a_torn_extent_is_a_miss(store, directory, cut, requests):
    """Whatever of its end was not written; a torn table only costs a walk over the records."""
    version = store.put("a", 900_000)
    await with_content(directory, reading(store, version))
    (file,) = extents(directory)
    os.truncate(file, file.stat().st_size - cut)
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 900_000)
    assert len(store.requests) == requests


@pytest.mark.parametrize("place", [0, 17, 30, 60, 150, 10_000, 500_000, -4_000, -100, -1])
@pytest.mark.parametrize("damage", ["flip", "zeros", "noise"])
@pytest.mark.parametrize("table", [True, False])
async def test_damage_anywhere_is_a_miss_and_never_wrong_bytes(store, directory, place, damage, table):
    """Finished by its table, or not: a power cut came before. In a head that the table spares, damage costs nothing."""
    version = store.put("a", 900_000)
    await with_content(directory, reading(store, version))
    (file,) = extents(directory)
    if not table:
        os.truncate(file, file.stat().st_size - 4096)
    data = bytearray(file.read_bytes())
    at = place % len(data)
    if damage == "flip":
        data[at] ^= 0x10
    else:
        data[at : at + 4096] = (b"\0" if damage == "zeros" else b"\xa5") * len(data[at : at + 4096])
    file.write_bytes(data)
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 900_000)
    assert len(store.requests) <= 1
    if place in (
        0,
        10_000,
        500_000,
    ):  # neither a head that the table stands for, nor the table, nor what follows the records
        assert len(store.requests) == 1
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 900_000)
    assert store.requests == []  # what was fetched anew was kept anew


async def test_what_is_not_an_extent_is_left_alone(store, directory):
    version = store.put("a", 1000)
    await with_content(directory, reading(store, version))
    (directory / "extents" / "notes.txt").write_text("mine")
    (directory / "extents" / "0000000f.extent").write_bytes(b"no extent at all")
    (directory / "extents" / "00000010.extent").mkdir()
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 1000)
    assert store.requests == []
    assert (directory / "extents" / "notes.txt").read_text() == "mine"


async def test_a_disk_that_refuses_is_no_users_error(store, directory, monkeypatch):
    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    version = store.put("a", 900_000)

    async def use(content):
        monkeypatch.setattr(os, "pwritev", refuse)
        data = await read_all(content, store, version)
        await content._disk.flush()
        return data, content.usage()

    data, usage = await with_content(directory, use)
    assert data == content_of("a", "1", 900_000)
    assert not usage.disk_healthy


async def test_the_floor_of_free_space_is_kept(store, directory):
    config = CacheConfig(memory=64 * MiB, disk=GiB, disk_free=1 << 60, disk_write_rate=GiB)
    version = store.put("a", 900_000)
    assert await with_content(directory, reading(store, version), config) == content_of("a", "1", 900_000)
    assert extents(directory) == []


async def test_a_fast_reader_is_not_kept_rather_than_slowed(store, directory):
    config = CacheConfig(memory=64 * MiB, disk=GiB, disk_free=0, disk_write_rate=4 * MiB)
    version = store.put("a", 60 * MiB)

    async def use(content):
        await read_all(content, store, version, MiB)
        await content._disk.flush()
        return content.usage().disk_bytes

    assert await with_content(directory, use, config) < 20 * MiB


async def test_warm_keeps_all_on_disk(store, directory):
    config = CacheConfig(memory=24 * MiB, disk=GiB, disk_free=0, disk_write_rate=MiB)
    version = store.put("a", 60 * MiB)

    async def use(content):
        fetched = await content.warm(source_of(store), version)
        await content._disk.flush()
        return fetched, content.held(store.identity, version).disk

    assert await with_content(directory, use, config) == (60 * MiB, 60 * MiB)


async def test_what_is_written_at_once_is_found_from_then_on(store, directory):
    """Small blocks are gathered: a hundred files in far fewer writes."""
    versions = [store.put(f"{number}", 3_000) for number in range(100)]

    async def use(content):
        writes = []
        append = content._disk._writer.flush

        def flush():
            writes.append(content._disk._writer.pending)
            append()

        content._disk._writer.flush = flush
        for version in versions:
            await read_all(content, store, version)
        await content.flush()
        assert [content.held(store.identity, version).disk for version in versions] == [3_000] * 100
        return sum(writes)

    assert await with_content(directory, use) < 20


KILLED = """
import json, os, pathlib, signal, sys
import trio
from tests.unit.content.test_disk_tier import CONFIG, read_all
from tests.fixtures.content_store import GeneratedStore
from mountd.content.library import BlockContent

async def main():
    store = GeneratedStore()
    async with trio.open_nursery() as nursery:
        content = BlockContent(CONFIG, nursery, pathlib.Path(sys.argv[1]))
        for number in range(20):
            await read_all(content, store, store.put(str(number), 700_000))
            if number <= 15:
                await content._disk.flush()
        print(json.dumps({"pid": os.getpid()}), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

trio.run(main)
"""


async def test_after_kill_9_the_cache_is_used_and_right(store, directory):
    done = await trio.to_thread.run_sync(
        lambda: subprocess.run(
            [sys.executable, "-c", KILLED, str(directory)], check=False, capture_output=True, text=True, timeout=60
        )
    )
    assert json.loads(done.stdout)["pid"], done.stderr
    versions = [store.put(str(number), 700_000) for number in range(20)]

    async def use(content):
        return [await read_all(content, store, version) for version in versions]

    assert await with_content(directory, use) == [content_of(str(number), "1", 700_000) for number in range(20)]
    assert not {request[0] for request in store.requests} & {str(number) for number in range(16)}


async def test_a_cancelled_close_still_keeps_what_was_queued_and_gives_the_directory_back(store, directory):
    version = store.put("a", 5 * MiB)
    async with trio.open_nursery() as nursery:
        content = BlockContent(CONFIG, nursery, directory)
        await read_all(content, store, version)
        nursery.cancel_scope.cancel()
        await content.aclose()
    store.requests.clear()
    assert await with_content(directory, reading(store, version)) == content_of("a", "1", 5 * MiB)
    assert store.requests == []


async def test_a_local_folders_bytes_are_not_copied_to_the_same_disk(directory):
    folder = GeneratedStore()
    folder.identity = replace(folder.identity, kind="local")
    version = folder.put("a", 5 * MiB)
    await with_content(directory, reading(folder, version))

    async def use(content):
        return await content.warm(source_of(folder), version), content.held(folder.identity, version).disk

    assert await with_content(directory, use) == (5 * MiB, 0)
    assert extents(directory) == []


async def test_what_was_declined_is_kept_at_leisure(store, directory):
    config = CacheConfig(memory=64 * MiB, disk=GiB, disk_free=0, disk_write_rate=24 * MiB)
    version = store.put("a", 30 * MiB)

    async def use(content):
        await read_all(content, store, version, MiB)
        await content.flush()
        at_once = content.held(store.identity, version).disk
        with trio.fail_after(20):
            while content.held(store.identity, version).disk < version.size:
                await trio.sleep(0.05)
                await content.flush()
        return at_once

    assert await with_content(directory, use, config) < 30 * MiB


async def test_what_is_kept_after_a_drop_is_not_dropped(store, directory):
    older, other = store.put("a", 1000), store.put("b", 1000)

    async def use(content):
        await read_all(content, store, older)
        await content.flush()
        await read_all(content, store, other)  # waits for others to be written with
        content.drop(store.identity, "a")
        newer = store.put("a", 1000, "2")
        await read_all(content, store, newer)
        await content.flush()
        return [content.held(store.identity, version).disk for version in (older, other, newer)]

    assert await with_content(directory, use) == [0, 1000, 1000]


async def test_a_bug_in_writing_one_block_costs_that_block(store, directory, monkeypatch):
    versions = [store.put(key, 1000) for key in "abc"]

    async def use(content):
        disk = content._disk
        write = disk._writer.write

        def failing(name, start, data):
            if bytes(data) == content_of("a", "1", 1000):
                raise ZeroDivisionError
            write(name, start, data)

        monkeypatch.setattr(disk._writer, "write", failing)
        for version in versions:
            await read_all(content, store, version)
        await content.flush()
        return disk.queued, [content.held(store.identity, version).disk for version in versions]

    assert await with_content(directory, use) == (0, [0, 1000, 1000])

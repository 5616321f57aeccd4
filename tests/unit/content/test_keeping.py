"""Files kept for those who said that they will read them."""

import pytest
import trio

from mountd.content.config import CacheConfig
from mountd.content.keeping import HEAD, QUEUED
from mountd.content.library import BlockContent
from mountd.errors import Unavailable
from mountd.types import KiB, MiB
from tests.fixtures.content_store import GeneratedStore, source_of


@pytest.fixture
def store():
    return GeneratedStore(first_byte=0.01, bandwidth=60e6)


@pytest.fixture
async def content(nursery):
    return BlockContent(CacheConfig(memory=16 * MiB), nursery)


async def read(content, store, version):
    opened = content.open(source_of(store), version)
    data = bytes(await opened.read(0, version.size))
    opened.close()
    return data


def put(store, count, size=100 * KiB):
    return [store.put(f"{number:04}", size) for number in range(count)]


async def test_what_is_kept_stays_whatever_else_is_read(autojump_clock, content, store):
    kept = [content.keep(source_of(store), version) for version in put(store, 60)]
    assert all(kept)
    await trio.sleep(1)
    asked = len(store.requests)
    for number in range(300):
        await read(content, store, store.put(f"other{number}", 100 * KiB))
    assert len(store.requests) == asked + 300
    for number in range(60):
        await read(content, store, store.objects[f"{number:04}"][0])
    assert len(store.requests) == asked + 300
    for each in kept:
        content.let_go(each, unread=False)
    for number in range(300):
        await read(content, store, store.put(f"again{number}", 100 * KiB))
    await read(content, store, store.objects["0000"][0])
    assert len(store.requests) == asked + 601


async def test_no_more_than_half_of_the_memory_is_kept(autojump_clock, content, store):
    kept = []
    for version in put(store, 200):
        found = content.keep(source_of(store), version)
        if found is None:
            break
        kept.append(found)
        await trio.sleep(0.02)
    assert 64 <= len(kept) <= 82
    content.let_go(kept.pop(0), unread=False)
    assert content.keep(source_of(store), store.objects["0150"][0]) is not None
    assert content.keep(source_of(store), store.objects["0151"][0]) is None
    assert content.usage().memory_bytes <= 16 * MiB


async def test_few_are_queued_at_a_time_and_room_is_told(autojump_clock, nursery, store):
    content = BlockContent(CacheConfig(memory=64 * MiB), nursery)
    heard = []
    content.on_room(lambda: heard.append(len(store.requests)))
    versions = put(store, 200, 10 * KiB)
    taken = [content.keep(source_of(store), version) for version in versions]
    assert sum(each is not None for each in taken) == QUEUED
    await trio.sleep(1)
    assert heard
    assert content.keep(source_of(store), versions[-1]) is not None


async def test_two_that_wait_for_a_file_have_it_fetched_once(autojump_clock, content, store):
    version = store.put("a", 100 * KiB)
    one, other = (content.keep(source_of(store), version) for _ in range(2))
    await trio.sleep(1)
    content.let_go(one, unread=True)
    for number in range(300):
        await read(content, store, store.put(f"other{number}", 100 * KiB))
    await read(content, store, version)
    assert [request[0] for request in store.requests].count("a") == 1
    content.let_go(other, unread=False)


async def test_what_nobody_comes_for_is_not_fetched_if_it_is_queued(autojump_clock, content, store):
    store.gate = trio.Event()
    kept = [content.keep(source_of(store), version) for version in put(store, 60)]
    await trio.sleep(0.001)
    flying = len(store.requests)
    for each in kept:
        content.let_go(each, unread=True)
    store.gate.set()
    await trio.sleep(1)
    assert len(store.requests) == flying < 60
    assert await read(content, store, store.objects["0059"][0])


async def test_of_a_large_file_the_beginning_is_kept(autojump_clock, nursery, store):
    content = BlockContent(CacheConfig(memory=64 * MiB), nursery)
    assert content.keep(source_of(store), store.put("large", 30 * MiB)) is not None
    await trio.sleep(1)
    assert store.bytes_asked() == HEAD


async def test_a_fetch_that_fails_leaves_the_file_to_its_reader(autojump_clock, content, store):
    def unavailable(version, start, stop):
        raise Unavailable("down")

    store.before = unavailable
    version = store.put("a", 100 * KiB)
    kept = content.keep(source_of(store), version)
    await trio.sleep(1)
    store.before = None
    assert len(await read(content, store, version)) == 100 * KiB
    content.let_go(kept, unread=False)
    assert content._keeping.bytes == 0
    assert content._keeping._flying == 0


async def test_a_replaced_file_is_forgotten_though_it_is_kept(autojump_clock, content, store):
    version = store.put("a", 100 * KiB)
    kept = content.keep(source_of(store), version)
    await trio.sleep(1)
    content.drop(store.identity, "a")
    assert content.usage().memory_bytes == 0
    content.let_go(kept, unread=True)
    assert content.usage().memory_bytes == 0
    assert content._keeping.bytes == 0


async def test_room_is_told_though_some_that_were_queued_were_let_go(autojump_clock, nursery, store):
    content = BlockContent(CacheConfig(memory=64 * MiB), nursery)
    heard = []
    content.on_room(lambda: heard.append(len(store.requests)))
    store.gate = trio.Event()
    taken = [content.keep(source_of(store), version) for version in put(store, 200, 10 * KiB)]
    for kept in taken[: QUEUED // 2 + 5]:
        content.let_go(kept, unread=False)
    store.gate.set()
    await trio.sleep(1)
    assert heard

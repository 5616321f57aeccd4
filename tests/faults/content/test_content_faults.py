"""Stores that fail, stall, answer wrongly or are given up on: nobody waits for ever, and every reserved byte comes back."""

import random

import pytest
import trio

from mountd import metrics
from mountd.content.config import CacheConfig
from mountd.content.library import BlockContent
from mountd.content.memory_tier import State
from mountd.errors import Corrupt, StoreError, StoreTimeout, Throttled, Unavailable
from mountd.types import KiB, MiB
from tests.fixtures.content_store import GeneratedStore, content_of, source_of

MEMORY = 32 * MiB


@pytest.fixture
async def content(nursery):
    return BlockContent(CacheConfig(memory=MEMORY), nursery)


def budget(content):
    return content._tier.budget


async def all_returned(content):
    """Nothing is in flight, and what is reserved is what is cached; nothing, once that is cleared."""
    await trio.sleep(60)
    assert budget(content).in_flight == 0
    assert budget(content).reserved == content.usage().memory_bytes
    await content.clear()
    assert budget(content).reserved == content.usage().memory_bytes == 0


async def test_a_store_that_fails_at_random_costs_no_budget_and_no_byte(autojump_clock, content):
    chance = random.Random(1)

    def fail(version, start, stop):
        if chance.random() < 0.3:
            raise chance.choice([Unavailable, StoreTimeout, Throttled])("not now")

    store = GeneratedStore(first_byte=0.01, bandwidth=60e6)
    store.before = fail
    size = 20 * MiB
    version = store.put("a", size)
    expected = content_of("a", "1", size)
    outcomes = {"ok": 0, "failed": 0}

    async def reader(seed):
        places = random.Random(seed)
        opened = content.open(source_of(store), version)
        offset = 0
        for _ in range(60):
            offset = places.randrange(size) if places.random() < 0.2 else offset % size
            try:
                data = await opened.read(offset, MiB)
            except StoreError:
                outcomes["failed"] += 1
            else:
                assert data == expected[offset : offset + MiB]
                outcomes["ok"] += 1
            offset += MiB
        opened.close()

    async with trio.open_nursery() as readers:
        for seed in range(8):
            readers.start_soon(reader, seed)
    assert outcomes["ok"] > 100
    assert outcomes["failed"] > 10
    await all_returned(content)


async def test_a_stalled_store_leaves_others_their_memory_and_time(autojump_clock, content):
    stalled, well = GeneratedStore("stalled"), GeneratedStore("well", first_byte=0.01)
    stalled.gate = trio.Event()
    opened = content.open(source_of(stalled), stalled.put("a", 400 * MiB))
    async with trio.open_nursery() as readers:
        for number in range(200):
            readers.start_soon(opened.read, number * 2 * MiB, MiB)
        await trio.sleep(1)
        assert budget(content).in_flight <= MEMORY // 2 + MiB
        began = trio.current_time()
        other = content.open(source_of(well), well.put("b", 50 * MiB))
        for offset in range(0, 50 * MiB, MiB):
            assert await other.read(offset, MiB) == content_of("b", "1", 50 * MiB)[offset : offset + MiB]
        assert trio.current_time() - began < 1
        readers.cancel_scope.cancel()
    assert len(stalled.requests) <= 64
    stalled.gate.set()
    opened.close()
    other.close()
    await all_returned(content)
    assert len(stalled.requests) <= 64  # what nobody waited for any more was never asked


async def test_a_cancelled_reader_fails_nobody(autojump_clock, content):
    store = GeneratedStore(first_byte=1.0)
    opened = content.open(source_of(store), store.put("a", 900 * KiB))
    results = []

    async def patient():
        results.append(await opened.read(0, 1000))

    async with trio.open_nursery() as readers:
        with trio.move_on_after(0.5):
            readers.start_soon(patient)
            await opened.read(0, 1000)
    assert results == [content_of("a", "1", 1000)]
    assert len(store.requests) == 1


async def test_a_killed_reader_is_gone_at_once(autojump_clock, content):
    store = GeneratedStore(first_byte=1000.0)
    opened = content.open(source_of(store), store.put("a", 9 * MiB))
    began = trio.current_time()
    with trio.move_on_after(2) as killed:
        await opened.read(0, 1000)
    assert killed.cancelled_caught
    assert trio.current_time() - began == pytest.approx(2)


async def test_closing_an_open_withdraws_what_is_only_queued(autojump_clock, content):
    store = GeneratedStore(first_byte=0.1)
    source = source_of(store)
    opened = content.open(source, store.put("a", 400 * MiB))
    for offset in range(0, 16 * MiB, MiB):
        await opened.read(offset, MiB)
    store.gate = trio.Event()
    for offset in range(16 * MiB, 40 * MiB, MiB):
        with trio.move_on_after(0.2):
            await opened.read(offset, MiB)
    lane = content._transfers._lane(content._tier.room(store.identity))
    assert any(block.state is State.QUEUED for block in lane.ahead)
    await trio.sleep(1)
    flying = len(store.requests)
    opened.close()
    store.gate.set()
    await trio.sleep(10)
    assert store.requests[flying:] == []
    await all_returned(content)


async def test_a_short_answer_is_corrupt(autojump_clock, content):
    store = GeneratedStore()
    version = store.put("a", 5000)
    store.objects["a"] = (version, store.objects["a"][1][:4999])
    opened = content.open(source_of(store), version)
    with pytest.raises(Corrupt, match="4999 bytes where 5000"):
        await opened.read(0, 100)
    opened.close()
    await all_returned(content)


async def test_a_bug_in_a_store_is_logged_counted_and_ends_nothing_else(autojump_clock, content, caplog):
    def bug(version, start, stop):
        if version.key == "bad":
            raise KeyError("a bug")

    store = GeneratedStore()
    store.before = bug
    counted = metrics.BUGS.labels("content.transfers")._value.get()
    bad, good = (
        content.open(source_of(store), store.put("bad", 10)),
        content.open(source_of(store), store.put("good", 10)),
    )
    with pytest.raises(Unavailable, match="the daemon's log"):
        await bad.read(0, 10)
    assert await good.read(0, 10) == content_of("good", "1", 10)
    assert metrics.BUGS.labels("content.transfers")._value.get() == counted + 1
    assert [record.message for record in caplog.records] == ["a fetch ended in an unexpected way"]
    assert "KeyError" in caplog.text
    bad.close()
    good.close()
    await all_returned(content)


async def test_more_readers_than_the_budget_holds_all_get_their_bytes(autojump_clock, content):
    store = GeneratedStore(first_byte=0.01)
    size = 300 * MiB
    opened = content.open(source_of(store), store.put("a", size))
    expected = content_of("a", "1", size)

    async def read(offset):
        assert await opened.read(offset, MiB) == expected[offset : offset + MiB]

    async with trio.open_nursery() as readers:
        for number in range(280):
            readers.start_soon(read, (number * 37 % 280) * MiB + 5)
    opened.close()
    await all_returned(content)


async def test_stopping_tells_those_who_wait(autojump_clock, nursery):
    store = GeneratedStore()
    store.gate = trio.Event()
    content = BlockContent(CacheConfig(memory=MEMORY), nursery)
    opened = content.open(source_of(store), store.put("a", 300 * MiB))
    refused = []

    async def read(offset):
        try:
            await opened.read(offset, MiB)
        except Unavailable as error:
            refused.append(str(error))

    async with trio.open_nursery() as readers:
        for number in range(100):
            readers.start_soon(read, number * 2 * MiB)
        await trio.sleep(1)
        await content.aclose()
        nursery.cancel_scope.cancel()
        await trio.sleep(1)
    assert set(refused) == {"The daemon is stopping."}
    assert len(refused) == 100
    assert budget(content).in_flight == budget(content).reserved == 0
    with pytest.raises(Unavailable):
        await opened.read(250 * MiB, 10)


async def test_a_failed_prefetch_is_the_next_readers_own_request(autojump_clock, content):
    store = GeneratedStore(first_byte=0.01)
    source = source_of(store)

    def fail(version, start, stop):
        raise Unavailable("down")

    versions = [store.put(f"{number}", 1000) for number in range(10)]
    store.before = fail
    assert content.fetch_ahead(source, versions) == 10
    await trio.sleep(1)
    store.before = None
    for version in versions:
        opened = content.open(source, version)
        assert await opened.read(0, 1000) == content_of(version.key, "1", 1000)
        opened.close()
    assert len(store.requests) == 20
    await all_returned(content)


async def test_a_fetch_ahead_that_found_no_memory_goes_when_another_store_returns_some(autojump_clock, content):
    slow, other = GeneratedStore("slow"), GeneratedStore("other")
    slow.gate = trio.Event()
    opened = content.open(source_of(slow), slow.put("a", 100 * MiB))
    async with trio.open_nursery() as readers:
        for number in range(20):
            readers.start_soon(opened.read, number * 4 * MiB, MiB)
        await trio.sleep(1)
        assert content.fetch_ahead(source_of(other), [other.put(f"{number}", MiB) for number in range(4)]) == 4
        await trio.sleep(1)
        assert other.requests == []
        slow.gate.set()
    await trio.sleep(1)
    assert len(other.requests) == 4


async def test_each_reader_gets_a_failure_of_its_own(autojump_clock, content):
    def throttled(version, start, stop):
        error = Throttled("too many", remedy="wait", request_id="r1")
        error.retry_after = 3.0
        raise error

    store = GeneratedStore(first_byte=1)
    store.before = throttled
    opened = content.open(source_of(store), store.put("a", 1000))
    failures = []

    async def read():
        try:
            await opened.read(0, 10)
        except Throttled as error:
            failures.append(error)

    async with trio.open_nursery() as readers:
        for _ in range(3):
            readers.start_soon(read)
    assert len({id(error) for error in failures}) == 3
    assert {(str(error), error.request_id, error.retry_after) for error in failures} == {("too many wait", "r1", 3.0)}


async def test_an_idle_open_keeps_no_bytes_that_were_evicted(autojump_clock, content):
    """The lists of an open may still name blocks that left the cache; their bytes must not stay."""
    store = GeneratedStore(first_byte=0.01)
    opened = content.open(source_of(store), store.put("a", 100 * MiB))
    for offset in range(0, 20 * MiB, MiB):
        await opened.read(offset, MiB)
    await trio.sleep(1)
    named = list(opened._ahead)
    assert named
    other = content.open(source_of(store), store.put("b", 300 * MiB))
    for _ in range(3):
        for offset in range(0, 300 * MiB, MiB):
            await other.read(offset, MiB)
    assert all(block.data is None for block in named)

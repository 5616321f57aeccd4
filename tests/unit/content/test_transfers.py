"""Fetches without a task, and whose turn it is."""

import pytest
import trio
import trio.testing

from mountd.content.config import CacheConfig
from mountd.content.interface import Source
from mountd.content.library import BlockContent
from mountd.errors import StoreError, StoreTimeout, Unavailable
from mountd.types import KiB, MiB
from tests.fixtures.content_store import GeneratedStore, content_of, source_of
from tests.fixtures.stores import DirectFaultyStore, black_hole, failing_once, live, taking, well

SIZE = 20 * MiB


@pytest.fixture
async def content(nursery):
    return BlockContent(CacheConfig(memory=32 * MiB), nursery)


async def stored(behave=well, size=SIZE, **settings):
    """A protected store with one file, its source, and the file's version."""
    raw = DirectFaultyStore(behave)
    version = await raw.memory.put("a", content_of("a", "1", size))
    return raw, Source("box", live(raw, **settings), prefetch=False), version


def reserved(content):
    budget = content._tier.budget
    return budget.in_flight, budget.reserved - content.usage().memory_bytes


async def test_fetches_in_flight_have_one_task_in_all(autojump_clock, content):
    raw, source, version = await stored(taking(5))
    opened = content.open(source, version)
    nursery = content._transfers._nursery
    before = len(nursery.child_tasks)
    async with trio.open_nursery() as readers:
        for number in range(20):
            readers.start_soon(opened.read, number * MiB, 4 * KiB)
        await trio.sleep(1)
        assert raw.in_flight == 20
        assert len(nursery.child_tasks) == before + 1
    assert len(raw.requests) == 20
    await trio.sleep(10)
    assert len(nursery.child_tasks) == before  # and none where nothing flies
    assert reserved(content) == (0, 0)


async def test_a_failure_is_asked_again_and_nobody_notices(autojump_clock, content):
    raw, source, version = await stored(failing_once(lambda: Unavailable("once"), lambda: StoreTimeout("twice")))
    opened = content.open(source, version)
    assert await opened.read(MiB, 4 * KiB) == content_of("a", "1", SIZE)[MiB : MiB + 4 * KiB]
    assert len(raw.requests) == 3
    assert reserved(content) == (0, 0)


async def test_a_stall_ends_and_holds_nothing(autojump_clock, content):
    raw, source, version = await stored(black_hole)
    opened = content.open(source, version)
    began = trio.current_time()
    with pytest.raises(StoreError):
        await opened.read(0, 10)
    assert trio.current_time() - began == pytest.approx(30.5, abs=0.1)  # and the time that 32 KiB take on a slow link
    assert reserved(content) == (0, 0)
    assert source.reader.health().in_flight == 0


async def test_a_cancelled_reader_fails_nobody(autojump_clock, content):
    raw, source, version = await stored(taking(1))
    opened = content.open(source, version)
    results = []

    async def patient():
        results.append(await opened.read(0, 1000))

    async with trio.open_nursery() as readers:
        with trio.move_on_after(0.5):
            readers.start_soon(patient)
            await opened.read(0, 1000)
    assert results == [content_of("a", "1", SIZE)[:1000]]
    assert len(raw.requests) == 1


async def test_stopping_tells_those_who_wait(autojump_clock, nursery):
    content = BlockContent(CacheConfig(memory=32 * MiB), nursery)
    raw, source, version = await stored(black_hole)
    opened = content.open(source, version)
    refused = []

    async def read(number):
        try:
            await opened.read(number * MiB, 10)
        except Unavailable as error:
            refused.append(str(error))

    async with trio.open_nursery() as readers:
        for number in range(20):
            readers.start_soon(read, number)
        await trio.sleep(1)
        await content.aclose()
        nursery.cancel_scope.cancel()
    assert refused == ["The daemon is stopping."] * 20
    assert reserved(content) == (0, 0)
    assert source.reader.health().in_flight == 0


async def test_a_cancelled_nursery_takes_along_what_waited_for_memory(autojump_clock):
    sources, refused = [], []

    async def read(content, source, version):
        try:
            await content.open(source, version).read(0, 10)
        except Unavailable as error:
            refused.append(str(error))

    async with trio.open_nursery() as readers, trio.open_nursery() as nursery:
        content = BlockContent(CacheConfig(memory=32 * MiB), nursery)
        launch = content._tier.budget.launch
        content._tier.budget.launch = lambda *given, **how: not reserved(content)[0] and launch(*given, **how)
        for container in ("first", "hungry"):  # there is memory for one at a time
            raw = DirectFaultyStore(black_hole, container)
            sources.append(Source(container, live(raw), prefetch=False))
            readers.start_soon(read, content, sources[-1], await raw.memory.put("a", bytes(100)))
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert refused == ["The daemon is stopping."] * 2
    assert [source.reader.health().in_flight for source in sources] == [0, 0]
    assert reserved(content) == (0, 0)


async def test_a_replaced_datastores_bytes_are_another_requests(autojump_clock, content):
    """What is not in the cache is asked with If-Match: no version's bytes are given for another's."""
    raw, source, version = await stored()
    opened = content.open(source, version)
    await raw.memory.put("a", b"another content")
    with pytest.raises(StoreError, match="no longer the version"):
        await opened.read(0, 10)


async def test_no_more_are_begun_than_the_store_takes_at_once(autojump_clock, content):
    raw, source, version = await stored(taking(1), concurrency=8)
    opened = content.open(source, version)
    async with trio.open_nursery() as readers:
        for number in range(20):
            readers.start_soon(opened.read, number * MiB, 4 * KiB)
        await trio.sleep(0.5)
        assert raw.in_flight == source.direct.places == 7
        await source.reader.stat("a")  # an eighth of the places is kept for what a person waits for
    assert raw.most_in_flight == 8


async def test_those_who_want_take_turns(autojump_clock, content):
    """One handle with 200 reads queued, and then another with one: it does not wait for the 200."""
    raw, source, version = await stored(taking(1), concurrency=2, size=40 * MiB)
    other = await raw.memory.put("b", content_of("b", "1", 4 * MiB))
    greedy, modest = content.open(source, version), content.open(source, other)
    async with trio.open_nursery() as readers:
        for number in range(100):
            readers.start_soon(greedy.read, number * 256 * KiB, 4 * KiB)
        await trio.sleep(0.5)
        began = trio.current_time()
        await modest.read(2 * MiB, 4 * KiB)
        assert trio.current_time() - began <= 2.5
        readers.cancel_scope.cancel()


async def test_two_handles_of_one_file_take_turns_too(autojump_clock, content):
    raw, source, version = await stored(taking(1), concurrency=2, size=40 * MiB)
    greedy, modest = content.open(source, version), content.open(source, version)
    async with trio.open_nursery() as readers:
        for number in range(100):
            readers.start_soon(greedy.read, number * 256 * KiB, 4 * KiB)
        await trio.sleep(0.5)
        began = trio.current_time()
        await modest.read(39 * MiB, 4 * KiB)
        assert trio.current_time() - began <= 2.5
        readers.cancel_scope.cancel()


async def test_what_is_fetched_ahead_takes_turns_and_what_is_wanted_goes_first(autojump_clock, content):
    store = GeneratedStore(first_byte=1.0)
    source, other = source_of(store), source_of(store)
    files = [store.put(f"{number:03d}", 50_000) for number in range(100)]
    content.fetch_ahead(source, files)
    content.fetch_ahead(other, [store.put("z", 50_000)])
    opened = content.open(source, store.put("wanted", 50_000))
    began = trio.current_time()
    assert await opened.read(0, 10)
    assert trio.current_time() - began <= 1.5
    await trio.sleep(1)
    order = [key for key, _, _ in store.requests]
    assert order.index("z") < 96  # the second to be asked for, by turns: among the 48 that follow the first answers
    opened.close()

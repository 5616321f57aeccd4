"""What content.interface.Content promises, over a store with waiting times on a virtual clock."""

import pytest
import trio

from mountd import metrics
from mountd.content.config import CacheConfig
from mountd.content.library import BlockContent
from mountd.errors import NotFound, PreconditionFailed, Unavailable
from mountd.types import KiB, MiB, Version
from tests.fixtures.content_store import GeneratedStore, content_of, source_of


@pytest.fixture
def store():
    return GeneratedStore(first_byte=0.01, bandwidth=60e6)


@pytest.fixture
async def content(nursery):
    return BlockContent(CacheConfig(memory=64 * MiB), nursery)


async def whole(opened, request=128 * KiB):
    size = opened.version.size
    return b"".join([bytes(await opened.read(offset, request)) for offset in range(0, size, request)])


@pytest.mark.parametrize("size", [1, 4095, 128 * KiB, 128 * KiB + 1, MiB, MiB + 1, 5 * MiB + 77, 40 * MiB])
@pytest.mark.parametrize("request_size", [128 * KiB, MiB, 300_001])
async def test_every_byte_is_served_in_place(autojump_clock, content, store, size, request_size):
    opened = content.open(source_of(store), store.put("a", size))
    assert await whole(opened, request_size) == content_of("a", "1", size)
    assert store.bytes_asked() == size
    opened.close()


async def test_a_read_is_short_only_at_the_end(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 3 * MiB + 5))
    assert len(await opened.read(3 * MiB, 4096)) == 5
    assert await opened.read(3 * MiB + 5, 4096) == b""
    assert await opened.read(9 * MiB, 1) == b""
    empty = content.open(source_of(store), store.put("b", 0))
    assert await empty.read(0, 10) == b""
    assert [request for request in store.requests if request[0] == "b"] == []


async def test_a_second_read_asks_nothing_and_copies_nothing(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 20 * MiB))
    await opened.read(8 * MiB, 4096)
    asked = len(store.requests)
    again = await opened.read(8 * MiB + 4096, 4096)
    assert isinstance(again, memoryview)
    assert bytes(again) == content_of("a", "1", 20 * MiB)[8 * MiB + 4096 : 8 * MiB + 8192]
    assert len(store.requests) == asked


async def test_readers_of_the_same_bytes_share_one_request(autojump_clock, content, store):
    version = store.put("a", 900 * KiB)
    opens = [content.open(source_of(store), version) for _ in range(20)]
    async with trio.open_nursery() as readers:
        for opened in opens:
            readers.start_soon(opened.read, 0, 128 * KiB)
    assert len(store.requests) == 1


async def test_a_small_file_is_one_request_begun_at_open(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", MiB))
    await trio.sleep(1)
    assert store.requests == [("a", 0, MiB)]
    assert await whole(opened) == content_of("a", "1", MiB)
    assert len(store.requests) == 1


async def test_small_random_reads_cost_a_grain_or_two(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 60 * MiB))
    for place in range(40):
        offset = (place * 7919 * 4096 + 123) % (59 * MiB)
        await opened.read(offset, 4096)
    assert store.bytes_asked() <= 40 * 256 * KiB
    assert max(stop - start for _, start, stop in store.requests) <= 256 * KiB


async def test_random_reads_of_a_grain_and_more_cost_at_most_twice_their_bytes(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 200 * MiB))
    useful = 0
    for place in range(60):
        size = (128 * KiB, 500_000, MiB)[place % 3]
        offset = (place * 104_729 * 1024 + 999) % (198 * MiB)
        useful += len(await opened.read(offset, size))
    assert store.bytes_asked() <= 2 * useful


async def test_a_sequential_reader_gets_many_ranges_in_flight(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 100 * MiB))
    began = trio.current_time()
    await whole(opened, MiB)
    assert store.most_in_flight >= 12
    assert trio.current_time() - began < 0.7  # one connection would take 1.7 s
    assert store.bytes_asked() == 100 * MiB


async def test_the_window_stays_within_half_the_budget(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 200 * MiB))
    for offset in range(0, 100 * MiB, MiB):
        await opened.read(offset, MiB)
        assert content.usage().in_flight_bytes <= 32 * MiB + 2 * MiB
        assert content.usage().memory_bytes + content.usage().in_flight_bytes <= 64 * MiB


async def test_prefetch_declined_fetches_what_is_asked(autojump_clock, nursery, store):
    content = BlockContent(CacheConfig(memory=64 * MiB), nursery)
    opened = content.open(source_of(store, prefetch=False), store.put("a", 100 * MiB))
    for offset in range(0, 10 * MiB, MiB):
        await opened.read(offset, MiB)
    assert store.bytes_asked() == 10 * MiB
    assert content.fetch_ahead(source_of(store, prefetch=False), [store.put("b", 5)]) == 0


async def test_siblings_are_fetched_once_each_and_many_at_a_time(autojump_clock, content, store):
    versions = [store.put(f"{number}", 100_000) for number in range(100)]
    source = source_of(store)
    assert content.fetch_ahead(source, versions) == 100
    assert content.fetch_ahead(source, versions) == 100
    for version in versions:
        opened = content.open(source, version)
        assert await opened.read(0, 128 * KiB) == content_of(version.key, "1", 100_000)
        opened.close()
    assert sorted(request[0] for request in store.requests) == sorted(version.key for version in versions)
    assert store.most_in_flight >= 32


async def test_fetching_ahead_stops_where_the_budget_says(autojump_clock, content, store):
    versions = [store.put(f"{number}", MiB) for number in range(100)]
    taken = content.fetch_ahead(source_of(store), versions)
    assert 8 <= taken <= 16
    assert content.fetch_ahead(source_of(store), [store.put("big", 2 * MiB), store.put("empty", 0)]) == 2


async def test_a_wanted_file_overtakes_what_is_fetched_ahead(autojump_clock, content, store):
    store.gate = trio.Event()
    source = source_of(store)
    content.fetch_ahead(source, [store.put(f"{number}", MiB) for number in range(40)])
    await trio.lowlevel.checkpoint()
    flying = len(store.requests)
    late = content.open(source, store.objects["11"][0])
    new = content.open(source, store.put("new", 10))
    await trio.sleep(0.001)
    asked = [request[0] for request in store.requests[flying:]]
    assert "new" in asked
    assert "11" in [request[0] for request in store.requests]
    store.gate.set()
    assert await new.read(0, 10) == content_of("new", "1", 10)
    assert await late.read(0, 10) == content_of("11", "1", MiB)[:10]
    assert [request[0] for request in store.requests].count("11") == 1


async def test_a_replaced_version_is_precondition_failed_and_cached_bytes_stay(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 10 * MiB))
    first = bytes(await opened.read(0, 4096))
    newer = content.open(source_of(store), store.put("a", 10 * MiB, "2"))
    with pytest.raises(PreconditionFailed):
        await opened.read(6 * MiB, 4096)
    assert await opened.read(0, 4096) == first
    assert await newer.read(0, 4096) == content_of("a", "2", 4096)


async def test_drop_forgets_a_key_and_what_flies_still_reaches_its_reader(autojump_clock, content, store):
    source = source_of(store)
    version = store.put("a", 10 * MiB)
    opened = content.open(source, version)
    await opened.read(0, 4096)
    assert content.held(store.identity, version).memory == 32 * KiB
    results = []

    async def read():
        results.append(bytes(await opened.read(5 * MiB, 4096)))

    async with trio.open_nursery() as readers:
        readers.start_soon(read)
        await trio.sleep(0.001)
        content.drop(store.identity, "a")
    assert results == [content_of("a", "1", 10 * MiB)[5 * MiB :][:4096]]
    assert content.held(store.identity, version).memory == 0
    assert content.usage().memory_bytes == 0
    assert content.usage().in_flight_bytes == 0


async def test_clear_spares_what_is_open(autojump_clock, content, store):
    source = source_of(store)
    kept = content.open(source, store.put("kept", 100))
    gone = content.open(source, store.put("gone", 100))
    await kept.read(0, 100)
    await gone.read(0, 100)
    gone.close()
    gone.close()
    held = content.usage().memory_bytes
    freed = await content.clear()
    assert freed == held // 2 >= 100
    assert content.usage().memory_bytes == held - freed


async def test_warm_fetches_all_once_and_says_how_much(autojump_clock, content, store):
    source = source_of(store)
    version = store.put("a", 10 * MiB + 1)
    assert await content.warm(source, version) == 10 * MiB + 1
    assert content.held(store.identity, version).memory == 10 * MiB + 1
    assert await content.warm(source, version) == 0
    assert store.bytes_asked() == 10 * MiB + 1


async def test_another_datastores_refusal_is_no_answer_to_this_one(autojump_clock, content, store):
    refused = GeneratedStore(first_byte=0.01)

    def unavailable(version, start, stop):
        raise Unavailable("down")

    refused.before = unavailable
    version = store.put("a", 1000)
    first = content.open(source_of(refused), version)
    second = content.open(source_of(store), version)
    answers = {}

    async def read(name, opened):
        try:
            answers[name] = bytes(await opened.read(0, 1000))
        except Unavailable:
            answers[name] = "unavailable"

    async with trio.open_nursery() as readers:
        readers.start_soon(read, "first", first)
        readers.start_soon(read, "second", second)
    assert answers == {"first": "unavailable", "second": content_of("a", "1", 1000)}


async def test_a_missing_key_is_told_to_each_reader_and_asked_anew(autojump_clock, content, store):
    version = store.put("a", 1000)
    del store.objects["a"]
    opened = content.open(source_of(store), version)
    for _ in range(2):
        with pytest.raises(NotFound):
            await opened.read(0, 10)
    assert len(store.requests) == 2


async def test_a_footer_brings_the_grain_before_it(autojump_clock, content, store):
    size = 50 * MiB + 100
    opened = content.open(source_of(store), store.put("a", size))
    await opened.read(size - 22, 22)
    await opened.read(size - 5000, 4000)
    assert len(store.requests) == 1


async def test_an_idle_library_asks_nothing(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 50 * MiB))
    for offset in range(0, 8 * MiB, MiB):
        await opened.read(offset, MiB)
    await trio.sleep(5)
    asked = len(store.requests)
    await trio.sleep(600)
    assert len(store.requests) == asked


async def test_the_metric_tells_where_blocks_were_found(autojump_clock, content, store):
    def counted():
        content.usage()
        return [metrics.CACHE_BLOCKS.labels(found)._value.get() for found in ("memory", "flight", "store")]

    before = counted()
    opened = content.open(source_of(store, prefetch=False), store.put("a", 5 * MiB))
    for _ in range(10):
        await opened.read(0, 4096)
    async with trio.open_nursery() as readers:
        readers.start_soon(opened.read, 3 * MiB, 4096)
        readers.start_soon(opened.read, 3 * MiB, 4096)
    assert [after - earlier for after, earlier in zip(counted(), before, strict=True)] == [9, 1, 2]


def many_files(store, count, size):
    """Versions of files that share their bytes: more than could be generated."""
    versions = [Version(f"{number:05}", "1", size, 0) for number in range(count)]
    data = bytes(size)
    store.objects.update((version.key, (version, data)) for version in versions)
    return versions


async def test_files_fetched_ahead_in_vain_are_soon_fetched_no_more(autojump_clock, nursery, store):
    content, source = BlockContent(CacheConfig(memory=16 * MiB), nursery), source_of(store)
    versions = many_files(store, 20_000, 100 * KiB)

    async def read(version):
        opened = content.open(source, version)
        assert len(await opened.read(0, version.size)) == version.size
        opened.close()

    for place in range(300):
        content.fetch_ahead(source, versions[place * 64 : (place + 1) * 64])
        await read(versions[-1 - place])
        await trio.sleep(0.1)
    assert store.bytes_asked() <= 2 * 300 * 100 * KiB + 64 * MiB
    for version in versions[5000:10_000]:  # reading without waste earns another try
        await read(version)
    assert content.fetch_ahead(source, versions[:10]) == 10


async def test_tiny_files_take_no_more_memory_than_the_budget(autojump_clock, nursery, store):
    content, source = BlockContent(CacheConfig(memory=16 * MiB), nursery), source_of(store)
    versions = many_files(store, 20_000, 100)
    for version in versions:
        opened = content.open(source, version)
        await opened.read(0, 100)
        opened.close()
    blocks = sum(len(shelf.blocks) for shelf in content._shelves())
    assert 1000 < blocks <= 16 * MiB // (100 + 1300)  # what each was measured to take beside its bytes


async def test_no_more_is_guessed_than_half_the_memory_until_files_are_opened(autojump_clock, nursery, store):
    content, source = BlockContent(CacheConfig(memory=16 * MiB), nursery), source_of(store)
    versions = many_files(store, 1000, 100 * KiB)
    taken = 0
    for _ in range(20):
        taken += content.fetch_ahead(source, versions[taken:])
        await trio.sleep(1)
    assert 65 <= taken <= 82
    for version in versions[:10]:
        content.open(source, version).close()
    assert 9 <= content.fetch_ahead(source, versions[taken:]) <= 11
    assert len(store.requests) <= taken + 11


async def test_what_became_of_guesses_is_counted_a_datastore(autojump_clock, nursery, store):
    def counted(metric):
        return [metric.labels("box", outcome)._value.get() for outcome in ("used", "wasted")]

    files, size = counted(metrics.GUESSED_FILES), counted(metrics.PREFETCH_BYTES)
    content, source = BlockContent(CacheConfig(memory=16 * MiB), nursery), source_of(store)
    versions = many_files(store, 1000, 100 * KiB)
    assert content.fetch_ahead(source, versions[:20]) == 20
    await trio.sleep(1)
    for version in versions[:12] + versions[500:900]:
        opened = content.open(source, version)
        await opened.read(0, version.size)
        opened.close()
    assert [now - before for now, before in zip(counted(metrics.GUESSED_FILES), files, strict=True)] == [12, 8]
    used, wasted = (now - before for now, before in zip(counted(metrics.PREFETCH_BYTES), size, strict=True))
    assert (used, wasted) == (12 * 100 * KiB, 8 * 100 * KiB)
    assert 0.9 < metrics.GUESS_RATE.labels("box")._value.get() < 1.0


async def test_a_guess_that_fails_or_is_forgotten_is_waited_for_no_longer(autojump_clock, nursery, store):
    content, source = BlockContent(CacheConfig(memory=16 * MiB), nursery), source_of(store)
    versions = many_files(store, 60, 100 * KiB)
    guesses = content._tier.room(store.identity).guesses("box")

    def unavailable(version, start, stop):
        raise Unavailable("down")

    store.before = unavailable
    assert content.fetch_ahead(source, versions[:35]) == 35
    await trio.sleep(1)
    assert guesses.unread == 0
    store.before, store.gate = None, trio.Event()
    assert content.fetch_ahead(source, versions) == 35  # as many as may be queued
    await trio.sleep(0.01)
    for version in versions:
        content.drop(store.identity, version.key)
    store.gate.set()
    await trio.sleep(1)
    assert guesses.unread == 0


async def test_the_budget_shows_what_is_used_and_in_flight(autojump_clock, nursery, store):
    def shown(metric, state):
        return next(s.value for family in metric.collect() for s in family.samples if s.labels["state"] == state)

    content, source = BlockContent(CacheConfig(memory=64 * MiB), nursery), source_of(store)
    version = store.put("a", 300 * KiB)
    store.gate = trio.Event()
    content.fetch_ahead(source, [store.put("b", 100 * KiB)])
    opened = content.open(source, version)
    with trio.move_on_after(0.1):
        await opened.read(0, 100)
    assert shown(metrics.MEMORY_BUDGET, "limit") == 64 * MiB
    assert 100 * KiB < shown(metrics.MEMORY_BUDGET, "in_flight") == shown(metrics.MEMORY_BUDGET, "used")
    store.gate.set()
    await opened.read(0, 100)
    await trio.sleep(1)
    opened.close()
    usage = content.usage()
    assert usage.in_flight_bytes == 0
    assert usage.memory_bytes >= 408 * KiB  # what their buffers take, not what is read from them
    assert shown(metrics.MEMORY_BUDGET, "used") == usage.memory_bytes + usage.buffer_bytes
    assert await content.clear() == usage.memory_bytes
    assert shown(metrics.MEMORY_BUDGET, "used") == content.usage().buffer_bytes == 408 * KiB  # to be used again

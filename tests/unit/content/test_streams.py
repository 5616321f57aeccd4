"""What readers of one file in their ways find on its way, over a store with waiting times on a virtual clock."""

import pytest
import trio

from mountd.content.config import CacheConfig
from mountd.content.library import BlockContent
from mountd.metrics import REGISTRY
from mountd.types import KiB, MiB
from tests.fixtures.content_store import GeneratedStore, content_of, source_of


@pytest.fixture
def store():
    return GeneratedStore(first_byte=0.01, bandwidth=60e6)


@pytest.fixture
async def content(nursery):
    return BlockContent(CacheConfig(memory=64 * MiB), nursery)


async def read_all(opened, places, request):
    return {place: bytes(await opened.read(place, request)) for place in places}


@pytest.mark.parametrize("size", [24 * MiB, 24 * MiB + 77, 25 * MiB - 1])
@pytest.mark.parametrize("request_size", [64 * KiB, MiB, 300_001])
async def test_a_backward_reader_finds_its_bytes_on_their_way(autojump_clock, content, store, size, request_size):
    opened = content.open(source_of(store), store.put("a", size))
    began = trio.current_time()
    got = await read_all(opened, reversed(range(0, size, request_size)), request_size)
    assert b"".join(got[place] for place in sorted(got)) == content_of("a", "1", size)
    assert store.bytes_asked() == size
    assert trio.current_time() - began < 0.5  # one connection would take 0.4 s, one request after the other up to 5


async def test_a_header_costs_no_more_than_as_much_again(autojump_clock, content, store):
    opened = content.open(source_of(store), store.put("a", 20 * MiB))
    await opened.read(0, 128 * KiB)
    opened.close()
    await trio.sleep(1)
    assert store.bytes_asked() == 256 * KiB


async def test_a_late_reader_is_fetched_for_in_smaller_requests(autojump_clock, content, store):
    """So that what it wants next is there before the time of a whole range has passed."""
    warm = content.open(source_of(store), store.put("warm", 100 * MiB))
    for place in range(4):
        await warm.read(place * 24 * MiB + 4096, 4096)
        await warm.read((place * 24 + 10) * MiB, 2 * MiB)
    store.requests.clear()
    opened = content.open(source_of(store), store.put("a", 40 * MiB))
    for place in range(3):
        await opened.read(20 * MiB + place * MiB, MiB)
    assert max(stop - start for _, start, stop in store.requests) <= MiB


async def test_streams_that_the_memory_cannot_hold_shrink_until_it_does(autojump_clock, nursery, store):
    """Sixteen in 16 MiB: what is fetched ahead of one pushes out what is ahead of another. Nothing wrong, little twice."""
    content = BlockContent(CacheConfig(memory=16 * MiB), nursery)
    versions = [store.put(f"{number}", 12 * MiB) for number in range(16)]
    done = []

    async def reader(version):
        opened = content.open(source_of(store), version)
        for offset in range(0, version.size, 128 * KiB):
            data = await opened.read(offset, 128 * KiB)
            assert data == content_of(version.key, "1", version.size)[offset : offset + 128 * KiB]
        opened.close()
        done.append(version)

    async with trio.open_nursery() as readers:
        for version in versions:
            readers.start_soon(reader, version)
    assert len(done) == 16
    assert store.bytes_asked() <= 1.5 * 16 * 12 * MiB


async def test_a_stream_that_became_another_has_no_part_of_the_memory(autojump_clock, content, store):
    """The first requests came in another order: the run is one, and has half the budget for itself."""
    opened = content.open(source_of(store), store.put("a", 200 * MiB))
    for place in (100, 102, 101, *range(103, 140)):
        await opened.read(place * MiB, MiB)
    assert len(opened._windows._moving) == 1
    opened.close()
    assert not opened._windows._moving


async def test_what_was_learnt_of_a_storage_is_a_metric(autojump_clock, content):
    """A storage 30 ms away, 40 MB/s a connection."""
    store = GeneratedStore(first_byte=0.03, bandwidth=40e6)
    source = source_of(store)
    opened = content.open(source, store.put("a", 64 * MiB))
    for offset in (0, 20 * MiB, 40 * MiB):
        await opened.read(offset, 4096)
        await opened.read(offset + 4 * MiB, 2 * MiB)
    first_byte = REGISTRY.get_sample_value("mountd_store_first_byte_seconds", {"datastore": source.datastore})
    bandwidth = REGISTRY.get_sample_value("mountd_store_connection_bandwidth_bytes", {"datastore": source.datastore})
    assert first_byte == pytest.approx(0.03, rel=0.2)
    assert bandwidth == pytest.approx(40e6, rel=0.2)

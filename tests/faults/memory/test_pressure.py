"""The smallest budget there is: readers go on, each byte is fetched once, what is fetched ahead gives way to what is asked."""

import random
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from mountd.content.config import SMALLEST_MEMORY, CacheConfig
from mountd.content.library import BlockContent
from mountd.types import KiB, MiB
from tests.fixtures.content_store import GeneratedStore, content_of, source_of

STREAM = 4 * MiB


@pytest.fixture
async def content(nursery: trio.Nursery) -> AsyncIterator[BlockContent]:
    made = BlockContent(CacheConfig(memory=SMALLEST_MEMORY), nursery)
    yield made
    await made.aclose()
    nursery.cancel_scope.cancel()


@pytest.fixture
def store() -> GeneratedStore:
    return GeneratedStore(first_byte=0.01, bandwidth=60e6)


def taken(content: BlockContent) -> int:
    usage = content.usage()
    return usage.memory_bytes + usage.in_flight_bytes + usage.buffer_bytes


async def stream(content: BlockContent, store: GeneratedStore, key: str, piece: int = 128 * KiB) -> None:
    """One file from its beginning to its end."""
    expected = content_of(key, "1", STREAM)
    opened = content.open(source_of(store), store.put(key, STREAM))
    for offset in range(0, STREAM, piece):
        assert await opened.read(offset, piece) == expected[offset : offset + piece]
        assert taken(content) <= SMALLEST_MEMORY
    opened.close()


@pytest.mark.parametrize("streams", [1, 4, 32, 200])
async def test_streams_share_it_and_fetch_nothing_twice(
    autojump_clock: MockClock, content: BlockContent, store: GeneratedStore, streams: int
) -> None:
    async with trio.open_nursery() as readers:
        for number in range(streams):
            readers.start_soon(stream, content, store, f"{number}")
    assert store.bytes_asked() <= 1.05 * streams * STREAM
    assert store.most_in_flight >= min(2 * streams, 16)  # and still many at a time


async def random_reads(content: BlockContent, store: GeneratedStore, seed: int) -> list[float]:
    """Seconds that each of some reads of 4 KiB took."""
    version = store.put(f"random {seed}", 64 * MiB)
    expected, chance, took = content_of(version.key, "1", version.size), random.Random(seed), []
    opened = content.open(source_of(store), version)
    for _ in range(40):
        offset, began = chance.randrange(version.size - 4096), trio.current_time()
        assert await opened.read(offset, 4096) == expected[offset : offset + 4096]
        took.append(trio.current_time() - began)
    opened.close()
    return took


async def test_who_asks_does_not_wait_for_what_is_fetched_ahead(
    autojump_clock: MockClock, content: BlockContent, store: GeneratedStore
) -> None:
    alone = sorted(await random_reads(content, store, 1))
    beside: list[float] = []
    async with trio.open_nursery() as streams:

        async def again(number: int) -> None:
            while True:
                await stream(content, store, f"{number}")
                content.drop(store.identity, f"{number}")

        for number in range(16):
            streams.start_soon(again, number)
        await trio.sleep(0.5)
        beside = sorted(await random_reads(content, store, 2))
        streams.cancel_scope.cancel()
    assert beside[-3] <= 3 * alone[-3]
    assert taken(content) <= SMALLEST_MEMORY


async def test_it_is_all_there_again_after_a_thousand_mixed_reads(
    autojump_clock: MockClock, content: BlockContent, store: GeneratedStore
) -> None:
    """Nothing is lost on the way: no reservation, no buffer, no block without an owner."""
    files = [store.put(f"{number}", 1 << (12 + number % 12)) for number in range(48)]
    held = []
    for turn in range(6):
        chance = random.Random(turn)

        async def some(chance: random.Random = chance) -> None:
            for version in chance.sample(files, 20):
                opened = content.open(source_of(store), version)
                offset = chance.randrange(version.size)
                data = content_of(version.key, "1", version.size)
                assert await opened.read(offset, MiB) == data[offset : offset + MiB]
                opened.close()

        async with trio.open_nursery() as readers:
            for _ in range(10):
                readers.start_soon(some)
        await trio.sleep(5)
        assert content.usage().in_flight_bytes == 0
        held.append(taken(content))
    assert max(held[3:]) <= max(held[:3]) + MiB
    assert await content.clear() > 0
    assert content.usage().memory_bytes == 0
    assert content._tier.budget.reserved == 0
    assert content._tier.buffers._lent == {}
    assert content.usage().buffer_bytes <= SMALLEST_MEMORY // 16

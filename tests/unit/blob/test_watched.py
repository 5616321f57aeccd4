"""Small ranges that no thread is needed for: exact, or left to a thread that names what is wrong."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from mountd.emulator import Emulator, Fault
from mountd.errors import PreconditionFailed, StoreError
from mountd.stores.blob.watched import LARGEST
from mountd.stores.config import StoreConfig
from mountd.stores.live import LiveStore
from mountd.stores.opening import open_store
from mountd.types import Version
from tests.fixtures.stores import read_directly
from tests.unit.blob.conftest import on_emulator

SIZE = 2 << 20
DATA = random.Random(5).randbytes(SIZE)


@asynccontextmanager
async def asked_before(emulator: Emulator, **settings: object) -> AsyncIterator[tuple[LiveStore, Version]]:
    """A store with a connection that is idle, whose threads may not be used from now on."""
    emulator.container("data").put("file", DATA)
    store = open_store(on_emulator(emulator), StoreConfig(**settings))
    try:
        version = (await store.stat("file")).version
        assert bytes(await read_directly(store, version, 0, 1000)) == DATA[:1000]
        yield store, version
    finally:
        await store.aclose()


def threads_of(store: LiveStore) -> list[object]:
    """Filled with what is given to the store's threads from now on."""
    pool = store._generation.raw._threads
    given, give = [], pool.give

    def noted(work, landed):
        given.append(work)
        return give(work, landed)

    pool.give = noted
    return given


@pytest.mark.parametrize("size", [1, 1000, 131_072, 300_000, LARGEST])
async def test_bytes_are_exact_and_no_thread_is_asked(emulator: Emulator, size: int) -> None:
    async with asked_before(emulator) as (store, version):
        given = threads_of(store)
        for start in (0, 77, SIZE - size):
            assert bytes(await read_directly(store, version, start, start + size)) == DATA[start : start + size]
        assert given == []
        assert bytes(await read_directly(store, version, 0, LARGEST + 1)) == DATA[: LARGEST + 1]
        assert len(given) == 1


async def test_another_version_is_a_threads_to_name(emulator: Emulator) -> None:
    async with asked_before(emulator) as (store, version):
        emulator.container("data").put("file", bytes(SIZE))
        with pytest.raises(PreconditionFailed):
            await read_directly(store, version, 0, 1000)


FAULTS = [
    Fault("truncate", probability=0.4, after_bytes=50_000),
    Fault("reset_before", probability=0.4),
    Fault("reset_after", probability=0.4),
    Fault("busy", probability=0.4),
    Fault("latency", probability=0.5, seconds=0.02),
    Fault("stall", count=2, after_bytes=1000),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.kind)
async def test_what_passes_is_not_noticed(emulator: Emulator, fault: Fault) -> None:
    patience = {"stall_timeout": 0.3, "retry_first_delay": 0.01, "retry_longest_delay": 0.1, "slowest_rate": 10**9}
    async with asked_before(emulator, **patience) as (store, version):
        emulator.faults.set(fault, seed=3)

        async def read(start: int) -> None:
            assert bytes(await read_directly(store, version, start, start + 100_000)) == DATA[start : start + 100_000]

        with trio.fail_after(30):
            for _ in range(3):
                async with trio.open_nursery() as readers:
                    for start in range(0, SIZE - 100_000, 200_000):
                        readers.start_soon(read, start)
        assert any(emulator.faults.happened())
        assert store.health().in_flight == 0


async def test_who_leaves_closes_the_connection_on_which_the_answer_would_come(emulator: Emulator) -> None:
    async with asked_before(emulator) as (store, version):
        emulator.faults.set(Fault("latency", count=1, seconds=0.3))
        with trio.move_on_after(0.05):
            await read_directly(store, version, 0, 1000)
        assert store.health().in_flight == 0
        await trio.sleep(0.4)
        assert bytes(await read_directly(store, version, 5000, 6000)) == DATA[5000:6000]


async def test_closing_tells_who_waits(emulator: Emulator) -> None:
    async with asked_before(emulator, deadline=1.0) as (store, version):
        emulator.faults.set(Fault("stall"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refused, store, version)
            await trio.sleep(0.1)
            began = trio.current_time()
            await store.aclose()
        assert trio.current_time() - began < 0.5


async def _refused(store: LiveStore, version: Version) -> None:
    with pytest.raises(StoreError):
        await read_directly(store, version, 0, 1000)

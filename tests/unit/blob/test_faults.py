"""Under every fault of the emulator, reads and listings are exact or fail with a name, and in bounded time."""

from collections import Counter

import pytest
import trio

from mountd.emulator import Emulator
from mountd.emulator.faults import Fault
from mountd.errors import StoreError
from mountd.stores.blob import BlobStore
from mountd.types import Version
from tests.unit.blob.conftest import on_emulator, opened

DATA = bytes(range(256)) * 2000
KEYS = ["plain", "a//b"]
FAULTS = {
    "truncate": (Fault("truncate", probability=0.4, after_bytes=100_000),),
    "reset_before": (Fault("reset_before", probability=0.4),),
    "reset_after": (Fault("reset_after", probability=0.4, after_bytes=200_000),),
    "busy": (Fault("busy", probability=0.4, retry_after=1.0),),
    "stall": (Fault("stall", probability=0.2, after_bytes=50_000, seconds=1.0),),
    "latency": (Fault("latency", probability=0.5, seconds=0.01, jitter=0.02),),
    "expired": (Fault("expired", probability=0.4),),
    "all": (
        Fault("truncate", probability=0.2, after_bytes=5_000),
        Fault("reset_before", probability=0.2),
        Fault("busy", probability=0.2),
    ),
}


async def one_read(store: BlobStore, version: Version, start: int, seen: Counter[str]) -> None:
    outcome = "exact"
    try:
        data = await store.read(version, start, start + 300_000)
    except StoreError as error:
        outcome, data = error.code, error.received
    seen[outcome] += 1
    assert bytes(data) == DATA[start : start + (300_000 if outcome == "exact" else len(data))]


@pytest.mark.parametrize("kind", sorted(FAULTS))
async def test_exact_or_a_named_failure(emulator: Emulator, kind: str) -> None:
    container = emulator.container("data")
    for key in KEYS:
        container.put(key, DATA)
    for number in range(40):
        container.put(f"n/{number:03}", b"x")
    seen: Counter[str] = Counter()
    async with opened(on_emulator(emulator), stall_timeout=0.3) as store:
        versions = [(await store.stat(key)).version for key in KEYS]
        emulator.faults.set(*FAULTS[kind], seed=7)
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for turn in range(20):
                    nursery.start_soon(one_read, store, versions[turn % 2], turn * 5000, seen)
            listed: list[str] = []
            pages = store.list("n/", page_size=10)
            for _ in range(200):
                try:
                    listed += (await pages.__anext__()).keys
                except StopAsyncIteration:
                    break
                except StoreError as error:
                    seen[f"list {error.code}"] += 1
        assert listed == [f"n/{number:03}" for number in range(40)]
    emulator.faults.clear()
    async with opened(on_emulator(emulator)) as store:  # the old one may keep a connection that still stalls
        for version in versions:
            assert bytes(await store.read(version, 0, version.size)) == DATA
    assert seen["exact"] > 0, seen

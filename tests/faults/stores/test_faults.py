"""Each fault that the emulator can make, while a protected datastore lists and reads: bytes exact or a named error, in
bounded time; and what one datastore suffers, another does not feel."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from mountd.definitions import AccountKey, DatastoreDefinition, DatastoreKind, Secret
from mountd.emulator import Emulator, Fault
from mountd.errors import AccessDenied, Corrupt, PreconditionFailed, StoreError, StoreTimeout, Throttled, Unavailable
from mountd.stores.config import StoreConfig
from mountd.stores.interface import HealthState
from mountd.stores.live import LiveStore
from mountd.stores.opening import open_store
from mountd.types import Version
from tests.fixtures.stores import whole

SIZE = 600_000
CONTENT = random.Random(7).randbytes(SIZE)
IMPATIENT = {"stall_timeout": 0.5, "connect_timeout": 1.0, "retry_first_delay": 0.01, "retry_longest_delay": 0.1}


def on(emulator: Emulator, name: str = "box") -> DatastoreDefinition:
    return DatastoreDefinition(
        name,
        DatastoreKind.BLOB,
        account=emulator.account,
        container="data",
        endpoint=emulator.endpoint,
        allow_http=True,
        credential=AccountKey(Secret(emulator.key)),
    )


@asynccontextmanager
async def opened(emulator: Emulator, name: str = "box", **settings: object) -> AsyncIterator[LiveStore]:
    store = open_store(on(emulator, name), StoreConfig(**settings))
    try:
        yield store
    finally:
        await store.aclose()


def fill(emulator: Emulator) -> None:
    container = emulator.container("data")
    for number in range(40):
        container.put(f"dir/{number:02d}", b"x" * number)
    container.put("file", CONTENT)


PASSING = [
    Fault("busy", probability=0.3),
    Fault("busy", count=2, retry_after=0.0),
    Fault("reset_before", probability=0.3),
    Fault("reset_after", probability=0.3),
    Fault("truncate", probability=0.5, after_bytes=50_000),
    Fault("truncate", count=3),
    Fault("stall", count=2, after_bytes=1000),
    Fault("stall", count=2),
    Fault("latency", probability=0.3, seconds=0.1, jitter=0.2),
    Fault("busy", probability=0.3, code="InternalError"),
    Fault("busy", probability=0.3, code="OperationTimedOut"),
]


@pytest.mark.parametrize(
    "fault", PASSING, ids=lambda fault: f"{fault.kind}-{fault.code}-{fault.count}-{fault.after_bytes}"
)
@pytest.mark.parametrize("seed", [1, 2])
async def test_what_passes_is_not_noticed(emulator: Emulator, fault: Fault, seed: int) -> None:
    fill(emulator)
    async with opened(emulator, **IMPATIENT) as store:
        emulator.faults.set(fault, seed=seed)
        listed = await whole(store, recursive=True, page_size=7)
        assert listed.keys == [*(f"dir/{number:02d}" for number in range(40)), "file"]
        version = listed.info(40).version
        with trio.fail_after(30):
            data = await store.read(version, 0, SIZE)
            assert bytes(data) == CONTENT
            for start in range(0, SIZE, 60_000):
                assert bytes(await store.read(version, start, start + 60_000)) == CONTENT[start : start + 60_000]
        assert any(emulator.faults.happened())


LASTING = [
    (Fault("busy"), Throttled),
    (Fault("reset_before"), Unavailable),
    (Fault("reset_after"), Unavailable),
    (Fault("stall"), StoreTimeout),
    (Fault("truncate", after_bytes=0), StoreError),
    (Fault("expired"), AccessDenied),
]


@pytest.mark.parametrize(("fault", "error"), LASTING, ids=lambda value: getattr(value, "kind", ""))
async def test_what_lasts_is_named_in_bounded_time(emulator: Emulator, fault: Fault, error: type[StoreError]) -> None:
    fill(emulator)
    async with opened(emulator, **IMPATIENT, deadline=1.5, breaker_trial_delay=0.3, rotation_wait=0.3) as store:
        version = (await store.stat("file")).version
        emulator.faults.set(fault)
        for call in (lambda: store.read(version, 0, 1000), lambda: whole(store), lambda: store.stat("file")):
            began = trio.current_time()
            with pytest.raises((error, Unavailable)):
                await call()
            assert trio.current_time() - began < 2.5
        emulator.faults.clear()
        await trio.sleep(max(0.0, (store.health().retry_at_ns - time.time_ns()) / 1e9) + 0.05)
        assert bytes(await store.read(version, 0, 1000)) == CONTENT[:1000]
        assert store.health().state is HealthState.OK


async def test_a_body_cut_short_again_and_again_is_resumed_and_not_begun_again(emulator: Emulator) -> None:
    fill(emulator)
    async with opened(emulator, **IMPATIENT) as store:
        version = (await store.stat("file")).version
        emulator.faults.set(Fault("truncate", after_bytes=40_000))
        assert bytes(await store.read(version, 0, SIZE)) == CONTENT
        # obstore's one attempt, and then 40,000 bytes a request, whatever the number of retries allowed
        assert emulator.faults.happened()[0] <= SIZE // 40_000 + 3


async def test_a_changed_byte_is_noticed_where_checksums_are_asked_for(emulator: Emulator) -> None:
    fill(emulator)
    async with opened(emulator, **IMPATIENT, block_checksums=True) as store:
        version = (await store.stat("file")).version
        emulator.faults.set(Fault("corrupt", count=1, operations=("GetBlob",), after_bytes=77))
        assert bytes(await store.read(version, 0, 1000)) == CONTENT[:1000]
        assert emulator.faults.happened() == [1]
        emulator.faults.set(Fault("corrupt", operations=("GetBlob",), after_bytes=77))
        with pytest.raises(Corrupt):
            await store.read(version, 0, 1000)


async def test_a_version_replaced_during_a_resumed_read_is_never_mixed(emulator: Emulator) -> None:
    fill(emulator)
    async with opened(emulator, **IMPATIENT) as store:
        version = (await store.stat("file")).version
        emulator.faults.set(Fault("truncate", count=2, after_bytes=100_000), Fault("latency", skip=1, seconds=0.3))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_refused_or_exact, store, version)
            await trio.sleep(0.15)
            emulator.container("data").put("file", bytes(SIZE))


async def _refused_or_exact(store: LiveStore, version: Version) -> None:
    try:
        assert bytes(await store.read(version, 0, SIZE)) == CONTENT
    except PreconditionFailed:
        return


async def test_two_hundred_readers_on_a_black_hole_slow_nobody_else() -> None:
    """Issue 3, section 4: another datastore's listings and reads keep p99 below 100 ms."""
    with Emulator() as dead, Emulator() as alive:
        fill(dead)
        fill(alive)
        async with opened(dead, "dead") as blocked, opened(alive, "alive") as healthy:
            version = (await healthy.stat("file")).version
            gone = (await blocked.stat("file")).version
            dead.faults.set(Fault("stall"))
            waits = []
            async with trio.open_nursery() as nursery:
                for number in range(200):
                    nursery.start_soon(_given_up, blocked, gone, number)
                await trio.sleep(0.5)
                assert blocked.health().in_flight == 64
                for _ in range(150):
                    began = trio.current_time()
                    assert len(await healthy.read(version, 0, 131_072)) == 131_072
                    waits.append(trio.current_time() - began)
                    began = trio.current_time()
                    assert (await whole(healthy, "dir/")).keys
                    waits.append(trio.current_time() - began)
                began = trio.current_time()
                nursery.cancel_scope.cancel()
            assert trio.current_time() - began < 1  # a killed reader is gone
    assert sorted(waits)[int(0.99 * len(waits))] < 0.1


async def _given_up(store: LiveStore, version: Version, number: int) -> None:
    try:
        await store.read(version, number, number + 1000)
    except StoreError:
        return


async def test_an_outage_of_a_real_service_is_no_storm(emulator: Emulator) -> None:
    fill(emulator)
    async with opened(emulator, **IMPATIENT, deadline=3.0) as store:
        version = (await store.stat("file")).version
        emulator.faults.set(Fault("busy"))
        async with trio.open_nursery() as nursery:
            for number in range(1000):
                nursery.start_soon(_given_up, store, version, number)
        # 64 places, each request asked twice (obstore, then for its name); then one call at a time.
        assert emulator.faults.happened()[0] < 2 * (64 + 40)
        before = emulator.faults.happened()[0]
        for number in range(50):
            await _given_up(store, version, number)
        assert emulator.faults.happened()[0] <= before + 4


async def test_the_key_may_rotate_while_everything_is_read(emulator: Emulator) -> None:
    fill(emulator)
    new_key = "bmV3IGtleSwgbmV3IGx1Y2s="
    async with opened(emulator) as store:
        version = (await store.stat("file")).version
        found: list[bytes] = []
        for start in range(0, SIZE, 10_000):
            if start == 300_000:
                emulator.rotate_key(new_key)
                with pytest.raises(AccessDenied):
                    await store.read(version, 0, 1)
                assert store.health().state is HealthState.REFUSED
                assert store.health().request_id
                await store.rotate(on(emulator))
            found.append(bytes(await store.read(version, start, start + 10_000)))
        assert b"".join(found) == CONTENT

"""A read without a task keeps every promise of a read with one: retries, deadlines, breaker, places, rotation (SEMANTICS 32)."""

from typing import NoReturn

import pytest
import trio
import trio.testing

from mountd.errors import AccessDenied, Corrupt, NotFound, PreconditionFailed, StoreError, StoreTimeout, Unavailable
from mountd.stores import progress
from mountd.stores.config import StoreConfig
from mountd.stores.live import LARGEST_READ, LiveStore
from mountd.types import Version
from tests.fixtures.stores import (
    DirectFaultyStore,
    FaultyStore,
    Waiting,
    black_hole,
    definition,
    failing,
    failing_once,
    live,
    read_directly,
    taking,
    well,
)

CONTENT = bytes(range(250)) * 4


async def filled(store: FaultyStore) -> Version:
    return await store.memory.put("file", CONTENT)


def down() -> StoreError:
    return Unavailable("The network is down.", request_id="r-1")


async def test_bytes_come_in_one_request_and_count_as_any_others(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore()
    version = await filled(raw)
    store = live(raw)
    landing = Waiting()
    begun = store.begin(version, 100, 1000, landing)
    assert begun is not None
    assert store.health().in_flight == 1
    assert bytes(await landing.wait(begun)) == CONTENT[100:1000]
    assert raw.reads == [(100, 1000)]
    assert (store.health().in_flight, store.health().state) == (0, "ok")


async def test_a_kind_that_cannot_says_so() -> None:
    raw = FaultyStore()
    version = await filled(raw)
    store = live(raw)
    assert (store.places, store.begin(version, 0, 10, Waiting())) == (0, None)


@pytest.mark.parametrize("error", [Unavailable, StoreTimeout, Corrupt])
async def test_what_may_pass_is_asked_again(autojump_clock: trio.testing.MockClock, error: type[StoreError]) -> None:
    raw = DirectFaultyStore(failing_once(lambda: error("once"), lambda: error("twice")))
    version = await filled(raw)
    assert len(await read_directly(live(raw), version, 0, 1000)) == 1000
    times = [moment for _, moment in raw.requests]
    assert 0.05 <= times[1] - times[0] <= 0.1
    assert 0.1 <= times[2] - times[1] <= 0.2


@pytest.mark.parametrize("error", [NotFound, PreconditionFailed, AccessDenied])
async def test_an_answer_is_not_asked_for_again(
    autojump_clock: trio.testing.MockClock, error: type[StoreError]
) -> None:
    raw = DirectFaultyStore(failing(lambda: error("no")))
    version = await filled(raw)
    with pytest.raises(error):
        await read_directly(live(raw), version, 0, 1)
    assert len(raw.requests) == 1


async def test_retries_are_bounded_in_count(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore(failing(lambda: Corrupt("always")))
    version = await filled(raw)
    with pytest.raises(Corrupt):
        await read_directly(live(raw, retry_attempts=4), version, 0, 1)
    assert len(raw.requests) == 4


async def test_a_body_cut_short_is_resumed_from_the_byte_it_reached(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore()
    version = await filled(raw)
    raw.cut = [300, 0, 450]
    assert bytes(await read_directly(live(raw), version, 100, 1000)) == CONTENT[100:1000]
    assert raw.reads == [(100, 1000), (400, 1000), (400, 1000), (850, 1000)]


async def test_a_wrong_length_is_corrupt_and_never_given(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore()
    version = await filled(raw)
    taller = Version(version.key, version.etag, 2000, version.modified_ns)
    with pytest.raises(Corrupt):
        await read_directly(live(raw, retry_attempts=2), taller, 0, 2000)


async def test_a_black_hole_ends_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore(black_hole)
    version = await filled(raw)
    store = live(raw)
    began = trio.current_time()
    with pytest.raises(StoreTimeout):
        await read_directly(store, version, 0, 1000)
    assert trio.current_time() - began == pytest.approx(30, abs=0.1)
    assert len(raw.requests) == 3  # each abandoned as a stall after ten seconds
    assert store.health().in_flight == 0


async def test_the_deadline_counts_from_the_last_progress(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore()
    version = await filled(raw)

    async def slow_but_moving(operation: str) -> None:
        for _ in range(20):
            await trio.sleep(9)
            progress.made()

    raw.behave = slow_but_moving
    assert len(await read_directly(live(raw), version, 0, 1000)) == 1000  # three minutes, and one request
    assert len(raw.requests) == 1


async def test_who_leaves_is_gone_and_gives_its_place_back(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore(black_hole)
    version = await filled(raw)
    store = live(raw)
    with trio.move_on_after(3):
        await read_directly(store, version, 0, 1000)
    assert store.health().in_flight == 0
    await trio.testing.wait_all_tasks_blocked()
    assert raw.in_flight == 0
    raw.behave = well
    assert len(await read_directly(store, version, 0, 1000)) == 1000


async def test_a_bug_is_no_answer_and_gives_its_place_back(autojump_clock: trio.testing.MockClock) -> None:
    async def bug(operation: str) -> None:
        raise KeyError("a bug")

    raw = DirectFaultyStore(bug)
    version = await filled(raw)
    store = live(raw)
    with pytest.raises(KeyError):
        await read_directly(store, version, 0, 1000)
    assert (store.health().in_flight, len(raw.requests)) == (0, 1)


async def test_nothing_is_begun_that_would_have_to_wait(autojump_clock: trio.testing.MockClock) -> None:
    """No free place, caps, a breaker that is not closed, more than one request's bytes: that is `read`'s business."""
    raw = DirectFaultyStore(black_hole)
    version = await filled(raw)
    store = live(raw, concurrency=2, breaker_failures=1)
    begun = [store.begin(version, 0, 10, Waiting()) for _ in range(3)]
    assert [read is None for read in begun] == [False, False, True]
    for read in begun[:2]:
        read.leave()
    assert store.begin(Version("file", version.etag, 1 << 30, 0), 0, LARGEST_READ + 1, Waiting()) is None
    raw.behave = failing(down)
    with pytest.raises(StoreError):
        await read_directly(store, version, 0, 10)
    assert store.begin(version, 0, 10, Waiting()) is None
    for caps in ({"requests_per_second": 10.0}, {"bytes_per_second": 1000}, {"start_jitter": 60.0}):
        assert live(raw, **caps).begin(version, 0, 10, Waiting()) is None


async def test_some_places_are_kept_for_what_a_person_waits_for(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore(black_hole)
    version = await filled(raw)
    store = live(raw, concurrency=16)
    assert store.places == 14
    begun = [store.begin(version, 0, 10, Waiting()) for _ in range(store.places)]
    raw.behave = well
    await store.stat("file")
    for read in begun:
        read.leave()


async def test_failures_without_an_answer_open_the_breaker(autojump_clock: trio.testing.MockClock) -> None:
    raw = DirectFaultyStore(failing(down))
    version = await filled(raw)
    store = live(raw)
    with pytest.raises(Unavailable):
        await read_directly(store, version, 0, 10)
    sent = len(raw.requests)
    with pytest.raises(Unavailable, match="does not answer"):
        await read_directly(store, version, 0, 10)
    assert len(raw.requests) == sent


class Rotating:
    """Opens one store after the other, as if each had the next credential."""

    def __init__(self, *stores: FaultyStore) -> None:
        self._left = list(stores)
        self.live = LiveStore(definition(), StoreConfig(), lambda _: self._left.pop(0))


async def test_the_last_read_in_flight_closes_the_store_that_was_replaced(
    autojump_clock: trio.testing.MockClock,
) -> None:
    old, new = DirectFaultyStore(taking(5)), DirectFaultyStore()
    new.memory = old.memory
    version = await filled(old)
    store = Rotating(old, new).live
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_directly, store, version, 0, 10)
        nursery.start_soon(read_directly, store, version, 10, 20)
        await trio.sleep(1)
        await store.rotate(definition())
        assert not old.closed
        assert bytes(await read_directly(store, version, 0, 3)) == CONTENT[:3]
        assert len(new.requests) == 1
    await trio.testing.wait_all_tasks_blocked()
    assert old.closed
    assert not new.closed


async def test_a_read_refused_while_the_credential_changed_is_asked_again_with_the_new_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def refused_late(operation: str) -> None:
        await trio.sleep(5)
        raise AccessDenied("The key was regenerated.")

    old, new = DirectFaultyStore(refused_late), DirectFaultyStore()
    new.memory = old.memory
    version = await filled(old)
    store = Rotating(old, new).live
    async with trio.open_nursery() as nursery:
        found: list[bytes] = []

        async def read() -> None:
            found.append(bytes(await read_directly(store, version, 0, 10)))

        nursery.start_soon(read)
        await trio.sleep(1)
        await store.rotate(definition())
    assert found == [CONTENT[:10]]
    assert len(new.requests) == 1


async def test_a_credential_that_was_good_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    old, new = DirectFaultyStore(), DirectFaultyStore()
    new.memory = old.memory
    version = await filled(old)
    store = Rotating(old, new).live
    await read_directly(store, version, 0, 10)
    old.behave = failing(lambda: AccessDenied("The key was regenerated."))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_directly, store, version, 0, 10)
        await trio.sleep(2)
        await store.rotate(definition())
    assert len(new.requests) == 1


async def test_a_bug_while_a_read_is_begun_is_that_reads_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def bug(*_: object) -> NoReturn:
        raise ZeroDivisionError

    raw = DirectFaultyStore()
    version = await filled(raw)
    store = live(raw)
    monkeypatch.setattr(raw, "begin", bug)
    with pytest.raises(ZeroDivisionError):
        await read_directly(store, version, 0, 10)
    assert store.health().in_flight == 0

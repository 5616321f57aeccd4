"""Deadlines, retries, breaker, bulkhead and caps, on a virtual clock (SEMANTICS 32, 35)."""

import time

import pytest
import trio
import trio.testing

from mountd.errors import (
    AccessDenied,
    Corrupt,
    NotFound,
    PreconditionFailed,
    StoreError,
    StoreTimeout,
    Throttled,
    Unavailable,
)
from mountd.stores import progress
from mountd.stores.live import LiveStore
from mountd.types import Version
from tests.fixtures.stores import FaultyStore, black_hole, failing, failing_once, live, taking, well, whole


async def filled(store: FaultyStore, size: int = 1000) -> Version:
    return await store.memory.put("file", bytes(range(250)) * (size // 250))


def down() -> StoreError:
    return Unavailable("The network is down.", request_id="r-1")


def busy(seconds: float) -> StoreError:
    error = Throttled("Slower, please.")
    error.retry_after = seconds
    return error


# Retries -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [Throttled, Unavailable, StoreTimeout, Corrupt])
async def test_what_may_pass_is_asked_again(autojump_clock: trio.testing.MockClock, error: type[StoreError]) -> None:
    raw = FaultyStore(failing_once(lambda: error("once"), lambda: error("twice")))
    version = await filled(raw)
    assert len(await live(raw).read(version, 0, 1000)) == 1000
    assert len(raw.requests) == 3
    times = [moment for _, moment in raw.requests]
    assert 0.05 <= times[1] - times[0] <= 0.1
    assert 0.1 <= times[2] - times[1] <= 0.2


@pytest.mark.parametrize("error", [NotFound, PreconditionFailed, AccessDenied])
async def test_an_answer_is_not_asked_for_again(
    autojump_clock: trio.testing.MockClock, error: type[StoreError]
) -> None:
    raw = FaultyStore(failing(lambda: error("no")))
    version = await filled(raw)
    with pytest.raises(error):
        await live(raw).read(version, 0, 1)
    assert len(raw.requests) == 1


async def test_retries_are_bounded_in_count(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing(lambda: Corrupt("always")))
    version = await filled(raw)
    with pytest.raises(Corrupt):
        await live(raw, retry_attempts=4).read(version, 0, 1)
    assert len(raw.requests) == 4


async def test_retries_are_bounded_in_time(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing(down))
    with pytest.raises(Unavailable):
        await live(raw, retry_attempts=1000, deadline=20.0).stat("file")
    assert trio.current_time() - raw.requests[0][1] < 20


async def test_retry_after_is_honoured(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing_once(lambda: busy(7.0)))
    await filled(raw)
    await live(raw).stat("file")
    assert 7.0 <= raw.requests[1][1] - raw.requests[0][1] <= 7.7


async def test_a_retry_after_beyond_the_deadline_is_told_at_once(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing(lambda: busy(300.0)))
    store = live(raw)
    began = trio.current_time()
    with pytest.raises(Throttled):
        await store.stat("file")
    assert trio.current_time() == began
    await trio.sleep(200)
    with pytest.raises(Unavailable):  # and the service is left alone for as long as it asked
        await store.stat("file")
    assert len(raw.requests) == 1


async def test_a_retry_after_of_a_day_is_not_kept_for_a_day(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing(lambda: busy(86_400.0)))
    await filled(raw)
    store = live(raw)
    with pytest.raises(Throttled):
        await store.stat("file")
    raw.behave = well
    await trio.sleep(590)
    with pytest.raises(Unavailable):
        await store.stat("file")
    await trio.sleep(20)
    await store.stat("file")
    assert len(raw.requests) == 2


async def test_a_lost_answer_to_a_change_is_not_sent_again(autojump_clock: trio.testing.MockClock) -> None:
    """SEMANTICS 20: it is looked up by who asked; doing it twice could undo somebody else's change."""
    raw = FaultyStore(failing_once(down))
    with pytest.raises(Unavailable):
        await live(raw).put("file", b"x")
    assert len(raw.requests) == 1
    raw.behave = failing_once(lambda: busy(1.0))
    await live(raw).put("file", b"x")  # the service says that it did nothing
    raw.behave = failing_once(down)
    await live(raw).stage_block("file", "AAAA", b"x")  # the same bytes under the same id
    assert [operation for operation, _ in raw.requests].count("stage_block") == 2


async def test_a_body_cut_short_is_resumed_from_the_byte_it_reached(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    version = await filled(raw)
    raw.cut = [300, 0, 450]
    data = await live(raw).read(version, 100, 1000)
    assert bytes(data) == (bytes(range(250)) * 4)[100:1000]
    assert raw.reads == [(100, 1000), (400, 1000), (400, 1000), (850, 1000)]


async def test_a_wrong_length_is_corrupt_and_never_given(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    version = await filled(raw)
    taller = Version(version.key, version.etag, 2000, version.modified_ns)
    with pytest.raises(Corrupt):
        await live(raw, retry_attempts=2).read(taller, 0, 2000)


async def test_a_large_read_is_asked_for_in_pieces(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    version = await filled(raw, 20_000_000)
    assert len(await live(raw).read(version, 0, 20_000_000)) == 20_000_000
    assert [stop - start for start, stop in raw.reads] == [8 << 20, 8 << 20, 20_000_000 - (16 << 20)]


async def test_a_listing_is_retried_page_by_page(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    for name in "abcdef":
        await raw.memory.put(name, b"")
    pages = 0

    async def every_other(operation: str) -> None:
        nonlocal pages
        pages += 1
        if pages % 2:
            raise down()

    raw.behave = every_other
    assert (await whole(live(raw), page_size=2)).keys == list("abcdef")


# Deadlines ---------------------------------------------------------------------------------------------------------


async def test_a_black_hole_ends_at_the_deadline(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(black_hole)
    version = await filled(raw)
    began = trio.current_time()
    with pytest.raises(StoreTimeout):
        await live(raw).read(version, 0, 1000)
    assert trio.current_time() - began == pytest.approx(30, abs=0.1)
    assert len(raw.requests) == 3  # each abandoned as a stall after ten seconds


async def test_the_deadline_counts_from_the_last_progress(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    version = await filled(raw)

    async def slow_but_moving(operation: str) -> None:
        for _ in range(20):
            await trio.sleep(9)
            progress.made()

    raw.behave = slow_but_moving
    assert len(await live(raw).read(version, 0, 1000)) == 1000  # three minutes, and one request
    assert len(raw.requests) == 1

    async def then_stalled(operation: str) -> None:
        await slow_but_moving(operation)
        await trio.sleep_forever()

    raw.behave = then_stalled
    began = trio.current_time()
    with pytest.raises(StoreTimeout):
        await live(raw, retry_attempts=1).read(version, 0, 1000)
    assert trio.current_time() - began == pytest.approx(190, abs=0.1)


async def test_bytes_that_are_of_no_use_are_not_asked_for_without_end(autojump_clock: trio.testing.MockClock) -> None:
    async def heard_and_broken(operation: str) -> None:
        await trio.sleep(1)
        progress.made()
        raise Corrupt("Not what was stored.")

    raw = FaultyStore(heard_and_broken)
    with pytest.raises(Corrupt):
        await live(raw, retry_attempts=6).stat("file")
    assert len(raw.requests) == 6


async def test_resumed_bytes_are_progress(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(taking(9.5))
    version = await filled(raw)
    raw.cut = [100] * 9
    assert len(await live(raw).read(version, 0, 1000)) == 1000  # 95 seconds, never ten without a byte


async def test_a_step_of_the_wall_clock_changes_no_deadline(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMANTICS 35."""
    raw = FaultyStore(black_hole)
    steps = iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: (-1) ** next(steps) * 10.0**9)
    monkeypatch.setattr(time, "time_ns", lambda: (-1) ** next(steps) * 10**18)
    began = trio.current_time()
    with pytest.raises(StoreTimeout):
        await live(raw).stat("file")
    assert trio.current_time() - began == pytest.approx(30, abs=0.1)


async def test_a_killed_reader_leaves_at_once(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(black_hole)
    store = live(raw, concurrency=1)
    with trio.move_on_after(3) as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.stat, "waiting on the service")
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(store.stat, "waiting for a place")
    assert scope.cancelled_caught
    assert trio.current_time() - raw.requests[0][1] == 3
    raw.behave = well
    await raw.memory.put("file", b"")
    await store.stat("file")
    assert store.health().in_flight == 0


# One datastore and another -------------------------------------------------------------------------------------------


async def test_a_black_hole_starves_nobody(autojump_clock: trio.testing.MockClock) -> None:
    """200 readers on a dead datastore; another's reads and listings do not wait a moment."""
    dead, alive = live(FaultyStore(black_hole), "dead"), FaultyStore(taking(0.01))
    version = await filled(alive)
    healthy = live(alive, "alive")
    waits: list[float] = []
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(_swallowed, dead, f"{number}")
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(300):
            began = trio.current_time()
            await healthy.read(version, 0, 100)
            await whole(healthy)
            waits.append(trio.current_time() - began)
        nursery.cancel_scope.cancel()
    assert max(waits) == pytest.approx(0.03)  # a read, and a listing's page and end


async def _swallowed(store: LiveStore, key: str) -> None:
    try:
        await store.stat(key)
    except StoreError:
        return


async def test_concurrency_is_bounded_and_everybody_has_a_turn(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(taking(1.0))
    await filled(raw)
    store = live(raw, concurrency=4)
    async with trio.open_nursery() as nursery:
        for _ in range(200):
            nursery.start_soon(store.stat, "file")  # 50 seconds: longer than a deadline, but the queue moves
    assert raw.most_in_flight == 4
    assert len(raw.requests) == 200


async def test_who_has_waited_longest_is_not_overtaken(autojump_clock: trio.testing.MockClock) -> None:
    """A wait longer than a deadline is looked at again, and must not lose its place in the queue to those who came later."""
    raw = FaultyStore(taking(1.0))
    await filled(raw)
    store, served = live(raw, concurrency=1), []

    async def ask() -> None:
        await store.stat("file")
        served.append(trio.current_time() - began)

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        async with trio.open_nursery() as first:
            for _ in range(40):
                first.start_soon(ask)
            for _ in range(60):
                await trio.sleep(0.6)
                nursery.start_soon(store.stat, "file")
        assert max(served) < 41


async def test_a_place_that_never_comes_is_a_timeout(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(black_hole)
    store = live(raw, concurrency=1, stall_timeout=1000.0, breaker_failures=1000)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_swallowed, store, "first")
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(StoreError):
            await store.stat("second")
        assert trio.current_time() - began == pytest.approx(30, abs=0.1)


# Caps ----------------------------------------------------------------------------------------------------------------


async def test_requests_a_second_are_capped(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await filled(raw)
    store = live(raw, requests_per_second=10.0)
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(410):
            nursery.start_soon(store.stat, "file")
    assert trio.current_time() - began == pytest.approx(40, abs=0.5)  # longer than a deadline, by our own doing
    times = [moment - began for _, moment in raw.requests]
    assert all(times[index + 20] - times[index] > 0.9 for index in range(len(times) - 20))


async def test_bytes_a_second_are_capped(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    version = await filled(raw, 100_000)
    store = live(raw, bytes_per_second=100_000)
    began = trio.current_time()
    for _ in range(10):
        await store.read(version, 0, 100_000)
    assert trio.current_time() - began == pytest.approx(10, abs=0.2)


async def test_a_cancelled_wait_gives_its_turn_back(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await filled(raw)
    store = live(raw, requests_per_second=1.0)
    await store.stat("file")
    with trio.move_on_after(0.1):
        async with trio.open_nursery() as nursery:
            for _ in range(100):
                nursery.start_soon(store.stat, "file")
    began = trio.current_time()
    await store.stat("file")
    assert trio.current_time() - began < 1


async def test_the_first_requests_of_many_nodes_are_spread(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await filled(raw)
    store = live(raw, start_jitter=60.0)
    began = trio.current_time()
    await store.stat("file")
    assert 0 < trio.current_time() - began < 60
    began = trio.current_time()
    await store.stat("file")
    assert trio.current_time() == began


# What it says ----------------------------------------------------------------------------------------------------------


async def test_an_idle_store_sends_nothing_and_runs_nothing(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await filled(raw)
    store = live(raw)
    await store.stat("file")
    raw.behave = failing(down)
    await _swallowed(store, "file")
    raw.requests.clear()
    tasks = trio.lowlevel.current_statistics().tasks_living
    await trio.sleep(600)
    assert raw.requests == []
    assert trio.lowlevel.current_statistics().tasks_living == tasks

"""An outage does not turn into a storm, and a dead datastore's readers do not wait."""

import pytest
import trio
import trio.testing

from mountd import metrics
from mountd.errors import StoreError, StoreTimeout, Unavailable
from mountd.stores.live import LiveStore
from mountd.types import ObjectInfo
from tests.fixtures.stores import FaultyStore, black_hole, failing, live, well


def down() -> StoreError:
    return Unavailable("The network is down.", request_id="r-1")


async def outcome(store: LiveStore, results: list[str]) -> None:
    try:
        await store.stat("file")
        results.append("ok")
    except StoreError as error:
        results.append(error.code)


async def test_a_thousand_readers_in_an_outage_send_few_requests(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing(down))
    store = live(raw)
    results: list[str] = []
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(outcome, store, results)
    assert results == ["unavailable"] * 1000
    # The places that were taken before the first failure was known, and then one request at a time.
    assert len(raw.requests) <= 64 + 20
    elapsed = trio.current_time() - raw.requests[0][1]
    assert elapsed <= 31


async def test_readers_that_waited_go_on_when_the_service_is_back(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(failing(down))
    await raw.memory.put("file", b"x")
    store = live(raw)
    results: list[str] = []
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(outcome, store, results)
        await trio.sleep(10)
        before = len(raw.requests)
        raw.behave = well
    assert results == ["ok"] * 1000
    assert before < 64 + 20


async def test_a_dead_datastore_answers_at_once_after_its_first_deadline(
    autojump_clock: trio.testing.MockClock,
) -> None:
    raw = FaultyStore(black_hole)
    store = live(raw, "dead")
    with pytest.raises(StoreTimeout):
        await store.stat("file")
    assert metrics.REGISTRY.get_sample_value("mountd_breaker_open", {"datastore": "dead"}) == 1
    sent = len(raw.requests)
    began = trio.current_time()
    for _ in range(100):
        with pytest.raises(Unavailable, match="does not answer"):
            await store.stat("file")
    assert trio.current_time() == began
    assert len(raw.requests) == sent


async def test_one_call_at_a_time_tries_a_dead_datastore(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(black_hole)
    store = live(raw)
    await outcome(store, [])
    raw.requests.clear()
    raw.most_in_flight = 0
    began = trio.current_time()
    results: list[str] = []
    while trio.current_time() - began < 300:  # an application that asks again and again
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(outcome, store, results)
        await trio.sleep(1)
    assert raw.most_in_flight == 1
    assert 5 <= len(raw.requests) <= 15  # after 5 s, then 10, 20, 30, 30, …, each abandoned after its stall


async def test_it_closes_with_the_first_answer(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(black_hole)
    await raw.memory.put("file", b"x")
    store = live(raw, "back")
    await outcome(store, [])
    raw.behave = well
    results: list[str] = []
    await outcome(store, results)
    await trio.sleep(5)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(outcome, store, results)
    await outcome(store, results)
    assert results[0] == "unavailable"
    assert results[-1] == "ok"
    assert metrics.REGISTRY.get_sample_value("mountd_breaker_open", {"datastore": "back"}) == 0


async def test_a_killed_trial_lets_the_next_one_try(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore(black_hole)
    await raw.memory.put("file", b"x")
    store = live(raw)
    await outcome(store, [])
    await trio.sleep(5)
    with trio.move_on_after(1):
        await store.stat("file")
    raw.behave = well
    assert (await store.stat("file")).version.size == 1


async def test_a_few_failures_among_answers_do_not_close_a_datastore(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await raw.memory.put("file", b"x")
    count = 0

    async def one_in_three(operation: str) -> None:
        nonlocal count
        count += 1
        await trio.sleep(0.01)
        if count % 3 == 0:
            raise down()

    raw.behave = one_in_three
    store = live(raw)
    results: list[str] = []
    async with trio.open_nursery() as nursery:
        for _ in range(500):
            nursery.start_soon(outcome, store, results)
    assert results == ["ok"] * 500


async def test_one_failing_key_does_not_open_a_datastore_that_answers(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await raw.memory.put("file", b"x")
    bad = FaultyStore(failing(down))
    raw_stat = raw.stat

    async def stat(key: str) -> ObjectInfo:
        return await (bad.stat(key) if key == "bad" else raw_stat(key))

    raw.stat = stat
    store = live(raw)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def others() -> None:
            while True:
                await store.stat("file")
                await trio.sleep(0.2)

        with pytest.raises(Unavailable, match="network is down"):
            await store.stat("bad")
        nursery.cancel_scope.cancel()
    await store.stat("file")


async def test_closing_a_datastore_leaves_its_successors_gauges_alone(autojump_clock: trio.testing.MockClock) -> None:
    old = live(FaultyStore(), "twice")
    raw = FaultyStore(black_hole)
    new = live(raw, "twice")
    await old.aclose()
    await outcome(new, [])
    assert metrics.REGISTRY.get_sample_value("mountd_breaker_open", {"datastore": "twice"}) == 1
    assert metrics.REGISTRY.get_sample_value("mountd_store_in_flight", {"datastore": "twice"}) == 0
    await new.aclose()
    assert metrics.REGISTRY.get_sample_value("mountd_store_in_flight", {"datastore": "twice"}) is None

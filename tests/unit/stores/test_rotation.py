"""A credential changes while calls go on: calls in flight finish, and nobody notices."""

from dataclasses import replace

import pytest
import trio
import trio.testing

from mountd.errors import AccessDenied, InvalidDefinition
from mountd.stores.config import StoreConfig
from mountd.stores.interface import HealthState
from mountd.stores.live import LiveStore
from tests.fixtures.stores import FaultyStore, definition, failing, taking, whole


class Rotating:
    """Opens one store after the other, as if each had the next credential."""

    def __init__(self, *stores: FaultyStore) -> None:
        self._left = list(stores)
        self.live = LiveStore(definition(), StoreConfig(), lambda _: self._left.pop(0))


def refused() -> AccessDenied:
    return AccessDenied("The key was regenerated.")


async def pair() -> tuple[FaultyStore, FaultyStore]:
    """Two ways to one container."""
    old, new = FaultyStore(), FaultyStore()
    new.memory = old.memory
    for name in ("a", "b/1", "b/2", "c", "d", "e/1", "f"):
        await old.memory.put(name, name.encode())
    return old, new


async def test_calls_in_flight_finish_on_the_old_store_and_the_last_one_closes_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    old, new = await pair()
    old.behave = taking(5)
    live = Rotating(old, new).live
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.stat, "a")
        nursery.start_soon(live.stat, "c")
        await trio.sleep(1)
        await live.rotate(definition())
        assert not old.closed
        await live.stat("a")
        assert trio.current_time() < 2 + old.requests[0][1]
    assert old.closed
    assert len(old.requests) == 2
    assert len(new.requests) == 1
    assert not new.closed


async def test_an_unused_store_is_closed_at_once() -> None:
    old, new = await pair()
    live = Rotating(old, new).live
    await live.rotate(definition())
    assert old.closed


async def test_a_cancelled_call_still_closes_what_it_leaves(autojump_clock: trio.testing.MockClock) -> None:
    old, new = await pair()
    old.behave = taking(5)
    live = Rotating(old, new).live
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.stat, "a")
        await trio.sleep(1)
        await live.rotate(definition())
        nursery.cancel_scope.cancel()
    assert old.closed


async def test_a_call_refused_while_the_credential_changed_is_asked_again_with_the_new_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    old, new = await pair()

    async def slow_refusal(operation: str) -> None:
        await trio.sleep(5)
        raise refused()

    old.behave = slow_refusal
    live = Rotating(old, new).live
    async with trio.open_nursery() as nursery:
        nursery.start_soon(live.stat, "a")
        await trio.sleep(1)
        await live.rotate(definition())
    assert live.health().state is HealthState.OK


async def test_a_credential_replaced_at_the_storage_first_is_waited_for(autojump_clock: trio.testing.MockClock) -> None:
    """The key was regenerated, and a moment later the daemon is told: nobody has noticed."""
    old, new = await pair()
    live = Rotating(old, new).live
    await live.stat("a")
    old.behave = failing(refused)
    async with trio.open_nursery() as nursery:
        for name in ("a", "c", "d"):
            nursery.start_soon(live.stat, name)
        await trio.sleep(1)
        assert live.health().state is HealthState.REFUSED
        await live.rotate(definition())
    assert live.health().state is HealthState.OK


async def test_what_stays_refused_is_waited_for_once(autojump_clock: trio.testing.MockClock) -> None:
    """The first calls wait the time that is configured, later ones not at all; nor does a credential that never was good."""
    old, new = await pair()
    live = Rotating(old, new).live
    await live.stat("a")
    old.behave = new.behave = failing(refused)
    for seconds in (3.0, 0.0, 0.0):
        began = trio.current_time()
        with pytest.raises(AccessDenied):
            await live.stat("a")
        assert trio.current_time() - began == seconds
    await live.rotate(definition())
    began = trio.current_time()
    with pytest.raises(AccessDenied):
        await live.stat("a")
    assert trio.current_time() == began


async def test_a_closed_store_waits_for_no_credential(autojump_clock: trio.testing.MockClock) -> None:
    old, new = await pair()
    live = Rotating(old, new).live
    await live.stat("a")
    old.behave = failing(refused)
    began = trio.current_time()

    async def ask() -> None:
        with pytest.raises(AccessDenied):
            await live.stat("a")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await trio.sleep(1)
        await live.aclose()
    assert trio.current_time() == began + 1


@pytest.mark.parametrize("recursive", [True, False])
@pytest.mark.parametrize("page_size", [1, 2, 3])
async def test_a_listing_goes_on_behind_the_last_name_it_gave(recursive: bool, page_size: int) -> None:
    for pages_before in range(8):
        old, new = await pair()
        live = Rotating(old, new).live
        keys: list[str] = []
        folders: list[str] = []
        pages = 0
        async for page in live.list("", recursive=recursive, page_size=page_size):
            keys += page.keys
            folders += page.folders
            pages += 1
            if pages == pages_before:
                old.behave = failing(refused)
                await live.rotate(definition())
        expected = await whole(old.memory, recursive=recursive)
        assert (keys, folders) == (expected.keys, expected.folders)


async def test_a_rotation_to_another_storage_is_refused() -> None:
    old, new = FaultyStore(container="one"), FaultyStore(container="two")
    live = Rotating(old, new).live
    with pytest.raises(InvalidDefinition, match="two"):
        await live.rotate(replace(definition(), container="two"))
    assert new.closed
    assert not old.closed


async def test_a_refused_datastore_is_unknown_again_when_its_credential_changed() -> None:
    old, new = await pair()
    old.behave = failing(refused)
    live = Rotating(old, new).live
    with pytest.raises(AccessDenied):
        await live.stat("a")
    assert live.health().state is HealthState.REFUSED
    await live.rotate(definition())
    assert live.health().state is HealthState.UNKNOWN
    assert live.health().last_error == "The key was regenerated."
    await live.stat("a")
    assert live.health().state is HealthState.OK

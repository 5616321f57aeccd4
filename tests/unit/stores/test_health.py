"""What a datastore says of itself: its state, and each failure once in the log."""

import logging

import pytest
import trio
import trio.testing

from mountd.errors import AccessDenied, NotFound, StoreError, Unavailable
from mountd.stores.interface import HealthState
from mountd.types import Version
from tests.fixtures.stores import FaultyStore, failing, failing_once, live, well


async def filled(store: FaultyStore) -> Version:
    return await store.memory.put("file", bytes(1000))


def down() -> StoreError:
    return Unavailable("The network is down.", request_id="r-1")


async def test_each_failure_is_logged_once_with_its_request_id(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    raw = FaultyStore(failing_once(down, down))
    await filled(raw)
    with caplog.at_level(logging.DEBUG, "mountd"):
        await live(raw).stat("file")
        with pytest.raises(NotFound):
            await live(raw).stat("nothing")
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert all("r-1" in record.getMessage() and record.request_id == "r-1" for record in caplog.records)


async def test_health_tells_refused_from_unreachable(autojump_clock: trio.testing.MockClock) -> None:
    raw = FaultyStore()
    await filled(raw)
    store = live(raw)
    assert store.health().state is HealthState.UNKNOWN
    await store.stat("file")
    assert store.health().state is HealthState.OK
    raw.behave = failing(lambda: AccessDenied("The key is wrong.", request_id="r-9"))
    with pytest.raises(AccessDenied):
        await store.stat("file")
    health = store.health()
    assert (health.state, health.last_error, health.request_id) == (HealthState.REFUSED, "The key is wrong.", "r-9")
    raw.behave = failing(down)
    with pytest.raises(Unavailable):
        await store.stat("file")
    assert store.health().state is HealthState.UNREACHABLE
    raw.behave = well
    await trio.sleep(60)
    with pytest.raises(NotFound):
        await store.stat("nothing")  # an answer, though not a success
    await store.stat("file")
    assert store.health().state is HealthState.OK

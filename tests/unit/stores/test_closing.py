"""A datastore is closed while it is asked: whoever waits is told at once."""

import pytest
import trio
import trio.testing

from mountd.errors import StoreError, Unavailable
from tests.fixtures.stores import FaultyStore, failing, live


def down() -> StoreError:
    return Unavailable("The network is down.", request_id="r-1")


async def test_a_datastore_that_is_closed_keeps_nobody_waiting(autojump_clock: trio.testing.MockClock) -> None:
    """Neither one between two attempts, nor those who wait for what it finds."""
    raw = FaultyStore(failing(down))
    store = live(raw, retry_first_delay=5.0, retry_longest_delay=5.0, breaker_failures=1)
    ended: list[float] = []

    async def ask() -> None:
        with pytest.raises(Unavailable):
            await store.stat("file")
        ended.append(trio.current_time())

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
        await trio.sleep(1)
        await store.aclose()
        nursery.start_soon(ask)
    assert ended == [began + 1] * 4

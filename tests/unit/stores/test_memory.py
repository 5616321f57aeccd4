"""What is particular to the memory kind: it is deterministic."""

import pytest
import trio
import trio.testing

from mountd.errors import LeaseConflict
from mountd.stores.memory import MemoryStore
from tests.fixtures.stores import whole


async def test_two_runs_are_the_same_to_the_last_etag() -> None:
    async def run() -> list[object]:
        ticks = iter(range(100))
        store = MemoryStore(wall_clock=lambda: next(ticks))
        first = await store.put("a/b", b"1")
        copy = await store.copy(first, "c")
        listed = await whole(store, recursive=True)
        return [first, copy, listed, await store.acquire_lease("c", 15)]

    assert await run() == await run()


async def test_a_lease_ends_by_itself(autojump_clock: trio.testing.MockClock) -> None:
    store = MemoryStore()
    await store.put("file", b"x")
    lease = await store.acquire_lease("file", 15)
    await trio.sleep(10)
    await store.renew_lease("file", lease)
    await trio.sleep(10)
    with pytest.raises(LeaseConflict):
        await store.put("file", b"y")
    await trio.sleep(6)
    await store.put("file", b"y")


async def test_what_is_read_does_not_change_under_the_reader() -> None:
    store = MemoryStore()
    source = bytearray(b"before")
    version = await store.put("file", memoryview(source))
    source[:] = b"after!"
    data = await store.read(version, 0, 6)
    await store.put("file", b"later!")
    assert bytes(data) == b"before"


async def test_names_that_come_and_go_during_a_listing_break_nothing() -> None:
    store = MemoryStore()
    for name in "abcdef":
        await store.put(name, b"")
    seen = []
    async for page in store.list("", page_size=2):
        seen += page.keys
        if seen == ["a", "b"]:
            await store.delete("a")
            await store.delete("c")
            await store.put("bb", b"")
    assert seen == ["a", "b", "d", "e", "f"]  # it had decided on `c` as the next; `bb` came behind its back

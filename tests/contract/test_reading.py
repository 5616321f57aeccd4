"""Exact bytes of exactly one version, or an error that says why not (SEMANTICS 1)."""

import pytest
import trio

from mountd.errors import NoContainer, NotFound, PreconditionFailed
from mountd.stores.interface import Condition
from mountd.stores.live import Raw
from mountd.types import Version
from tests.contract.conftest import AZURITE
from tests.fixtures.stores import whole

CONTENT = bytes(range(256)) * 4096  # 1 MiB, no two neighbouring ranges alike


async def test_ranges_are_exact(store: Raw) -> None:
    version = await store.put("file", CONTENT)
    assert version.size == len(CONTENT)
    for start, stop in (
        (0, 1),
        (0, len(CONTENT)),
        (1, 2),
        (255, 257),
        (4095, 70_001),
        (len(CONTENT) - 1, len(CONTENT)),
    ):
        assert bytes(await store.read(version, start, stop)) == CONTENT[start:stop]


async def test_many_readers_of_one_version_each_get_theirs(store: Raw) -> None:
    version = await store.put("file", CONTENT)
    found: dict[int, bytes] = {}

    async def read(start: int) -> None:
        found[start] = bytes(await store.read(version, start, start + 777))

    async with trio.open_nursery() as nursery:
        for start in range(0, 40_000, 1000):
            nursery.start_soon(read, start)
    assert found == {start: CONTENT[start : start + 777] for start in range(0, 40_000, 1000)}


async def test_etags_are_bare_and_the_same_everywhere(store: Raw) -> None:
    written = await store.put("file", b"x")
    listed = (await whole(store)).info(0).version
    found = (await store.stat("file")).version
    assert written.etag == listed.etag == found.etag
    assert '"' not in written.etag
    assert written.etag
    assert listed == found


async def test_each_write_is_a_new_version_also_of_the_same_bytes(store: Raw) -> None:
    etags = {(await store.put("file", b"same")).etag for _ in range(5)}
    assert len(etags) == 5


async def test_a_replaced_version_is_never_read(store: Raw) -> None:
    old = await store.put("file", b"old" * 100)
    new = await store.put("file", b"new" * 100)
    with pytest.raises(PreconditionFailed):
        await store.read(old, 0, 10)
    assert bytes(await store.read(new, 0, 3)) == b"new"


async def test_a_deleted_version_is_gone(store: Raw, kind: str) -> None:
    version = await store.put("file", b"x")
    await store.delete("file")
    # Azurite answers 412 where the service answers 404: it looks at If-Match first.
    with pytest.raises((NotFound, PreconditionFailed) if kind == "azurite" else NotFound):
        await store.read(version, 0, 1)
    with pytest.raises(NotFound):
        await store.stat("file")


@pytest.mark.parametrize("kind", ["local", "emulator", AZURITE])  # a memory store is its own container
async def test_a_missing_container_is_an_error_and_never_empty(missing: Raw) -> None:
    with pytest.raises(NoContainer):
        await whole(missing)
    with pytest.raises(NoContainer):
        await missing.stat("x")
    with pytest.raises(NoContainer):
        await missing.put("x", b"x")
    with pytest.raises(NoContainer):
        await missing.delete("x", condition=Condition(if_match="e"))


async def test_a_cancelled_call_leaves_at_once_and_hurts_nobody(store: Raw) -> None:
    version = await store.put("file", CONTENT)
    for call in (
        lambda: store.read(version, 0, len(CONTENT)),
        lambda: store.stat("file"),
        lambda: whole(store),
        lambda: store.put("other", b"x"),
    ):
        began = trio.current_time()
        with trio.CancelScope() as scope:
            scope.cancel()
            await call()
        assert scope.cancelled_caught
        assert trio.current_time() - began < 1
    assert bytes(await store.read(version, 5, 9)) == CONTENT[5:9]


async def test_identity_tells_where_and_not_under_what_name(store: Raw, kind: str) -> None:
    identity = store.identity
    assert identity.kind == {"live": "memory", "emulator": "blob", "azurite": "blob"}.get(kind, kind)
    assert identity.container
    assert store.identity == identity


async def test_a_size_zero_file_is_a_file(store: Raw) -> None:
    version = await store.put("empty", b"")
    assert version.size == 0
    assert (await store.stat("empty")).version == Version(
        "empty", version.etag, 0, (await store.stat("empty")).version.modified_ns
    )
    assert (await whole(store)).sizes == [0]

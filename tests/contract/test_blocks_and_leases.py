"""Objects made of blocks (SEMANTICS 17, 18), and exclusive claims (29)."""

import base64

import pytest

from mountd.errors import AlreadyExists, LeaseConflict, NotFound, PreconditionFailed, StoreError
from mountd.stores.interface import IF_ABSENT, BlockId, Condition, Properties
from mountd.stores.live import Raw
from tests.contract.conftest import AZURITE

pytestmark = pytest.mark.parametrize(
    "kind", ["memory", "live", "emulator", AZURITE]
)  # a folder has neither, and says so


def block_id(number: int) -> str:
    return base64.b64encode(b"writer-one" + number.to_bytes(8, "big")).decode()


async def staged(store: Raw, key: str, *pieces: bytes, first: int = 0) -> list[BlockId]:
    blocks = []
    for number, piece in enumerate(pieces, first):
        await store.stage_block(key, block_id(number), piece)
        blocks.append(BlockId(block_id(number), len(piece), False))
    return blocks


async def test_blocks_become_an_object_when_they_are_committed(store: Raw) -> None:
    blocks = await staged(store, "file", b"one", b"two", b"three")
    with pytest.raises(NotFound):
        await store.stat("file")
    assert [(block.id, block.committed) for block in await store.block_list("file")] == [(b.id, False) for b in blocks]
    properties = Properties(content_type="text/plain", metadata={"mtime": "1"})
    version = await store.commit_blocks("file", [blocks[2], blocks[0]], condition=IF_ABSENT, properties=properties)
    assert version.size == 8
    assert bytes(await store.read(version, 0, 8)) == b"threeone"
    found = await store.stat("file")
    assert found.version.etag == version.etag
    assert found.traits.metadata == {"mtime": "1"}
    assert [(block.id, block.size, block.committed) for block in await store.block_list("file")] == [
        (blocks[2].id, 5, True),
        (blocks[0].id, 3, True),
    ]


async def test_committed_blocks_are_used_again(store: Raw) -> None:
    blocks = await staged(store, "file", b"aaaa", b"bbbb", b"cccc")
    first = await store.commit_blocks("file", blocks)
    (changed,) = await staged(store, "file", b"XXXX", first=9)
    kept = [BlockId(block.id, block.size, True) for block in blocks]
    second = await store.commit_blocks("file", [kept[0], changed, kept[2]], condition=Condition(if_match=first.etag))
    assert bytes(await store.read(second, 0, 12)) == b"aaaaXXXXcccc"


async def test_a_commit_discards_the_staged_blocks_it_does_not_name(store: Raw) -> None:
    blocks = await staged(store, "file", b"one", b"two")
    await store.commit_blocks("file", blocks[:1])
    with pytest.raises(StoreError):
        await store.commit_blocks("file", blocks[1:])
    version = (await store.stat("file")).version
    assert bytes(await store.read(version, 0, 3)) == b"one"


async def test_a_commit_is_conditional(store: Raw) -> None:
    old = await store.put("file", b"old")
    await store.put("file", b"newer")
    blocks = await staged(store, "file", b"one")
    with pytest.raises(AlreadyExists):
        await store.commit_blocks("file", blocks, condition=IF_ABSENT)
    blocks = await staged(store, "file", b"one")
    with pytest.raises(PreconditionFailed):
        await store.commit_blocks("file", blocks, condition=Condition(if_match=old.etag))
    assert (await store.stat("file")).version.size == 5


async def test_an_empty_block_list_is_an_empty_file(store: Raw) -> None:
    version = await store.commit_blocks("file", [])
    assert version.size == 0
    assert list(await store.block_list("file")) == []


async def test_a_block_list_of_nothing_is_not_found(store: Raw) -> None:
    with pytest.raises(NotFound):
        await store.block_list("nothing")


async def test_a_lease_keeps_others_out(store: Raw) -> None:
    version = await store.put("file", b"x")
    lease = await store.acquire_lease("file", 60)
    with pytest.raises(LeaseConflict):
        await store.acquire_lease("file", 60)
    for change in (
        lambda: store.put("file", b"y"),
        lambda: store.delete("file", condition=Condition(if_match=version.etag)),
        lambda: store.set_metadata(version, {"a": "b"}),
    ):
        with pytest.raises(LeaseConflict):
            await change()
    assert bytes(await store.read(version, 0, 1)) == b"x"
    await store.renew_lease("file", lease)
    await store.release_lease("file", lease)
    await store.put("file", b"y")


async def test_a_lease_is_kept_by_its_id_alone(store: Raw) -> None:
    await store.put("file", b"x")
    lease = await store.acquire_lease("file", -1)
    stranger = lease[:-1] + ("0" if lease[-1] != "0" else "1")
    with pytest.raises(LeaseConflict):
        await store.renew_lease("file", stranger)
    with pytest.raises(LeaseConflict):
        await store.release_lease("file", stranger)
    await store.release_lease("file", lease)
    await store.release_lease("file", await store.acquire_lease("file", 15))


async def test_a_lease_needs_something_to_hold(store: Raw) -> None:
    with pytest.raises(NotFound):
        await store.acquire_lease("nothing", 60)

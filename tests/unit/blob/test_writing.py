"""Changes, blocks and leases, on Azurite and on the emulator."""

from dataclasses import replace

import pytest

from mountd.definitions import DatastoreDefinition
from mountd.emulator import Emulator
from mountd.emulator.faults import Fault
from mountd.errors import (
    AlreadyExists,
    Corrupt,
    Immutable,
    LeaseConflict,
    NotFound,
    PreconditionFailed,
    StoreError,
    Unsupported,
)
from mountd.stores.blob import BlobStore
from mountd.stores.blob.writing import block_id
from mountd.stores.interface import IF_ABSENT, BlockId, Blocks, Condition, Leases, Properties, Reader, Writer
from mountd.types import Version
from tests.fixtures.azurite import Azurite
from tests.unit.blob.conftest import on_emulator, opened


def test_it_is_every_protocol() -> None:
    reader: type[Reader] = BlobStore
    writer: type[Writer] = BlobStore
    blocks: type[Blocks] = BlobStore
    leases: type[Leases] = BlobStore
    assert reader is writer is blocks is leases


async def content(store: BlobStore, version: Version) -> bytes:
    return bytes(await store.read(version, 0, version.size))


async def test_put_answers_the_version_that_is_then_there(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        put = await store.put(
            "k", memoryview(b"view"), properties=Properties("text/plain", metadata={"a_b": "1", "c": "2"})
        )
        info = await store.stat("k")
        assert info.version == put
        assert (info.traits.content_type, dict(info.traits.metadata)) == ("text/plain", {"a_b": "1", "c": "2"})
        assert await content(store, put) == b"view"
        empty = await store.put("empty", b"")
        assert empty.size == (await store.stat("empty")).version.size == 0


async def test_metadata_names_are_signed_in_the_services_order(azurite: Azurite) -> None:
    async with opened(azurite.definition()) as store:
        await store.put("k", b"", properties=Properties(metadata={"a_b": "1", "a1b": "2", "ab": "3", "a__b": "4"}))


async def test_conditions(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        first = await store.put("k", b"1", condition=IF_ABSENT)
        with pytest.raises(AlreadyExists):
            await store.put("k", b"2", condition=IF_ABSENT)
        second = await store.put("k", b"22", condition=Condition(first.etag))
        for attempt in (
            store.put("k", b"3", condition=Condition(first.etag)),
            store.delete("k", condition=Condition(first.etag)),
            store.set_metadata(first, {"a": "b"}),
            store.copy(first, "other"),
        ):
            with pytest.raises(PreconditionFailed):
                await attempt
        await store.delete("k", condition=Condition(second.etag))
        with pytest.raises(NotFound):
            await store.delete("k")


async def test_copy_takes_all_that_the_source_has(definition: DatastoreDefinition) -> None:
    properties = Properties("image/x", "br", metadata={"who": "me"})
    async with opened(definition) as store:
        source = await store.put("a//s p%20c", b"bytes", properties=properties)
        copied = await store.copy(source, "b/\u00e9?", condition=IF_ABSENT)
        info = await store.stat("b/\u00e9?")
        assert (info.version, await content(store, copied)) == (copied, b"bytes")
        assert (info.traits.content_type, info.traits.content_encoding) == ("image/x", "br")
        assert info.traits.metadata == {"who": "me"}
        with pytest.raises(AlreadyExists):
            await store.copy(source, "b/\u00e9?", condition=IF_ABSENT)


async def test_metadata_is_replaced_and_the_rest_stays(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        put = await store.put("k", b"x", properties=Properties("image/x", metadata={"old": "1"}))
        changed = await store.set_metadata(put, {"new": "2"})
        info = await store.stat("k")
        assert info.version == changed != put
        assert (info.traits.content_type, dict(info.traits.metadata)) == ("image/x", {"new": "2"})
        with pytest.raises(Unsupported):
            await store.set_metadata(changed, {"name": "caf\u00e9"})


async def test_blocks_become_a_blob(definition: DatastoreDefinition) -> None:
    ids = [block_id(b"0123456789", number) for number in range(3)]
    assert len({len(name) for name in ids}) == 1
    async with opened(definition) as store:
        for number, name in enumerate(ids):
            await store.stage_block("big", name, bytes([number]) * 1000)
        assert set(await store.block_list("big")) == {BlockId(name, 1000, committed=False) for name in ids}
        with pytest.raises(NotFound):
            await store.stat("big")
        listed = [BlockId(name, 1000, committed=False) for name in ids[:2]]
        first = await store.commit_blocks(
            "big", listed, condition=IF_ABSENT, properties=Properties("a/b", metadata={"m": "1"})
        )
        info = await store.stat("big")
        assert (info.version, info.traits.content_type, dict(info.traits.metadata)) == (first, "a/b", {"m": "1"})
        # One block changes, the other is reused.
        await store.stage_block("big", ids[2], b"\2" * 10)
        again = [replace(listed[0], committed=True), BlockId(ids[2], 10, committed=False)]
        second = await store.commit_blocks("big", again, condition=Condition(first.etag))
        assert await content(store, second) == b"\0" * 1000 + b"\2" * 10
        assert list(await store.block_list("big")) == [replace(block, committed=True) for block in again]
        with pytest.raises(AlreadyExists):
            await store.commit_blocks("big", [], condition=IF_ABSENT)
        with pytest.raises(StoreError):
            await store.commit_blocks("big", [BlockId(block_id(b"never-staged"[:10], 9), 1, committed=False)])


async def test_leases(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        version = await store.put("k", b"x")
        lease = await store.acquire_lease("k", 15)
        with pytest.raises(LeaseConflict):
            await store.acquire_lease("k", 15)
        with pytest.raises(LeaseConflict):
            await store.put("k", b"y")
        assert await content(store, version) == b"x"
        await store.renew_lease("k", lease)
        await store.release_lease("k", lease)
        await store.put("k", b"y")
        with pytest.raises(LeaseConflict):
            await store.renew_lease("k", "11111111-2222-3333-4444-555555555555")


async def test_snapshots_are_never_deleted_silently(azurite: Azurite) -> None:
    definition = azurite.definition()
    async with opened(definition) as store:
        await store.put("k", b"x")
        with azurite.client() as client, client.get_blob_client(definition.container, "k") as blob:
            blob.create_snapshot()
        with pytest.raises(Immutable, match="snapshots"):
            await store.delete("k")


async def test_checksums_catch_what_the_network_broke(emulator: Emulator) -> None:
    data = bytes(range(256)) * 20000  # more than one summed range
    emulator.container("data").put("k", data)
    async with opened(on_emulator(emulator), block_checksums=True) as store:
        version = (await store.stat("k")).version
        assert await content(store, version) == data
        written = await store.put("w", data)
        await store.stage_block("b", block_id(b"0123456789", 0), data)
        assert await content(store, written) == data
        emulator.faults.set(Fault("corrupt", after_bytes=1234))
        with pytest.raises(Corrupt):
            await store.read(version, 0, version.size)

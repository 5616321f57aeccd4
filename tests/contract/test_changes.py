"""Whole objects: conditions, metadata, copies."""

import pytest

from mountd.errors import AlreadyExists, NotFound, PreconditionFailed, StoreError
from mountd.stores.interface import IF_ABSENT, Condition, Properties
from mountd.stores.live import Raw
from tests.fixtures.stores import whole

PROPERTIES = Properties(content_type="text/csv", content_encoding="gzip", metadata={"mtime": "123", "note": "a b"})


async def test_if_absent_creates_once(store: Raw) -> None:
    version = await store.put("file", b"first", condition=IF_ABSENT)
    with pytest.raises(AlreadyExists):
        await store.put("file", b"second", condition=IF_ABSENT)
    assert bytes(await store.read(version, 0, 5)) == b"first"


async def test_if_match_replaces_only_that_version(store: Raw) -> None:
    first = await store.put("file", b"first")
    second = await store.put("file", b"second", condition=Condition(if_match=first.etag))
    with pytest.raises(PreconditionFailed):
        await store.put("file", b"third", condition=Condition(if_match=first.etag))
    assert bytes(await store.read(second, 0, 6)) == b"second"


async def test_if_match_never_creates(store: Raw) -> None:
    with pytest.raises(StoreError) as caught:
        await store.put("file", b"x", condition=Condition(if_match="0x1"))
    assert isinstance(caught.value, PreconditionFailed | NotFound)
    assert (await whole(store)).keys == []


async def test_delete_is_conditional(store: Raw) -> None:
    first = await store.put("file", b"first")
    second = await store.put("file", b"second")
    with pytest.raises(PreconditionFailed):
        await store.delete("file", condition=Condition(if_match=first.etag))
    await store.delete("file", condition=Condition(if_match=second.etag))
    with pytest.raises(NotFound):
        await store.delete("file")


async def test_properties_are_kept_and_a_later_write_forgets_them(store: Raw) -> None:
    await store.put("file", b"x", properties=PROPERTIES)
    traits = (await store.stat("file")).traits
    assert (traits.content_type, traits.content_encoding) == ("text/csv", "gzip")
    assert traits.metadata == PROPERTIES.metadata
    await store.put("file", b"y")
    assert (await store.stat("file")).traits.metadata == {}


async def test_stored_bytes_are_what_is_served_whatever_their_encoding(store: Raw) -> None:
    version = await store.put("file.gz", b"\x1f\x8bnot really", properties=Properties(content_encoding="gzip"))
    assert bytes(await store.read(version, 0, version.size)) == b"\x1f\x8bnot really"


async def test_metadata_is_replaced_and_makes_a_version(store: Raw) -> None:
    old = await store.put("file", b"bytes", properties=PROPERTIES)
    new = await store.set_metadata(old, {"other": "1"})
    assert new.etag != old.etag
    found = await store.stat("file")
    assert found.version.etag == new.etag
    assert found.traits.metadata == {"other": "1"}
    assert found.traits.content_type == "text/csv"
    assert bytes(await store.read(new, 0, 5)) == b"bytes"
    with pytest.raises(PreconditionFailed):
        await store.set_metadata(old, {})
    with pytest.raises(PreconditionFailed):
        await store.read(old, 0, 5)


async def test_metadata_that_a_header_cannot_hold_is_refused(store: Raw) -> None:
    with pytest.raises(StoreError):
        await store.put("file", b"x", properties=Properties(metadata={"name": "caf\u00e9"}))
    assert (await whole(store)).keys == []


async def test_a_copy_has_all_that_its_source_has(store: Raw) -> None:
    source = await store.put("dir/source", b"content" * 1000, properties=PROPERTIES)
    copy = await store.copy(source, "other/copy")
    assert (copy.key, copy.size) == ("other/copy", source.size)
    found = await store.stat("other/copy")
    assert found.version.etag == copy.etag
    assert bytes(await store.read(found.version, 0, 7)) == b"content"
    assert found.traits.metadata == PROPERTIES.metadata
    assert found.traits.content_type == "text/csv"
    assert (await store.stat("dir/source")).version.etag == source.etag


async def test_both_ends_of_a_copy_are_conditional(store: Raw) -> None:
    old = await store.put("source", b"old")
    source = await store.put("source", b"new")
    target = await store.put("target", b"target")
    with pytest.raises(PreconditionFailed):
        await store.copy(old, "elsewhere")
    with pytest.raises(AlreadyExists):
        await store.copy(source, "target", condition=IF_ABSENT)
    with pytest.raises(PreconditionFailed):
        await store.copy(source, "target", condition=Condition(if_match="0x1"))
    await store.copy(source, "target", condition=Condition(if_match=target.etag))
    found = (await store.stat("target")).version
    assert bytes(await store.read(found, 0, 3)) == b"new"


async def test_awkward_names_are_copied_as_they_are(store: Raw) -> None:
    for name in ("a b%20?#", "a//b", "/x", "caf\u00e9+"):
        source = await store.put(name, name.encode())
        copy = await store.copy(source, f"copies/{name}.2")
        assert bytes(await store.read(copy, 0, copy.size)) == name.encode()

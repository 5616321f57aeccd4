"""Listings as streams of pages, in the order of UTF-8 bytes, complete or an error (SEMANTICS 7, 10, 11)."""

import pytest

from mountd.stores.interface import Properties
from mountd.stores.live import Raw
from mountd.types import PLAIN
from tests.fixtures.stores import whole

TREE = ["a", "a!", "a/1", "a/2/x", "a/2/y", "a/3", "a0", "b/1", "c", "d/e/f/g", "\u00e9", "\uffff", "\U00010000"]


async def fill(store: Raw, keys: list[str]) -> None:
    for key in keys:
        await store.put(key, b"1")


async def test_an_empty_store_lists_as_empty(store: Raw) -> None:
    assert (await whole(store)).keys == []
    assert (await whole(store, "x/", recursive=True)).keys == []


@pytest.mark.parametrize("page_size", [1, 2, 3, 5, 5000])
async def test_pages_make_up_the_whole_whatever_their_size(store: Raw, kind: str, page_size: int) -> None:
    keys = TREE if kind != "azurite" else TREE[:-2]  # Azurite cannot write U+FFFF in XML, and orders by UTF-16
    await fill(store, keys)
    assert (await whole(store, recursive=True, page_size=page_size)).keys == sorted(keys)
    top = await whole(store, page_size=page_size)
    assert top.keys == sorted(key for key in keys if "/" not in key)
    assert top.folders == ["a/", "b/", "d/"]


async def test_the_order_is_that_of_utf8_bytes(store: Raw, kind: str) -> None:
    await fill(store, TREE if kind != "azurite" else TREE[:-2])
    listed = (await whole(store, recursive=True, page_size=4)).keys
    assert [key.encode() for key in listed] == sorted(key.encode() for key in listed)


async def test_one_level_folds_what_is_below(store: Raw) -> None:
    await fill(store, TREE)
    below = await whole(store, "a/")
    assert (below.keys, below.folders) == (["a/1", "a/3"], ["a/2/"])
    assert (await whole(store, "a/2")).folders == ["a/2/"]
    deep = await whole(store, "d/e/")
    assert (deep.keys, deep.folders) == ([], ["d/e/f/"])
    assert (await whole(store, "nothing/")).folders == []


async def test_rows_carry_size_and_time(store: Raw) -> None:
    await store.put("file", b"12345")
    row = (await whole(store)).info(0)
    assert row.version.size == 5
    assert row.version.modified_ns > 1_600_000_000 * 10**9
    assert row.version.modified_ns == (await store.stat("file")).version.modified_ns


async def test_both_kinds_of_folder_marker_are_told(store: Raw) -> None:
    await store.put("slash/", b"")
    await store.put("marked", b"", properties=Properties(metadata={"hdi_isfolder": "true"}))
    await store.put("marked/child", b"")
    top = await whole(store)
    assert (top.keys, top.folders) == (["marked"], ["marked/", "slash/"])
    assert top.traits[0].metadata["hdi_isfolder"] == "true"
    assert (await whole(store, "slash/")).keys == ["slash/"]


async def test_a_listing_shows_metadata_of_those_that_have_it(store: Raw) -> None:
    await store.put("link", b"target", properties=Properties(metadata={"is_symlink": "true"}))
    await store.put("plain", b"x")
    await store.put("typed", b"x", properties=Properties(content_type="text/csv", metadata={"Owner": "me", "n": "1"}))
    listed = await whole(store)
    assert listed.keys == ["link", "plain", "typed"]
    assert listed.info(0).traits.metadata == {"is_symlink": "true"}
    assert listed.traits.get(1, PLAIN).metadata == {}
    assert listed.info(2).traits.content_type == "text/csv"
    assert {name.lower(): value for name, value in listed.info(2).traits.metadata.items()} == {"owner": "me", "n": "1"}


async def test_a_listing_may_be_left_half_way(store: Raw) -> None:
    await fill(store, TREE[:10])
    async for page in store.list("", recursive=True, page_size=2):
        assert len(page.keys) == 2
        break
    assert len((await whole(store, recursive=True)).keys) == 10


async def test_the_last_child_takes_its_folder_with_it(store: Raw) -> None:
    await fill(store, ["d/e/f", "x"])
    await store.delete("d/e/f")
    assert (await whole(store)).folders == []
    assert (await whole(store, recursive=True)).keys == ["x"]

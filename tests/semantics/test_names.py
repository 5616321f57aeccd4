"""docs/SEMANTICS.md 8-11, 28 and 34: names, folders, links, and what is shown beside bytes."""

import os
import stat
from dataclasses import replace

import pytest

from mountd.errors import Archived, IsADirectory, NoEntry, ReadOnly
from mountd.stores.interface import Properties
from tests.fixtures.asked_tree import Tree

LONG = "n" * 300

AWKWARD = {
    "a//b": "a/~~empty/b",
    "/lead": "~~empty/lead",
    "d/./x": "d/~~dot/x",
    "d/../y": "d/~~dotdot/y",
    "both": "~~blob~both",
    "both/in": "both/in",
    "full/": "full/~~blob~",
    "full/z": "full/z",
    "~~dot": "~~~dot",
    "~~~": "~~~~",
    "plain ~~ tilde": "plain ~~ tilde",
    "both-and": "both-and",
    "both.and": "both.and",
    "//": "~~empty/~~empty/~~blob~",
    ".": "~~dot",
}
PLAIN = [
    "caf\u00e9",
    "cafe\u0301",
    "a b",
    "100%",
    "q?",
    "h#",
    "p+",
    "back\\slash",
    "dot.",
    "%2F",
    "new\nline",
    "x" * 255,
]


async def walk(tree, path=""):
    """Every file's path, as a program finds them."""
    found = {}
    for name, attributes in (await tree.rows(path or "/")).items():
        here = f"{path}/{name.decode()}"
        if stat.S_ISDIR(attributes.mode):
            found |= await walk(tree, here)
        else:
            found[here] = attributes
    return found


async def test_8_names_are_the_stored_bytes(autojump_clock):
    """8. Names are bytes of UTF-8 as stored: NFC and NFD differ."""
    tree = Tree()
    for number, name in enumerate(PLAIN):
        await tree.put(f"d/{name}", bytes([number]))
    assert sorted(await tree.names("/d")) == sorted(name.encode() for name in PLAIN)
    for number, name in enumerate(PLAIN):
        assert await tree.read(f"d/{name}") == bytes([number])


async def test_8_a_name_the_store_cannot_hold_does_not_exist(autojump_clock):
    """8. A name that the store cannot hold does not exist."""
    tree = Tree()
    await tree.put("a", b"1")
    for name in (b"\xff\xfe", b"~~hex~zz", b"~~long~", b"~~nonsense", b"~~blob~a"):
        with pytest.raises(NoEntry):
            await tree.fs.lookup(1, name)


@pytest.mark.parametrize("listed", [True, False])
async def test_9_awkward_keys_have_one_spelling_each(autojump_clock, listed):
    """9. Awkward keys appear under one spelling each, which no other key has, and none breaks a listing."""
    tree = Tree()
    for key in AWKWARD:
        await tree.put(key, key.encode())
    await tree.put(LONG, LONG.encode())
    if listed:
        found = await walk(tree)
        assert len(found) == len(AWKWARD) + 1
        assert {"/" + path for path in AWKWARD.values()} == {path for path in found if "long" not in path}
    for key, path in AWKWARD.items():
        assert await tree.read(path) == key.encode()
    (spelled,) = [name for name in await tree.names() if name.startswith(b"~~long~")]
    assert await tree.read(spelled.decode()) == LONG.encode()


async def test_9_two_long_names_that_begin_alike_differ(autojump_clock):
    """9. Awkward keys appear under one spelling each, which no other key has."""
    tree = Tree()
    await tree.put(LONG + "a", b"a")
    await tree.put(LONG + "b", b"b")
    names = await tree.names()
    assert len(set(names)) == 2
    assert {await tree.read(name.decode()) for name in names} == {b"a", b"b"}


@pytest.mark.parametrize("listed", [True, False])
async def test_10_both_markers_are_folders_and_do_not_appear(autojump_clock, listed):
    """10. A folder exists if a key lies under it, or a marker does … Markers themselves do not appear."""
    tree = Tree()
    await tree.put("empty1/", b"")
    await tree.put("empty2", b"", hdi_isfolder="true")
    await tree.put("full1/", b"")
    await tree.put("full1/x", b"1")
    await tree.put("full2", b"", Hdi_IsFolder="True")
    await tree.put("full2/x", b"1")
    if listed:
        assert sorted(await tree.names()) == [b"empty1", b"empty2", b"full1", b"full2"]
    for name, inside in (("empty1", []), ("empty2", []), ("full1", [b"x"]), ("full2", [b"x"])):
        assert stat.S_ISDIR((await tree.look(name)).mode)
        assert await tree.names("/" + name) == inside
        with pytest.raises(IsADirectory):
            await tree.fs.open((await tree.look(name)).inode, os.O_RDONLY)


@pytest.mark.parametrize("listed", [True, False])
async def test_11_symlinks(autojump_clock, listed):
    """11. Symlinks are blobs … metadata `is_symlink=true`, the target as content."""
    tree = Tree()
    await tree.put("link", b"../target", is_symlink="true")
    if listed:
        await tree.rows("/")
    found = await tree.look("link")
    assert stat.S_ISLNK(found.mode)
    assert found.size == 9
    assert await tree.fs.read_link(found.inode) == b"../target"


async def test_28_an_archived_blob_says_what_to_do(autojump_clock):
    """28. An archived blob is listed; opening it fails, saying that it must be rehydrated."""
    tree = Tree()
    await tree.put("cold", b"1")
    held = tree.store._objects["cold"]
    held.traits = replace(held.traits, tier="Archive", archived=True)
    assert await tree.names() == [b"cold"]
    with pytest.raises(Archived, match="Rehydrate"):
        await tree.open("cold")


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_TRUNC, os.O_WRONLY | os.O_APPEND])
async def test_28_every_open_that_writes_is_refused(autojump_clock, flags):
    """28. Until writing comes, every open that could write is EROFS."""
    tree = Tree()
    await tree.put("a", b"1")
    with pytest.raises(ReadOnly):
        await tree.open("a", flags)


@pytest.mark.parametrize("listed", [True, False])
async def test_34_extended_attributes(autojump_clock, listed):
    """34. What a store keeps beside a file's bytes is shown as extended attributes."""
    tree = Tree()
    properties = Properties(content_type="image/png", tier="Cool", metadata={"owner": "me"})
    version = await tree.store.put("a", b"1", properties=properties)
    if listed:
        await tree.rows("/")
    found = await tree.fs.extended_attributes(await tree.inode("a"))
    assert found == {
        b"user.etag": version.etag.encode(),
        b"user.content_type": b"image/png",
        b"user.tier": b"Cool",
        b"user.metadata.owner": b"me",
    }
    assert await tree.fs.extended_attributes(1) == {}

"""docs/SEMANTICS.md, "The tree": mappings."""

import stat

import pytest

from mountd.content.interface import Source
from mountd.definitions import MappingDefinition, MappingOptions, Origin
from mountd.errors import InvalidDefinition, NoEntry, UnknownMapping
from mountd.rules.mount_table import automatic
from mountd.stores.memory import MemoryStore
from tests.fixtures.asked_tree import Tree


async def store(name, **files):
    found = MemoryStore(name)
    for key, data in files.items():
        await found.put(key.replace("__", "/"), data)
    return Source(name, found)


async def test_a_inner_mappings_shadow_and_the_way_to_them_is_folders(autojump_clock):
    """A. An inner mapping shadows what the outer one would show at its name; the folders on the way to it are directories."""
    tree = Tree()
    await tree.put("way", b"a blob where a folder must be")
    await tree.put("other/x", b"1")
    await tree.put("deep/own", b"2")
    await tree.put("deep/inner/hidden", b"3")
    tree.fs.attach(MappingDefinition("/way/to/it", "b"), await store("b", inside=b"b"))
    tree.fs.attach(MappingDefinition("/deep/inner", "c"), await store("c", shown=b"c"))
    assert sorted(await tree.names("/")) == [b"deep", b"other", b"way"]
    assert await tree.names("/way") == [b"to"]
    assert await tree.read("way/to/it/inside") == b"b"
    assert sorted(await tree.names("/deep")) == [b"inner", b"own"]
    assert await tree.names("/deep/inner") == [b"shown"]
    assert await tree.read("deep/own") == b"2"
    tree.fs.detach("/deep/inner")
    assert await tree.read("deep/inner/hidden") == b"3"


async def test_a_without_a_mapping_at_the_root_the_root_lists_mappings(autojump_clock):
    """A. The longest mapping path that a path lies under owns it."""
    tree = Tree(path="/one")
    tree.fs.attach(MappingDefinition("/two/three", "b"), await store("b", inside=b"b"))
    assert await tree.names("/") == [b"one", b"two"]
    assert await tree.names("/two") == [b"three"]
    assert stat.S_ISDIR((await tree.look("two")).mode)
    with pytest.raises(NoEntry):
        await tree.look("four")
    with pytest.raises(NoEntry):
        await tree.look("two/four")


async def test_b_a_mappings_root_always_exists(autojump_clock):
    """B. A mapping's root always exists: of a prefix that no key has it is an empty directory."""
    tree = Tree(path="/empty", prefix="no/such/")
    assert await tree.names("/empty") == []
    assert stat.S_ISDIR((await tree.look("empty")).mode)


async def test_c_two_mappings_on_one_path(autojump_clock):
    """C. Two mappings of people on one path are refused. … gives way to a person's at the same path, and
    comes back when that one goes."""
    tree = Tree(path="/data")
    await tree.put("a", b"1")
    with pytest.raises(InvalidDefinition):
        tree.fs.attach(MappingDefinition("/data", "b"), await store("b"))
    assert await tree.read("data/a") == b"1"
    tree.fs.attach(automatic("data", MappingOptions()), await store("auto", own=b"2"))
    assert await tree.names("/data") == [b"a"]
    tree.fs.detach("/data")
    assert [mapping.origin for mapping in tree.fs.mappings()] == [Origin.BUILT_IN]
    assert await tree.names("/data") == [b"own"]
    with pytest.raises(UnknownMapping):
        tree.fs.detach("/data/x")


async def test_d_files_stay_open_while_mappings_come_and_go(autojump_clock):
    """D. Mappings come and go while files are open."""
    tree = Tree(path="/one")
    await tree.put("a", b"1")
    handle = await tree.open("one/a")
    directory = await tree.fs.open_directory(await tree.inode("one"))
    tree.fs.attach(MappingDefinition("/two", "b"), await store("b", x=b"b"))
    other = await tree.open("two/x")
    tree.fs.detach("/two")
    assert await tree.fs.read(other, 0, 9) == b"b"
    tree.fs.release(other)
    assert await tree.fs.read(handle, 0, 9) == b"1"
    assert [row[0] for row in await tree.fs.list_directory(directory, 0, 9)] == [b"a"]
    with pytest.raises(NoEntry):
        await tree.look("two")
    tree.fs.detach("/one")
    assert await tree.fs.read(handle, 0, 9) == b"1"
    assert await tree.names("/") == []


async def test_d_mapping_at_the_root_comes_and_goes(autojump_clock):
    """D. Mappings come and go while files are open."""
    tree = Tree(path="/one")
    await tree.put("a", b"1")
    handle = await tree.open("one/a")
    tree.fs.attach(MappingDefinition("/", "b"), await store("b", x__y=b"b", one__z=b"hidden"))
    assert await tree.names("/") == [b"one", b"x"]
    assert await tree.read("x/y") == b"b"
    assert await tree.names("/one") == [b"a"]
    inode = await tree.inode("x/y")
    tree.fs.detach("/")
    assert await tree.names("/") == [b"one"]
    tree.fs.forget([(inode, 1)])
    assert await tree.fs.read(handle, 0, 9) == b"1"


async def test_two_mappings_of_one_store_share_no_number(autojump_clock):
    tree = Tree(path="/one")
    await tree.put("d/a", b"1")
    tree.fs.attach(MappingDefinition("/two", "data"), tree.source)
    numbers = [(await tree.look(path)).inode for path in ("one", "two", "one/d", "two/d", "one/d/a", "two/d/a")]
    assert len(set(numbers)) == 6


async def test_d_a_mapping_that_comes_back_shows_what_is_there_now(autojump_clock):
    """D. Mappings come and go while files are open"""
    tree = Tree(path="/one")
    await tree.put("a", b"old")
    inode = await tree.inode("one/a")
    handle = await tree.open("one/a")
    tree.fs.detach("/one")
    assert (await tree.fs.attributes(inode)).size == 3
    assert await tree.fs.read(handle, 0, 9) == b"old"
    await tree.put("a", b"newer")
    tree.fs.attach(tree.definition, tree.source)
    assert await tree.read("one/a") == b"newer"
    tree.fs.release(handle)
    assert await tree.read("one/a") == b"newer"
    assert (await tree.look("one/a")).size == 5
    tree.fs.detach("/one")
    assert tree.fs._naming._inodes.pinned == {}

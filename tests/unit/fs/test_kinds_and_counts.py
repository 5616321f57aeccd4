"""Names that change what they are, names that go, and what is still counted of them."""

import pytest
import trio

from mountd.definitions import Freshness, MappingOptions
from mountd.errors import NoEntry
from mountd.fs.config import TreeConfig
from mountd.fs.interface import ROOT_INODE
from tests.fixtures.asked_tree import Tree


async def test_a_file_that_became_a_folder_can_be_entered(autojump_clock):
    tree = Tree()
    await tree.put("x", b"1")
    file = (await tree.rows("/"))[b"x"].inode
    await tree.store.delete("x")
    await tree.put("x/y", b"2")
    await trio.sleep(11)
    folder = (await tree.rows("/"))[b"x"].inode
    assert folder != file
    assert (await tree.fs.attributes(folder)).inode == folder
    assert await tree.names("x") == [b"y"]


async def test_an_open_file_that_became_a_folder_leaves_the_folder_usable(autojump_clock):
    tree = Tree()
    await tree.put("x", b"1")
    await tree.rows("/")
    handle = await tree.open("x")
    await tree.store.delete("x")
    await tree.put("x/y", b"2")
    await trio.sleep(11)
    assert await tree.names("x") == [b"y"]
    tree.fs.release(handle)
    assert await tree.names("x") == [b"y"]


async def test_a_folder_that_became_a_file_can_be_read(autojump_clock):
    tree = Tree()
    await tree.put("x/y", b"2")
    await tree.rows("/")
    assert await tree.names("x") == [b"y"]
    await tree.store.delete("x/y")
    await tree.put("x", b"1")
    await trio.sleep(11)
    assert (await tree.rows("/"))[b"x"].size == 1
    assert await tree.read("x") == b"1"


async def test_names_that_went_are_forgotten_with_the_kernel(autojump_clock):
    tree = Tree()
    for generation in range(20):
        await trio.sleep(11)
        for number in range(10):
            await tree.put(f"d/{generation}-{number}", b"1")
        inodes = [row.inode for row in (await tree.rows("d")).values()]
        for number in range(10):
            await tree.store.delete(f"d/{generation}-{number}")
        await tree.put("d/stays", b"1")
        await trio.sleep(11)
        await tree.rows("d")
        tree.fs.forget([(inode, 1) for inode in inodes])
    folder = tree.fs._naming._inodes.directory(await tree.inode("d"))
    assert len(folder.asked) <= 10
    assert len(folder._named) <= 10


async def test_what_the_kernel_forgot_of_replaced_and_detached_names_is_not_counted(autojump_clock):
    tree = Tree(path="/data")
    await tree.put("a", b"old")
    await tree.put("b", b"old")
    folder = (await tree.look("data")).inode
    inode = (await tree.fs.lookup(folder, b"a")).inode
    handle = (await tree.fs.open(inode, 0)).handle
    other = (await tree.fs.lookup(folder, b"b")).inode
    await tree.put("a", b"newer")
    await trio.sleep(11)
    again = (await tree.fs.lookup(folder, b"a")).inode
    assert again != inode
    tree.fs.release(handle)
    tree.fs.forget([(inode, 1)])
    tree.fs.detach("/data")
    tree.fs.forget([(again, 1), (other, 1), (folder, 1)])
    assert tree.fs._naming._eviction.known == 0


async def test_a_name_found_stale_stays_doubted_whatever_an_older_listing_says(autojump_clock):
    """SEMANTICS 5: a listing that began before an invalidation of a name does not resurrect it."""
    tree = Tree(MappingOptions(freshness=Freshness.IMMUTABLE))
    await tree.put("d/a", b"old")
    folder = await tree.inode("d")
    await tree.fs.lookup(folder, b"a")
    listed: list[object] = []
    tree.asked.delay = 5.0

    async def list_slowly():
        handle = await tree.fs.open_directory(folder)
        listed.append(await tree.fs.list_directory(handle, 0, 10))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(list_slowly)
        await trio.sleep(6)  # the page is made; the listing's end is still to come
        tree.asked.delay = 0.0
        await tree.put("d/a", b"newer")
        await tree.fs.invalidate("/d/a")
    assert listed
    assert (await tree.fs.lookup(folder, b"a")).size == 5


async def test_rows_of_an_older_snapshot_say_what_is_known_by_now(autojump_clock):
    tree = Tree()
    for number in range(4):
        await tree.put(f"{number}", b"1")
    handle = await tree.fs.open_directory(ROOT_INODE)
    first = await tree.fs.list_directory(handle, 0, 2)
    await trio.sleep(11)
    await tree.put("3", b"longer")
    assert (await tree.rows("/"))[b"3"].size == 6
    rest = await tree.fs.list_directory(handle, first[-1][2], 2)
    assert [(row[1].size, row[1].timeout) for row in rest] == [(1, 10.0), (6, 10.0)]


async def test_listings_made_for_warming_stay_within_the_bound(autojump_clock):
    tree = Tree(config=TreeConfig(cached_entries=200, walk=False))
    for folder in range(20):
        for number in range(20):
            await tree.put(f"{folder:02}/{number:02}", b"1")
    assert len(await tree.fs.files_below("/")) == 400
    kept = sum(
        len(directory.listing)
        for directory in tree.fs._naming._inodes.directories.values()
        if directory.listing is not None and not directory.listing.thin
    )
    assert kept <= 200


async def test_listings_made_for_names_that_are_not_there_stay_within_the_bound(autojump_clock):
    tree = Tree(config=TreeConfig(cached_entries=200, walk=False))
    for folder in range(20):
        for number in range(20):
            await tree.put(f"{folder:02}/{number:02}", b"1")
    for folder in range(20):
        inode = await tree.inode(f"{folder:02}")
        for number in range(4):
            with pytest.raises(NoEntry):
                await tree.fs.lookup(inode, b"absent %d" % number)
    kept = sum(
        len(directory.listing)
        for directory in tree.fs._naming._inodes.directories.values()
        if directory.listing is not None and not directory.listing.thin
    )
    assert kept <= 200


async def test_a_folder_that_went_is_not_listed_as_empty(autojump_clock):
    tree = Tree()
    await tree.put("d/a", b"1")
    await tree.rows("/")
    folder = await tree.inode("d")
    await tree.store.delete("d/a")
    await trio.sleep(11)
    handle = await tree.fs.open_directory(folder)
    with pytest.raises(NoEntry):
        await tree.fs.list_directory(handle, 0, 10)


async def test_a_mapping_that_came_back_with_another_version_has_another_inode(autojump_clock):
    """SEMANTICS 2, 3: an old handle and the new content never share an inode, and so no pages."""
    tree = Tree(path="/data")
    await tree.put("a", b"old")
    await tree.rows("/data")
    inode = await tree.inode("data/a")
    handle = (await tree.fs.open(inode, 0)).handle
    tree.fs.detach("/data")
    await tree.put("a", b"newer")
    tree.fs.attach(tree.definition, tree.source)
    for how in (tree.look, tree.rows):
        shown = await how("/data/a") if how == tree.look else (await how("/data"))[b"a"]
        assert shown.inode != inode
        assert shown.size == 5
    assert await tree.read("/data/a") == b"newer"
    tree.fs.release(handle)


async def test_a_mapping_that_came_back_with_the_same_version_shares_its_inode(autojump_clock):
    tree = Tree(path="/data")
    await tree.put("a", b"old")
    inode = await tree.inode("data/a")
    handle = (await tree.fs.open(inode, 0)).handle
    tree.fs.detach("/data")
    tree.fs.attach(tree.definition, tree.source)
    assert await tree.inode("data/a") == inode
    second = await tree.fs.open(inode, 0)
    assert second.keep_cache
    await tree.put("a", b"newer")
    await trio.sleep(11)
    assert (await tree.look("/data/a")).inode != inode
    for open_handle in (handle, second.handle):
        tree.fs.release(open_handle)

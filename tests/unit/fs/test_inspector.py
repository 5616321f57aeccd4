"""The tree by path, for the control socket."""

import pytest
import trio

from mountd.errors import IsADirectory, NoEntry, NotADirectory, Unavailable, Unsupported
from tests.fixtures.asked_tree import Tree


async def built():
    tree = Tree(path="/data", prefix="p/")
    await tree.put("p/d/a", b"hello", owner="me")
    await tree.put("p/d/e/b", b"x")
    await tree.put("p/link", b"d/a", is_symlink="true")
    await tree.put("p/empty/")
    return tree


async def test_a_report_says_where_a_path_comes_from(autojump_clock):
    tree = await built()
    handle = await tree.open("data/d/a")
    report = await tree.fs.report("/data/d/a")
    assert (report.kind, report.datastore, report.key, report.size) == ("file", "data", "p/d/a", 5)
    assert (report.open_handles, report.metadata, report.path) == (1, {"owner": "me"}, "/data/d/a")
    assert report.inode == await tree.inode("data/d/a")
    tree.fs.release(handle)
    assert (await tree.fs.report("/data/d/a")).open_handles == 0
    folder = await tree.fs.report("/data/d/")
    assert (folder.kind, folder.key) == ("directory", "p/d/")
    assert (await tree.fs.report("/")).datastore == ""
    assert (await tree.fs.report("/data/link")).kind == "symlink"


async def test_paths_that_are_not(autojump_clock):
    tree = await built()
    with pytest.raises(NoEntry):
        await tree.fs.report("/data/nothing")
    with pytest.raises(NotADirectory):
        await tree.fs.report("/data/d/a/b")


async def test_files_below_from_a_fresh_listing(autojump_clock):
    tree = await built()
    await tree.rows("/data/d")
    await tree.put("p/d/new", b"1")
    assert await tree.fs.files_below("/") == ["/data/d/a", "/data/d/e/b", "/data/d/new"]
    assert await tree.fs.files_below("/data/d/e") == ["/data/d/e/b"]
    assert await tree.fs.files_below("/data/d/a") == ["/data/d/a"]
    tree.asked.failure = Unavailable("down")
    with pytest.raises(Unavailable):
        await tree.fs.files_below("/")


async def test_warming_fetches_a_file(autojump_clock):
    tree = await built()
    assert await tree.fs.warm("/data/d/a") == 5
    with pytest.raises(IsADirectory):
        await tree.fs.warm("/data/d")
    with pytest.raises(Unsupported):
        await tree.fs.warm("/data/link")


async def test_open_files_are_listed(autojump_clock):
    tree = await built()
    handle = await tree.open("data/d/a")
    await tree.fs.read(handle, 0, 3)
    (opened,) = tree.fs.open_files()
    assert (opened.path, opened.handle, opened.bytes_read, opened.opened_ns) == ("/data/d/a", handle, 3, 7)
    tree.fs.release(handle)
    assert tree.fs.open_files() == []


async def test_invalidating_asks_no_store_and_what_is_not_there_touches_nothing(autojump_clock):
    tree = await built()
    await tree.rows("/data/d")
    tree.requests()
    assert await tree.fs.invalidate("/data/nothing/at/all") == 0
    assert await tree.fs.invalidate("/") >= 4
    assert tree.requests() == []


async def test_files_of_a_large_folder_are_named_without_holding_up_the_loop(autojump_clock):
    tree = Tree()
    for number in range(20_000):
        await tree.put(f"d/{number:05}", b"x")
    await tree.rows("d")
    turns = 0

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        await trio.lowlevel.checkpoint()
        begun = turns
        found = await tree.fs.files_below("/d")
        assert turns - begun >= 14
        begun = turns
        assert await tree.fs.invalidate("/d") == 20_001
        assert turns - begun >= 10
        nursery.cancel_scope.cancel()
    assert found == [f"/d/{number:05}" for number in range(20_000)]


async def test_invalidating_reaches_open_files_by_the_number_they_have_now(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    old = await tree.open("a")
    await tree.put("a", b"22")
    await trio.sleep(11)
    inode = await tree.inode("a")
    handle = await tree.open("a")
    tree.kernel.inodes.clear()
    await tree.fs.invalidate("/")
    assert (inode, True) in tree.kernel.inodes
    for opened in (old, handle):
        tree.fs.release(opened)


async def test_invalidating_returns_when_the_kernel_has_forgotten_too(autojump_clock):
    """`mountctl cache invalidate` asks now: the next open is not answered from what the kernel still believes."""
    tree = await built()
    await tree.rows("/data/d")
    await tree.fs.invalidate("/data/d/a")
    told = len(tree.kernel.inodes) + len(tree.kernel.entries)
    assert told
    assert tree.kernel.settlings == [told]

"""docs/SEMANTICS.md 1-7, at the tree. What the kernel adds is tested in tests/mount."""

import os

import pytest
import trio

from mountd.content.config import CacheConfig
from mountd.content.library import BlockContent
from mountd.definitions import Freshness, MappingDefinition, MappingOptions
from mountd.errors import NoEntry, Stale, Unavailable
from mountd.fs.directory import Directory
from mountd.fs.filesystem import Filesystem
from mountd.types import MiB
from tests.fixtures.asked_tree import Tree

CLOSE_TO_OPEN = MappingOptions(freshness=Freshness.CLOSE_TO_OPEN)
IMMUTABLE = MappingOptions(freshness=Freshness.IMMUTABLE)


async def test_1_etags_of_listings_and_of_single_answers_are_the_same(autojump_clock):
    """1. A *version* is (key, ETag, size, modified)."""
    tree = Tree(CLOSE_TO_OPEN)
    await tree.put("a", b"1")
    await tree.rows("/")
    inode = await tree.inode("a")
    tree.fs.release((await tree.fs.open(inode, 0)).handle)
    assert (await tree.fs.open(inode, 0)).keep_cache


async def test_2_one_content_for_all_handles(autojump_clock):
    """2. On a node an inode has one content for all its handles."""
    tree = Tree()
    await tree.put("a", b"old")
    inode = await tree.inode("a")
    first = await tree.fs.open(inode, 0)
    second = await tree.fs.open(inode, 0)
    assert second.keep_cache
    assert await tree.fs.read(first.handle, 0, 9) == await tree.fs.read(second.handle, 0, 9) == b"old"


async def test_3_open_handles_keep_number_and_version_and_the_path_gets_a_new_number(autojump_clock):
    """3. If handles are open, the path gets a new inode number, and the old handles keep theirs."""
    tree = Tree(CLOSE_TO_OPEN)
    await tree.put("a", b"old")
    inode = await tree.inode("a")
    handle = (await tree.fs.open(inode, 0)).handle
    await tree.put("a", b"newer")
    with pytest.raises(Stale):  # the kernel looks the path up again, and opens what it finds
        await tree.fs.open(inode, 0)
    assert (1, b"a") in tree.kernel.entries
    again = await tree.look("a")
    assert again.inode != inode
    assert again.size == 5
    assert await tree.read("a") == b"newer"
    assert (await tree.fs.attributes(inode)).size == 3
    with pytest.raises(Stale):
        await tree.fs.read(handle, 0, 9)
    tree.fs.release(handle)
    tree.fs.forget([(inode, 100)])
    assert (await tree.look("a")).inode == again.inode


async def test_3_without_handles_the_number_stays_and_pages_and_blocks_go(autojump_clock):
    """3. If none are open, the number stays, and pages and cached blocks of the old version are dropped."""
    tree = Tree()
    await tree.put("a", b"old")
    inode = await tree.inode("a")
    tree.fs.release((await tree.fs.open(inode, 0)).handle)
    await tree.put("a", b"newer")
    await trio.sleep(11)
    assert (await tree.look("a")).inode == inode
    assert (inode, False) in tree.kernel.inodes
    assert tree.content.dropped == ["a"]
    opened = await tree.fs.open(inode, 0)
    assert not opened.keep_cache
    assert await tree.fs.read(opened.handle, 0, 9) == b"newer"


async def test_3_a_read_that_finds_its_version_gone_makes_the_path_fresh(autojump_clock):
    """3. … what they want to read and is not cached is ESTALE"""
    tree = Tree()
    await tree.put("a", b"old")
    handle = await tree.open("a")
    await tree.put("a", b"newer")
    with pytest.raises(Stale):
        await tree.fs.read(handle, 0, 9)
    assert await tree.read("a") == b"newer"


async def test_3_a_deleted_file_reads_as_stale_and_is_gone(autojump_clock):
    """3. Somebody else's newer version never mixes with the old."""
    tree = Tree()
    await tree.put("a", b"old")
    handle = await tree.open("a")
    await tree.store.delete("a")
    with pytest.raises(Stale):
        await tree.fs.read(handle, 0, 9)
    with pytest.raises(NoEntry):
        await tree.look("a")


async def test_4_ttl_serves_what_was_shown_for_so_long(autojump_clock):
    """4. `ttl` (the default, 10 s): an open may serve what the store showed us at most that long ago."""
    tree = Tree()
    await tree.put("a", b"old")
    await tree.rows("/")
    await tree.put("a", b"newer")
    await trio.sleep(9.9)
    attributes = await tree.look("a")
    assert attributes.size == 3
    assert attributes.timeout == pytest.approx(0.1)
    await trio.sleep(0.2)
    assert (await tree.look("a")).size == 5


async def test_4_the_same_times_hold_for_absence(autojump_clock):
    """4. The same times hold for "there is no such name"."""
    tree = Tree()
    with pytest.raises(NoEntry):
        await tree.look("a")
    assert tree.fs.negative_timeout(1) == pytest.approx(10)
    await tree.put("a", b"1")
    tree.requests()
    await trio.sleep(9)
    with pytest.raises(NoEntry):
        await tree.look("a")
    assert tree.fs.negative_timeout(1) == pytest.approx(1)
    assert tree.requests() == []
    await trio.sleep(1.5)
    assert (await tree.look("a")).size == 1


async def test_4_close_to_open_asks_at_each_open(autojump_clock):
    """4. `close-to-open`: every open asks the store."""
    tree = Tree(CLOSE_TO_OPEN)
    await tree.put("a", b"old")
    await tree.rows("/")
    assert await tree.read("a") == b"old"
    await tree.put("a", b"newer")
    assert await tree.read("a") == b"newer"


async def test_4_immutable_is_never_asked_again(autojump_clock):
    """4. `immutable`: what was shown once is never asked again."""
    tree = Tree(IMMUTABLE)
    await tree.put("a", b"old")
    await tree.rows("/")
    tree.requests()
    await trio.sleep(80_000)
    assert await tree.read("a") == b"old"
    with pytest.raises(NoEntry):
        await tree.look("b")
    assert tree.requests() == ["read a 0 3"]


async def test_4_o_direct_asks_now(autojump_clock):
    """4. O_DIRECT, and `mountctl cache invalidate`, ask now."""
    tree = Tree()
    await tree.put("a", b"old")
    await tree.rows("/")
    await tree.put("a", b"newer")
    handle = await tree.open("a", os.O_DIRECT)
    assert await tree.fs.read(handle, 0, 9) == b"newer"


@pytest.mark.parametrize("path", ["/", "/d", "/d/a"])
async def test_4_invalidating_asks_now(autojump_clock, path):
    """4. O_DIRECT, and `mountctl cache invalidate`, ask now."""
    tree = Tree(IMMUTABLE)
    await tree.put("d/a", b"old")
    await tree.rows("/")
    await tree.rows("/d")
    await tree.put("d/a", b"newer")
    assert (await tree.look("d/a")).size == 3
    assert await tree.fs.invalidate(path) >= 1
    assert (await tree.look("d/a")).size == 5


async def test_5_a_listing_begun_earlier_does_not_win_over_a_later_answer(autojump_clock):
    """5. A listing that began before a single name was asked about … neither hides nor resurrects that name."""
    tree = Tree()
    await tree.put("a", b"1")
    root: Directory = tree.fs._naming._inodes.directory(1)
    begun = root.new_listing()
    async for page in tree.store.list(""):
        begun.add(page)
    began_at = trio.current_time()
    await trio.sleep(1)
    await tree.put("b", b"2")
    assert (await tree.look("b")).size == 1
    root.take(begun.finish(), began_at)
    assert (await tree.look("b")).size == 1


async def test_5_the_listing_of_an_open_directory_is_one_snapshot(autojump_clock):
    """5. The listing of an open directory is one snapshot: no name is repeated or skipped while it is read."""
    tree = Tree()
    for name in "bdfh":
        await tree.put(name, b"1")
    handle = await tree.fs.open_directory(1)
    rows = list(await tree.fs.list_directory(handle, 0, 2))
    await tree.put("a", b"1")
    await tree.store.delete("b")
    await trio.sleep(20)
    await tree.rows("/")
    rows += await tree.fs.list_directory(handle, rows[-1][2], 10)
    assert [row[0] for row in rows] == [b"b", b"d", b"f", b"h"]


async def test_6_attributes_are_the_same_after_a_remount(autojump_clock):
    """6. Size, times and inode number … are the same after a remount"""
    tree = Tree()
    await tree.put("d/a", b"1")
    await tree.put("d/e/f", b"1")
    seen = [await tree.look(path) for path in ("d", "d/a", "d/e", "d/e/f")]
    again = Tree()
    again.fs.detach("/")
    again.fs.attach(tree.definition, tree.source)
    await again.rows("/")
    await again.rows("/d")
    assert [await again.look(path) for path in ("d", "d/a", "d/e", "d/e/f")] == seen


async def test_6_a_file_has_the_stores_time_and_a_folder_a_constant_one(autojump_clock):
    """6. A file's mtime and ctime are the store's Last-Modified. … Folders have no time in a store: theirs is always 1980-01-02."""
    tree = Tree()
    version = await tree.put("d/a", b"1")
    found = await tree.look("d/a")
    assert found.mtime_ns == found.ctime_ns == version.modified_ns
    assert (await tree.look("d")).mtime_ns == 315_619_200 * 10**9


async def test_7_an_outage_is_neither_absence_nor_emptiness(autojump_clock):
    """7. "I could not find out" is an error, never ENOENT and never an empty directory."""
    tree = Tree()
    await tree.put("d/a", b"1")
    directory = await tree.inode("d")
    tree.asked.failure = Unavailable("The network is down.")
    with pytest.raises(Unavailable):
        await tree.fs.lookup(directory, b"a")
    handle = await tree.fs.open_directory(directory)
    with pytest.raises(Unavailable):
        await tree.fs.list_directory(handle, 0, 10)
    tree.asked.failure = None
    assert [row[0] for row in await tree.fs.list_directory(handle, 0, 10)] == [b"a"]


async def test_7_a_listing_is_shown_whole_or_not_at_all(autojump_clock):
    """7. A listing is shown whole or not at all."""
    tree = Tree()
    tree.asked.page_size = 2
    for name in "abcdef":
        await tree.put(name, b"1")
    tree.asked.fail_after = 2
    handle = await tree.fs.open_directory(1)
    with pytest.raises(Unavailable):
        await tree.fs.list_directory(handle, 0, 1)
    tree.asked.fail_after = None
    assert len(await tree.fs.list_directory(handle, 0, 10)) == 6


async def test_35_a_step_of_the_wall_clock_changes_no_freshness(autojump_clock):
    """35. A step of the wall clock changes no freshness and no deadline."""
    tree = Tree()
    await tree.put("a", b"1")
    await tree.rows("/")
    tree.requests()
    tree.wall_ns = 10**30
    await tree.look("a")
    await tree.open("a")
    tree.wall_ns = -(10**30)
    await tree.look("a")
    assert tree.requests() == []


async def test_32_one_datastores_outage_leaves_the_others(autojump_clock):
    """32. One datastore's outage leaves the others as fast as before."""
    tree = Tree(path="/sick")
    well = Tree()
    await well.put("a", b"1")
    tree.fs.attach(MappingDefinition("/well", "well"), well.source)
    tree.asked.hangs = True
    with trio.move_on_after(1000) as scope:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(tree.look, "sick/b")
            await trio.sleep(1)
            before = trio.current_time()
            assert await tree.read("well/a") == b"1"
            assert trio.current_time() == before
            nursery.cancel_scope.cancel()
    assert not scope.cancelled_caught


async def test_32_an_open_file_goes_on_in_an_outage(autojump_clock, nursery):
    """32. What is cached of an open file can be read all the while; a name that is no longer fresh is an error (7)."""
    tree = Tree()
    tree.fs = Filesystem(BlockContent(CacheConfig(memory=16 * MiB), nursery), tree.kernel, tree.config, lambda: 7)
    tree.fs.attach(tree.definition, tree.source)
    await tree.put("a", b"1")
    inode = await tree.inode("a")
    handle = await tree.open("a")
    assert await tree.fs.read(handle, 0, 10) == b"1"
    await trio.sleep(11)
    tree.asked.failure = Unavailable("down")
    assert (await tree.fs.attributes(inode)).size == 1  # the kernel asks for them before the read
    assert await tree.fs.read(handle, 0, 10) == b"1"
    with pytest.raises(Unavailable):
        await tree.look("a")


@pytest.mark.parametrize("opened", [True, False])
async def test_3_a_listing_reveals_a_replacement_too(autojump_clock, opened):
    """3. If handles are open, the path gets a new inode number …
    If none are open, the number stays, and pages and cached blocks of the old version are dropped."""
    tree = Tree()
    await tree.put("a", b"old")
    before = (await tree.rows("/"))[b"a"].inode
    handle = await tree.open("a")
    if not opened:
        tree.fs.release(handle)
    await tree.put("a", b"newer")
    await trio.sleep(11)
    row = (await tree.rows("/"))[b"a"]
    assert row.size == 5
    assert (row.inode != before) == opened
    assert ((1, b"a") in tree.kernel.entries) == opened
    assert ((before, False) in tree.kernel.inodes) != opened
    assert (await tree.look("a")).inode == row.inode
    assert await tree.read("a") == b"newer"
    if opened:
        assert (await tree.fs.attributes(before)).size == 3


async def test_5_a_listing_begun_before_an_invalidation_does_not_count(autojump_clock):
    """5. A listing that began … before an invalidation, neither hides nor resurrects that name."""
    tree = Tree(IMMUTABLE)
    tree.asked.page_size = 2
    for name in "abcd":
        await tree.put(name, b"1")
    tree.asked.delay = 5.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tree.rows, "/")
        await trio.sleep(7)
        await tree.put("a0", b"1")
        await tree.fs.invalidate("/")
    assert b"a0" in await tree.names()


async def test_4_asking_at_open_is_one_request(autojump_clock):
    """4. `close-to-open`: every open asks the store"""
    tree = Tree(CLOSE_TO_OPEN)
    await tree.put("d/a", b"1")
    await tree.rows("/d")
    inode = await tree.inode("d/a")
    for _ in range(2):
        tree.requests()
        tree.fs.release((await tree.fs.open(inode, 0)).handle)
        assert tree.requests() == ["stat d/a"]

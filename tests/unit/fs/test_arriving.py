"""A folder is shown while its listing comes: nothing twice, nothing left out, and a failure is never a short listing."""

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from mountd.definitions import MappingOptions
from mountd.errors import NoEntry, Unavailable
from mountd.fs import naming
from mountd.fs.interface import ROOT_INODE
from mountd.fs.remembered import Remembered
from tests.fixtures.asked_tree import Tree


@pytest.fixture(autouse=True)
def streams_at_once(monkeypatch):
    monkeypatch.setattr(naming, "AT_FIRST", 0)


async def tree_of(count=40, page_size=10, **options):
    tree = Tree(MappingOptions(**options) if options else None)
    tree.asked.page_size = page_size
    for number in range(count):
        await tree.put(f"k{number:04}", b"x")
    return tree


async def rest(tree, handle, after=0, limit=7, got=None):
    rows = [] if got is None else got
    while chunk := await tree.fs.list_directory(handle, after, limit):
        rows += chunk
        after = chunk[-1][2]
    return rows


def names(rows):
    return [name for name, _, _ in rows]


WANTED = [b"k%04d" % number for number in range(40)]


async def test_the_first_rows_come_before_the_last_page(autojump_clock):
    tree = await tree_of()
    tree.asked.delay = 1.0
    handle = await tree.fs.open_directory(ROOT_INODE)
    began = trio.current_time()
    first = await tree.fs.list_directory(handle, 0, 5)
    assert trio.current_time() == began + 1
    assert tree.requests() == ["list "]
    assert names(first + await rest(tree, handle, first[-1][2])) == WANTED
    assert tree.requests() == ["list "] * 3


async def test_read_to_the_end_it_is_the_folders_listing(autojump_clock):
    tree = await tree_of()
    assert await tree.names() == WANTED
    tree.requests()
    assert (await tree.look("k0039")).size == 1
    with pytest.raises(NoEntry):
        await tree.look("absent")
    assert await tree.names() == WANTED
    assert tree.requests() == []


async def test_a_failure_half_way_is_an_error_and_then_it_goes_on(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    tree.asked.fail_after = 2
    rows = []
    with pytest.raises(Unavailable):
        await rest(tree, handle, got=rows)
    assert 0 < len(rows) < 20
    tree.asked.fail_after = None
    assert names(rows + await rest(tree, handle, rows[-1][2])) == WANTED


async def test_a_cancelled_reader_loses_nothing(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    rows = list(await tree.fs.list_directory(handle, 0, 30))
    tree.asked.hangs = True
    with trio.move_on_after(1):
        await tree.fs.list_directory(handle, rows[-1][2], 30)
    tree.asked.hangs = False
    assert names(rows + await rest(tree, handle, rows[-1][2])) == WANTED


async def test_two_programs_share_one_listing_and_its_failure(autojump_clock):
    tree = await tree_of(ttl=100.0)
    tree.asked.delay = 1.0
    seen = []

    async def lists(pause):
        await trio.sleep(pause)
        handle = await tree.fs.open_directory(ROOT_INODE)
        seen.append(names(await rest(tree, handle)))
        tree.fs.close_directory(handle)

    async with trio.open_nursery() as nursery:
        for pause in (0.0, 0.5, 1.5, 3.5):
            nursery.start_soon(lists, pause)
    assert seen == [WANTED] * 4
    assert tree.requests() == ["list "] * 4


async def test_a_blob_that_may_share_its_name_waits_until_that_is_decided(autojump_clock):
    tree = Tree()
    tree.asked.page_size = 3
    keys = ["b", "b-1", "b-2", "b-3", "b-4", "b-5", "b/x", "c", "d", "d.1", "d.2", "d.3", "e"]
    for key in keys:
        await tree.put(key, b"1")
    handle = await tree.fs.open_directory(ROOT_INODE)
    rows = await rest(tree, handle, limit=1)
    modes = {name: attributes.mode & 0o40000 for name, attributes, _ in rows}
    assert sorted(names(rows)) == sorted(
        [b"b", b"~~blob~b", b"b-1", b"b-2", b"b-3", b"b-4", b"b-5", b"c", b"d", b"d.1", b"d.2", b"d.3", b"e"]
    )
    assert modes[b"b"]
    assert not modes[b"~~blob~b"]
    assert names(rows)[:5] == [b"b-1", b"b-2", b"b-3", b"b-4", b"b-5"]
    assert {name: attributes.inode for name, attributes, _ in rows} == {
        name: attributes.inode for name, attributes in (await tree.rows()).items()
    }


async def test_a_program_may_go_back(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    rows = list(await tree.fs.list_directory(handle, 0, 9))
    rows += await tree.fs.list_directory(handle, rows[-1][2], 9)
    assert await rest(tree, handle, rows[3][2]) == [*rows[4:], *await rest(tree, handle, rows[-1][2])]
    assert names(await rest(tree, handle)) == WANTED


async def test_names_are_known_while_their_listing_comes(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    rows = await tree.fs.list_directory(handle, 0, 5)
    tree.requests()
    assert (await tree.fs.lookup(ROOT_INODE, b"k0003")).inode == rows[3][1].inode
    assert (await tree.fs.attributes(rows[4][1].inode)).size == 1
    opened = await tree.fs.open(rows[2][1].inode, 0)
    tree.fs.release(opened.handle)
    assert tree.requests() == []


async def test_each_page_is_as_old_as_its_own_request(autojump_clock):
    tree = await tree_of()
    tree.asked.delay = 2.0
    handle = await tree.fs.open_directory(ROOT_INODE)
    rows = await rest(tree, handle, limit=10)
    last = rows[-1][1]
    assert last.timeout > 0, "a listing that takes longer than its ttl is believed page by page"
    tree.requests()
    tree.asked.delay = 0.0
    assert (await tree.fs.attributes(last.inode)).size == 1
    assert tree.requests() == []


async def test_what_was_invalidated_meanwhile_is_believed_no_longer(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    first = await tree.fs.list_directory(handle, 0, 5)
    assert all(row[1].timeout > 0 for row in first)
    await trio.sleep(1)
    await tree.fs.invalidate("/")
    more = await tree.fs.list_directory(handle, first[-1][2], 3)
    assert all(row[1].timeout == 0 for row in more)
    await tree.put("k0001", b"longer")
    assert (await tree.look("k0001")).size == 6
    assert (await tree.rows())[b"k0001"].size == 6


async def test_left_half_way_the_kernel_keeps_its_numbers_and_gives_them_back(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    rows = await tree.fs.list_directory(handle, 0, 9)
    tree.fs.close_directory(handle)
    root = tree.fs._naming._inodes.directory(ROOT_INODE)
    assert root.listing is None
    assert (await tree.fs.attributes(rows[4][1].inode)).inode == rows[4][1].inode
    tree.requests()
    await tree.look("k0033")
    assert tree.requests(), "half a listing says nothing of other names"
    assert (await tree.rows())[b"k0004"].inode == rows[4][1].inode
    assert not root.beside
    for _ in range(2):
        tree.fs.forget([(row[1].inode, 1) for row in rows])
    known = {name for name, row in zip(WANTED, root.listing.lookups, strict=True) if row}
    assert not known & set(names(rows))


async def test_nothing_is_asked_for_a_folder_nobody_reads_on(autojump_clock):
    tree = await tree_of()
    handle = await tree.fs.open_directory(ROOT_INODE)
    await tree.fs.list_directory(handle, 0, 9)
    tree.fs.close_directory(handle)
    tree.requests()
    await trio.sleep(100)
    assert tree.requests() == []
    assert not tree.fs._naming._asking._arrivals._youngest


async def test_a_former_listing_is_carried_over_slice_by_slice(autojump_clock, monkeypatch):
    monkeypatch.setattr("mountd.fs.directory.CARRIED", 3)
    monkeypatch.setattr("mountd.fs.arriving.CARRIED", 3)
    handled = []
    original = Remembered._carry
    monkeypatch.setattr(
        Remembered,
        "_carry",
        lambda self, old, new, start, stop: (handled.append(stop - start), original(self, old, new, start, stop)),
    )
    tree = await tree_of()
    before = await tree.rows()
    await trio.sleep(11)
    await tree.store.delete("k0007")
    await tree.put("k0007a", b"y")
    after = await tree.rows()
    assert max(handled) <= 3
    assert sum(handled) >= 40
    root = tree.fs._naming._inodes.directory(ROOT_INODE)
    assert not root.beside
    tree.fs.forget([(row.inode, 1) for row in before.values()] + [(row.inode, 1) for row in after.values()])
    assert not root.is_remembered()
    assert tree.fs._naming._eviction.known == 0


KEYS = st.lists(st.text("ab-./0", min_size=1, max_size=6), unique=True, max_size=25)


@settings(max_examples=60, deadline=None)
@given(KEYS, st.integers(1, 7), st.integers(1, 5))
def test_whatever_the_pages_a_folder_is_the_same(keys, page_size, limit):
    async def compare():
        plain, paged = Tree(), Tree()
        paged.asked.page_size = page_size
        for tree in (plain, paged):
            for key in keys:
                await tree.put(key, b"1")
        expected = await plain.rows()
        shown = await paged.rows(limit=limit)
        assert {name: (row.inode, row.mode) for name, row in shown.items()} == {
            name: (row.inode, row.mode) for name, row in expected.items()
        }

    trio.run(compare)

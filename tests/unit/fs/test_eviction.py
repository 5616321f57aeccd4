"""The bounds of what is remembered."""

import pytest

from mountd.errors import NoEntry
from mountd.fs.config import TreeConfig
from tests.fixtures.asked_tree import Tree


async def build(tree, folders=20, files=20):
    for folder in range(folders):
        for file in range(files):
            await tree.put(f"f{folder:02}/{file:02}", b"x")


def held(tree):
    return sum(
        len(directory.listing)
        for directory in tree.fs._naming._inodes.directories.values()
        if directory.listing is not None and not directory.listing.thin
    )


async def test_listings_stay_within_their_bound_and_come_back(autojump_clock):
    tree = Tree(config=TreeConfig(cached_entries=150, walk=False))
    await build(tree)
    for folder in range(20):
        assert len(await tree.rows(f"/f{folder:02}")) == 20
    assert held(tree) <= 150
    assert len(await tree.rows("/f00")) == 20


async def test_what_the_kernel_holds_keeps_its_number_without_a_listing(autojump_clock):
    tree = Tree(config=TreeConfig(cached_entries=150, walk=False))
    await build(tree)
    first = (await tree.rows("/f00"))[b"07"]
    for folder in range(1, 20):
        await tree.rows(f"/f{folder:02}")
    again = await tree.fs.attributes(first.inode)
    assert (again.inode, again.size) == (first.inode, first.size)
    assert await tree.open("/f00/07")
    assert await tree.inode("/f00/07") == first.inode


async def test_the_kernel_is_asked_to_forget_above_the_bound_of_inodes(autojump_clock):
    tree = Tree(config=TreeConfig(known_inodes=100, walk=False))
    await build(tree)
    shown, forgotten = {}, []
    for folder in range(20):
        shown[b"f%02d" % folder] = await tree.rows(f"/f{folder:02}")
        for _, name in tree.kernel.entries:
            forgotten.append(name)
            tree.fs.forget([(row.inode, 1) for row in shown.pop(name).values()])
        tree.kernel.entries.clear()
        assert tree.fs._naming._eviction.known <= 100 + 20 + 20
    assert forgotten == sorted(forgotten)
    assert forgotten[0] == b"f00"


async def test_nothing_is_remembered_of_what_the_kernel_forgot(autojump_clock):
    tree = Tree(config=TreeConfig(cached_entries=50, walk=False))
    await build(tree)
    for folder in range(20):
        inode = await tree.inode(f"f{folder:02}")
        rows = await tree.rows(f"/f{folder:02}")
        tree.fs.forget([(row.inode, 1) for row in rows.values()])
        tree.fs.forget([(inode, 2)])
    assert tree.fs._naming._eviction.known == 0
    await tree.rows("/f00")
    assert len(tree.fs._naming._inodes.directories) < 6


async def test_asking_for_absent_names_without_end_is_bounded(autojump_clock):
    tree = Tree()
    tree.asked.page_size = 10
    for number in range(5100):
        await tree.put(f"{number}", b"x")
    root = tree.fs._naming._inodes.directory(1)
    for number in range(10_000):
        root.large = True
        with pytest.raises(NoEntry):
            await tree.fs.lookup(1, b"absent %d" % number)
    assert len(root.asked) <= 4096
    assert len(root._named) <= 4096

"""The tree as the kernel asks it, over a store in memory."""

import os
import stat

import pytest

from mountd.errors import NoEntry, ReadOnly, Unavailable
from tests.fixtures.asked_tree import Tree


async def test_a_tree_is_listed_looked_up_and_read(autojump_clock):
    tree = Tree()
    await tree.put("a/b/c.txt", b"hello")
    await tree.put("top", b"x")
    assert sorted(await tree.names()) == [b"a", b"top"]
    found = await tree.look("a/b/c.txt")
    assert stat.S_ISREG(found.mode)
    assert found.size == 5
    assert stat.S_ISDIR((await tree.look("a/b")).mode)
    assert await tree.read("a/b/c.txt") == b"hello"
    assert (await tree.rows("/a/b"))[b"c.txt"].inode == found.inode


async def test_a_lookup_in_a_listed_folder_costs_no_request(autojump_clock):
    tree = Tree()
    await tree.put("a/1", b"1")
    await tree.rows("/")
    await tree.rows("/a")
    tree.requests()
    await tree.look("a/1")
    with pytest.raises(NoEntry):
        await tree.look("a/2")
    assert await tree.read("a/1") == b"1"
    assert tree.requests() == ["read a/1 0 1"]


async def test_an_absent_name_is_known_and_an_outage_is_not_absence(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    with pytest.raises(NoEntry):
        await tree.look("b")
    tree.asked.failure = Unavailable("down")
    with pytest.raises(Unavailable):
        await tree.look("c")


@pytest.mark.parametrize(
    "flags", [os.O_WRONLY, os.O_RDWR, os.O_TRUNC, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_CREAT]
)
async def test_every_open_that_writes_is_refused(autojump_clock, flags):
    tree = Tree()
    await tree.put("a", b"1")
    inode = await tree.inode("a")
    with pytest.raises(ReadOnly):
        await tree.fs.open(inode, flags)

"""A version is opened only when the kernel knows its size: with the old one it would cut the new bytes short, or fill with zeros.

Found by the soak: between a kernel's lookup and its open, somebody else's listing had shown a newer version.
"""

import pytest
import trio

from mountd.definitions import Freshness, MappingOptions
from mountd.errors import NoEntry, Stale
from tests.fixtures.asked_tree import Tree


async def opened_again(tree, name):
    """As the kernel does after ESTALE: looks the path up, and opens what it finds."""
    attributes = await tree.look(name)
    handle = (await tree.fs.open(attributes.inode, 0)).handle
    return attributes.size, await tree.fs.read(handle, 0, 100)


@pytest.mark.parametrize("was_open", [False, True])
async def test_a_listing_that_showed_a_newer_version_sends_the_kernel_to_look_again(autojump_clock, was_open):
    tree = Tree()
    await tree.put("a", b"old")
    inode = await tree.inode("a")
    if was_open:
        tree.fs.release((await tree.fs.open(inode, 0)).handle)
    await tree.put("a", b"newer")
    await trio.sleep(10.1)
    await tree.rows("/")  # by another program
    with pytest.raises(Stale):
        await tree.fs.open(inode, 0)
    assert await opened_again(tree, "a") == (5, b"newer")


async def test_an_open_that_finds_a_newer_version_itself(autojump_clock):
    tree = Tree(MappingOptions(freshness=Freshness.CLOSE_TO_OPEN))
    await tree.put("a", b"old")
    inode = await tree.inode("a")
    tree.fs.release((await tree.fs.open(inode, 0)).handle)
    await tree.put("a", b"newer")
    with pytest.raises(Stale):
        await tree.fs.open(inode, 0)
    assert await opened_again(tree, "a") == (5, b"newer")


async def test_a_name_asked_by_itself_before_the_first_listing(autojump_clock):
    tree = Tree()
    await tree.put("a", b"old")
    inode = (await tree.look("a")).inode
    await tree.put("a", b"newer")
    await tree.rows("/")
    with pytest.raises(Stale):
        await tree.fs.open(inode, 0)
    assert await opened_again(tree, "a") == (5, b"newer")


async def test_what_did_not_change_is_opened_at_once(autojump_clock):
    tree = Tree()
    await tree.put("a", b"old")
    inode = await tree.inode("a")
    await trio.sleep(11)
    await tree.rows("/")
    assert (await tree.fs.open(inode, 0)).handle


async def test_the_kernel_has_forgotten_old_sizes_after_the_ttl(autojump_clock):
    """So nobody is sent to look again for a change of long ago."""
    tree = Tree()
    await tree.put("a", b"old")
    await tree.put("b", b"kept")
    inode = await tree.inode("b")
    await tree.rows("/")
    await tree.put("a", b"newer")
    await trio.sleep(10.1)
    await tree.rows("/")
    with pytest.raises(Stale):  # which of the rows the kernel took is not written down
        await tree.fs.open(inode, 0)
    await trio.sleep(2)
    assert (await tree.fs.open(inode, 0)).handle


@pytest.mark.parametrize("again", [1, 2])
async def test_rows_say_what_was_learned_since_the_listing(autojump_clock, again):
    """Else `ls` would give the kernel the old size of a file that it has opened with the new one."""
    tree = Tree()
    await tree.put("a", b"old")
    await tree.put("b", b"old")
    await tree.rows("/")
    handle = await tree.open("a")
    for number in range(again):
        await tree.put("a", b"newer" + b"!" * number)
        with pytest.raises(Stale):
            await tree.fs.read(handle, 0, 9)
        tree.fs.release(handle)
        handle = await tree.open("a")
    newer = await tree.look("a")
    row = (await tree.rows("/"))[b"a"]
    assert row == newer


async def test_rows_of_names_found_absent_since_the_listing_are_gone(autojump_clock):
    tree = Tree()
    await tree.put("a", b"old")
    await tree.put("b", b"old")
    await tree.rows("/")
    handle = await tree.open("a")
    await tree.store.delete("a")
    with pytest.raises(Stale):
        await tree.fs.read(handle, 0, 9)
    with pytest.raises(NoEntry):
        await tree.look("a")
    assert await tree.names("/") == [b"b"]

"""What is fetched ahead of a program that reads small files: listing order, first opens, sizes, and the mapping's word."""

from mountd.definitions import MappingOptions
from mountd.types import MiB
from tests.fixtures.asked_tree import Tree


async def build(tree, count=30):
    for number in range(count):
        await tree.put(f"d/{number:03}", b"x")
    await tree.put("d/large", bytes(MiB + 1))
    await tree.put("d/none", b"")


async def test_files_read_in_order_are_fetched_ahead_and_asked_for_once(autojump_clock):
    tree = Tree()
    await build(tree)
    await tree.rows("/d")
    for number in range(30):
        await tree.read(f"d/{number:03}")
    ahead = [key for part in tree.content.ahead for key in part]
    assert ahead == [f"d/{number:03}" for number in range(1, 30)]


async def test_only_a_first_open_counts(autojump_clock):
    tree = Tree()
    await build(tree)
    await tree.rows("/d")
    await tree.read("d/000")
    before = len(tree.content.ahead)
    for _ in range(3):
        await tree.read("d/000")
    assert len(tree.content.ahead) == before == 1


async def test_nothing_ahead_where_the_mapping_says_no(autojump_clock):
    tree = Tree(MappingOptions(prefetch=False))
    object.__setattr__(tree.source, "prefetch", False)
    await build(tree)
    await tree.rows("/d")
    for number in range(30):
        await tree.read(f"d/{number:03}")
    assert tree.content.ahead == []

"""What is fetched ahead of a program that reads small files: first opens, sizes, folders, and the mapping's word."""

import random

import pytest

from mountd.content.interface import CacheUsage
from mountd.definitions import MappingOptions
from mountd.types import MiB
from tests.fixtures.asked_tree import Tree


async def build(tree, count=30):
    for number in range(count):
        await tree.put(f"d/{number:03}", b"x")
    await tree.put("d/large", bytes(MiB + 1))
    await tree.put("d/none", b"")


async def classes(tree, count, files):
    """As ImageFolder has them; the program has walked through all of it."""
    paths = [f"train/c{number:03}/{file:03}" for number in range(count) for file in range(files)]
    for path in paths:
        await tree.put(path, b"x")
    await tree.rows("/train")
    for number in range(count):
        await tree.rows(f"/train/c{number:03}")
    return paths


def asked(tree):
    return [key for part in tree.content.ahead for key in part]


@pytest.fixture
def tree():
    tree = Tree()
    tree.content.usage = lambda: CacheUsage(0, 64 * MiB, 0, 0, 0, 0, True)
    return tree


async def test_files_read_in_order_are_fetched_ahead_and_asked_for_once(autojump_clock, tree):
    await build(tree)
    await tree.rows("/d")
    for number in range(30):
        await tree.read(f"d/{number:03}")
    assert asked(tree) == [f"d/{number:03}" for number in range(1, 30)]


async def test_only_a_first_open_counts(autojump_clock, tree):
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


async def test_what_content_does_not_take_is_asked_for_again(autojump_clock, tree):
    await build(tree, 200)
    await tree.rows("/d")
    taken = []

    def little(source, versions):
        taken.extend(version.key for version in versions[:3])
        return min(len(versions), 3)

    tree.content.fetch_ahead = little
    for number in range(200):
        await tree.read(f"d/{number:03}")
    assert set(taken) >= {f"d/{number:03}" for number in range(1, 200)}


async def test_files_read_out_of_order_are_fetched_from_the_eighth_on(autojump_clock, tree):
    await build(tree, 300)
    await tree.rows("/d")
    shuffled = random.Random(1).sample(range(300), 300)
    for number in shuffled[:7]:
        await tree.read(f"d/{number:03}")
    assert asked(tree) == []
    for number in shuffled[7:40]:
        await tree.read(f"d/{number:03}")
    assert set(asked(tree)) >= {f"d/{number:03}" for number in range(300)}


async def test_a_sweep_waits_where_content_has_no_room(autojump_clock, tree):
    await build(tree, 300)
    await tree.rows("/d")
    room, taken = 40, []

    def limited(source, versions):
        count = min(room - len(taken), len(versions))
        taken.extend(version.key for version in versions[:count])
        return count

    tree.content.fetch_ahead = limited
    shuffled = random.Random(1).sample(range(300), 300)
    for number in shuffled[:100]:
        await tree.read(f"d/{number:03}")
    assert taken == [f"d/{number:03}" for number in range(40)]
    room = 300
    for number in shuffled[100:200]:
        await tree.read(f"d/{number:03}")
    assert set(taken) >= {f"d/{number:03}" for number in range(300)}


async def test_files_read_out_of_order_across_folders_are_fetched(autojump_clock, tree):
    paths = await classes(tree, 100, 5)
    random.Random(2).shuffle(paths)
    for path in paths[:60]:
        await tree.read(path)
    assert set(asked(tree)) >= set(paths)


async def test_a_tree_much_larger_than_the_memory_is_not_swept(autojump_clock, tree):
    paths = await classes(tree, 100, 5)
    tree.content.usage = lambda: CacheUsage(0, 100, 0, 0, 0, 0, True)
    for path in random.Random(2).sample(paths, 100):
        await tree.read(path)
    assert len(asked(tree)) < 50


async def test_folders_small_by_themselves_are_not_swept_where_all_of_them_are_read(autojump_clock, tree):
    paths = await classes(tree, 20, 100)
    tree.content.usage = lambda: CacheUsage(0, 100, 0, 0, 0, 0, True)
    for path in random.Random(2).sample(paths, 1000):
        await tree.read(path)
    assert len(set(asked(tree))) < 200


async def test_a_walk_finds_the_next_folders_first_files_on_their_way(autojump_clock, tree):
    paths = await classes(tree, 10, 20)
    for path in paths:
        before = set(asked(tree))
        await tree.read(path)
        assert path in before or path.startswith("train/c000/00")
    assert sorted(set(asked(tree))) == paths[1:]


async def test_a_folder_that_nobody_listed_is_not_asked_for(autojump_clock, tree):
    await classes(tree, 3, 20)
    for number in range(20):
        await tree.put(f"train/c009/{number}", b"x")
    tree.requests()
    for number in range(20):
        await tree.read(f"train/c002/{number:03}")
    assert [request for request in tree.requests() if not request.startswith("read")] == []

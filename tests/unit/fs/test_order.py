"""Orders that jobs hand over: what is kept when, which lines are bad, and how they end."""

import random

import pytest
import trio

from mountd.errors import Unavailable
from mountd.fs.order import LONELY, NOBODY, REST
from mountd.rules.lines import Lines
from mountd.rules.order import AT_FIRST
from tests.fixtures.asked_tree import Tree


class Heard:
    """fs.interface.Teller."""

    def __init__(self):
        self.states = []
        self.bad = []

    def progress(self, state):
        self.states.append(state)

    def bad_line(self, line, path, error):
        self.bad.append((line, path, error.code))


def lines_of(paths):
    lines = Lines()
    for path in paths:
        lines.append(path.encode("utf-8", "surrogateescape"))
    return lines


@pytest.fixture
async def tree():
    tree = Tree()
    tree.content.room = 10_000
    for number in range(600):
        await tree.put(f"c{number % 6}/{number:04}", b"x")
    return tree


def shuffled(count=600):
    return random.Random(4).sample([f"/c{number % 6}/{number:04}" for number in range(600)], count)


async def looked_into(tree):
    await tree.rows("/")
    for number in range(6):
        await tree.rows(f"/c{number}")
    tree.requests()


def keys(paths):
    return [path[1:] for path in paths]


async def test_files_are_kept_in_the_order_of_their_lines_just_ahead_of_the_reader(autojump_clock, tree, nursery):
    await looked_into(tree)
    paths, heard = shuffled(), Heard()
    nursery.start_soon(tree.fs.follow, lines_of(paths), heard)
    await trio.sleep(1)
    assert tree.content.kept == keys(paths[:AT_FIRST])
    for read, path in enumerate(paths):
        assert path[1:] in tree.content.kept
        await tree.read(path)
        assert tree.content.let[-1] == (path[1:], False)
        await trio.lowlevel.checkpoint()
        assert len(tree.content.kept) <= AT_FIRST + 5 * (read + 1)
    await trio.sleep(1)
    assert tree.content.kept == keys(paths)
    assert tree.content.room == 10_000
    assert heard.states[-1].done == heard.states[-1].read == 600
    assert [request for request in tree.requests() if request.startswith(("stat", "list"))] == []
    assert tree.fs._orders.running == []


async def test_nothing_is_guessed_in_the_folders_of_an_order(autojump_clock, tree, nursery):
    await looked_into(tree)
    nursery.start_soon(tree.fs.follow, lines_of(shuffled()), Heard())
    await trio.sleep(1)
    for path in shuffled():
        await tree.read(path)
    assert tree.content.ahead == []


async def test_lines_that_name_no_file_are_named_and_the_others_are_fetched(autojump_clock, tree, nursery):
    await tree.put("link", b"c0/0000", is_symlink="true")
    await looked_into(tree)
    good = ["/c0/0000", "/c1/0001", "//c2/./0002", "/c3/0003"]
    bad = ["/c0", "/c9/none", "/c0/none", "/c0/0000/x", "relative", "/elsewhere/x", "/link"]
    paths = [path for pair in zip(bad, [*good, "", "", ""], strict=True) for path in pair]
    heard = Heard()
    async with trio.open_nursery() as job:
        job.start_soon(tree.fs.follow, lines_of(paths), heard)
        await trio.sleep(1)
        for path in ("c0/0000", "c1/0001", "c2/0002", "c3/0003"):
            assert path in tree.content.kept
            await tree.read(path)
    assert heard.bad == [
        (1, "/c0", "is_a_directory"),
        (3, "/c9/none", "no_entry"),
        (5, "/c0/none", "no_entry"),
        (7, "/c0/0000/x", "no_entry"),
        (9, "relative", "no_entry"),
        (11, "/elsewhere/x", "no_entry"),
        (13, "/link", "unsupported"),
    ]
    assert heard.states[-1].bad == 7
    assert heard.states[-1].done == heard.states[-1].total == 14


async def test_folders_that_nobody_listed_are_looked_into_several_at_a_time(autojump_clock, tree, nursery):
    tree.asked.delay = 0.1
    nursery.start_soon(tree.fs.follow, lines_of(shuffled()), Heard())
    await trio.sleep(2)
    assert tree.content.kept == keys(shuffled()[:AT_FIRST])
    assert len(tree.requests()) < 100


async def test_a_storage_that_is_down_is_waited_for(autojump_clock, tree, nursery):
    tree.asked.failure = Unavailable("down")
    heard = Heard()
    nursery.start_soon(tree.fs.follow, lines_of(shuffled()), heard)
    await trio.sleep(60)
    assert tree.content.kept == heard.bad == []
    tree.asked.failure = None
    await trio.sleep(60)
    assert tree.content.kept == keys(shuffled()[:AT_FIRST])
    assert heard.bad == []


async def test_lines_left_out_give_their_room_back(autojump_clock, tree, nursery):
    await looked_into(tree)
    tree.content.room = 300
    paths = shuffled()
    nursery.start_soon(tree.fs.follow, lines_of(paths), Heard())
    await trio.sleep(1)
    for path in paths[::2]:
        await tree.read(path)
        await trio.sleep(0.01)
    left = [key for key, unread in tree.content.let if unread]
    assert set(left) <= set(keys(paths[1::2]))
    assert len(left) >= 100


async def test_memory_paces_it_and_a_read_makes_room(autojump_clock, tree, nursery):
    await looked_into(tree)
    tree.content.room = 40
    paths = shuffled()
    nursery.start_soon(tree.fs.follow, lines_of(paths), Heard())
    await trio.sleep(1)
    assert tree.content.kept == keys(paths[:40])
    for path in paths[:20]:
        await tree.read(path)
    await trio.sleep(1)
    assert len(tree.content.kept) in range(56, 61)


async def test_a_reader_that_begins_elsewhere_is_followed(autojump_clock, tree, nursery):
    await looked_into(tree)
    paths = shuffled()
    nursery.start_soon(tree.fs.follow, lines_of(paths), Heard())
    await trio.sleep(1)
    for path in paths[300 : 300 + LONELY]:
        await tree.read(path)
    await trio.sleep(1)
    assert tree.content.kept[AT_FIRST : AT_FIRST + 10] == keys(paths[300 + LONELY : 310 + LONELY])


async def test_two_epochs_and_two_orders_at_once(autojump_clock, tree, nursery):
    await looked_into(tree)
    first, second = shuffled(), list(reversed(shuffled()))
    heard = Heard(), Heard()
    nursery.start_soon(tree.fs.follow, lines_of(first + second), heard[0])
    nursery.start_soon(tree.fs.follow, lines_of(first), heard[1])
    await trio.sleep(1)
    for path in first + second:
        await tree.read(path)
        await trio.sleep(0.001)
    await trio.sleep(1)
    assert [each.states[-1].read for each in heard] == [1200, 600]
    assert tree.content.room == 10_000


async def test_cancelled_it_lets_all_go(autojump_clock, tree):
    await looked_into(tree)
    with trio.move_on_after(1):
        await tree.fs.follow(lines_of(shuffled()), Heard())
    assert len(tree.content.kept) == AT_FIRST
    assert tree.content.room == 10_000
    assert tree.fs._orders.running == []


async def test_an_order_that_nobody_reads_ends_after_an_hour(autojump_clock, tree):
    await looked_into(tree)
    began = trio.current_time()
    await tree.fs.follow(lines_of(shuffled()), Heard())
    assert NOBODY <= trio.current_time() - began <= NOBODY + REST + 1


async def test_the_last_lines_may_be_left_out(autojump_clock, tree, nursery):
    await looked_into(tree)
    paths = shuffled(100)
    heard = Heard()
    began = trio.current_time()
    async with trio.open_nursery() as job:
        job.start_soon(tree.fs.follow, lines_of(paths), heard)
        await trio.sleep(1)
        for path in paths[:96]:
            await tree.read(path)
    assert trio.current_time() - began <= 2 * REST + 2
    assert heard.states[-1].read == 96
    assert tree.content.room == 10_000

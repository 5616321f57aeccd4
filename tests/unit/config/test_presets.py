"""The built-in presets keep what they say: what is asked of the storage by a tree with each of them."""

from collections.abc import Awaitable, Callable

import pytest
import trio

from mountd.config import Configuration, options_of
from mountd.config.mappings import PRESETS
from mountd.definitions import Freshness, MappingOptions
from mountd.errors import NoEntry
from tests.fixtures.asked_tree import Tree

DAY = 86_400.0


def options(name: str, *more: str) -> MappingOptions:
    mapping, _ = options_of([",".join((f"preset={name}", *more))], Configuration())
    return mapping


def test_there_are_four_named_as_users_think():
    assert set(PRESETS) == {"dataset", "serving", "checkpoints", "shared"}
    assert all(preset.why for preset in PRESETS.values())


async def shown(name: str) -> Tree:
    """A tree in which `d` was listed and the file in it opened, and nothing asked since."""
    tree = Tree(options(name))
    await tree.put("d/a", b"old")
    await tree.rows("/d")
    await tree.read("d/a")
    tree.requests()
    return tree


async def opened(tree: Tree) -> list[str]:
    """What one open asks, the reading of its bytes left out."""
    tree.requests()
    tree.fs.release(await tree.open("d/a"))
    return [request for request in tree.requests() if not request.startswith("read")]


async def listed(tree: Tree) -> list[str]:
    tree.requests()
    await tree.rows("/d")
    return tree.requests()


async def missed(tree: Tree) -> list[str]:
    tree.requests()
    with pytest.raises(NoEntry):
        await tree.look("d/nothing")
    return tree.requests()


async def test_a_dataset_is_never_asked_about_again(autojump_clock):
    tree = await shown("dataset")
    await tree.put("d/a", b"somebody changes it all the same")
    await trio.sleep(30 * DAY)
    for asked in (opened, listed, missed):
        assert await asked(tree) == []
    assert (await tree.look("d/a")).size == 3


@pytest.mark.parametrize("asked", [opened, listed, missed])
async def test_what_is_served_is_believed_for_a_minute(autojump_clock, asked: Callable[[Tree], Awaitable[list[str]]]):
    tree = await shown("serving")
    await trio.sleep(59)
    assert await asked(tree) == []
    await trio.sleep(2)
    assert await asked(tree) != []


async def test_a_release_is_served_within_a_minute(autojump_clock):
    tree = await shown("serving")
    await tree.put("d/a", b"the new model")
    await trio.sleep(61)
    assert await tree.read("d/a") == b"the new model"


@pytest.mark.parametrize("name", ["checkpoints", "shared"])
async def test_each_open_asks_exactly_once(autojump_clock, name):
    tree = await shown(name)
    inode = await tree.inode("d/a")
    for _ in range(3):
        tree.requests()
        tree.fs.release((await tree.fs.open(inode, 0)).handle)
        assert tree.requests() == ["stat d/a"]
    await tree.put("d/a", b"newer")
    assert await tree.read("d/a") == b"newer"


async def test_names_of_others_are_seen_in_a_shared_folder_within_two_seconds(autojump_clock):
    tree = await shown("shared")
    await trio.sleep(1.9)
    assert await missed(tree) == []
    await tree.put("d/nothing")
    await trio.sleep(0.2)
    assert (await tree.look("d/nothing")).size == 0


def test_how_much_of_the_cache_each_may_fill():
    shares = {name: options(name).cache_share for name in PRESETS}
    assert shares == {"dataset": 1.0, "serving": 1.0, "checkpoints": 0.5, "shared": 0.25}


def test_all_fetch_ahead():
    assert all(options(name).prefetch for name in PRESETS)


def test_what_is_said_beside_a_preset_stands():
    assert options("shared", "ttl=7").ttl == 7
    assert options("dataset", "freshness=ttl,ttl=7").freshness is Freshness.TTL
    assert options("checkpoints", "cache_share=1").cache_share == 1

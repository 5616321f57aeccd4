"""A walk costs a request for thousands of entries, not one for each folder, and shows what folder-wise listings show."""

import pytest
import trio

from mountd.definitions import Freshness, MappingOptions
from mountd.errors import Unavailable
from mountd.fs import walking
from mountd.fs.config import TreeConfig
from tests.fixtures.asked_tree import Tree


async def build(tree, folders=40, files=5):
    for folder in range(folders):
        for file in range(files):
            await tree.put(f"top/f{folder:03}/sub/{file}.txt", b"x")
        await tree.put(f"top/f{folder:03}/readme", b"y")


async def walk(tree, path="/"):
    found = []
    for name, attributes in (await tree.rows(path)).items():
        here = f"{path.rstrip('/')}/{name.decode()}"
        found.append(here)
        if attributes.mode & 0o40000:
            found.extend(await walk(tree, here))
    return found


async def test_a_walk_of_many_folders_takes_few_requests(autojump_clock):
    tree = Tree()
    await build(tree)
    found = await walk(tree)
    assert len(found) == 1 + 40 * (1 + 1 + 1 + 5)
    assert len(set(found)) == len(found)
    requests = [request for request in tree.requests() if request.startswith("list")]
    assert len(requests) < 10, requests


async def test_a_walk_over_many_pages_is_complete(autojump_clock):
    tree = Tree()
    tree.asked.page_size = 7
    await build(tree)
    assert len(await walk(tree)) == 1 + 40 * 8


async def test_without_walking_the_tree_looks_the_same(autojump_clock):
    tree, plain = Tree(), Tree(config=TreeConfig(walk=False))
    for one in (tree, plain):
        await build(one, folders=5)
        for key in ("a//b", "a/./c", "a/../d", "/x", "top", "top/f000", "z/", "~~y/q", "top/f001/" + "n" * 300):
            await one.put(key, b"1")
        await one.put("linked", b"top", is_symlink="true")
        await one.put("empty", b"", hdi_isfolder="true")
    assert sorted(await walk(tree)) == sorted(await walk(plain))
    assert len(tree.requests()) < len(plain.requests())


async def test_a_walk_that_fails_shows_the_error_and_goes_on_later(autojump_clock):
    tree = Tree()
    tree.asked.page_size = 10
    await build(tree, folders=6)
    await tree.rows("/top")
    await tree.rows("/top/f000")
    tree.asked.failure = Unavailable("down")
    with pytest.raises(Unavailable):
        await tree.rows("/top/f001")
    tree.asked.failure = None
    for folder in range(6):
        assert sorted(await tree.names(f"/top/f{folder:03}")) == [b"readme", b"sub"]


async def test_one_look_into_two_far_folders_is_no_walk(autojump_clock):
    tree = Tree()
    await build(tree)
    await tree.rows("/top")
    await tree.rows("/top/f000")
    await tree.rows("/top/f030")
    assert not [request for request in tree.requests() if request.endswith("flat")]


async def begin_walk(tree):
    await build(tree, folders=8)
    for path in ("/", "/top", "/top/f000", "/top/f001"):
        await tree.rows(path)
    assert [request for request in tree.requests() if request.endswith("flat")]
    await tree.put("top/f002/late", b"z")


async def test_what_a_walk_passed_is_not_believed_longer_than_a_listing(autojump_clock):
    tree = Tree()
    await begin_walk(tree)
    await trio.sleep(11)
    assert b"late" in await tree.names("/top/f002")


async def test_what_a_walk_passed_before_an_invalidation_does_not_count(autojump_clock):
    tree = Tree(MappingOptions(freshness=Freshness.IMMUTABLE))
    await begin_walk(tree)
    await tree.rows("/top")
    assert b"late" not in await tree.names("/top/f002")
    await tree.fs.invalidate("/top")
    assert b"late" in await tree.names("/top/f002")
    await tree.put("top/f003/late", b"z")
    assert b"late" in await tree.names("/top/f003")


async def test_a_cancelled_pull_ends_the_walk_and_loses_no_name(autojump_clock):
    tree = Tree()
    tree.asked.page_size = 6
    await build(tree, folders=8)
    for path in ("/", "/top", "/top/f000"):
        await tree.rows(path)
    tree.asked.hangs = True
    with trio.move_on_after(1):
        await tree.rows("/top/f001")
    tree.asked.hangs = False
    for folder in range(1, 8):
        assert sorted(await tree.names(f"/top/f{folder:03}")) == [b"readme", b"sub"]


async def test_many_walkers_at_once_see_everything(autojump_clock):
    tree = Tree()
    tree.asked.page_size = 9
    await build(tree, folders=20)
    found = []

    async def one():
        found.append(sorted(await walk(tree)))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(one)
    assert {len(names) for names in found} == {1 + 20 * 8}
    assert len(tree.requests()) < 120


async def test_memory_of_a_walk_nobody_follows_is_bounded(autojump_clock, monkeypatch):
    monkeypatch.setattr(walking, "LEFT_OVER", 10)
    tree = Tree()
    tree.asked.page_size = 50
    await begin_walk(tree)
    (under_way,) = tree.fs._naming._walking._walks
    assert sum(len(listing) for listing, _ in under_way.ready.values()) <= 10
    assert len(await walk(tree)) == 1 + 8 * 8 + 1

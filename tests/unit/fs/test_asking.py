"""When a name costs a request, and what a failing request leaves behind."""

import pytest
import trio

from mountd.errors import AccessDenied, NoEntry, Unavailable
from mountd.fs.flights import Flights
from tests.fixtures.asked_tree import Tree


async def test_one_name_is_asked_as_blob_and_folder_together(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    tree.asked.delay = 1.0
    await tree.look("a")
    assert trio.current_time() < 3.0  # the listing's two steps take two seconds, the blob's one at the same time
    assert sorted(tree.requests()) == ["list a/ flat one", "stat a"]


async def test_many_who_ask_for_one_name_ask_once(autojump_clock):
    tree = Tree()
    await tree.put("d/a", b"1")
    folder = await tree.inode("d")
    tree.asked.delay = 1.0
    tree.requests()
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(tree.fs.lookup, folder, b"a")
    assert sorted(tree.requests()) == ["list d/a/ flat one", "stat d/a"]


async def test_a_listing_in_flight_is_joined(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    tree.asked.delay = 1.0
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(tree.names)
    assert tree.requests() == ["list "]


async def test_a_small_folder_asked_about_repeatedly_is_listed(autojump_clock):
    tree = Tree()
    for number in range(20):
        await tree.put(f"d/{number}", b"1")
    folder = await tree.inode("d")
    tree.requests()
    for number in range(20):
        await tree.fs.lookup(folder, b"%d" % number)
    assert len(tree.requests()) == 5  # two names, each as blob and folder, then the listing


async def test_a_large_folder_is_not_listed_for_a_name(autojump_clock, monkeypatch):
    monkeypatch.setattr("mountd.fs.asking.PAGE", 10)
    tree = Tree()
    tree.asked.page_size = 10
    for number in range(50):
        await tree.put(f"d/{number}", b"1")
    folder = await tree.inode("d")
    tree.requests()
    for number in range(10):
        await tree.fs.lookup(folder, b"%d" % number)
    assert tree.requests().count("list d/") == 1
    assert len(tree.requests()) == 0


@pytest.fixture
async def large_tree(monkeypatch):
    """A tree whose folder d of 200 files was listed in 20 pages, 10.5 s ago: its ttl is over."""
    monkeypatch.setattr("mountd.fs.asking.PAGE", 10)
    tree = Tree()
    tree.asked.page_size = 10
    for number in range(200):
        await tree.put(f"d/{number}", b"1")
    await tree.names("/d")
    await trio.sleep(10.5)
    tree.requests()
    return tree


async def test_a_large_folder_gone_through_name_by_name_is_listed_anew(autojump_clock, large_tree):
    """`ls -l` of 100,000 files goes on when their ttl is over: not two requests a file from there."""
    folder = await large_tree.inode("d")
    large_tree.requests()
    for name in sorted(b"%d" % number for number in range(200)):
        await large_tree.fs.lookup(folder, name)
    requests = large_tree.requests()
    assert requests.count("list d/") == 20
    assert len(requests) <= 2 * 20


async def test_a_large_folder_read_at_random_is_not_listed(autojump_clock, large_tree):
    """Who reads files here and there does not wait for a listing of all."""
    folder = await large_tree.inode("d")
    large_tree.requests()
    for number in range(150):
        await large_tree.fs.lookup(folder, b"%d" % (number * 67 % 200))
    assert "list d/" not in large_tree.requests()


async def test_a_large_folder_asked_about_now_and_then_is_not_listed(autojump_clock, large_tree):
    folder = await large_tree.inode("d")
    for name in sorted(b"%d" % number for number in range(50)):
        await large_tree.fs.lookup(folder, name)
        await trio.sleep(5)
    assert "list d/" not in large_tree.requests()


async def test_a_folder_whose_listing_takes_longer_than_its_ttl_is_asked_about_name_by_name(autojump_clock, large_tree):
    large_tree.asked.delay = 1.0
    await large_tree.names("/d")
    await trio.sleep(10.5)
    large_tree.asked.delay = 0.0
    folder = await large_tree.inode("d")
    large_tree.requests()
    for name in sorted(b"%d" % number for number in range(50)):
        await large_tree.fs.lookup(folder, name)
    assert "list d/" not in large_tree.requests()


async def test_a_file_of_a_folder_that_is_listed_too_slowly_costs_one_request(autojump_clock, large_tree):
    large_tree.asked.delay = 1.0
    await large_tree.names("/d")
    await trio.sleep(10.5)
    large_tree.asked.delay = 0.0
    folder = await large_tree.inode("d")
    large_tree.requests()
    for number in range(50):
        await large_tree.fs.lookup(folder, b"%d" % number)
    assert large_tree.requests() == [f"stat d/{number}" for number in range(50)]
    await large_tree.store.delete("d/7")
    await large_tree.put("d/7/inside", b"x")
    await trio.sleep(10.5)
    assert (await large_tree.fs.lookup(folder, b"7")).mode & 0o40000, "a file that became a folder is found as one"


async def test_a_file_of_a_folder_too_large_to_list_costs_two_requests_once(autojump_clock, monkeypatch):
    monkeypatch.setattr("mountd.fs.asking.PAGE", 10)
    tree = Tree()
    for number in range(50):
        await tree.put(f"d/{number}", b"1")
    folder = await tree.inode("d")
    for _ in range(2):
        tree.requests()
        for number in range(20):
            await tree.fs.lookup(folder, b"%d" % number)
        await trio.sleep(10.5)
    assert [request for request in tree.requests() if request.startswith("list d/")] == []


async def test_a_credential_that_may_not_list_still_reads_known_names(autojump_clock):
    tree = Tree()
    for number in range(6):
        await tree.put(f"{number}", b"1")

    def refused(*arguments, **named):
        raise AccessDenied("no listing")

    tree.asked.list = refused
    for number in range(6):
        assert await tree.read(f"{number}") == b"1"
    with pytest.raises(AccessDenied):
        await tree.look("absent")
    with pytest.raises(AccessDenied):
        await tree.names()


async def test_a_folder_whose_listing_fails_is_not_taken_for_a_file(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    await tree.put("a/b", b"1")

    def down(*arguments, **named):
        raise Unavailable("down")

    tree.asked.list = down
    with pytest.raises(Unavailable):
        await tree.look("a")


async def test_when_the_first_asker_is_cancelled_the_next_asks(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    tree.asked.delay = 5.0
    found = []

    async def second():
        await trio.sleep(1)
        found.append(await tree.names())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(second)
        with trio.move_on_after(2):
            await tree.names()
    assert found == [[b"a"]]


async def test_an_error_reaches_all_who_wait_and_is_not_kept(autojump_clock):
    flights: Flights[int] = Flights()
    caught = []

    async def fail():
        await trio.sleep(1)
        raise Unavailable("down", remedy="wait", request_id="7")

    async def ask():
        with pytest.raises(Unavailable) as error:
            await flights.join("q", fail)
        caught.append((error.value.sentence, error.value.remedy, error.value.request_id))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask)
    assert caught == [("down", "wait", "7")] * 3

    async def answer():
        await trio.lowlevel.checkpoint()
        return 5

    assert await flights.join("q", answer) == 5


async def test_a_file_that_became_a_folder_is_another_inode(autojump_clock):
    tree = Tree()
    await tree.put("a", b"1")
    before = (await tree.look("a")).inode
    await tree.store.delete("a")
    await tree.put("a/b", b"1")
    await trio.sleep(11)
    after = await tree.look("a")
    assert after.inode != before
    assert await tree.names("/a") == [b"b"]
    with pytest.raises(NoEntry):
        await tree.look("b")

"""The whole of a daemon below its doors (tree, content, protected store) in virtual time: idle, and with a wall clock that steps;
and an idle mount in real time."""

import random
import subprocess
import time
from contextlib import asynccontextmanager

import pytest
import trio

from mountd.content.config import CacheConfig
from mountd.content.interface import Source
from mountd.content.library import BlockContent
from mountd.definitions import DatastoreDefinition, DatastoreKind, MappingDefinition, MappingOptions, Origin
from mountd.errors import NoEntry, StoreError
from mountd.fs.config import TreeConfig
from mountd.fs.filesystem import Filesystem
from mountd.fs.interface import ROOT_INODE
from mountd.stores.config import StoreConfig
from mountd.stores.live import LiveStore
from tests.faults.mount.arranged import serving
from tests.fixtures.asked_tree import ToldKernel
from tests.fixtures.stores import FaultyStore, black_hole, well

YEAR = 365 * 86400 * 10**9
SIZE = 5 << 20
CONTENT = random.Random(8).randbytes(SIZE)


class Daemon:
    """State: what a test does to the store and to the wall clock; `raw.requests` are those that went out."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.wall_ns = 1_700_000_000 * 10**9
        self.raw = FaultyStore()
        definition = DatastoreDefinition("box", DatastoreKind.MEMORY, container="box")
        self.store = LiveStore(
            definition, StoreConfig(), lambda _: self.raw, chance=random.Random(1), wall_clock=lambda: self.wall_ns
        )
        self.content = BlockContent(CacheConfig(memory=32 << 20), nursery)
        self.tree = Filesystem(self.content, ToldKernel(), TreeConfig(), lambda: self.wall_ns)
        mapping = MappingDefinition("/", "box", "", MappingOptions(), Origin.SOCKET)
        self.tree.attach(mapping, Source("box", self.store))

    async def names(self, inode: int = ROOT_INODE) -> list[bytes]:
        handle = await self.tree.open_directory(inode)
        try:
            return [row[0] for row in await self.tree.list_directory(handle, 0, 10_000)]
        finally:
            self.tree.close_directory(handle)

    async def read(self, name: bytes) -> bytes:
        inode = (await self.tree.lookup(ROOT_INODE, name)).inode
        handle = (await self.tree.open(inode, 0)).handle
        pieces: list[bytes] = []
        try:
            while piece := bytes(await self.tree.read(handle, sum(map(len, pieces)), 128 << 10)):
                pieces.append(piece)
        finally:
            self.tree.release(handle)
        return b"".join(pieces)


@asynccontextmanager
async def running():
    async with trio.open_nursery() as nursery:
        daemon = Daemon(nursery)
        await daemon.raw.memory.put("large", CONTENT)
        for number in range(50):
            await daemon.raw.memory.put(f"small {number}", b"%d" % number)
        try:
            yield daemon
        finally:
            nursery.cancel_scope.cancel()


async def test_an_idle_tree_sends_no_request_for_ten_minutes(autojump_clock):
    async with running() as daemon:
        assert len(await daemon.names()) == 51
        assert await daemon.read(b"large") == CONTENT
        for number in range(50):
            assert await daemon.read(b"small %d" % number) == b"%d" % number
        inode = (await daemon.tree.lookup(ROOT_INODE, b"large")).inode
        handle = (await daemon.tree.open(inode, 0)).handle  # stays open
        await daemon.tree.read(handle, SIZE // 2, 1000)
        await trio.sleep(1)
        daemon.raw.requests.clear()
        await trio.sleep(600)
        assert daemon.raw.requests == []
        assert await daemon.read(b"small 7") == b"7"
        assert daemon.raw.requests


async def test_an_idle_tree_over_a_dead_store_does_not_try_it(autojump_clock):
    async with running() as daemon:
        await daemon.names()
        daemon.raw.behave = black_hole
        await trio.sleep(60)
        with pytest.raises(StoreError):
            await daemon.names()
        daemon.raw.requests.clear()
        await trio.sleep(600)
        assert daemon.raw.requests == []


@pytest.mark.parametrize("step", [-YEAR, YEAR, -(10**9), 3600 * 10**9], ids=["-1y", "+1y", "-1s", "+1h"])
async def test_a_step_of_the_wall_clock_changes_no_freshness(autojump_clock, step):
    """SEMANTICS 35."""
    async with running() as daemon:
        await daemon.names()
        daemon.raw.requests.clear()
        daemon.wall_ns += step
        await trio.sleep(9)
        await daemon.tree.lookup(ROOT_INODE, b"large")
        await daemon.names()
        assert daemon.raw.requests == []  # shown nine seconds ago, whatever the clock says
        await daemon.raw.memory.put("new", b"1")
        with pytest.raises(NoEntry):
            await daemon.tree.lookup(ROOT_INODE, b"new")
        await trio.sleep(1.5)
        assert await daemon.read(b"new") == b"1"
        before = (await daemon.tree.lookup(ROOT_INODE, b"large")).mtime_ns
        daemon.wall_ns -= step
        assert (await daemon.tree.lookup(ROOT_INODE, b"large")).mtime_ns == before


@pytest.mark.parametrize("step", [-YEAR, YEAR], ids=["back", "forward"])
async def test_a_step_of_the_wall_clock_changes_no_deadline(autojump_clock, step):
    """SEMANTICS 35, 32: a call on a dead store ends after the same time, and the store is tried again as soon."""
    async with running() as daemon:
        inode = (await daemon.tree.lookup(ROOT_INODE, b"large")).inode
        handle = (await daemon.tree.open(inode, 0)).handle
        daemon.raw.behave = black_hole
        began = trio.current_time()

        async def clock_steps() -> None:
            for _ in range(4):
                await trio.sleep(5)
                daemon.wall_ns += step

        async with trio.open_nursery() as nursery:
            nursery.start_soon(clock_steps)
            with pytest.raises(StoreError):
                await daemon.tree.read(handle, 0, 1000)
        assert 29 < trio.current_time() - began < 36
        daemon.raw.behave = well
        await trio.sleep(31)
        assert await daemon.tree.read(handle, 0, 1000) == CONTENT[:1000]


@pytest.mark.fuse
def test_an_idle_mount_sends_no_request(node, emulator):
    """In real time, a few seconds, beyond its ttl; with a file open, the kernel's caches, and somebody asking for the status."""
    container = emulator.container("data")
    for number in range(100):
        container.put(f"folder/{number:03d}", b"x" * 10_000)
    container.put("large", CONTENT)
    serving(node, more="mapping_defaults: {ttl: 1s}\n", box=emulator)
    top = node.path / "box"
    subprocess.run(["ls", "-lR", top], check=True, stdout=subprocess.DEVNULL)
    assert (top / "large").read_bytes() == CONTENT
    assert (top / "folder" / "007").read_bytes() == b"x" * 10_000
    with open(top / "large", "rb") as file:
        file.read(1000)
        time.sleep(1)
        emulator.requests.clear()
        time.sleep(3)
        node.control("status")
        node.control("metrics")
        assert len(emulator.requests) == 0

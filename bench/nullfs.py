"""`python -m bench.nullfs MOUNTPOINT`: a filesystem of nothing, to see what pyfuse3 and the kernel alone allow on a machine.

It has the shape that the workloads read, answers everything from memory, and knows no storage, no cache and no freshness. What a
row loses against it is mountd's; what it loses against the limit of the network is pyfuse3's. `--plain` serves with pyfuse3's own
request tasks and the kernel's own limits, so that the difference is the work of mountd/fuse/.
"""

import argparse
import errno
import itertools
import os
import signal
import stat
from collections.abc import Iterator, Sequence

import pyfuse3
import trio

from mountd.fuse.allocator import keep_large_buffers
from mountd.fuse.config import MountConfig
from mountd.fuse.kernel_tuning import tune
from mountd.fuse.workers import Calls, RequestTasks

GiB, KiB = 1 << 30, 1 << 10

SHAPE = {  # name: (size of each file, how many of each number in the name)
    "big.bin": (8 * GiB, ()),
    "large.bin": (GiB, ()),
    "random.bin": (4 * GiB, ()),
    "par/%d.bin": (2 * GiB, (8,)),
    "small/%05d.bin": (100 * KiB, (2000,)),
    "tree/%02d/%02d/%03d.dat": (4 * KiB, (20, 10, 50)),
    "flat/%06d": (1000, (100_000,)),
    "parquet/part-%05d.parquet": (GiB // 4, (64,)),
}

BYTES = memoryview(os.urandom(8 << 20))
"""What every file consists of, over and over: more than the processor's cache."""

FOREVER = 86400.0


class Node:
    """A file, or a folder where `children` is no None. Its inode number is its place in `NullOperations.nodes`."""

    __slots__ = ("children", "inode", "rows", "size")

    def __init__(self, inode: int, size: int = 0, *, folder: bool = False) -> None:
        self.inode = inode
        self.size = size
        self.children: dict[bytes, Node] | None = {} if folder else None
        self.rows: Sequence[tuple[bytes, Node]] = ()


def paths(shape: dict[str, tuple[int, tuple[int, ...]]]) -> Iterator[tuple[str, int]]:
    for pattern, (size, counts) in shape.items():
        for numbers in itertools.product(*map(range, counts)):
            yield pattern % numbers, size


class NullOperations(pyfuse3.Operations):
    """State: the tree, which never changes, and `_entry`, filled anew for each answer."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, shape: dict[str, tuple[int, tuple[int, ...]]], on_init: trio.Event) -> None:
        self._on_init = on_init
        self._entry = pyfuse3.EntryAttributes()
        self._entry.entry_timeout = self._entry.attr_timeout = FOREVER
        self._opened = pyfuse3.FileInfo(keep_cache=True)
        self.nodes = [Node(0), Node(pyfuse3.ROOT_INODE, folder=True)]
        for path, size in paths(shape):
            *folders, name = path.encode().split(b"/")
            folder = self.nodes[pyfuse3.ROOT_INODE]
            for part in folders:
                folder = self._child(folder, part, 0, folder=True)
            self._child(folder, name, size, folder=False)
        for node in self.nodes:
            node.rows = list(node.children.items()) if node.children else ()

    def _child(self, parent: Node, name: bytes, size: int, *, folder: bool) -> Node:
        assert parent.children is not None
        child = parent.children.get(name)
        if child is None:
            child = parent.children[name] = Node(len(self.nodes), size, folder=folder)
            self.nodes.append(child)
        return child

    def _fill(self, node: Node) -> pyfuse3.EntryAttributes:
        entry = self._entry
        entry.st_ino = node.inode
        entry.st_mode = stat.S_IFREG | 0o444 if node.children is None else stat.S_IFDIR | 0o555
        entry.st_size = node.size
        return entry

    def init(self) -> None:
        self._on_init.set()

    async def lookup(self, parent_inode, name, ctx):
        children = self.nodes[parent_inode].children
        node = children.get(name) if children else None
        if node is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._fill(node)

    async def forget(self, inode_list):
        """Nothing is counted."""

    async def getattr(self, inode, ctx):
        return self._fill(self.nodes[inode])

    async def opendir(self, inode, ctx):
        return inode

    async def readdir(self, fh, start_id, token):
        rows = self.nodes[fh].rows
        for cookie in range(start_id, len(rows)):
            name, node = rows[cookie]
            if not pyfuse3.readdir_reply(token, name, self._fill(node), cookie + 1):
                return

    async def releasedir(self, fh):
        """Nothing is held."""

    async def open(self, inode, flags, ctx):
        self._opened.fh = inode
        return self._opened

    async def read(self, fh, off, size):
        start = off % (len(BYTES) // 2)
        return BYTES[start : start + min(size, max(self.nodes[fh].size - off, 0))]

    async def flush(self, fh):
        """Nothing is unsaved."""

    async def release(self, fh):
        """Nothing is held."""


async def serve(mountpoint: str, *, plain: bool) -> None:
    ready = trio.Event()
    config = MountConfig()
    if not plain:
        keep_large_buffers()
        RequestTasks(Calls(config.call_limit), config.look_again_microseconds / 1e6).install()
    pyfuse3.init(NullOperations(SHAPE, ready), mountpoint, {"fsname=nullfs", "subtype=nullfs", "default_permissions"})

    async def tuned() -> None:
        await ready.wait()
        await trio.to_thread.run_sync(tune, mountpoint, config)

    async def until_told() -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                pyfuse3.terminate()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(until_told)
            if plain:
                await pyfuse3.main()
            else:
                nursery.start_soon(tuned)
                await pyfuse3.main(min_tasks=config.min_tasks, max_tasks=config.max_tasks)
            nursery.cancel_scope.cancel()
    finally:
        pyfuse3.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.nullfs", description=__doc__)
    parser.add_argument("mountpoint", type=os.path.realpath)
    parser.add_argument("--plain", action="store_true", help="pyfuse3's own request tasks, the kernel's own limits")
    options = parser.parse_args()
    trio.run(lambda: serve(options.mountpoint, plain=options.plain))


if __name__ == "__main__":
    main()

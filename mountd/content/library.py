"""The one content service of a daemon: puts budget, tiers, transfers and readers together.

Promises what content.interface says. Everything is owned here and by the nursery it is given; nothing is global.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import trio

from mountd import metrics
from mountd.content import interface
from mountd.content.block_cache import BlockCache
from mountd.content.budget import Parts, default_memory
from mountd.content.config import SMALLEST_MEMORY, CacheConfig
from mountd.content.disk_tier import DiskTier
from mountd.content.extents import digest
from mountd.content.heap import Heap, resident_bytes, thread_count
from mountd.content.interface import CacheUsage, Held, OpenContent, Source
from mountd.content.keeping import Keeping, Kept
from mountd.content.memory_tier import Block, MemoryTier, Shelf, State
from mountd.content.reader import VersionReader, Windows
from mountd.content.transfers import Transfers
from mountd.rules.blocks import RANGE, SMALL_FILE
from mountd.types import StoreIdentity, Version

GUESSED_PART = 2  # of the budget may wait to be opened, having been guessed: more would push out what is read
WARM_AHEAD = 8 * RANGE  # in flight while warming: enough to fill a near network, little enough to leave readers theirs


class BlockContent:
    """content.interface.Content. `directory` holds the disk tier; without one there is none. `heap`: the process's, where this is
    the one that fills it."""

    def __init__(
        self, config: CacheConfig, nursery: trio.Nursery, directory: Path | None = None, heap: Heap | None = None
    ) -> None:
        self._prefetch = config.prefetch
        self._memory = max(config.memory or default_memory(), SMALLEST_MEMORY)
        parts = Parts.of(self._memory, disk=directory is not None and config.disk > 0)
        self._disk = DiskTier(config, directory, parts.queue) if directory is not None and config.disk else None
        self._heap = heap
        if heap is not None:
            heap.expect(self._memory)
        self._tier = MemoryTier(parts.blocks, parts.idle, heap)
        self._show()
        self._transfers = Transfers(nursery, self._tier, self._disk)
        self._cache = BlockCache(self._tier, self._transfers)
        self._windows = Windows(self._tier.budget.limit)
        self._keeping = Keeping(self._tier, self._transfers)
        if self._disk is not None:
            self._disk.start(nursery)

    def _show(self) -> None:
        budget, disk = self._tier.budget, self._disk
        metrics.MEMORY_BUDGET.labels("limit").set(self._memory)
        metrics.MEMORY_BUDGET.labels("in_flight").set_function(lambda: float(budget.in_flight))
        metrics.MEMORY_BUDGET.labels("used").set_function(lambda: float(budget.reserved + self._between()))
        metrics.DISK_BUDGET.labels("limit").set(disk.limit if disk is not None else 0)
        metrics.DISK_BUDGET.labels("used").set_function(lambda: float(disk.bytes if disk is not None else 0))
        metrics.RESIDENT.set_function(lambda: float(resident_bytes()))
        metrics.THREADS.set_function(lambda: float(thread_count()))

    def _between(self) -> int:
        """Bytes of buffers that are between two uses, or wait for the disk."""
        return self._tier.buffers.idle_bytes + (self._disk.queued if self._disk is not None else 0)

    def open(self, source: Source, version: Version) -> OpenContent:
        room = self._tier.room(source.reader.identity)
        room.tell_pace(source.datastore)
        shelf = room.shelf(version)
        prefetch = self._prefetch and source.prefetch
        return VersionReader(self._cache, self._windows, shelf, source, prefetch=prefetch)

    def fetch_ahead(self, source: Source, versions: Sequence[Version]) -> int:
        """As in content.interface; empty files and those too large for it have nothing to be fetched, and count as
        taken. Nothing is taken while too much of what was fetched so has left unopened, or waits to be."""
        if not (self._prefetch and source.prefetch):
            return 0
        room = self._tier.room(source.reader.identity)
        guesses = room.guesses(source.datastore)
        if guesses.credit <= 0:
            return 0
        left = min(self._transfers.ahead_room(room), guesses.allowance(self._tier.budget.limit // GUESSED_PART))
        blocks: list[Block] = []
        taken = 0
        for version in versions:
            if 0 < version.size <= SMALL_FILE:
                shelf = room.shelf(version)
                if not shelf.blocks:
                    left -= version.size
                    if left < 0:
                        room.tidy(shelf)
                        break
                    block = self._tier.file(Block(shelf, 0, version.size, source))
                    block.guess = guesses
                    guesses.made(block.size)
                    blocks.append(block)
            taken += 1
        if blocks:
            self._transfers.fetch_ahead(blocks, source)
        return taken

    def keep(self, source: Source, version: Version) -> Kept | None:
        return self._keeping.keep(source, version)

    def let_go(self, kept: interface.Kept, *, unread: bool) -> None:
        assert isinstance(kept, Kept)
        self._keeping.let_go(kept, unread=unread)

    def on_room(self, heard: Callable[[], None]) -> None:
        self._keeping.heard = heard

    async def warm(self, source: Source, version: Version) -> int:
        shelf = self._tier.room(source.reader.identity).shelf(version)
        shelf.opens += 1
        try:
            return await self._warm(shelf, source)
        finally:
            shelf.opens -= 1
            shelf.room.tidy(shelf)

    async def _warm(self, shelf: Shelf, source: Source) -> int:
        size = shelf.version.size
        known = set(shelf.unique())
        fetched = 0
        # Without a disk, more than the memory tier can hold would push itself out.
        end = size if self._disk is not None else min(size, self._tier.budget.limit // 2)
        for start in range(0, end, RANGE):
            stop = min(start + RANGE, size)
            blocks = self._cache.want(shelf, source, start, stop)
            if stop < end:
                self._cache.ahead(shelf, source, (stop, min(start + WARM_AHEAD, size)))
            self._cache.hold(blocks)  # until the disk has taken them, the bytes must stay
            try:
                await self._cache.bytes_of(blocks, source, start, stop)
                for block in blocks:
                    if block not in known:
                        known.add(block)
                        fetched += block.size if block.found == "store" else 0
                    if self._disk is not None:
                        await self._disk.keep_surely(block)
            finally:
                self._cache.let_go(blocks)
        return fetched

    def held(self, identity: StoreIdentity, version: Version) -> Held:
        room = self._tier.rooms.get(identity)
        shelf = room.find(version) if room is not None else None
        memory = sum(block.size for block in shelf.unique() if block.state is State.HERE) if shelf is not None else 0
        disk = self._disk.held(identity, version) if self._disk is not None else 0
        return Held(memory=memory, disk=disk, size=version.size)

    def drop(self, identity: StoreIdentity, key: str) -> None:
        room = self._tier.rooms.get(identity)
        for shelf in list(room.shelves.get(key, ())) if room is not None else ():
            self._tier.forget(shelf)
        if self._disk is not None:
            self._disk.drop(identity, key)

    async def clear(self) -> int:
        freed = sum(self._tier.forget(shelf) for shelf in list(self._shelves()) if not shelf.opens)
        if self._disk is not None:
            freed += await self._disk.clear(
                {digest(shelf.room.identity, shelf.version.key) for shelf in self._open_shelves()}
            )
        if self._heap is not None:
            self._heap.give_back()
        await trio.lowlevel.checkpoint()
        return freed

    def _open_shelves(self) -> Iterable[Shelf]:
        return (shelf for shelf in self._shelves() if shelf.opens)

    def _shelves(self) -> Iterable[Shelf]:
        return (shelf for room in self._tier.rooms.values() for shelves in room.shelves.values() for shelf in shelves)

    def usage(self) -> CacheUsage:
        disk = self._disk
        self._cache.count_hits()
        return CacheUsage(
            memory_bytes=self._tier.held_bytes,
            memory_limit=self._memory,
            in_flight_bytes=self._tier.budget.in_flight,
            disk_bytes=disk.bytes if disk is not None else 0,
            disk_limit=disk.limit if disk is not None else 0,
            disk_files=disk.files if disk is not None else 0,
            disk_healthy=disk is None or disk.healthy,
            buffer_bytes=self._between(),
        )

    async def flush(self) -> None:
        """Returns when what the disk tier took before is on disk."""
        if self._disk is not None:
            await self._disk.flush()

    async def aclose(self) -> None:
        """What is queued fails, what flies is left to the nursery's owner to cancel; the disk tier is closed in order."""
        self._transfers.close()
        if self._disk is not None:
            await self._disk.aclose()
        await trio.lowlevel.checkpoint()

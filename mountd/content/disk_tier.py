"""The disk tier: bytes that survive a restart, kept by a thread of its own, lazily.

Promises: a reader never waits for a write; what comes faster than it may be written is written at leisure, if it is still
in memory; damage, a full disk or an unreadable file is a miss and a metric, never a user's error; wrong bytes are never given
(checksums, extents.py); a free-space floor is left to others. The index is read in the background after the start. Nothing
is synced: what a power cut tore is found out by its checksum.
"""

import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import trio

from mountd import metrics
from mountd.content.cache_directory import CacheDirectory
from mountd.content.config import WRITE_RATE_A_CORE, CacheConfig
from mountd.content.disk_index import DiskIndex, Span
from mountd.content.extent_writer import ExtentWriter
from mountd.content.extents import digest, read_into, records, tag
from mountd.content.memory_tier import Block, Shelf
from mountd.rules.blocks import GRAIN_BITS
from mountd.types import MiB, StoreIdentity, Version

log = logging.getLogger(__name__)

ALREADY_LOCAL = ("local",)  # kinds whose bytes are on this machine's disk: a copy of them would save nothing
QUEUE = 8 * MiB  # bytes waiting to be written, at most: a part of the memory budget
INDEX_WAIT = (
    1.0  # seconds the first reads after a start wait for the index: a miss then costs a request that was paid for
)
CATCH_UP = 0.25  # seconds between two looks at what was declined
LATER = 4096  # blocks remembered as declined, by their place, not their bytes
CLOSING = 5.0  # seconds: what a stuck disk does not take by then is not kept
READERS = 8  # threads reading at once: disks of nodes are fast, and each holds a buffer


class DiskTier:
    """Mutable state: `_queued`, `_allowance` and `_later` (trio thread), `loaded`; the index is shared and locks itself."""

    def __init__(self, config: CacheConfig, directory: Path, queue_limit: int = QUEUE) -> None:
        self._directory = CacheDirectory(directory)
        self.limit = config.disk
        self.index = DiskIndex()
        self._writer = ExtentWriter(config, self._directory.extents, self.index)
        self._rate = config.disk_write_rate or WRITE_RATE_A_CORE * (os.cpu_count() or 1)
        self._allowance = float(self._rate)
        self._refilled = 0.0
        self._mutex = threading.Lock()
        self._queued = 0
        self._queue_limit = queue_limit
        self._later: deque[tuple[Shelf, int]] = deque(maxlen=LATER)
        self._catching_up = False
        self._nursery: trio.Nursery | None = None
        self._orders: queue.SimpleQueue[Callable[[], bool]] = queue.SimpleQueue()
        self._limiter = trio.CapacityLimiter(READERS)
        self._token: trio.lowlevel.TrioToken | None = None
        self._index_read: trio.Event | None = None
        self.loaded = False
        self._damaged = metrics.CACHE_FAILURES.labels("disk_read")
        self._behind = metrics.CACHE_FAILURES.labels("disk_behind")
        metrics.CACHE_BYTES.labels("disk").set_function(lambda: float(self._writer.bytes))
        self._thread = threading.Thread(target=self._work, name="disk-tier", daemon=True)

    def start(self, nursery: trio.Nursery) -> None:
        """Begins to read the index, and to write. From the trio thread."""
        self._nursery = nursery
        self._token = trio.lowlevel.current_trio_token()
        self._index_read = trio.Event()
        self._orders.put(self._load)
        self._thread.start()

    # Reading, from the trio thread ---------------------------------------------------------------------------

    def may_have(self, shelf: Shelf, start: int, stop: int) -> bool:
        """Whether `read` is worth asking for [start, stop): it is all here, or that is not known yet."""
        if shelf.room.identity.kind in ALREADY_LOCAL:
            return False
        if not self.loaded:
            return True
        return bool(self.index.find(digest(shelf.room.identity, shelf.version.key), tag(shelf.version), start, stop))

    async def read(self, shelf: Shelf, start: int, stop: int) -> memoryview | None:
        """Bytes [start, stop) of a version; None if they are not all here, and unharmed."""
        if shelf.room.identity.kind in ALREADY_LOCAL:
            return None
        if not self.loaded:
            await self._index()
        name = digest(shelf.room.identity, shelf.version.key)
        spans = self.index.find(name, tag(shelf.version), start, stop)
        if not spans:
            return None
        data = bytearray(stop - start)
        lost = await trio.to_thread.run_sync(
            self._read,
            spans,
            shelf.room.identity,
            shelf.version,
            start,
            data,
            limiter=self._limiter,
            abandon_on_cancel=True,
        )
        if lost is None:
            return memoryview(data).toreadonly()
        self._damaged.inc()
        self.index.drop_span(name, lost)
        return None

    async def _index(self) -> None:
        assert self._index_read is not None
        with trio.move_on_after(INDEX_WAIT):
            await self._index_read.wait()

    def _read(
        self, spans: list[Span], identity: StoreIdentity, version: Version, start: int, data: bytearray
    ) -> Span | None:
        """Fills `data`; gives the span that could not be read as it was written."""
        target = memoryview(data)
        at, end = start, start + len(data)
        for span in spans:
            upto = min(span.stop, end)
            try:
                file = os.open(self._writer.path(span.extent), os.O_RDONLY | os.O_CLOEXEC)
                try:
                    whole = read_into(file, span.offset, identity, version, (at, target[at - start : upto - start]))
                finally:
                    os.close(file)
            except (OSError, ValueError, KeyError):  # gone meanwhile, unreadable, or its JSON is not what we write
                return span
            if not whole:
                return span
            at = upto
        return None

    def held(self, identity: StoreIdentity, version: Version) -> int:
        return self.index.held(digest(identity, version.key), tag(version))

    # Keeping and forgetting, from the trio thread ------------------------------------------------------------

    def keep(self, block: Block) -> bool:
        """Has a block's bytes written soon, or declines because the disk is behind. The last half of the allowance is for small
        blocks: they are what a restart misses most, and a fast scan would leave them none."""
        if block.shelf.room.identity.kind in ALREADY_LOCAL:
            return False
        now = trio.current_time()
        self._allowance = min(self._allowance + self._rate * (now - self._refilled), float(self._rate))
        self._refilled = now
        needed = block.size if block.size <= MiB else block.size + self._rate // 2
        if needed > self._allowance or not self._enqueue(block):
            self._later.append((block.shelf, block.start))
            if self._nursery is not None and not self._catching_up:
                self._catching_up = True
                self._nursery.start_soon(self._catch_up)
            return False
        self._allowance -= block.size
        return True

    async def _catch_up(self) -> None:
        """Keeps what was declined, if it is still in memory when there is leisure. Ends when there is nothing left."""
        try:
            while self._later:
                await trio.sleep(CATCH_UP)
                for _ in range(len(self._later)):
                    shelf, start = self._later.popleft()
                    block = shelf.blocks.get(start >> GRAIN_BITS)
                    if block is None or block.data is None:
                        self._behind.inc()
                    elif not self.keep(block):
                        break  # it stands at the end again
        finally:
            self._catching_up = False

    async def keep_surely(self, block: Block) -> None:
        """As `keep`, and waits for its turn: for what was asked to be here."""
        if block.shelf.room.identity.kind in ALREADY_LOCAL:
            return
        while block.data is not None and not self._enqueue(block):
            await self._orderly(lambda: None)

    def _enqueue(self, block: Block) -> bool:
        data = block.data
        with self._mutex:
            if data is None or (self._queued and self._queued + block.size > self._queue_limit):
                return False
            self._queued += block.size
        identity, version, start = block.shelf.room.identity, block.shelf.version, block.start
        self._orders.put(lambda: self._write(identity, version, start, data))
        return True

    def drop(self, identity: StoreIdentity, key: str) -> None:
        name = digest(identity, key)
        if self.index.drop(name) or self._queued or not self.loaded:  # else nothing of it is or will be here
            self._orders.put(lambda: self._writer.drop(name))

    async def clear(self, kept: set[bytes]) -> int:
        """Forgets all but these keys' digests; gives the bytes freed."""
        freed: list[int] = []
        await self._orderly(lambda: freed.append(self._writer.clear(kept)))
        return sum(freed)

    async def flush(self) -> None:
        """Returns when all that was kept before is on disk."""
        await self._orderly(lambda: None)

    async def aclose(self) -> None:
        """Writes what is queued, and gives the directory back; in bounded time, cancelled or not."""
        self._nursery = None
        self._later.clear()
        try:
            if self._thread.is_alive():
                self._orders.put(lambda: False)
                with trio.move_on_after(CLOSING, shield=True):
                    await trio.to_thread.run_sync(self._thread.join, abandon_on_cancel=True)
        finally:
            self._writer.close()
            self._directory.close()

    @property
    def queued(self) -> int:
        return self._queued

    @property
    def bytes(self) -> int:
        return self._writer.bytes

    @property
    def files(self) -> int:
        return self._writer.files

    @property
    def healthy(self) -> bool:
        return self._writer.healthy

    async def _orderly(self, order: Callable[[], None]) -> None:
        """Runs `order` in the disk's thread, behind what is queued."""
        done = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def run() -> bool:
            try:
                order()
            finally:
                _tell(token, done)
            return True

        self._orders.put(run)
        await done.wait()

    # The disk's thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        going = True
        while going:
            order = self._orders.get()
            try:
                going = order()
            except Exception:
                log.exception("the disk tier met an unexpected error")
                metrics.BUGS.labels("content.disk_tier").inc()

    def _write(self, identity: StoreIdentity, version: Version, start: int, data: memoryview) -> bool:
        try:
            name, mark = digest(identity, version.key), tag(version)
            if not self.index.find(name, mark, start, start + len(data)):
                self._writer.write(identity, version, start, data)
        finally:
            with self._mutex:
                self._queued -= len(data)
        return True

    def _load(self) -> bool:
        try:
            for number in self._writer.found():
                try:
                    file = os.open(self._writer.path(number), os.O_RDONLY | os.O_CLOEXEC)
                    try:
                        for record in records(file):
                            self.index.add(number, record)
                    finally:
                        os.close(file)
                except (OSError, ValueError, KeyError) as error:
                    log.warning("the cache file %s cannot be used: %s", self._writer.path(number).name, error)
                    metrics.CACHE_FAILURES.labels("disk_index").inc()
        finally:
            self.loaded = True
            assert self._token is not None
            assert self._index_read is not None
            _tell(self._token, self._index_read)
        return True


def _tell(token: trio.lowlevel.TrioToken, event: trio.Event) -> None:
    """Sets an event from another thread; if the loop has ended meanwhile, nobody waits for it."""
    try:
        token.run_sync_soon(event.set)
    except trio.RunFinishedError:
        return

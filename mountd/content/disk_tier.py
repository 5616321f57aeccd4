"""The disk tier: bytes that survive a restart, kept by a thread of its own, lazily.

Promises: a reader never waits for a write; what comes faster than it may be written is written at leisure, if it is still
in memory; damage, a full disk or an unreadable file is a miss and a metric, never a user's error; wrong bytes are never given
(checksums, extents.py); a free-space floor is left to others; a full cache lets in what is likely to be wanted again
(rules.admission). The index is read in the background after the start. Nothing is synced: what a power cut tore is found out
by its checksum.
"""

import functools
import logging
import os
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import trio

from mountd import metrics
from mountd.content.cache_directory import CacheDirectory
from mountd.content.config import CacheConfig
from mountd.content.direct_io import opened, read_at
from mountd.content.disk_index import DiskIndex, Run, grain_name
from mountd.content.disk_pace import DiskPace
from mountd.content.disk_threads import DiskThreads
from mountd.content.extent_files import ExtentFiles
from mountd.content.extent_writer import ExtentWriter, read_records
from mountd.content.extents import Name, digest, key_of, name_of, sum_of
from mountd.content.memory_tier import Block, Shelf
from mountd.rules.admission import Admission
from mountd.rules.blocks import GRAIN, GRAIN_BITS
from mountd.types import MiB, StoreIdentity, Version

log = logging.getLogger(__name__)

ALREADY_LOCAL = ("local",)  # kinds whose bytes are on this machine's disk: a copy of them would save nothing
QUEUE = 8 * MiB  # bytes waiting to be written, at most: a part of the memory budget
INDEX_WAIT = (
    0.5  # seconds after the start in which a miss waits for the index: it would cost a request that was paid for
)
CATCH_UP = 0.1  # seconds between two looks at what was declined
LATER = 4096  # blocks remembered as declined, by their place, not their bytes
CLOSING = 5.0  # seconds: what a stuck disk does not take by then is not kept
GATHER = 0.05  # seconds that blocks wait for others to be written with
READERS = (
    8  # threads reading at once: 4 of them have all that a node's disk gives (1.0 GB/s here), and each holds a buffer
)
ROWS = 256  # records filed at once: the lock is held for half a millisecond
WORKING, PAUSE = 0.002, 0.001  # seconds of reading the index, and between


Kept = tuple[StoreIdentity, Version, int, memoryview]


class DiskTier:
    """Mutable state: `_queued` and `_gathered` under `_mutex`, `_allowance` and `_later` (trio thread), `loaded`; the index is
    shared and locks itself."""

    def __init__(self, config: CacheConfig, directory: Path, queue_limit: int = QUEUE) -> None:
        self._directory = CacheDirectory(directory)
        self.limit = config.disk
        self.index = DiskIndex()
        self._admission = Admission(config.disk, config.disk // GRAIN)
        self._files = ExtentFiles(config, self._directory.extents, self.index, self._admission)
        self._writer = ExtentWriter(self._files, self._directory.take)
        self._writer.trouble = self._directory.trouble
        self._pace = DiskPace(config.disk_write_rate)
        self._allowance = self._pace.rate(0.0)
        self._refilled = 0.0
        self._mutex = threading.Lock()
        self._queued = 0
        self._gathered: deque[Kept] = deque()
        self._hurry = threading.Event()
        self._queue_limit = queue_limit
        self._later: deque[tuple[Shelf, int]] = deque(maxlen=LATER)
        self._catching_up = False
        self._nursery: trio.Nursery | None = None
        self._orders: queue.SimpleQueue[Callable[[], bool]] = queue.SimpleQueue()
        self._threads = DiskThreads(READERS)
        self._token: trio.lowlevel.TrioToken | None = None
        self._index_read: trio.Event | None = None
        self._began = 0.0
        self.loaded = False
        self._damaged = metrics.CACHE_FAILURES.labels("disk_read")
        self._behind = metrics.CACHE_FAILURES.labels("disk_behind")
        metrics.CACHE_BYTES.labels("disk").set_function(lambda: float(self._files.bytes))
        self._thread = threading.Thread(target=self._work, name="disk-tier", daemon=True)

    def start(self, nursery: trio.Nursery) -> None:
        """Begins to read the index, and to write. From the trio thread."""
        self._nursery = nursery
        self._token = trio.lowlevel.current_trio_token()
        self._index_read = trio.Event()
        self._began = trio.current_time()
        self._orders.put(self._load)
        self._thread.start()

    # Reading, from the trio thread ---------------------------------------------------------------------------

    def may_have(self, shelf: Shelf, start: int, stop: int) -> bool:
        """Whether `read` is worth asking for [start, stop): it is all here, or that is not known yet."""
        identity, version = shelf.room.identity, shelf.version
        if identity.kind in ALREADY_LOCAL:
            return False
        name = name_of(identity, version)
        if not self.loaded or self.index.find(name, version.size, start, stop):
            return True
        self._admission.note(_grains(name, start, stop), stop - start, hit=False)
        return False

    async def read(self, shelf: Shelf, start: int, stop: int) -> memoryview | None:
        """Bytes [start, stop) of a version; None if they are not all here, and unharmed."""
        version = shelf.version
        if shelf.room.identity.kind in ALREADY_LOCAL:
            return None
        name = name_of(shelf.room.identity, version)
        runs = self.index.find(name, version.size, start, stop)
        if not runs and not self.loaded:
            await self._index()
            runs = self.index.find(name, version.size, start, stop)
        self._admission.note(_grains(name, start, stop), stop - start, hit=bool(runs))
        if not runs:
            return None
        found = await self._threads.run(functools.partial(self._read, runs, name))
        if isinstance(found, memoryview):
            return found[: stop - start]
        self._damaged.inc()
        self.index.lose(name, found)
        return None

    async def _index(self) -> None:
        assert self._index_read is not None
        with trio.move_on_at(self._began + INDEX_WAIT):
            await self._index_read.wait()

    def _read(self, runs: list[Run], name: Name) -> memoryview | Run:
        """The bytes of all runs; or the first that is not as it was written."""
        pieces: list[memoryview] = []
        for run in runs:
            try:
                file = opened(self._files.path(run.extent), os.O_RDONLY)
                try:
                    piece = read_at(file, run.offset, run.length)
                finally:
                    os.close(file)
            except FileNotFoundError:
                self._orders.put(functools.partial(self._forget, run.extent))
                return run
            except OSError:
                return run
            if len(piece) != run.length or any(
                sum_of(piece[nth * GRAIN : (nth + 1) * GRAIN], name.seed) != value for nth, value in enumerate(run.sums)
            ):
                return run
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else memoryview(b"".join(pieces))

    def held(self, identity: StoreIdentity, version: Version) -> int:
        return self.index.held(name_of(identity, version), version.size)

    # Keeping and forgetting, from the trio thread ------------------------------------------------------------

    def keep(self, block: Block) -> bool:
        """Has a block's bytes written soon, or declines: the disk is behind, or full of what is worth more. The last half of the
        allowance is for small blocks: they are what a restart misses most, and a fast scan would leave them none."""
        shelf = block.shelf
        if shelf.room.identity.kind in ALREADY_LOCAL:
            return False
        leaving = self._files.leaving
        if leaving:
            name = name_of(shelf.room.identity, shelf.version)
            if not self._admission.admits(grain_name(name.version, block.start >> GRAIN_BITS), leaving):
                return False
        now = trio.current_time()
        rate = self._pace.rate(now)
        self._allowance = min(self._allowance + rate * (now - self._refilled), rate)
        self._refilled = now
        needed = block.size if block.size <= MiB else block.size + rate / 2
        if needed > self._allowance or not self._enqueue(block):
            self._later.append((shelf, block.start))
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
            gathered = self._gathered
            first = not gathered
            gathered.append((block.shelf.room.identity, block.shelf.version, block.start, data))
        if first:
            self._hurry.clear()
            self._orders.put(functools.partial(self._write_gathered, gathered))
        if 2 * self._queued >= self._queue_limit:
            self._hurry.set()  # while it writes these, others find room
        return True

    def drop(self, identity: StoreIdentity, key: str) -> None:
        name = key_of(digest(identity, key))
        self.index.hide(name)
        with self._mutex:
            self._gathered = deque()  # what is kept from now on is written behind this order: it is not to be dropped
        self._orders.put(lambda: self._drop(name))

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
            self._threads.close()
            if self._thread.is_alive():
                self._orders.put(lambda: False)
                self._hurry.set()
                with trio.move_on_after(CLOSING, shield=True):
                    await trio.to_thread.run_sync(self._thread.join, abandon_on_cancel=True)
        finally:
            self._writer.close()
            self._directory.close()

    @property
    def queued(self) -> int:
        """Bytes waiting to be written."""
        return self._queued

    @property
    def bytes(self) -> int:
        return self._files.bytes

    @property
    def files(self) -> int:
        return self._files.count

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
                self._writer.flush()
            finally:
                _tell(token, done)
            return True

        self._orders.put(run)
        self._hurry.set()
        await done.wait()

    # The disk's thread ---------------------------------------------------------------------------------------

    def _work(self) -> None:
        going = True
        while going:
            going = self._done(self._next_order())

    @staticmethod
    def _done(order: Callable[[], bool]) -> bool:
        """Whether to go on: a bug in one order is not the others'."""
        try:
            return order()
        except Exception:
            log.exception("the disk tier met an unexpected error")
            metrics.BUGS.labels("content.disk_tier").inc()
            return True

    def _next_order(self) -> Callable[[], bool]:
        """Small blocks that come one by one are written together: a write costs as much as the bytes of a small file."""
        if not self._writer.pending:
            return self._orders.get()
        try:
            return self._orders.get(timeout=GATHER)
        except queue.Empty:
            return self._flush

    def _write_gathered(self, gathered: deque[Kept]) -> bool:
        """What came within a while, at once: to wake this thread for each block cost readers two fifths of their small reads: it
        takes the interpreter from the loop each time."""
        self._hurry.wait(GATHER)
        with self._mutex:
            if self._gathered is gathered:
                self._gathered = deque()
        while gathered:
            self._done(functools.partial(self._write, *gathered.popleft()))
        return True

    def _flush(self) -> bool:
        began = time.thread_time()
        self._writer.flush()
        self._pace.add(time.thread_time() - began)
        return True

    def _write(self, identity: StoreIdentity, version: Version, start: int, data: memoryview) -> bool:
        began = time.thread_time()
        try:
            name = name_of(identity, version)
            kept = self._writer.gathered(name, start) or self.index.find(name, version.size, start, start + len(data))
            if not kept:
                self._writer.write(name, start, data)
                self._pace.note(len(data), time.thread_time() - began)
        finally:
            with self._mutex:
                self._queued -= len(data)
        return True

    def _drop(self, key: int) -> bool:
        self._writer.drop(key)
        return True

    def _forget(self, extent: int) -> bool:
        self._writer.forget(extent)
        return True

    def _load(self) -> bool:
        """The youngest extents first: what was read last is what a restart misses first. With pauses: the interpreter is the
        loop's too (a million records held it for 39 ms at once without)."""
        paused = time.monotonic()
        try:
            for number in reversed(self._writer.found()):
                try:
                    rows = read_records(self._files, number)
                except OSError as error:
                    log.warning("the cache file %s cannot be used: %s", self._files.path(number).name, error)
                    metrics.CACHE_FAILURES.labels("disk_index").inc()
                    continue
                for at in range(0, len(rows), ROWS):
                    self.index.add(number, rows[at : at + ROWS])
                if time.monotonic() - paused > WORKING:
                    time.sleep(PAUSE)
                    paused = time.monotonic()
            self._files.look_ahead(-1)
        finally:
            self.loaded = True
            assert self._token is not None
            assert self._index_read is not None
            _tell(self._token, self._index_read)
        return True


def _grains(name: Name, start: int, stop: int) -> list[int]:
    """The names of a span's grains."""
    return [grain_name(name.version, grain) for grain in range(start >> GRAIN_BITS, (stop - 1 >> GRAIN_BITS) + 1)]


def _tell(token: trio.lowlevel.TrioToken, event: trio.Event) -> None:
    """Sets an event from another thread; if the loop has ended meanwhile, nobody waits for it."""
    try:
        token.run_sync_soon(event.set)
    except trio.RunFinishedError:
        return

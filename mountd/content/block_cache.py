"""Finds blocks, joins fetches in flight, starts the missing ones: memory, then flight, then disk or store.

Promises: a grain is fetched once, however many want it; a reader gets its bytes even if they are evicted before it wakes; a
failed fetch fails those that waited for it, and the next to ask tries anew. It must not know streams or kernel requests.
"""

import copy
from collections.abc import Sequence

import trio

from mountd import metrics
from mountd.content.interface import Source
from mountd.content.memory_tier import Block, MemoryTier, Shelf, State
from mountd.content.transfers import Transfers
from mountd.errors import MountdError, StoreError, Unavailable
from mountd.rules.blocks import GRAIN_BITS, RANGE, SMALL_FILE, absent_runs, asked_span, cut
from mountd.types import Buffer


class BlockCache:
    """Mutable state: `hits`, blocks found in memory and not counted in the metric yet; the rest is the tier's and transfers'."""

    def __init__(self, tier: MemoryTier, transfers: Transfers) -> None:
        self._tier = tier
        self._transfers = transfers
        self._memory = metrics.CACHE_BLOCKS.labels("memory")
        self._flight = metrics.CACHE_BLOCKS.labels("flight")
        self.hits = 0

    def count_hits(self) -> None:
        """A hit is counted by an addition, and told to the metric now and then: that costs as much as the hit."""
        if self.hits:
            self._memory.inc(self.hits)
            self.hits = 0

    def want(self, shelf: Shelf, source: Source, offset: int, stop: int) -> list[Block]:
        """The blocks over [offset, stop), in order; what is missing of them is being fetched when this returns."""
        self.count_hits()
        size = shelf.version.size
        first, last = asked_span(offset, stop, size)
        for start, end in absent_runs(first, last, shelf.blocks):
            piece = RANGE if size <= SMALL_FILE else shelf.room.pace.piece(end - start)
            for low, high in cut(start, end, piece):
                self._tier.file(Block(shelf, low, high, source))
        blocks: list[Block] = []
        at = offset
        while at < stop:
            block = shelf.blocks[at >> GRAIN_BITS]
            blocks.append(block)
            at = block.stop
        for block in blocks:
            if block.state is State.QUEUED:
                self._transfers.want(block)
        if first < blocks[0].start:
            self._want_before(shelf, first, blocks[0].start)
        return blocks

    def _want_before(self, shelf: Shelf, first: int, start: int) -> None:
        """The grain before a footer, if it became a block of its own: fetched, not waited for."""
        for grain in range(first >> GRAIN_BITS, start >> GRAIN_BITS):
            block = shelf.blocks.get(grain)
            if block is not None and block.state is State.QUEUED:
                self._transfers.want(block)

    def ahead(self, shelf: Shelf, source: Source, start: int, stop: int) -> tuple[int, list[Block]]:
        """Queues what is missing of [start, stop), for nobody yet, as far as the budget allows; gives how far, and the blocks."""
        room = self._transfers.ahead_room(shelf.room)
        blocks: list[Block] = []
        reached = stop
        for low, high in absent_runs(start, stop, shelf.blocks):
            for begin, end in cut(low, high, RANGE):
                room -= end - begin
                if room < 0:
                    reached = min(reached, begin)
                    break
                blocks.append(self._tier.file(Block(shelf, begin, end, source)))
        if blocks:
            self._transfers.fetch_ahead(blocks)
        return reached, blocks

    def withdraw(self, blocks: Sequence[Block]) -> None:
        """Those of them that are queued, and for which nobody waits, are not fetched."""
        for block in blocks:
            if block.state is State.QUEUED and not block.waiters:
                self._transfers.withdraw(block)

    async def bytes_of(self, blocks: list[Block], source: Source, offset: int, stop: int) -> Buffer:
        """Bytes [offset, stop) of the blocks that `want` gave for it, once they are there: a view where one block has them."""
        if any(block.data is None for block in blocks):
            await self._arrivals(blocks)
            failed = next((block for block in blocks if block.failure is not None), None)
            if failed is not None:
                return await self._failed(failed, source, offset, stop)
        else:
            self.hits += len(blocks)
        pieces: list[memoryview] = []
        for block in blocks:
            low, high = max(offset, block.start), min(stop, block.stop)
            block.served += high - low
            assert block.data is not None
            pieces.append(block.data[low - block.start : high - block.start])
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def _arrivals(self, blocks: list[Block]) -> None:
        """Waits for all of them, whatever becomes of each. A cancelled waiter takes back what only it wanted."""
        awaited = [block for block in blocks if block.data is None]
        for block in awaited:
            if block.ahead or block.waiters:
                self._flight.inc()
            block.waiters += 1
            if block.arrival is None:
                block.arrival = trio.Event()
                if block.state is State.FAILED:
                    block.arrival.set()
        try:
            for block in awaited:
                assert block.arrival is not None
                await block.arrival.wait()
                if block.failure is not None:
                    return
        finally:
            for block in awaited:
                block.waiters -= 1
                if not block.waiters and block.state is State.QUEUED and not block.ahead:
                    self._transfers.withdraw(block)

    async def _failed(self, block: Block, source: Source, offset: int, stop: int) -> Buffer:
        """A fetch that failed through another datastore's credentials is no answer to this one: it asks itself."""
        failure = block.failure
        shelf = block.shelf
        if block.source.reader is not source.reader and isinstance(failure, StoreError):
            blocks = self.want(shelf, source, offset, stop)
            return await self.bytes_of(blocks, blocks[0].source, offset, stop)
        if isinstance(failure, MountdError):
            raise copy.copy(failure) from failure  # one instance a reader: a traceback grows with each raise
        raise Unavailable("A fetch ended in an unexpected way; the daemon's log has the details.") from failure

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

    def want(self, shelf: Shelf, source: Source, offset: int, stop: int, whom: object | None = None) -> list[Block]:
        """The blocks over [offset, stop), in order, held for the caller, who gives them to `bytes_of` or `let_go`; what is
        missing of them is being fetched when this returns. `whom`: who takes turns with the others; the version, if None."""
        self.count_hits()
        whom = whom or shelf
        size = shelf.version.size
        first, last = asked_span(offset, stop, size)
        made: list[Block] = []
        for start, end in absent_runs(first, last, shelf.blocks):
            piece = RANGE if size <= SMALL_FILE else shelf.room.pace.piece(end - start)
            made += [self._tier.file(Block(shelf, low, high, source)) for low, high in cut(start, end, piece)]
        blocks: list[Block] = []
        at = offset
        while at < stop:
            block = shelf.blocks[at >> GRAIN_BITS]
            block.waiters += 1  # held before anything flies: a flight may evict what is here
            blocks.append(block)
            at = block.stop
        for block in blocks:
            if block.state is not State.HERE and block not in made:
                self._flight.inc()
            if block.state is State.QUEUED:
                self._transfers.want(block, whom)
        for block in made:  # the grain before a footer may be a block of its own: fetched, not waited for
            if block.state is State.QUEUED and not block.wanted:
                self._transfers.want(block, whom)
        return blocks

    def begin(self, shelf: Shelf, source: Source) -> None:
        """Has a whole small file fetched as if a reader waited: one is about to."""
        for block in self.want(shelf, source, 0, shelf.version.size):
            block.waiters -= 1

    def hold(self, blocks: Sequence[Block]) -> None:
        """Keeps their bytes, evicted or not, until they are let go once more."""
        for block in blocks:
            block.waiters += 1

    def let_go(self, blocks: Sequence[Block]) -> None:
        """The caller needs its blocks no more. What is queued and only it wanted is not fetched."""
        for block in blocks:
            block.waiters -= 1
            if not block.waiters and block.state is State.QUEUED and not block.ahead:
                self._transfers.withdraw(block)

    def ahead(
        self, shelf: Shelf, source: Source, span: tuple[int, int], *, whom: object | None = None, piece: int = RANGE
    ) -> tuple[int, list[Block]]:
        """Queues what is missing of the span, in pieces, for nobody yet, as far as the budget allows; gives how far, and the
        blocks."""
        start, stop = span
        room = self._transfers.ahead_room(shelf.room)
        blocks: list[Block] = []
        reached = stop
        for low, high in absent_runs(start, stop, shelf.blocks):
            for begin, end in cut(low, high, piece):
                room -= end - begin
                if room < 0:
                    reached = min(reached, begin)
                    break
                blocks.append(self._tier.file(Block(shelf, begin, end, source)))
        if blocks:
            self._transfers.fetch_ahead(blocks, whom or shelf)
        return reached, blocks

    def withdraw(self, blocks: Sequence[Block]) -> None:
        """Those of them that are queued, and for which nobody waits, are not fetched."""
        for block in blocks:
            if block.state is State.QUEUED and not block.waiters:
                self._transfers.withdraw(block)

    async def bytes_of(self, blocks: list[Block], source: Source, offset: int, stop: int) -> Buffer:
        """Bytes [offset, stop) of the blocks that `want` gave for it, once they are there: a view where one block has them."""
        try:
            failed = await self._arrivals(blocks)
            if failed is None:
                pieces: list[memoryview] = []
                for block in blocks:
                    low, high = max(offset, block.start), min(stop, block.stop)
                    block.served += high - low
                    assert block.data is not None
                    pieces.append(block.data[low - block.start : high - block.start])
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
        finally:
            self.let_go(blocks)
        return await self._failed(failed, source, offset, stop)

    async def _arrivals(self, blocks: list[Block]) -> Block | None:
        """Waits for all of them; gives the first that failed."""
        waited = False
        for block in blocks:
            if block.data is None and block.failure is None:
                waited = True
                if block.arrival is None:
                    block.arrival = trio.Event()
                await block.arrival.wait()
            if block.failure is not None:
                return block
        if not waited:
            self.hits += len(blocks)
        return None

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

"""Files that somebody said will be read: fetched ahead, and kept until they are let go, whatever else needs the memory.

Promises: no more than half of the budget is kept so, and demand finds the other half; a file that several wait for is fetched
and counted once; few requests are queued at a time, so that streams find their turn. It must not know orders or paths.
"""

from collections.abc import Callable

from mountd.content.interface import Source
from mountd.content.memory_tier import Block, MemoryTier, Shelf, State
from mountd.content.transfers import Transfers
from mountd.rules.blocks import RANGE, absent_runs, cut
from mountd.rules.pace import MOST
from mountd.types import Version

PART = 2  # of the budget may be kept
HEAD = 4 * RANGE  # bytes fetched ahead of a larger file: from there on its reader's stream goes faster than this
QUEUED = 2 * MOST  # requests on their way: as many again as may fly at once


class Kept:
    """One file's first bytes. `holders`: how many wait for it. Mutable state: `flying`, its blocks that are on their way."""

    __slots__ = ("blocks", "cost", "flying", "holders", "keeping", "shelf")

    def __init__(self, keeping: "Keeping", shelf: Shelf, blocks: list[Block]) -> None:
        self.keeping = keeping
        self.shelf = shelf
        self.blocks = blocks
        self.cost = sum(block.cost for block in blocks)
        self.flying = {block for block in blocks if block.state in (State.QUEUED, State.FLYING)}
        self.holders = 1

    def landed(self, block: Block) -> None:
        """memory_tier.Keeper."""
        if block in self.flying:
            self.flying.remove(block)
            self.keeping.landed()


class Keeping:
    """Mutable state: `bytes` kept, `_flying` requests of it, `_files` by shelf; `_refused`, more than may be
    queued was asked for; `heard` is called when there may be room again."""

    def __init__(self, tier: MemoryTier, transfers: Transfers) -> None:
        self._tier = tier
        self._transfers = transfers
        self._limit = tier.budget.limit // PART
        self._files: dict[Shelf, Kept] = {}
        self._flying = 0
        self._refused = False
        self.bytes = 0
        self.heard: Callable[[], None] = lambda: None

    def keep(self, source: Source, version: Version) -> Kept | None:
        """Has a file's first bytes fetched and kept; None: not now."""
        if self._transfers.closed:
            return None
        shelf = self._tier.room(source.reader.identity).shelf(version)
        kept = self._files.get(shelf)
        if kept is not None:
            kept.holders += 1
            return kept
        size = min(version.size, HEAD)
        self._refused = self._flying >= QUEUED
        if self._refused or (self.bytes and self.bytes + size > self._limit):
            shelf.room.tidy(shelf)
            return None
        new = [
            self._tier.file(Block(shelf, start, stop, source))
            for low, high in absent_runs(0, size, shelf.blocks)
            for start, stop in cut(low, high, RANGE)
        ]
        blocks = [block for block in shelf.unique() if block.start < size]
        kept = self._files[shelf] = Kept(self, shelf, blocks)
        self.bytes += kept.cost
        self._flying += len(kept.flying)
        shelf.opens += 1
        for block in blocks:
            self._tier.keep(block, kept)
        if new:
            self._transfers.fetch_ahead(new, self)
        return kept

    def let_go(self, kept: Kept, *, unread: bool) -> None:
        """One holder less. What nobody else holds may be evicted from now on; unread, it is not fetched if it is still queued."""
        kept.holders -= 1
        if kept.holders:
            return
        del self._files[kept.shelf]
        self.bytes -= kept.cost
        self._flying -= len(kept.flying)
        kept.flying.clear()
        kept.shelf.opens -= 1
        for block in kept.blocks:
            self._tier.release(block)
            if unread and block.state is State.QUEUED and not block.waiters and not block.wanted:
                self._transfers.withdraw(block)
        kept.shelf.room.tidy(kept.shelf)

    def landed(self) -> None:
        self._flying -= 1
        if self._refused and self._flying <= QUEUED // 2:
            self._refused = False
            self.heard()

"""The memory tier: blocks, filed by storage, key, version and grain. A block in flight is filed like one that is here, so
that finding and joining are one look-up.

Promises: blocks of a version never overlap; a block taken out keeps its bytes for those that wait, and for nobody else; nothing
here waits. It must not know stores or streams.
"""

from collections.abc import Iterator
from enum import IntEnum
from typing import Protocol

import trio

from mountd import metrics
from mountd.content.budget import Flight, MemoryBudget
from mountd.content.buffers import Buffers, room_for
from mountd.content.guesses import Guesses
from mountd.content.heap import Heap
from mountd.content.interface import Source
from mountd.rules.blocks import GRAIN, GRAIN_BITS
from mountd.rules.eviction import Evictable, Eviction, Share
from mountd.rules.pace import Pace
from mountd.types import Buffer, StoreIdentity, Version

OVERHEAD = 1536  # bytes of memory that a block takes beside its own, measured: with its shelf, names and ghost


class State(IntEnum):
    QUEUED = 0
    FLYING = 1
    HERE = 2
    FAILED = 3
    GONE = 4  # withdrawn before it flew, or forgotten


class Keeper(Protocol):
    """Keeps blocks from being evicted until it lets them go."""

    def landed(self, block: "Block") -> None:
        """A flight has ended, or the block has left by force: it is here, or it will never be."""
        ...


class Block(Evictable):
    """An aligned range [start, stop) of one version: queued, in flight, or here with its bytes in `data`."""

    __slots__ = (
        "ahead",
        "arrival",
        "data",
        "failure",
        "found",
        "guess",
        "keeper",
        "landed",
        "shelf",
        "source",
        "start",
        "state",
        "stop",
        "waiters",
        "wanted",
    )

    def __init__(self, shelf: "Shelf", start: int, stop: int, source: Source) -> None:
        super().__init__(
            stop - start,
            shelf.room.share(source.cache_share),
            (shelf.version.key, shelf.version.etag, start),
            overhead=OVERHEAD + room_for(stop - start) - (stop - start),
        )
        self.shelf = shelf
        self.start = start
        self.stop = stop
        self.source = source
        self.state = State.QUEUED
        self.data: memoryview | None = None
        self.failure: BaseException | None = None
        self.arrival: trio.Event | None = None
        self.waiters = 0
        self.wanted = False  # a reader waits, or asked for it
        self.ahead = False  # fetched before anybody asked
        self.landed = False  # its flight has ended: here, or failed. A forgotten block's flight goes on
        self.found = ""  # where its bytes came from: disk or store
        self.guess: Guesses | None = None  # whose guess it is, until its file is opened
        self.keeper: Keeper | None = None  # who keeps it from being evicted

    def grains(self) -> range:
        return range(self.start >> GRAIN_BITS, (self.stop + GRAIN - 1) >> GRAIN_BITS)


class Shelf:
    """The blocks of one version, by grain."""

    __slots__ = ("blocks", "opens", "room", "version")

    def __init__(self, room: "Room", version: Version) -> None:
        self.room = room
        self.version = version
        self.blocks: dict[int, Block] = {}
        self.opens = 0

    def unique(self) -> Iterator[Block]:
        """Each block once, in file order."""
        last = None
        for grain in sorted(self.blocks):
            block = self.blocks[grain]
            if block is not last:
                yield block
            last = block


class Room:
    """One storage's shelves, by key (rarely more than one version each), what was learnt about its pace, and the guesses of the
    datastores that show it."""

    __slots__ = ("_eviction", "_guesses", "_shares", "_told", "flight", "identity", "pace", "shelves")

    def __init__(self, identity: StoreIdentity, eviction: Eviction) -> None:
        self.identity = identity
        self.shelves: dict[str, list[Shelf]] = {}
        self.pace = Pace()
        self.flight = Flight()
        self._guesses: dict[str, Guesses] = {}
        self._told: set[str] = set()
        self._eviction = eviction
        self._shares: dict[float, Share] = {}

    def share(self, weight: float) -> Share:
        share = self._shares.get(weight)
        if share is None:
            share = self._shares[weight] = self._eviction.share(weight)
        return share

    def tell_pace(self, datastore: str) -> None:
        """Shows what was learnt about this storage under the name of a datastore that reads it."""
        if datastore not in self._told:
            self._told.add(datastore)
            pace = self.pace
            metrics.FIRST_BYTE.labels(datastore).set_function(lambda: pace.first_byte)
            metrics.BANDWIDTH.labels(datastore).set_function(lambda: pace.bandwidth)

    def guesses(self, datastore: str) -> Guesses:
        found = self._guesses.get(datastore)
        if found is None:
            found = self._guesses[datastore] = Guesses(datastore)
        return found

    def find(self, version: Version) -> Shelf | None:
        for shelf in self.shelves.get(version.key, ()):
            if shelf.version.etag == version.etag and shelf.version.size == version.size:
                return shelf
        return None

    def shelf(self, version: Version) -> Shelf:
        shelf = self.find(version)
        if shelf is None:
            shelf = Shelf(self, version)
            self.shelves.setdefault(version.key, []).append(shelf)
        return shelf

    def tidy(self, shelf: Shelf) -> None:
        """Forgets a shelf that holds nothing and that nobody has open."""
        if shelf.blocks or shelf.opens:
            return
        shelves = self.shelves.get(shelf.version.key)
        if shelves and shelf in shelves:
            shelves.remove(shelf)
            if not shelves:
                del self.shelves[shelf.version.key]


class MemoryTier:
    """All rooms, their eviction and their budget. Mutable state: `rooms`, `held_bytes` (what blocks cost in all)."""

    def __init__(self, limit: int, idle: int = 0, heap: Heap | None = None) -> None:
        self.rooms: dict[StoreIdentity, Room] = {}
        self.held_bytes = 0
        self.budget = MemoryBudget(limit, self._give_up)
        self._eviction = Eviction(limit)
        self.buffers = Buffers(idle)
        self._heap = heap
        metrics.CACHE_BYTES.labels("memory").set_function(lambda: float(self.held_bytes))

    def room(self, identity: StoreIdentity) -> Room:
        room = self.rooms.get(identity)
        if room is None:
            room = self.rooms[identity] = Room(identity, self._eviction)
        return room

    def file(self, block: Block) -> Block:
        """Files a new block under its grains, which nobody has."""
        blocks = block.shelf.blocks
        for grain in block.grains():
            blocks[grain] = block
        return block

    def arrive(self, block: Block, data: Buffer) -> None:
        """The bytes of a flying block: kept, unless it was forgotten meanwhile; then only its waiters get them."""
        kept = block.state is State.FLYING
        block.landed = True
        block.data = self.buffers.kept(data)
        self.budget.land(block.shelf.room.flight, block.cost, kept=kept)
        if kept:
            block.state = State.HERE
            self.held_bytes += block.cost
            if block.keeper is None:
                self._eviction.add(block)
            else:
                block.keeper.landed(block)
        else:
            self._leave(block, wasted=False)
        if block.arrival is not None:
            block.arrival.set()
        if self._heap is not None:
            self._heap.passed(block.size)

    def fail(self, block: Block, failure: BaseException) -> None:
        """A flying block that will not arrive."""
        block.landed = True
        self.budget.land(block.shelf.room.flight, block.cost, kept=False)
        if block.state is State.FLYING:
            self._unfile(block)
        block.state = State.FAILED
        block.failure = failure
        self._leave(block, wasted=False)
        if block.arrival is not None:
            block.arrival.set()

    def withdraw(self, block: Block) -> None:
        """A queued block that nobody wants any more."""
        self._unfile(block)
        block.state = State.GONE
        self._leave(block, wasted=False)

    def keep(self, block: Block, keeper: Keeper) -> None:
        """Whatever needs room, this block stays until it is released."""
        if block.state is State.HERE and block.keeper is None:
            self._eviction.remove(block)
        block.keeper = keeper

    def release(self, block: Block) -> None:
        block.keeper = None
        if block.state is State.HERE:
            block.protected = False
            self._eviction.add(block)

    def forget(self, shelf: Shelf) -> int:
        """Takes out all that is here, and leaves what flies to its waiters alone; gives the bytes freed."""
        freed = 0
        for block in list(shelf.unique()):
            if block.state is State.HERE:
                freed += block.cost
                if block.keeper is None:
                    self._eviction.remove(block)
                self._take_out(block)
            elif block.state is State.FLYING:
                self._unfile(block)
                block.state = State.GONE
        shelf.room.tidy(shelf)
        self.buffers.settle()
        return freed

    def _give_up(self, size: int) -> int:
        freed = 0
        while freed < size:
            victim = self._eviction.victim()
            if victim is None:
                break
            assert isinstance(victim, Block)
            read = bool(victim.served or victim.protected)
            guesses = victim.shelf.room.guesses(victim.source.datastore)
            guesses.left(victim.size, ahead=victim.ahead, read=read)
            self._take_out(victim)
            freed += victim.cost
        self.buffers.settle()
        return freed

    def _take_out(self, block: Block) -> None:
        self._unfile(block)
        block.state = State.GONE
        if not block.waiters:
            block.data = None  # a list that still names the block must not keep its bytes
        self.held_bytes -= block.cost
        self.budget.release(block.cost)
        if block.ahead:
            guesses = block.shelf.room.guesses(block.source.datastore)
            guesses.counted(block.size, read=bool(block.served or block.protected))
        self._leave(block, wasted=True)

    def _leave(self, block: Block, *, wasted: bool) -> None:
        """What waits for nobody any more tells those who guessed or kept it."""
        if block.guess is not None:
            block.guess.ended(block.size, wasted=wasted)
            block.guess = None
        if block.keeper is not None:
            block.keeper.landed(block)

    def _unfile(self, block: Block) -> None:
        blocks = block.shelf.blocks
        for grain in block.grains():
            if blocks.get(grain) is block:
                del blocks[grain]
        block.shelf.room.tidy(block.shelf)

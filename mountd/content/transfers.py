"""Fetches, and nothing else: which block flies next, and what becomes of it.

Fetches belong to this room and its nursery, so that a reader that is cancelled fails nobody. What a reader waits for flies before
what is fetched ahead; a queued block that a reader turns out to want is moved up; readers take turns. The number in flight
for one storage follows its pace. Bytes are reserved before a fetch starts; where none are left it waits here until another ends.

Most fetches need no task: the store is asked, and says on this thread that the bytes are there (half the time of a task a
fetch). One task looks at the deadlines of all of them, while there are any. A fetch that fails, or whose bytes may be on disk,
goes on in a task of its own.
"""

import logging
from collections.abc import Awaitable, Callable

import trio

from mountd import metrics
from mountd.content.disk_tier import DiskTier
from mountd.content.lanes import Lane
from mountd.content.memory_tier import Block, MemoryTier, Room, State
from mountd.errors import Corrupt, StoreError, Unavailable
from mountd.stores.interface import BegunRead
from mountd.types import Buffer

log = logging.getLogger(__name__)

MOST_WANTED = (
    128  # wanted fetches in flight for a storage that needs a task for each; it has its own bulkhead below this
)
QUEUED_PART = 4  # of the budget may be queued to be fetched ahead: more would be evicted before it is read
LOOK = 1.0  # seconds between two looks at the deadlines of what is in flight, at most

Ask = Callable[[], Awaitable[Buffer]]


class DirectFetch:
    """A fetch without a task: stores.interface.Landing."""

    __slots__ = ("_transfers", "began", "block", "lane", "read")

    def __init__(self, transfers: "Transfers", lane: Lane, block: Block) -> None:
        self._transfers = transfers
        self.lane = lane
        self.block = block
        self.began = trio.current_time()
        self.read: BegunRead | None = None

    def arrived(self, data: Buffer) -> None:
        self._transfers.arrived(self, data)

    def failed(self, rest: Ask) -> None:
        self._transfers.failed(self, rest)


class Transfers:
    """Mutable state: `_lanes`, `_hungry` (lanes that met an exhausted budget), `_direct` (fetches without a task), `_watching`."""

    def __init__(self, nursery: trio.Nursery, tier: MemoryTier, disk: DiskTier | None) -> None:
        self._nursery = nursery
        self._tier = tier
        self._disk = disk
        self._lanes: dict[Room, Lane] = {}
        self._hungry: set[Lane] = set()
        self._direct: set[DirectFetch] = set()
        self._watching = False
        self._queue_limit = tier.budget.limit // QUEUED_PART
        self._found = {where: metrics.CACHE_BLOCKS.labels(where) for where in ("disk", "store")}
        self.closed = False

    def want(self, block: Block, whom: object) -> None:
        """A reader wants this queued block: it flies before all that is fetched ahead. `whom`: with whom others take turns."""
        if not block.wanted:
            block.wanted = True
            lane = self._lane(block.shelf.room)
            lane.wanted.add(block, whom)
            self._pump(lane)

    def ahead_room(self, room: Room) -> int:
        """How many bytes more may be queued to be fetched ahead."""
        return 0 if self.closed else self._queue_limit - self._lane(room).ahead_bytes

    def fetch_ahead(self, blocks: list[Block], whom: object) -> None:
        """Queues blocks of one room that nobody waits for; the caller has asked `ahead_room`."""
        lane = self._lane(blocks[0].shelf.room)
        for block in blocks:
            block.ahead = True
            lane.ahead_bytes += block.size
            lane.ahead.add(block, whom)
        self._pump(lane)

    def withdraw(self, block: Block) -> None:
        """A queued block that nobody wants any more leaves its queue."""
        self._leave_queue(block)
        self._tier.withdraw(block)

    def close(self) -> None:
        """Nothing flies any more: what is queued fails, what is in flight is the nursery's to cancel."""
        self.closed = True
        for lane in self._lanes.values():
            self._refuse(lane)
            lane.ahead_bytes = 0

    def _refuse(self, lane: Lane) -> None:
        for block in (*lane.wanted.clear(), *lane.ahead.clear()):
            if block.state is State.QUEUED:
                self._tier.withdraw(block)
                block.state = State.FAILED
                block.failure = _stopping()
                if block.arrival is not None:
                    block.arrival.set()

    def _lane(self, room: Room) -> Lane:
        lane = self._lanes.get(room)
        if lane is None:
            lane = self._lanes[room] = Lane(room)
        return lane

    def _leave_queue(self, block: Block) -> None:
        if block.ahead:
            self._lane(block.shelf.room).ahead_bytes -= block.size

    # What flies next -----------------------------------------------------------------------------------------------

    def _pump(self, lane: Lane) -> None:
        """Starts what may start."""
        if self.closed:
            self._refuse(lane)
        while (block := self._next(lane)) is not None:
            self._nursery.start_soon(self._fly, lane, block)

    def _next(self, lane: Lane) -> Block | None:
        """Starts what may start without a task; gives the first block that needs one, counted and reserved."""
        while (block := self._ready(lane)) is not None:
            if not self._begin(lane, block):
                return block
        return None

    def _ready(self, lane: Lane) -> Block | None:
        """The block to fly now, counted and reserved; None if there is none, or not now."""
        for queue in (lane.wanted, lane.ahead):
            block = queue.head()
            if block is None:
                continue
            wanted = queue is lane.wanted
            if lane.running >= (self._most(block) if wanted else lane.room.pace.concurrency(block.size)):
                return None
            if not self._tier.budget.launch(lane.room.flight, block.cost, wanted=wanted):
                self._hungry.add(lane)
                return None
            queue.take()
            self._leave_queue(block)
            block.state = State.FLYING
            lane.running += 1
            return block
        return None

    @staticmethod
    def _most(block: Block) -> int:
        direct = block.source.direct
        return (direct.places if direct is not None else 0) or MOST_WANTED

    def _landed(self, lane: Lane, block: Block) -> None:
        """A fetch has ended, one way or the other."""
        lane.running -= 1
        if not block.landed:
            self._tier.fail(block, _stopping())
        if self._hungry:
            hungry, self._hungry = self._hungry, set()
            for other in hungry - {lane}:
                self._pump(other)

    def _arrived(self, block: Block, data: Buffer, found: str) -> None:
        block.found = found
        self._found[found].inc()
        self._tier.arrive(block, data)
        if self._disk is not None and found == "store":
            self._disk.keep(block)

    # Without a task ------------------------------------------------------------------------------------------------

    def _begin(self, lane: Lane, block: Block) -> bool:
        """Asks the store without a task, if it can be and the disk has nothing of it."""
        direct, shelf = block.source.direct, block.shelf
        if direct is None or (self._disk is not None and self._disk.may_have(shelf, block.start, block.stop)):
            return False
        fetch = DirectFetch(self, lane, block)
        self._direct.add(fetch)
        fetch.read = direct.begin(shelf.version, block.start, block.stop, fetch)
        if fetch.read is None:
            self._direct.discard(fetch)
            return False
        if not self._watching:
            self._watching = True
            self._nursery.start_soon(self._watch)
        return True

    def arrived(self, fetch: DirectFetch, data: Buffer) -> None:
        lane, block = fetch.lane, fetch.block
        self._direct.discard(fetch)
        now = trio.current_time()
        lane.room.pace.note(len(data), now - fetch.began, now)
        self._arrived(block, data, "store")
        self._landed(lane, block)
        self._pump(lane)

    def failed(self, fetch: DirectFetch, rest: Ask) -> None:
        """It goes on in a task: asks again, or has its error said."""
        self._direct.discard(fetch)
        self._nursery.start_soon(self._fly, fetch.lane, fetch.block, rest)

    async def _watch(self) -> None:
        """Ends what is past its deadline; and itself, when nothing flies. Cancelled, it takes what flies without a task along."""
        try:
            while self._direct:
                now = trio.current_time()
                for fetch in list(self._direct):
                    if fetch.read is not None and fetch.read.deadline <= now:
                        fetch.read.expire()
                first = min((fetch.read.deadline for fetch in self._direct if fetch.read), default=now)
                await trio.sleep_until(min(first, now + LOOK))
        finally:
            self._watching = False
            if self._direct:
                self.close()  # the nursery is ending: nothing may begin in it as others let their memory go
            for fetch in self._direct:
                if fetch.read is not None:
                    fetch.read.leave()
                self._landed(fetch.lane, fetch.block)
            self._direct.clear()

    # In a task -----------------------------------------------------------------------------------------------------

    async def _fly(self, lane: Lane, first: Block, rest: Ask | None = None) -> None:
        """One fetch after the other, while there are any: a task for each would cost more than it does."""
        block: Block | None = first
        while block is not None:
            try:
                await self._fetch(block, rest)
            finally:
                self._landed(lane, block)
            rest = None
            block = self._next(lane)
            if block is not None and (lane.wanted or lane.ahead):
                self._pump(lane)  # more may fly than before: budget was freed, or the pace calls for more

    async def _fetch(self, block: Block, rest: Ask | None) -> None:
        """Lets nothing but a cancellation out: an error in the nursery would end every transfer."""
        try:
            if rest is None:
                self._arrived(block, *await self._load(block))
            else:
                self._arrived(block, _exactly(await rest(), block), "store")
        except StoreError as error:
            self._tier.fail(block, error)
        except Exception as error:
            log.exception("a fetch ended in an unexpected way")
            metrics.BUGS.labels("content.transfers").inc()
            if not block.landed:
                self._tier.fail(block, error)

    async def _load(self, block: Block) -> tuple[Buffer, str]:
        """The bytes, and where they were found."""
        shelf, start, stop = block.shelf, block.start, block.stop
        if self._disk is not None:
            found = await self._disk.read(shelf, start, stop)
            if found is not None:
                return found, "disk"
        began = trio.current_time()
        data = _exactly(await block.source.reader.read(shelf.version, start, stop), block)
        ended = trio.current_time()
        shelf.room.pace.note(stop - start, ended - began, ended)
        return data, "store"


def _exactly(data: Buffer, block: Block) -> Buffer:
    wanted = block.stop - block.start
    if len(data) != wanted:
        raise Corrupt(f"The storage answered {len(data)} bytes where {wanted} were asked for.")
    return data


def _stopping() -> Unavailable:
    return Unavailable("The daemon is stopping.")

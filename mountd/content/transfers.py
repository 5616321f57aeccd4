"""Fetches, and nothing else: which block flies next, and what becomes of it.

Fetches belong to this room's nursery, so that a reader that is cancelled fails nobody. What a reader waits for flies before
what is fetched ahead; a queued block that a reader turns out to want is moved up. The number in flight for one storage follows
its pace. Bytes are reserved before a fetch starts; where none are left it waits here until another fetch ends.
"""

import logging
from collections import deque

import trio

from mountd import metrics
from mountd.content.disk_tier import DiskTier
from mountd.content.memory_tier import Block, MemoryTier, Room, State
from mountd.errors import Corrupt, StoreError, Unavailable
from mountd.types import Buffer

log = logging.getLogger(__name__)

MOST_WANTED = 128  # wanted requests in flight for one storage; the store has its own bulkhead below this
QUEUED_PART = 4  # of the budget may be queued to be fetched ahead: more would be evicted before it is read


class Lane:
    """What is queued and in flight for one storage. A block may stand in both queues (moved up): only its state counts."""

    __slots__ = ("ahead", "ahead_bytes", "room", "running", "wanted")

    def __init__(self, room: Room) -> None:
        self.room = room
        self.wanted: deque[Block] = deque()
        self.ahead: deque[Block] = deque()
        self.ahead_bytes = 0
        self.running = 0


class Transfers:
    """Mutable state: `_lanes` and `_hungry` (lanes that met an exhausted budget)."""

    def __init__(self, nursery: trio.Nursery, tier: MemoryTier, disk: DiskTier | None) -> None:
        self._nursery = nursery
        self._tier = tier
        self._disk = disk
        self._lanes: dict[Room, Lane] = {}
        self._hungry: set[Lane] = set()
        self._queue_limit = tier.budget.limit // QUEUED_PART
        self._found = {where: metrics.CACHE_BLOCKS.labels(where) for where in ("disk", "store")}
        self.closed = False

    def want(self, block: Block) -> None:
        """A reader wants this queued block: it flies before all that is fetched ahead."""
        if not block.wanted:
            block.wanted = True
            lane = self._lane(block.shelf.room)
            lane.wanted.append(block)
            self._pump(lane)

    def ahead_room(self, room: Room) -> int:
        """How many bytes more may be queued to be fetched ahead."""
        return 0 if self.closed else self._queue_limit - self._lane(room).ahead_bytes

    def fetch_ahead(self, blocks: list[Block]) -> None:
        """Queues blocks of one room that nobody waits for; the caller has asked `ahead_room`."""
        lane = self._lane(blocks[0].shelf.room)
        for block in blocks:
            block.ahead = True
            lane.ahead_bytes += block.size
            lane.ahead.append(block)
        self._pump(lane)

    def withdraw(self, block: Block) -> None:
        """A queued block that nobody wants any more leaves its queue."""
        self._leave_queue(block)
        self._tier.withdraw(block)

    def close(self) -> None:
        """Nothing flies any more: what is queued fails, what is in flight is the nursery's to cancel."""
        self.closed = True
        for lane in self._lanes.values():
            for block in (*lane.wanted, *lane.ahead):
                if block.state is State.QUEUED:
                    self._refuse(block)
            lane.wanted.clear()
            lane.ahead.clear()
            lane.ahead_bytes = 0

    def _refuse(self, block: Block) -> None:
        self._tier.withdraw(block)
        block.state = State.FAILED
        block.failure = Unavailable("The daemon is stopping.")
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

    def _pump(self, lane: Lane) -> None:
        """Starts what may start."""
        if self.closed:
            for block in (*lane.wanted, *lane.ahead):
                if block.state is State.QUEUED:
                    self._refuse(block)
            return
        while ready := self._next(lane):
            self._nursery.start_soon(self._fly, lane, ready)

    def _next(self, lane: Lane) -> Block | None:
        """The block to fly now, reserved and counted; None if there is none, or not now."""
        for queue, wanted in ((lane.wanted, True), (lane.ahead, False)):
            while queue and queue[0].state is not State.QUEUED:
                queue.popleft()
            if not queue:
                continue
            block = queue[0]
            if lane.running >= (MOST_WANTED if wanted else lane.room.pace.concurrency(block.size)):
                return None
            if not self._tier.budget.launch(lane.room.flight, block.cost, wanted=wanted):
                self._hungry.add(lane)
                return None
            queue.popleft()
            self._leave_queue(block)
            block.state = State.FLYING
            lane.running += 1
            return block
        return None

    async def _fly(self, lane: Lane, first: Block) -> None:
        """One fetch after the other, while there are any: a task for each would cost more than it does."""
        block: Block | None = first
        while block is not None:
            try:
                await self._fetch(block)
            finally:
                lane.running -= 1
                if not block.landed:
                    self._tier.fail(block, Unavailable("The daemon is stopping."))
            if self._hungry:
                hungry, self._hungry = self._hungry, set()
                for other in hungry - {lane}:
                    self._pump(other)
            block = self._next(lane)
            if block is not None and (lane.wanted or lane.ahead):
                self._pump(lane)  # more may fly than before: budget was freed, or the pace calls for more

    async def _fetch(self, block: Block) -> None:
        """Lets nothing but a cancellation out: an error in the nursery would end every transfer."""
        try:
            data = await self._load(block)
            self._found[block.found].inc()
            self._tier.arrive(block, data)
            if self._disk is not None and block.found == "store":
                self._disk.keep(block)
        except StoreError as error:
            self._tier.fail(block, error)
        except Exception as error:
            log.exception("a fetch ended in an unexpected way")
            metrics.BUGS.labels("content.transfers").inc()
            if not block.landed:
                self._tier.fail(block, error)

    async def _load(self, block: Block) -> Buffer:
        shelf, start, stop = block.shelf, block.start, block.stop
        if self._disk is not None:
            found = await self._disk.read(shelf, start, stop)
            if found is not None:
                block.found = "disk"
                return found
        began = trio.current_time()
        data = await block.source.reader.read(shelf.version, start, stop)
        ended = trio.current_time()
        block.found = "store"
        if len(data) != stop - start:
            raise Corrupt(f"The storage answered {len(data)} bytes where {stop - start} were asked for.")
        shelf.room.pace.note(stop - start, ended - began, ended)
        return data

"""Places for the requests in flight to one datastore, so that a dead one holds nothing that another needs.

First come, first served. A place is taken without a checkpoint when one is free: the request behind it has its own.
"""

from bisect import insort
from operator import itemgetter

import trio


class Bulkhead:
    """`size` places. A place released goes straight to whoever has waited longest."""

    __slots__ = ("_free", "_size", "_turns", "_waiting")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a bulkhead needs a place")
        self._size = size
        # State: places nobody holds, and who waits for one, by turn (never both non-empty); the last turn given. Changed
        # without `await` only.
        self._free = size
        self._waiting: list[tuple[int, trio.lowlevel.Task]] = []
        self._turns = 0

    @property
    def in_flight(self) -> int:
        return self._size - self._free

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take_now(self) -> bool:
        if self._free == 0:
            return False
        self._free -= 1
        return True

    def turn(self) -> int:
        """A turn behind all that were given before."""
        self._turns += 1
        return self._turns

    async def take(self, turn: int) -> None:
        """Waits for a place. Cancelled while waiting: holds none, and may come back with the same turn."""
        if self.take_now():
            return
        waiter = (turn, trio.lowlevel.current_task())
        insort(self._waiting, waiter, key=itemgetter(0))

        def abort(_: object) -> trio.lowlevel.Abort:
            self._waiting.remove(waiter)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def release(self) -> None:
        if self._waiting:
            trio.lowlevel.reschedule(self._waiting.pop(0)[1])
        else:
            self._free += 1

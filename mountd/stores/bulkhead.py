"""Places for the requests in flight to one datastore, so that a dead one holds nothing that another needs.

First come, first served. A place is taken without a checkpoint when one is free: the request behind it has its own.
"""

from collections import deque

import trio


class Bulkhead:
    """`size` places. A place released goes straight to whoever has waited longest."""

    __slots__ = ("_free", "_size", "_waiting")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a bulkhead needs a place")
        self._size = size
        # State: places nobody holds, and who waits for one (never both non-empty). Changed without `await` only.
        self._free = size
        self._waiting: deque[trio.lowlevel.Task] = deque()

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

    async def take(self) -> None:
        """Waits for a place. Cancelled while waiting: holds none."""
        if self.take_now():
            return
        task = trio.lowlevel.current_task()
        self._waiting.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:
            self._waiting.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def release(self) -> None:
        if self._waiting:
            trio.lowlevel.reschedule(self._waiting.popleft())
        else:
            self._free += 1

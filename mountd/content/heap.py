"""What the C library's heap holds beyond what is in use, and when it is to give that back.

Blocks of 2 MiB come from the heap and go back to it; it keeps their pages, which saves a page fault for every 4 KiB of each read.
But what was once the stream's and is not needed for the next would stay for good, and so would holes between buffers of
different sizes. So resident memory is looked at now and then, and where it is above what was promised (what the process took at
its start, the budget, and SLACK for all else), the heap's free pages go back to the kernel. Knows nothing of blocks.
"""

import ctypes
import os
from collections.abc import Callable

from mountd.types import MiB

LOOK = 8 * MiB  # bytes fetched between two looks, of 5 µs
SLACK = (
    28 * MiB
)  # beside the budget: connections' buffers, threads, objects, and the holes in a stream's heap (35 MiB, part of it budgeted)
AGAIN = 24 * MiB  # more than after the last time, before it is tried again: what is in use cannot be given back


class Heap:
    """`resident` and `trim` are the process's and the C library's. Mutable state: `_limit` and `_next` (resident bytes above which
    the heap gives back), `_passed` (bytes since the last look)."""

    def __init__(
        self, resident: Callable[[], int] | None = None, trim: Callable[[int], int] | None = None, slack: int = SLACK
    ) -> None:
        self._resident = resident or resident_bytes
        self._trim = trim or getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none, and gives back by itself
        self._slack = slack
        self._limit = self._next = 0
        self._passed = 0

    def expect(self, budget: int) -> None:
        """From now on resident memory is to grow by the budget and the slack, and no more."""
        self._limit = self._next = self._resident() + budget + self._slack

    def passed(self, size: int) -> None:
        """So many bytes were fetched."""
        self._passed += size
        if self._passed >= LOOK:
            self._passed = 0
            if self._resident() > self._next:
                self.give_back()

    def give_back(self) -> None:
        """What is free goes to the kernel: 2 to 5 ms, in which other threads go on."""
        if self._trim is not None:
            self._trim(0)
            self._next = max(self._limit, self._resident() + AGAIN)


def thread_count() -> int:
    """Of this process, the libraries' included; 0 where there is no /proc."""
    try:
        return len(os.listdir("/proc/self/task"))
    except FileNotFoundError:
        return 0


def resident_bytes() -> int:
    """Of this process, now; 0 where there is no /proc."""
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        return 0

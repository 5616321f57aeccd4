"""The memory that small blocks lie in: buffers mapped apart from the heap, used again and again, given back when idle.

A small answer comes from the library that fetches as a part of what it had read from the connection, and to keep the part is
to keep the whole: random reads of 128 KiB held 340 MB for 152. So a small answer is copied (6 to 12 µs for 128 KiB), and what it
was a part of is free at once. In the heap such copies would leave holes that nothing else fits: a fifth of it.

Promises: a buffer is used again only when nobody has a view of it, whoever had one, in whatever thread; idle buffers take no
more than `idle_limit`. Knows nothing of blocks or budgets.
"""

import mmap
import weakref
from collections import deque
from ctypes import Array, c_ubyte
from functools import partial

from mountd.types import Buffer, KiB

HEAP = 64 * KiB  # up to here a copy lies in the heap: a mapping is of pages, and 64 KiB leave small holes
COPIED = 512 * KiB  # a larger answer is nobody's part: the library reads 408 KiB at a time, at most
STEP = 8 * KiB  # buffers are multiples of this, so that files of similar sizes use each other's


def room_for(size: int) -> int:
    """What keeping an answer of `size` bytes takes."""
    return -(-size // STEP) * STEP if HEAP < size <= COPIED else size


class Buffers:
    """Mutable state: `_lent` (buffers that somebody has a view of), `_returned` (by any thread, not looked at yet), `_idle` (by
    size; the size used longest ago first)."""

    def __init__(self, idle_limit: int) -> None:
        self._idle_limit = idle_limit
        self._lent: dict[int, tuple[mmap.mmap, weakref.ref[Array[c_ubyte]]]] = {}
        self._returned: deque[mmap.mmap] = deque()
        self._idle: dict[int, list[mmap.mmap]] = {}
        self.idle_bytes = 0

    def kept(self, data: Buffer) -> memoryview:
        """The same bytes, in memory that is theirs alone."""
        size = len(data)
        if size > COPIED:
            return data if isinstance(data, memoryview) else memoryview(data)
        if size <= HEAP:
            return memoryview(bytes(data))
        view = self._lend(room_for(size))[:size]
        view[:] = data
        return view.toreadonly()

    def settle(self) -> None:
        """Takes back what nobody looks at any more."""
        while self._returned:
            buffer = self._returned.popleft()
            self._idle.setdefault(len(buffer), []).append(buffer)
            self.idle_bytes += len(buffer)
        while self.idle_bytes > self._idle_limit:
            size = next(iter(self._idle))
            self._take(size)  # unmapped with its last reference

    def _lend(self, size: int) -> memoryview:
        self.settle()
        if size in self._idle:
            buffer = self._take(size)
            if size in self._idle:
                self._idle[size] = self._idle.pop(size)
        else:
            buffer = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # Every view of it refers to this object: the buffer is free when the object is gone, not when a block says so.
        whole = (c_ubyte * size).from_buffer(buffer)
        self._lent[id(buffer)] = buffer, weakref.ref(whole, partial(self._came_back, id(buffer)))
        return memoryview(whole).cast("B")

    def _take(self, size: int) -> mmap.mmap:
        idle = self._idle[size]
        buffer = idle.pop()
        if not idle:
            del self._idle[size]
        self.idle_bytes -= size
        return buffer

    def _came_back(self, number: int, _gone: object) -> None:
        """In whatever thread the last view ended: two steps that no other thread sees half done."""
        self._returned.append(self._lent.pop(number)[0])

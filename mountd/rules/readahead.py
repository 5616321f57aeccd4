"""When a reader is a stream, and how far ahead of it to fetch.

Reads are matched to remembered streams, since one file may have several readers, and the kernel's asynchronous read-ahead
arrives out of order. A stream that has read enough, densely enough, has a window: the bytes to have ahead of it. The
window doubles only when the reader had to wait. Until then a run of reads is followed at half its length, and until it
is long by no more than its length, which keeps network bytes within twice the useful ones. A read of the tail is a footer
probe and no stream.
Pure: no clock, no I/O.
"""

from collections.abc import Iterator

from mountd.rules.blocks import GRAIN, RANGE, is_footer
from mountd.types import KiB, MiB

STREAMS = 8  # remembered in one open: a table's columns, a few threads on one descriptor
BACK_SLACK = (
    4 * MiB
)  # the kernel's read-ahead (4 MiB where we may set it) arrives out of order, so a read may lie behind
FORWARD_SLACK = MiB  # as far as a request may overtake its elders: 1 MiB is the largest
DENSE = 0.5  # part of a run that was really asked: sorted random reads are sparser
FROM_START = 2 * MiB  # a run from offset 0 streams after this much,
ELSEWHERE = 4 * MiB  # any other after this
FIRST = MiB + GRAIN  # a first read at offset 0 that looks like a copy: 1 MiB, and the 128 KiB the kernel asks beyond it
LOOKS_LIKE_COPY = 64 * KiB  # a probe for a magic number comes as 4 to 16 KiB
FIRST_WINDOW = 4 * RANGE
RUN_LIMIT = 64 * MiB  # a run's figures are halved here, so that its density is the recent one


class Stream:
    """One reader's run. `next`: where it goes on; `ahead`: up to where bytes were asked for it; `asked`: bytes it read since
    `start`; `window`: bytes to have ahead, 0 until it streams."""

    __slots__ = ("ahead", "asked", "next", "reads", "stalled", "start", "window")

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.next = stop
        self.asked = stop - start
        self.ahead = stop
        self.reads = 1
        self.window = 0
        self.stalled = -1

    def follows(self, offset: int) -> bool:
        return self.next - BACK_SLACK <= offset <= self.next + FORWARD_SLACK

    def advance(self, offset: int, stop: int) -> None:
        self.asked += stop - offset
        self.reads += 1
        if stop > self.next:
            self.next = stop
        if self.next - self.start > RUN_LIMIT:
            self.start += (self.next - self.start) // 2
            self.asked //= 2
            if not self._dense():
                self.window = 0  # it skips
        if not self.window and self.asked >= (FROM_START if self.start == 0 else ELSEWHERE) and self._dense():
            self.window = FIRST_WINDOW

    def waited(self, place: int) -> None:
        """Its reader had to wait for the block at `place`. The kernel asks for one block with several requests: one wait."""
        if self.window and place != self.stalled:
            self.stalled = place
            self.window *= 2

    def plan(self, size: int, limit: int) -> tuple[int, int] | None:
        """The span to ask for now, begun on a grain and ended on a range's edge or the end; None: enough is on its way."""
        if self.window:
            self.window = min(self.window, max(limit, RANGE))
            # A run that began elsewhere may end soon (a table's row group): until it is long, no more than it has read.
            window = min(self.window, self.asked) if self.start and self.asked < RUN_LIMIT // 2 else self.window
            goal = (self.next + window) & -RANGE
            start = max(self.ahead, self.next)
            if goal - start < RANGE and goal < size:
                return None
        else:
            run = self._modest_run()
            goal = (self.next + run) & -GRAIN
            start = max(self.ahead, self.next)
        start = -(-start & -GRAIN)
        goal = min(goal, size)
        if goal <= start:
            return None
        self.ahead = goal
        return start, goal

    def _modest_run(self) -> int:
        """How far to go ahead of a run that does not stream yet: half of what it read, more where it begins like a copy."""
        run = min(self.asked // 2, MiB) if self.reads > 1 and self.asked >= 2 * GRAIN and self._dense() else 0
        begins = self.start == 0 and self.asked == self.next and self.next >= LOOKS_LIKE_COPY
        return max(run, FIRST - self.next) if begins else run

    def _dense(self) -> bool:
        return self.asked >= DENSE * (self.next - self.start)


class Streams:
    """The streams of one open, the one used last first. Mutable state: `_streams`."""

    __slots__ = ("_size", "_streams")

    def __init__(self, size: int) -> None:
        self._size = size
        self._streams: list[Stream] = []

    def note(self, offset: int, stop: int) -> Stream | None:
        """Files the read [offset, stop) with its stream and gives that; None for a footer probe."""
        streams = self._streams
        for place, stream in enumerate(streams):
            if stream.follows(offset):
                stream.advance(offset, stop)
                if place:
                    del streams[place]
                    streams.insert(0, stream)
                return stream
        if is_footer(offset, stop, self._size):
            return None
        stream = Stream(offset, stop)
        streams.insert(0, stream)
        if len(streams) > STREAMS:
            streams.pop()
        return stream

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams)

"""When a reader is a stream, and how far ahead of it to fetch.

Reads are matched to remembered runs, since one file may have several readers, forward or backward. A run is followed by no
more than its own length, so that network bytes stay within twice the useful ones however soon it ends. Who reads the file
from its start, or has read long, has a window instead: the bytes to have ahead of it. The window doubles only when the reader
had to wait, and halves when what it held was given up unread. What decided: bench/traces.
Pure: no clock, no I/O.
"""

from collections.abc import Iterator

from mountd.rules.blocks import KERNEL_REQUEST, RANGE, is_footer
from mountd.types import KiB, MiB

STREAMS = 8  # remembered in one open: a table's columns, a few threads on one descriptor
SLACK = MiB  # the largest request of the kernel's: it may overtake its elders, and a reader may skip as much
KNOWN = 4  # reads after which a run is allowed that slack: random reads that lie side by side are soon none
DENSE = 0.7  # part of a run's grains that were asked for: sorted random reads are sparser
FROM_START = 2 * MiB  # a run from offset 0 streams after this much, since who reads so much reads it all,
ELSEWHERE = (
    4 * MiB
)  # any other after this, and one from 0 after a footer: archives are read from the front, tables hardly
LONG = 32 * MiB  # a run from elsewhere may end soon (a table's row group): until now no more is ahead than it has read
LOOKS_LIKE_COPY = 64 * KiB  # a probe for a magic number comes as 4 to 16 KiB
EAGER = (
    3  # times what it has read are ahead of a run from offset 0 from its second read on: 110 -> 76 ms for 25 MB of gzip
)
FIRST_WINDOW = 4 * RANGE
RUN_LIMIT = 80 * MiB  # a run's figures are halved here, so that its density is the recent one; it is long still


class Stream:
    """One reader's run. `start`, `next`: where it began and where it goes on; `ahead`: up to where bytes were asked for it;
    `covered`: the bytes of the grains it read; `window`: bytes to have ahead, 0 until it streams. `edge`: it began where the
    file does, or ends.

    A backward run is a forward one in a mirror: its places are distances from `mirror`, a range's edge at or behind the
    file's end.
    """

    __slots__ = (
        "_before",
        "_edge",
        "_probed",
        "_stalled",
        "ahead",
        "covered",
        "mirror",
        "next",
        "reads",
        "start",
        "window",
    )

    def __init__(self, start: int, stop: int, mirror: int = 0, *, edge: bool, probed: bool = False) -> None:
        self.mirror = mirror
        self.start, self.next = (mirror - stop, mirror - start) if mirror else (start, stop)
        self.covered = _up(self.next) - _down(self.start)
        self.ahead = self.next
        self.reads = 1
        self.window = 0
        self._edge = edge
        self._probed = probed
        self._before = self.next
        self._stalled = -1

    def follows(self, offset: int, stop: int) -> bool:
        """Whether the read goes on with this run."""
        if self.mirror:
            offset = self.mirror - stop
        if self.reads < KNOWN and not self._edge:
            return self.start < offset <= self.next + (KERNEL_REQUEST if self.reads > 1 else 0)
        return self.next - 2 * SLACK <= offset <= self.next + SLACK

    def advance(self, offset: int, stop: int) -> None:
        if self.mirror:
            offset, stop = self.mirror - stop, self.mirror - offset
        self.reads += 1
        self._before = self.next
        if offset < self.next and self.covered < self.next - self.start:
            self.covered += min(stop, self.next) - offset
        if stop > self.next:
            self.covered += _up(stop) - max(_down(offset), _up(self.next))
            self.next = stop
        if self.next - self.start > RUN_LIMIT:
            self.start += (self.next - self.start) // 2
            self.covered //= 2

    def absorbs(self, other: "Stream") -> bool:
        """Whether the other is this one by now: it lay before a read that overtook its elders, and has come up to it."""
        if other.mirror != self.mirror or not other.start < self.start <= other.next <= self.next:
            return False
        self.start = other.start
        self.covered += other.covered
        self.reads += other.reads
        self.ahead = max(self.ahead, other.ahead)
        self.window = max(self.window, other.window)
        self._edge, self._probed = other._edge, other._probed
        return True

    def waited(self, start: int, stop: int, *, ahead: bool) -> None:
        """Its reader had to wait for the block [start, stop), which was begun `ahead` of it or not. The kernel asks for one
        block with several requests: one wait."""
        if self.mirror:
            start, stop = self.mirror - stop, self.mirror - start
        if not ahead and _down(self._before) <= start and stop <= self.ahead:
            self.window = (
                max(self.window // 2, RANGE) if self.window else 0
            )  # it was fetched ahead, and given up unread
            self.ahead = self.next
        elif start != self._stalled:
            self._stalled = start
            self.window *= 2

    def plan(self, size: int, limit: int) -> tuple[int, int] | None:
        """The span to ask for now, begun on a grain and ended on a range's edge or the end; None: enough is on its way."""
        end = self.mirror or size
        start = max(self.ahead, self.next)
        if self.streams:
            self.window = min(self.window or max(FIRST_WINDOW, limit // 4), max(limit, RANGE))
            whole = self._edge or self.covered >= LONG
            goal = (self.next + (self.window if whole else min(self.window, self.covered))) & -RANGE
            if goal - start < RANGE and goal < end:
                return None
        else:
            goal = _down(self.next + self._modest_run())
        start, goal = _up(start), min(goal, end)
        if goal <= start:
            return None
        self.ahead = goal
        return (max(self.mirror - goal, 0), min(self.mirror - start, size)) if self.mirror else (start, goal)

    def reached(self, start: int, stop: int) -> None:
        """Of the span that was planned only [start, stop) was asked for."""
        self.ahead = min(self.ahead, self.mirror - start if self.mirror else stop)

    @property
    def streams(self) -> bool:
        """Whether it has read enough, densely enough."""
        return self.covered >= (FROM_START if self._copies else ELSEWHERE) and self._dense()

    @property
    def _copies(self) -> bool:
        """Whether it looks like one that reads all of the file."""
        return self._edge and not self._probed

    @property
    def _from_front(self) -> bool:
        return not (self.start or self.mirror)

    def _modest_run(self) -> int:
        """How far to go ahead of a run that does not stream yet."""
        if self.reads == 1:
            return self.covered if self._copies and self.next >= LOOKS_LIKE_COPY else 0
        if self.covered < 2 * KERNEL_REQUEST or not self._dense() or (self.mirror and self.reads == 2):
            return 0  # one step back is a second look at a header or a footer, not a way of reading
        return EAGER * self.covered if self._copies else self.covered

    def _dense(self) -> bool:
        return self.covered >= DENSE * (self.next - self.start)


class Streams:
    """The streams of one open, the one used last first. Mutable state: `_streams`; `_probed`, once a footer was read;
    `left`, those that are none any more, for who keeps figures of them to forget."""

    __slots__ = ("_mirror", "_probed", "_size", "_streams", "left")

    def __init__(self, size: int) -> None:
        self._size = size
        self._mirror = -(-size & -RANGE)
        self._streams: list[Stream] = []
        self._probed = False
        self.left: list[Stream] = []

    def note(self, offset: int, stop: int) -> Stream | None:
        """Files the read [offset, stop) with its stream and gives that; None for a footer probe."""
        streams = self._streams
        for place, stream in enumerate(streams):
            if stream.follows(offset, stop):
                stream.advance(offset, stop)
                if place:
                    self._bring_forward(stream)
                return stream
        if is_footer(offset, stop, self._size):
            self._probed = True
            return None
        stream = self._turned(offset, stop) or Stream(offset, stop, edge=offset == 0, probed=self._probed)
        streams.insert(0, stream)
        if len(streams) > STREAMS:
            self.left.append(streams.pop())
        return stream

    def __iter__(self) -> Iterator[Stream]:
        return iter(self._streams)

    def _bring_forward(self, stream: Stream) -> None:
        others = [other for other in self._streams if other is not stream]
        kept = [other for other in others if not stream.absorbs(other)]
        self.left += [other for other in others if other not in kept]
        self._streams[:] = [stream, *kept]

    def _turned(self, offset: int, stop: int) -> Stream | None:
        """A backward run, where the read ends at the beginning of a lone one; at the front, where nothing is left to be read
        backward, the one was overtaken by the other."""
        for stream in self._streams:
            if stream.reads == 1 and stop == stream.start and not stream.mirror:
                self._streams.remove(stream)
                first, second = ((offset, stop), (stream.start, stream.next))[:: 1 if offset == 0 else -1]
                mirror, edge = (0, True) if offset == 0 else (self._mirror, stream.next == self._size)
                turned = Stream(*first, mirror, edge=edge, probed=self._probed)
                turned.advance(*second)
                return turned
        return None


def _down(place: int) -> int:
    return place & -KERNEL_REQUEST


def _up(place: int) -> int:
    return -(-place & -KERNEL_REQUEST)

"""Bytes of a blob as a list of immutable segments: committing, copying and slicing move no byte.

A segment is a read-only view of a request's body or of a mapped file, and knows its place on disk if it has one. Knows no
names.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

Place = tuple[int, int]  # region, offset


class Segment(NamedTuple):
    """A run of bytes, and where disk.py keeps it."""

    view: memoryview
    place: Place | None = None

    def cut(self, start: int, end: int) -> "Segment":
        if start == 0 and end >= len(self.view):
            return self
        place = None if self.place is None else (self.place[0], self.place[1] + start)
        return Segment(self.view[start:end], place)


class Content:
    """An immutable sequence of bytes, made of segments."""

    __slots__ = ("_ends", "length", "segments")

    def __init__(self, segments: Iterable[Segment] = ()) -> None:
        self.segments: tuple[Segment, ...] = tuple(segment for segment in segments if len(segment.view))
        self._ends: Sequence[int] = tuple(accumulate(len(segment.view) for segment in self.segments))
        self.length = self._ends[-1] if self._ends else 0

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> "Content":
        """Takes the bytes over; the caller changes them no more."""
        return cls((Segment(memoryview(data).toreadonly()),))

    def cuts(self, start: int, end: int) -> Iterator[Segment]:
        """Segments of the bytes [start, end), in order."""
        index = bisect_right(self._ends, start)
        while start < end and index < len(self.segments):
            segment = self.segments[index]
            offset = start - (self._ends[index] - len(segment.view))
            piece = segment.cut(offset, offset + end - start)
            yield piece
            start += len(piece.view)
            index += 1

    def span(self, start: int, end: int) -> "Content":
        return Content(self.cuts(start, end))

    def joined(self, *others: "Content") -> "Content":
        return Content((*self.segments, *(segment for other in others for segment in other.segments)))

    def views(self) -> tuple[memoryview, ...]:
        """All bytes, in order."""
        return tuple(segment.view for segment in self.segments)

    def bytes(self) -> bytes:
        return b"".join(self.views())

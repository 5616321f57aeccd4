"""Bytes of a blob as a list of immutable segments: committing, copying and slicing move no byte.

A segment is a read-only memoryview of a request's body or of a mapped file. Knows no names.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate


class Content:
    """An immutable sequence of bytes, made of segments."""

    __slots__ = ("_ends", "length", "segments")

    def __init__(self, segments: Iterable[memoryview] = ()) -> None:
        self.segments: tuple[memoryview, ...] = tuple(segment for segment in segments if len(segment))
        self._ends: Sequence[int] = tuple(accumulate(map(len, self.segments)))
        self.length = self._ends[-1] if self._ends else 0

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview) -> "Content":
        return cls((memoryview(data).toreadonly(),))

    def slices(self, start: int, end: int) -> Iterator[memoryview]:
        """Views of the bytes [start, end), in order."""
        index = bisect_right(self._ends, start)
        while start < end and index < len(self.segments):
            segment = self.segments[index]
            offset = start - (self._ends[index] - len(segment))
            piece = segment[offset : offset + end - start]
            yield piece
            start += len(piece)
            index += 1

    def span(self, start: int, end: int) -> "Content":
        return Content(self.slices(start, end))

    def joined(self, *others: "Content") -> "Content":
        return Content((*self.segments, *(segment for other in others for segment in other.segments)))

    def bytes(self) -> bytes:
        return b"".join(self.segments)

"""What the disk tier holds, in memory: for each key, where its spans are.

A span is packed into one integer (a few dozen bytes instead of some hundred): 100,000 small files cost about 25 MB less that way.
Shared by the trio thread and the disk's own: every call takes the lock for as long as it touches a dictionary.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

from mountd.content.extents import Record
from mountd.rules.blocks import GRAIN


class Span(NamedTuple):
    """[start, stop) of a version, in the record at `offset` of an extent."""

    start: int
    stop: int
    extent: int
    offset: int


class DiskIndex:
    """Mutable state: `_spans` by key's digest, `_extents` (number → digests in it) in the order they leave, `_hits`."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._spans: dict[bytes, tuple[int, ...]] = {}
        self._extents: OrderedDict[int, list[bytes]] = OrderedDict()
        self._hits: set[int] = set()

    def open_extent(self, number: int) -> None:
        with self._mutex:
            self._extents[number] = []

    def add(self, extent: int, record: Record) -> None:
        with self._mutex:
            if record.dropped:
                self._spans.pop(record.digest, None)
                return
            if extent not in self._extents:
                return
            packed = _pack(record, extent)
            self._spans[record.digest] = (packed, *self._spans.get(record.digest, ()))
            self._extents[extent].append(record.digest)

    def find(self, key: bytes, tag: int, start: int, stop: int) -> list[Span]:
        """Spans that together hold [start, stop), in order; empty if any of it is missing."""
        with self._mutex:
            packed = self._spans.get(key)
            if not packed:
                return []
            spans = [_unpack(number) for number in packed if number & 0xFFFFFFFF == tag]
            found: list[Span] = []
            at = start
            while at < stop:
                span = next((span for span in spans if span.start <= at < span.stop), None)
                if span is None:
                    return []
                found.append(span)
                at = span.stop
            self._hits.update(span.extent for span in found)
            return found

    def held(self, key: bytes, tag: int) -> int:
        """Bytes held of one version, each counted once."""
        with self._mutex:
            packed = self._spans.get(key, ())
        total = at = 0
        for span in sorted(_unpack(number) for number in packed if number & 0xFFFFFFFF == tag):
            total += max(span.stop - max(span.start, at), 0)
            at = max(at, span.stop)
        return total

    def drop(self, key: bytes) -> bool:
        with self._mutex:
            return self._spans.pop(key, None) is not None

    def drop_span(self, key: bytes, lost: Span) -> None:
        """A record that turned out damaged."""
        with self._mutex:
            kept = tuple(number for number in self._spans.get(key, ()) if _unpack(number) != lost)
            if kept:
                self._spans[key] = kept
            else:
                self._spans.pop(key, None)

    def drop_extent(self, extent: int) -> None:
        with self._mutex:
            for key in self._extents.pop(extent, ()):
                kept = tuple(number for number in self._spans.get(key, ()) if _unpack(number).extent != extent)
                if kept:
                    self._spans[key] = kept
                else:
                    self._spans.pop(key, None)
            self._hits.discard(extent)

    def leaving(self, spared: int) -> int | None:
        """The extent that should leave: the oldest that gave nothing since it was looked at last; not the one being written."""
        with self._mutex:
            for _ in range(len(self._extents)):
                extent = next(iter(self._extents))
                if extent != spared and extent not in self._hits:
                    return extent
                self._hits.discard(extent)
                self._extents.move_to_end(extent)
            return next((extent for extent in self._extents if extent != spared), None)

    def keep_only(self, keys: set[bytes]) -> tuple[list[bytes], list[int]]:
        """Drops all keys but these; gives the keys dropped and the extents in which nothing is left."""
        with self._mutex:
            dropped = [key for key in self._spans if key not in keys]
            for key in dropped:
                del self._spans[key]
            used = {_unpack(number).extent for packed in self._spans.values() for number in packed}
            return dropped, [extent for extent in self._extents if extent not in used]


def _pack(record: Record, extent: int) -> int:
    return (
        (((record.start // GRAIN << 32) | record.stop - record.start) << 32 | extent) << 32 | record.offset
    ) << 32 | record.tag


def _unpack(packed: int) -> Span:
    start = (packed >> 128) * GRAIN
    return Span(start, start + (packed >> 96 & 0xFFFFFFFF), packed >> 64 & 0xFFFFFFFF, packed >> 32 & 0xFFFFFFFF)

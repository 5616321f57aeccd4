"""What the disk tier holds, in memory: for each key, where its spans are.

A span is packed into one integer (a few dozen bytes instead of some hundred): a small file costs about 200 bytes here. Spans are
filed by key and stretch of it, so that a look-up in a key of 100,000 spans costs what it does in one of ten.
Shared by the trio thread and the disk's own: every call takes the lock for as long as it touches a dictionary.
"""

import threading
from collections import OrderedDict
from typing import NamedTuple

from mountd.content.extents import Record
from mountd.rules.blocks import GRAIN, RANGE

STRETCH = RANGE  # no span is longer: one that covers a place begins in the place's stretch or in the one before
KEY = 16  # bytes of a key's digest; behind it, from the second stretch on, the stretch's number


class Span(NamedTuple):
    """[start, stop) of a version, in the record at `offset` of an extent."""

    start: int
    stop: int
    extent: int
    offset: int


class DiskIndex:
    """Mutable state: `_spans` by place (a key's digest and stretch), `count` of them, `_last` (a key's last stretch, where it has
    several), `_extents` (number → places in it) in the order they leave, `_hits`."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._spans: dict[bytes, tuple[int, ...]] = {}
        self._last: dict[bytes, int] = {}
        self._extents: OrderedDict[int, list[bytes]] = OrderedDict()
        self._hits: set[int] = set()
        self.count = 0

    def open_extent(self, number: int) -> None:
        with self._mutex:
            self._extents[number] = []

    def add(self, extent: int, record: Record) -> None:
        with self._mutex:
            if record.dropped:
                self._drop(record.digest)
                return
            if extent not in self._extents:
                return
            place, stretch = _place(record.digest, record.start), record.start // STRETCH
            if stretch > self._last.get(record.digest, 0):
                self._last[record.digest] = stretch
            self._spans[place] = (_pack(record, extent), *self._spans.get(place, ()))
            self._extents[extent].append(place)
            self.count += 1

    def find(self, key: bytes, tag: int, start: int, stop: int) -> list[Span]:
        """Spans that together hold [start, stop), in order; empty if any of it is missing."""
        with self._mutex:
            found: list[Span] = []
            at = start
            while at < stop:
                span = self._covering(key, tag, at)
                if span is None:
                    return []
                found.append(span)
                at = span.stop
            self._hits.update(span.extent for span in found)
            return found

    def held(self, key: bytes, tag: int) -> int:
        """Bytes held of one version, each counted once."""
        with self._mutex:
            packed = [number for place in self._places(key) for number in self._spans.get(place, ())]
        total = at = 0
        for span in sorted(_unpack(number) for number in packed if number & 0xFFFFFFFF == tag):
            total += max(span.stop - max(span.start, at), 0)
            at = max(at, span.stop)
        return total

    def drop(self, key: bytes) -> bool:
        with self._mutex:
            return self._drop(key)

    def drop_span(self, key: bytes, lost: Span) -> None:
        """A record that turned out damaged."""
        with self._mutex:
            place = _place(key, lost.start)
            self._keep(place, tuple(number for number in self._spans.get(place, ()) if _unpack(number) != lost))

    def drop_extent(self, extent: int) -> None:
        with self._mutex:
            for place in self._extents.pop(extent, ()):
                self._keep(
                    place, tuple(number for number in self._spans.get(place, ()) if _unpack(number).extent != extent)
                )
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
            dropped = list({place[:KEY] for place in self._spans} - keys)
            for key in dropped:
                self._drop(key)
            used = {_unpack(number).extent for packed in self._spans.values() for number in packed}
            return dropped, [extent for extent in self._extents if extent not in used]

    # With the lock held ----------------------------------------------------------------------------------------------

    def _covering(self, key: bytes, tag: int, at: int) -> Span | None:
        """The youngest span of a version that has this place, wherever it begins."""
        for start in (at, at - STRETCH) if at >= STRETCH else (at,):
            for number in self._spans.get(_place(key, start), ()):
                if number & 0xFFFFFFFF == tag:
                    span = _unpack(number)
                    if span.start <= at < span.stop:
                        return span
        return None

    def _places(self, key: bytes) -> list[bytes]:
        return [_place(key, stretch * STRETCH) for stretch in range(self._last.get(key, 0) + 1)]

    def _drop(self, key: bytes) -> bool:
        gone = [self._spans.pop(place, ()) for place in self._places(key)]
        self._last.pop(key, None)
        count = sum(map(len, gone))
        self.count -= count
        return count > 0

    def _keep(self, place: bytes, kept: tuple[int, ...]) -> None:
        self.count -= len(self._spans.get(place, ())) - len(kept)
        if kept:
            self._spans[place] = kept
            return
        self._spans.pop(place, None)
        key = place[:KEY]
        last = self._last.pop(key, 0)
        while last and _place(key, last * STRETCH) not in self._spans:
            last -= 1
        if last:
            self._last[key] = last


def _place(key: bytes, start: int) -> bytes:
    stretch = start // STRETCH
    return key if not stretch else key + stretch.to_bytes(5, "little")


def _pack(record: Record, extent: int) -> int:
    return (
        (((record.start // GRAIN << 32) | record.stop - record.start) << 32 | extent) << 32 | record.offset
    ) << 32 | record.tag


def _unpack(packed: int) -> Span:
    start = (packed >> 128) * GRAIN
    return Span(start, start + (packed >> 96 & 0xFFFFFFFF), packed >> 64 & 0xFFFFFFFF, packed >> 32 & 0xFFFFFFFF)

"""What the disk tier holds, in memory: for each grain of each version, where its bytes are and what they add up to.

A grain is 20 bytes in a table of open addressing (25 to 40 with the room a table needs; a dictionary took 200): its name (64
bits of the version and the grain), its place (extent and offset) and its checksum. A name that two versions share is found out
by the checksum, which begins to count where the version says. An extent that leaves is one number forgotten: places in
it are taken over when a table is full. Shared by the trio thread and the disk's own: every call takes the lock.
"""

import threading
from array import array
from collections.abc import Iterable
from typing import NamedTuple

from mountd.content.extents import Name, Row
from mountd.rules.blocks import GRAIN, GRAIN_BITS

TABLES = 256  # each grows by itself: a million grains are 4,000 a table, and growing one takes 2 ms
SMALLEST = 16
FULL, GROWTH = 0.8, 1.5
SAMPLE = 16  # names kept of each extent, by which its worth is judged
_SPREAD = 0x9E3779B97F4A7C15  # odd: grains of one version fall into tables and places far apart
_64 = (1 << 64) - 1
HIDDEN = 1 << 64  # behind every place
LARGE = 1 << 15  # grains (4 GiB): of a larger version, so many are looked at to say how much of it is here


class Run(NamedTuple):
    """[start, start + length) of a version, on end at `offset` of an extent; a checksum for each grain."""

    extent: int
    offset: int
    start: int
    length: int
    sums: list[int]


class Table:
    """Names, places and checksums side by side; name 0 is a free slot. Mutable: all, under the index's lock."""

    __slots__ = ("names", "places", "sums", "used")

    def __init__(self, slots: int) -> None:
        self.names = array("Q", bytes(8 * slots))
        self.places = array("Q", bytes(8 * slots))
        self.sums = array("I", bytes(4 * slots))
        self.used = 0


class DiskIndex:
    """Mutable state: `_tables`, `_extents` (number → live grains in it) in the order they leave, `_samples` of names in each,
    `_dropped` (key → where it was dropped: what stands before does not count), `count` of live grains."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._tables = [Table(SMALLEST) for _ in range(TABLES)]
        self._extents: dict[int, int] = {}
        self._samples: dict[int, array[int]] = {}
        self._dropped: dict[int, int] = {}
        self.count = 0

    @property
    def bytes(self) -> int:
        """Memory that the tables take."""
        return sum(20 * len(table.names) for table in self._tables)

    def open_extent(self, number: int) -> None:
        with self._mutex:
            self._extents[number] = 0
            self._samples[number] = array("Q")

    def add(self, extent: int, rows: Iterable[Row]) -> None:
        """Records of an extent, in its order."""
        with self._mutex:
            if extent not in self._extents:
                return
            for row in rows:
                if row.dropped:
                    self._dropped[row.key] = max(extent << 32 | row.head, self._dropped.get(row.key, 0))
                    continue
                place = extent << 32 | row.data
                for nth, value in enumerate(row.sums):
                    self._put(grain_name(row.version, row.grain + nth), place + nth * GRAIN, value)
                sample = self._samples[extent]
                if len(sample) < SAMPLE:
                    sample.append(grain_name(row.version, row.grain))

    def find(self, name: Name, size: int, start: int, stop: int) -> list[Run]:
        """Where [start, stop) of a version of `size` bytes is, from its first grain on, in order; empty if any of it is missing."""
        runs: list[Run] = []
        with self._mutex:
            dropped = self._dropped.get(name.key, 0) if self._dropped else 0
            for grain in range(start >> GRAIN_BITS, (stop + GRAIN - 1) >> GRAIN_BITS):
                table, slot = self._slot(grain_name(name.version, grain))
                place = table.places[slot] if slot >= 0 else 0
                if place >> 32 not in self._extents or place < dropped:
                    return []
                first = grain << GRAIN_BITS
                length = min(GRAIN, size - first)
                last = runs[-1] if runs else None
                if last and place == last.extent << 32 | last.offset + last.length:
                    last.sums.append(table.sums[slot])
                    runs[-1] = last._replace(length=last.length + length)
                else:
                    runs.append(Run(place >> 32, place & 0xFFFFFFFF, first, length, [table.sums[slot]]))
        return runs

    def held(self, name: Name, size: int) -> int:
        """Bytes held of one version; of a very large one what a look at evenly spaced grains says."""
        grains = (size + GRAIN - 1) >> GRAIN_BITS
        step = max(grains // LARGE, 1)
        held = looked = 0
        with self._mutex:
            dropped = self._dropped.get(name.key, 0)
            for grain in range(0, grains, step):
                table, slot = self._slot(grain_name(name.version, grain))
                length = min(GRAIN, size - (grain << GRAIN_BITS))
                looked += length
                if slot >= 0 and table.places[slot] >> 32 in self._extents and table.places[slot] >= dropped:
                    held += length
        return held if step == 1 else held * size // looked

    def hide(self, key: int) -> None:
        """Nothing of a key counts until `drop` says from where on."""
        with self._mutex:
            self._dropped[key] = HIDDEN

    def drop(self, key: int, extent: int, offset: int) -> None:
        """What stands of a key before this place does not count."""
        with self._mutex:
            self._dropped[key] = extent << 32 | offset

    def lose(self, name: Name, run: Run) -> None:
        """Grains that turned out damaged or gone."""
        with self._mutex:
            self._forget(name.version, run.start >> GRAIN_BITS, len(run.sums), run.extent)

    def drop_extent(self, extent: int) -> None:
        with self._mutex:
            self.count -= self._extents.pop(extent, 0)
            self._samples.pop(extent, None)
            if self._dropped and self._extents:
                oldest = min(self._extents) << 32
                self._dropped = {key: place for key, place in self._dropped.items() if place > oldest}

    def drop_rows(self, extent: int, rows: Iterable[Row]) -> None:
        """Some of an extent's records."""
        with self._mutex:
            for row in rows:
                self._forget(row.version, row.grain, len(row.sums), extent)

    def oldest(self, number: int, spared: int) -> list[int]:
        """The first extents to leave, at most so many, and never the one being written."""
        with self._mutex:
            found = []
            for extent in self._extents:
                if extent != spared:
                    found.append(extent)
                    if len(found) == number:
                        break
            return found

    def spare(self, extent: int) -> None:
        """It leaves after all others."""
        with self._mutex:
            if extent in self._extents:
                self._extents[extent] = self._extents.pop(extent)

    def sample(self, extent: int) -> list[int]:
        """Names of some grains that an extent was given."""
        with self._mutex:
            return list(self._samples.get(extent, ()))

    # With the lock held ----------------------------------------------------------------------------------------------

    def _slot(self, name: int) -> tuple[Table, int]:
        """The slot of a name; -1 if there is none."""
        table = self._tables[name % TABLES]
        names = table.names
        slots = len(names)
        slot = name // TABLES % slots
        while (found := names[slot]) != name:
            if not found:
                return table, -1
            slot = slot + 1 if slot + 1 < slots else 0
        return table, slot

    def _put(self, name: int, place: int, value: int) -> None:
        extents = self._extents
        table = self._tables[name % TABLES]
        names = table.names
        slots = len(names)
        slot = name // TABLES % slots
        while (found := names[slot]) != name and found:
            slot = slot + 1 if slot + 1 < slots else 0
        if found:
            former = table.places[slot] >> 32
            if former in extents:
                if (
                    table.places[slot] > place
                ):  # an older extent that is read later: the younger one's bytes were needed
                    return
                extents[former] -= 1
                self.count -= 1
        else:
            names[slot] = name
            table.used += 1
        table.places[slot] = place
        table.sums[slot] = value
        extents[place >> 32] += 1
        self.count += 1
        if table.used > FULL * slots:
            self._grow(name % TABLES)

    def _grow(self, number: int) -> None:
        """A table anew, without what left, and with room."""
        old = self._tables[number]
        live = [slot for slot, name in enumerate(old.names) if name and old.places[slot] >> 32 in self._extents]
        new = self._tables[number] = Table(max(int(GROWTH * len(live) / FULL), SMALLEST))
        slots = len(new.names)
        for at in live:
            name = old.names[at]
            slot = name // TABLES % slots
            while new.names[slot]:
                slot = slot + 1 if slot + 1 < slots else 0
            new.names[slot], new.places[slot], new.sums[slot] = name, old.places[at], old.sums[at]
        new.used = len(live)

    def _forget(self, version: int, grain: int, number: int, extent: int) -> None:
        for nth in range(number):
            table, slot = self._slot(grain_name(version, grain + nth))
            if slot >= 0 and table.places[slot] >> 32 == extent and extent in self._extents:
                table.places[slot] = 0  # of no extent: the slot is given back when the table grows
                self._extents[extent] -= 1
                self.count -= 1


def grain_name(version: int, grain: int) -> int:
    return (version + (grain + 1) * _SPREAD) & _64 or 1

"""Who is let into a full cache: what was wanted more often than what would leave for it, and is likely to be wanted again.

How often each name was wanted of late is counted in a sketch (two rows of small counters; all are halved after eight
times the cache's bytes). A newcomer must beat what would leave by two: in a shuffled epoch over more than the cache holds all
are equal, and whoever just arrived is one ahead; a cache that gave in to that would hold nothing until it is wanted again
(hit rates: bench/eviction.py). Where the hits fell to a part of what they were, what the cache holds is out of date: whatever is
wanted a second time then gets in. Pure: no clock, no I/O.
"""

from collections.abc import Sequence

AGE = 8  # times the cache's bytes that are wanted before counts are halved
AHEAD = 1  # a newcomer must be wanted more often than this beyond what would leave
FELL = 0.4  # of the former hit rate: below, what is held is out of date
SLOWLY = 8  # times the cache's bytes in which the former hit rate is forgotten, against once for the present one
FEWEST, MOST = 1 << 14, 1 << 22  # counters in a row
_MOST_COUNTED = 15
_HALVES = bytes(value >> 1 for value in range(256))
_SHIFT = 21


class Admission:
    """For a cache of `limit` bytes in `entries` of them. Mutable state: the two rows of counters, bytes wanted since they were
    halved, the present and the former hit rate."""

    def __init__(self, limit: int, entries: int) -> None:
        slots = min(max(1 << (8 * entries - 1).bit_length(), FEWEST), MOST)
        self._mask = slots - 1
        self._rows = [bytearray(slots), bytearray(slots)]
        self._limit = max(limit, 1)
        self._wanted = 0
        self.hits = 0.0
        self.former = 0.0

    def note(self, names: Sequence[int], size: int, *, hit: bool) -> None:
        """These names, `size` bytes in all, were wanted, and found or not."""
        first, second = self._rows
        mask = self._mask
        for name in names:
            at, other = name & mask, name >> _SHIFT & mask
            if first[at] < _MOST_COUNTED:
                first[at] += 1
            if second[other] < _MOST_COUNTED:
                second[other] += 1
        part = min(size / self._limit, 1.0)
        self.hits += (hit - self.hits) * part
        self.former += (self.hits - self.former) * (part / SLOWLY if self.former > self.hits else 1.0)
        self._wanted += size
        if self._wanted > AGE * self._limit:
            self._wanted = 0
            self._rows = [row.translate(_HALVES) for row in self._rows]

    def count(self, name: int) -> int:
        """How often a name was wanted of late; sometimes more, never less."""
        first, second = self._rows
        return min(first[name & self._mask], second[name >> _SHIFT & self._mask])

    def mean(self, names: Sequence[int]) -> float:
        """How often names were wanted of late, on average; 0.0 for none."""
        return sum(map(self.count, names)) / len(names) if names else 0.0

    def admits(self, name: int, leaving: float) -> bool:
        """Whether a newcomer gets in, where what leaves for it was wanted so often, on average."""
        count = self.count(name)
        if not leaving:
            return True
        return count > leaving + AHEAD or (count > 1 and self.hits < FELL * self.former)

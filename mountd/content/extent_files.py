"""The extent files of the disk tier: which there are, how much they take, and who leaves when the limit, the file system's free
space or the index's memory is met: of the oldest few the one whose bytes were wanted least.

Used by the disk tier's thread alone (`path`, `bytes`, `count`, `leaving` by anyone).
"""

import contextlib
import os
from pathlib import Path

from mountd.content.config import CacheConfig
from mountd.content.disk_index import DiskIndex
from mountd.content.extents import PAGE
from mountd.rules.admission import Admission
from mountd.rules.blocks import GRAIN
from mountd.types import MiB

EXTENT = 8 * MiB  # a GiB is 128 files, and the least that leaves at once
FEWEST_GRAINS = 1_200_000  # of an index are always allowed (48 MB at most): beyond, one for each the disk may hold
CANDIDATES = 8


class ExtentFiles:
    """Mutable state: `_sizes` (number → bytes), `_victim` (who leaves next), `bytes`, `leaving` (how often the victim's bytes were
    wanted; None while there is room)."""

    def __init__(self, config: CacheConfig, directory: Path, index: DiskIndex, admission: Admission) -> None:
        self.directory = directory
        self.index = index
        self.extent = min(EXTENT, config.disk // 4 & -PAGE)
        self._admission = admission
        self._limit = config.disk
        self._floor = config.disk_free
        self._most_grains = max(FEWEST_GRAINS, config.disk // GRAIN)
        self._sizes: dict[int, int] = {}
        self._victim: int | None = None
        self.bytes = 0
        self.leaving: float | None = None

    @property
    def count(self) -> int:
        return len(self._sizes)

    def path(self, number: int) -> Path:
        return self.directory / f"{number:08x}.extent"

    def numbers(self) -> list[int]:
        return list(self._sizes)

    def found(self) -> list[int]:
        """The extents of earlier runs, oldest first, now counted; what has another name is not ours."""
        with contextlib.suppress(FileNotFoundError):
            for entry in os.scandir(self.directory):
                stem, _, ending = entry.name.partition(".")
                with contextlib.suppress(ValueError, OSError):
                    if ending == "extent" and len(stem) == 8 and entry.is_file(follow_symlinks=False):
                        self._sizes[int(stem, 16)] = entry.stat().st_size
        self.bytes = sum(self._sizes.values())
        numbers = sorted(self._sizes)
        for number in numbers:
            self.index.open_extent(number)
        return numbers

    def grown(self, number: int, size: int) -> None:
        self.bytes += size - self._sizes.get(number, 0)
        self._sizes[number] = size

    def make_room(self) -> bool:
        """Has extents leave until there is room for one more; False where there is none to be had."""
        while self._full():
            victim = self._victim if self._victim in self._sizes else self._choose(-1)[0]
            if victim is None:
                return False
            self.remove(victim)
        return True

    def look_ahead(self, writing: int) -> None:
        """Works out who leaves next, for those who ask whether a newcomer is worth it."""
        self._victim, worth = self._choose(writing) if self._full() else (None, 0.0)
        self.leaving = None if self._victim is None else worth

    def remove(self, number: int) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path(number).unlink()
        self.index.drop_extent(number)
        self.bytes -= self._sizes.pop(number, 0)

    def _full(self) -> bool:
        if self.bytes + self.extent > self._limit or self.index.count > self._most_grains:
            return True
        found = os.statvfs(self.directory)
        return found.f_bavail * found.f_frsize < self._floor + self.extent

    def _choose(self, spared: int) -> tuple[int | None, float]:
        """Of the oldest the one that was wanted least, and how often, in halves (a sketch is not more exact); those that were
        wanted more go to the end."""
        oldest = self.index.oldest(CANDIDATES, spared)
        if not oldest:
            return None, 0.0
        worth = {number: round(2 * self._admission.mean(self.index.sample(number))) / 2 for number in oldest}
        victim = min(oldest, key=worth.__getitem__)
        for number in oldest:
            if worth[number] > worth[victim]:
                self.index.spare(number)
        return victim, worth[victim]

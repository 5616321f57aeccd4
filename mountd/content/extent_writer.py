"""The extent files of the disk tier: which there are, the one being written, and who leaves when the limit or the file
system's free space is met.

Used by the disk tier's thread alone (`path`, `bytes`, `files` and `healthy` by anyone). A write that fails is taken back, and
the disk is left alone for a while: its failure is a metric.
"""

import contextlib
import logging
import os
import time
from pathlib import Path

from prometheus_client import Counter

from mountd import metrics
from mountd.content.config import CacheConfig
from mountd.content.disk_index import DiskIndex
from mountd.content.extents import MAGIC, Record, digest, encode, encode_drop, tag
from mountd.rules.blocks import GRAIN
from mountd.types import MiB, StoreIdentity, Version

log = logging.getLogger(__name__)

EXTENT = 8 * MiB  # a GiB is 128 files, and the least that leaves at once
FEWEST_SPANS = 200_000  # of an index are always allowed (40 MB): beyond, one for each grain the disk may hold
REST = 10.0  # seconds without a write after one failed: a full disk is not asked again for each block


class ExtentWriter:
    """Mutable state: `_sizes` (extent → bytes), the extent being written (`_number`, `_file`, `_end`), `_resting_until`."""

    def __init__(self, config: CacheConfig, directory: Path, index: DiskIndex) -> None:
        self._directory = directory
        self._index = index
        self._limit = config.disk
        self._floor = config.disk_free
        self._extent = min(EXTENT, config.disk // 4)
        self._most_spans = max(FEWEST_SPANS, config.disk // GRAIN)
        self._sizes: dict[int, int] = {}
        self._number = 0
        self._file = -1
        self._end = 0
        self._resting_until = 0.0
        self._refused = metrics.CACHE_FAILURES.labels("disk_full")
        self._failed = metrics.CACHE_FAILURES.labels("disk_write")
        self.bytes = 0
        self.healthy = True

    @property
    def files(self) -> int:
        return len(self._sizes)

    def path(self, number: int) -> Path:
        return self._directory / f"{number:08x}.extent"

    def found(self) -> list[int]:
        """The extents of earlier runs, oldest first, now counted; what has another name is not ours."""
        for entry in os.scandir(self._directory):
            stem, _, ending = entry.name.partition(".")
            with contextlib.suppress(ValueError, OSError):
                if ending == "extent" and len(stem) == 8:
                    self._sizes[int(stem, 16)] = entry.stat().st_size
        numbers = sorted(self._sizes)
        self.bytes = sum(self._sizes.values())
        self._number = numbers[-1] if numbers else 0
        for number in numbers:
            self._index.open_extent(number)
        return numbers

    def write(self, identity: StoreIdentity, version: Version, start: int, data: memoryview) -> None:
        """Appends a record, if there is room to be had."""
        head = encode(identity, version, start, data)
        offset = self._append([head, data])
        if offset is not None:
            record = Record(
                offset, offset + len(head), start, start + len(data), digest(identity, version.key), tag(version)
            )
            self._index.add(self._number, record)

    def drop(self, key: bytes) -> bool:
        """Has a key forgotten by later runs too."""
        self._index.drop(key)
        self._append([encode_drop(key)])
        return True

    def clear(self, kept: set[bytes]) -> int:
        before = self.bytes
        dropped, empty = self._index.keep_only(kept)
        self._seal()
        for number in empty:
            self._remove(number)
        if self._sizes:
            for key in dropped:
                self._append([encode_drop(key)])
        return max(before - self.bytes, 0)

    def close(self) -> None:
        self._seal()

    def _append(self, parts: list[bytes | memoryview]) -> int | None:
        """Appends to the extent being written, or to a new one; gives where, or None if it could not be."""
        if time.monotonic() < self._resting_until:
            self._refused.inc()
            return None
        size = sum(len(part) for part in parts)
        try:
            if self._file < 0 or self._end + size > self._extent:
                self._seal()
                if not self._make_room(self._extent):
                    self._rest(self._refused)
                    return None
                self._begin()
            written = os.pwritev(self._file, parts, self._end)
            if written != size:
                raise OSError(f"{written} of {size} bytes were written")
        except OSError as error:
            log.warning("the cache cannot be written: %s", error)
            self._take_back()
            self._rest(self._failed)
            return None
        offset, self._end = self._end, self._end + size
        self._sizes[self._number] = self._end
        self.bytes += size
        self.healthy = True
        return offset

    def _begin(self) -> None:
        self._number += 1
        self._file = os.open(self.path(self._number), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._sizes[self._number] = self._end = 0
        self._index.open_extent(self._number)
        self._end = os.pwrite(self._file, MAGIC, 0)
        self._sizes[self._number] = self._end
        self.bytes += self._end

    def _seal(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _take_back(self) -> None:
        """A record that is not whole ends the extent: what would follow it could not be found again."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)
            self._seal()

    def _rest(self, counter: Counter) -> None:
        self.healthy = False
        self._resting_until = time.monotonic() + REST
        counter.inc()

    def _make_room(self, size: int) -> bool:
        """Has extents leave until `size` fits under the limit and above the floor, and the index into its memory."""
        while (
            self.bytes + size > self._limit or self._index.count > self._most_spans or self._free() < self._floor + size
        ):
            leaving = self._index.leaving(self._number if self._file >= 0 else -1)
            if leaving is None:
                return False
            self._remove(leaving)
        return True

    def _remove(self, number: int) -> None:
        self._index.drop_extent(number)
        self.bytes -= self._sizes.pop(number, 0)
        with contextlib.suppress(FileNotFoundError):
            self.path(number).unlink()

    def _free(self) -> int:
        found = os.statvfs(self._directory)
        return found.f_bavail * found.f_frsize

"""The extent that is being written: records are gathered and written together, and found from `flush` on.

Used by the disk tier's thread alone (`healthy` and `trouble` by anyone). A write that fails is taken back, and the disk is left
alone for a while: that it fails is said once, and counted; that it is well again is said too.
"""

import contextlib
import logging
import mmap
import os
import time
from collections.abc import Callable

from prometheus_client import Counter

from mountd import metrics
from mountd.content.direct_io import BUFFER, AppendedFile, address_of
from mountd.content.extent_files import ExtentFiles
from mountd.content.extents import (
    MAGIC,
    PAGE,
    Contents,
    Name,
    Row,
    encode,
    encode_drop,
    head_size,
    key_of,
    records,
    sum_of,
)
from mountd.errors import MountdError
from mountd.rules.blocks import GRAIN
from mountd.types import KiB

log = logging.getLogger(__name__)

UNCOPIED = 256 * KiB  # from here on bytes are written from where they are: a copy costs more than the padding
SHORT_REST, LONG_REST = 1.0, 30.0  # seconds without a write after one failed, doubled from one failure to the next


class ExtentWriter:
    """Mutable state: the file being written (`_number`, `_file`, its `_contents`, and `_pending`, which the index has not yet),
    `_resting_until` and `_rest`, `trouble` (why nothing is written, while nothing is)."""

    def __init__(self, files: ExtentFiles, take: Callable[[], None]) -> None:
        self._files = files
        self._take = take  # makes sure of the directory: it may have vanished, or not have been ours to write
        self._memory = mmap.mmap(-1, BUFFER)
        self._number = 0
        self._file: AppendedFile | None = None
        self._contents = Contents()
        self._pending: dict[tuple[int, int], Row] = {}
        self._resting_until = 0.0
        self._rest = SHORT_REST
        self._refused = metrics.CACHE_FAILURES.labels("disk_full")
        self._failed = metrics.CACHE_FAILURES.labels("disk_write")
        self.trouble = ""

    @property
    def healthy(self) -> bool:
        return not self.trouble

    @property
    def pending(self) -> bool:
        """Whether there is something to flush."""
        return bool(self._pending)

    def gathered(self, name: Name, start: int) -> bool:
        """Whether a record that begins there waits to be flushed."""
        return (name.version, start // GRAIN) in self._pending

    def found(self) -> list[int]:
        """The extents of earlier runs, oldest first."""
        numbers = self._files.found()
        self._number = numbers[-1] if numbers else 0
        return numbers

    def write(self, name: Name, start: int, data: memoryview) -> None:
        """Appends a record, if there is room to be had."""
        head = head_size(name, -(-len(data) // GRAIN))
        direct = len(data) >= UNCOPIED
        room = self._room(head + PAGE if direct else head + len(data), head + len(data) + PAGE * direct)
        if room is None or self._file is None:
            return
        span, offset = (start, start + len(data)), self._file.end
        if direct:
            address = address_of(data)
            padding = (address - offset - head) % PAGE
            sums = [sum_of(data[at : at + GRAIN], name.seed) for at in range(0, len(data), GRAIN)]
            room[: head + padding] = encode(name, span, sums, padding)
            head += padding
            self._file.grow(head)
            try:
                self._file.pass_through(data, address)
            except OSError as error:
                self._fail(self._failed, error)
                return
        else:
            sums = _copied(data, room[head:], name.seed)
            room[:head] = encode(name, span, sums)
            self._file.grow(len(room))
        self._note(Row(name.key, name.version, start // GRAIN, offset, offset + head, len(data), tuple(sums)))

    def drop(self, key: int) -> None:
        """Has a key forgotten, by later runs too."""
        self._append_drop(key)
        if self._file is not None:
            self._files.index.drop(key, self._number, self._file.end)
        else:
            self._files.index.drop(key, self._number + 1, 0)

    def flush(self) -> None:
        """What was appended is in the file, and found, from now on."""
        if self._file is None or not self._pending:
            return
        try:
            self._file.flush()
        except OSError as error:
            self._fail(self._failed, error)
            return
        self._files.index.add(self._number, self._pending.values())
        self._pending = {}
        self._files.grown(self._number, self._file.end)
        self._rest = SHORT_REST
        if self.trouble:
            self.trouble = ""
            log.warning("the cache is written again: %s", self._files.directory)

    def clear(self, kept: set[bytes]) -> int:
        """Forgets all keys but these (digests); gives the bytes freed."""
        before = self._files.bytes
        keys = {key_of(whole) for whole in kept}
        self.seal()
        dropped: set[int] = set()
        for number in self._files.numbers():
            rows = self._records(number)
            others = [row for row in rows if row.key not in keys]
            if len(others) == len(rows):
                try:
                    self._files.remove(number)
                except OSError as error:
                    self._fail(self._failed, error)
                    self._files.index.drop_rows(number, others)
            else:
                self._files.index.drop_rows(number, others)
                dropped.update(row.key for row in others)
        for key in dropped:
            self._append_drop(key)
        self.flush()
        self._files.look_ahead(self._number)
        return max(before - self._files.bytes, 0)

    def forget(self, number: int) -> None:
        """An extent whose file is gone."""
        if number == self._number:
            self._let_go()
        self._files.remove(number)

    def seal(self) -> None:
        """Ends the extent with its table, which spares the next start a walk."""
        self.flush()
        if self._file is None:
            return
        try:
            table = self._contents.encoded(self._file.end)
            while table:
                piece = self._file.room(min(len(table), BUFFER - 2 * PAGE))
                piece[:] = table[: len(piece)]
                self._file.grow(len(piece))
                table = table[len(piece) :]
            self._file.flush()
            self._files.grown(self._number, self._file.end)
        except OSError as error:
            self._fail(self._failed, error)
        self._let_go()

    def close(self) -> None:
        self.seal()
        self._memory.close()

    def _records(self, number: int) -> list[Row]:
        with contextlib.suppress(OSError):
            return read_records(self._files, number)
        return []  # as good as gone

    def _append_drop(self, key: int) -> None:
        head = encode_drop(key)
        room = self._room(len(head), len(head))
        if room is None or self._file is None:
            return
        room[:] = head
        offset = self._file.grow(len(head))
        self._note(Row(key, 0, 0, offset, offset + len(head), 0, ()))

    def _note(self, row: Row) -> None:
        self._contents.add(row)
        self._pending[row.version or row.key, row.grain] = row

    def _room(self, size: int, record: int) -> memoryview | None:
        """Memory for `size` bytes at the end of the extent being written, or of a new one, where all of a record has room; None if
        there is no room to be had."""
        if time.monotonic() < self._resting_until:
            self._refused.inc()
            return None
        if record + PAGE > self._files.extent:
            return None
        try:
            if self._file is not None and self._file.end + record + self._contents.size > self._files.extent:
                self.seal()
            if self._file is None and not self._begin():
                return None
            assert self._file is not None
            if self._file.crowded(size):
                self.flush()
            return self._file.room(size) if self._file is not None else None
        except (OSError, MountdError) as error:
            self._fail(self._failed, error)
            return None

    def _begin(self) -> bool:
        self._take()
        if not self._files.make_room():
            self._fail(self._refused, None)
            return False
        self._number += 1
        self._file = AppendedFile(self._files.path(self._number), self._memory)
        self._files.index.open_extent(self._number)
        self._contents = Contents()
        self._file.room(len(MAGIC))[:] = MAGIC
        self._file.grow(len(MAGIC))
        self._files.grown(self._number, self._file.end)
        self._files.look_ahead(self._number)
        return True

    def _let_go(self) -> None:
        self._pending = {}
        if self._file is not None:
            self._file.close()
            self._file = None

    def _fail(self, counter: Counter, error: Exception | None) -> None:
        """A record that is not whole ends the extent: what would follow it could not be found again."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.take_back()
        self._let_go()
        why = getattr(error, "strerror", None) or str(error or "there is no room that it may take")
        if not self.trouble:
            log.warning("nothing more is kept in the cache %s: %s; it is tried again", self._files.directory, why)
        self.trouble = why
        self._resting_until = time.monotonic() + self._rest
        self._rest = min(2 * self._rest, LONG_REST)
        counter.inc()


def _copied(data: memoryview, room: memoryview, seed: int) -> list[int]:
    """Copies a record's bytes, and adds up its grains: what was just added up is copied from the processor's cache."""
    sums = []
    for at in range(0, len(data), GRAIN):
        grain = data[at : at + GRAIN]
        sums.append(sum_of(grain, seed))
        room[at : at + len(grain)] = grain
    return sums


def read_records(files: ExtentFiles, number: int) -> list[Row]:
    """What an extent says that it holds."""
    descriptor = os.open(files.path(number), os.O_RDONLY | os.O_CLOEXEC)
    try:
        return records(descriptor)
    finally:
        os.close(descriptor)

"""Rows by inode number: what leads from a number to its row, while rows still come.

Open addressing over the numbers themselves, whose lower bits are as good as random (rules.inodes): 4 bytes a slot, 6 to 12
a row. A row costs 0.25 µs, a sorted index 0.65 and could not be added to. Growing is done in slices: until the larger
table has every row, the smaller one answers. It must not know names: whoever owns the rows parts twins.
"""

from array import array
from collections.abc import Callable, Iterator

SLICE = 8192
"""Rows put into the table before everybody else has a turn: 2 ms."""

_SMALLEST = 8


class Index:
    """State: `numbers`, appended to and changed by the owner (0: a row with no number any more); the table, and how many rows
    are in it. A row whose number changed stays in its old slot as well, which leads nowhere."""

    __slots__ = ("_mask", "_part", "_table", "_used", "numbers", "rows")

    def __init__(self, part: Callable[[int, int], int]) -> None:
        self._part = part
        self.numbers = array("Q")
        self.rows = 0
        self._used = 0
        self._table = array("I", bytes(4 * _SMALLEST))
        self._mask = _SMALLEST - 1

    def row_of(self, number: int) -> int:
        """The row that has this number, or -1."""
        table, numbers, mask = self._table, self.numbers, self._mask
        slot = number & mask
        while row := table[slot]:
            if numbers[row - 1] == number:
                return row - 1
            slot = (slot + 1) & mask
        return -1

    def growing(self) -> Iterator[None]:
        """Takes up the rows that came since the last time, slice by slice."""
        count = len(self.numbers)
        slots = count - self.rows + self._used
        if 3 * slots > 2 * len(self._table):
            size = 1 << (3 * slots // 2).bit_length()
            table = array("I", bytes(4 * size))
            for start in range(0, self.rows, SLICE):
                self._fill(table, start, min(start + SLICE, self.rows))
                yield
            self._table, self._mask, self._used = table, size - 1, self.rows
        while self.rows < count:
            start = self.rows
            self.rows = min(start + SLICE, count)
            self._add(start, self.rows)
            yield

    def _fill(self, table: "array[int]", start: int, stop: int) -> None:
        """Rows known to have numbers of their own."""
        mask = len(table) - 1
        for row, number in enumerate(self.numbers[start:stop], start + 1):
            slot = number & mask
            while table[slot]:
                slot = (slot + 1) & mask
            table[slot] = row if number else 0

    def _add(self, start: int, stop: int) -> None:
        table, numbers, mask = self._table, self.numbers, self._mask
        for row, number in enumerate(numbers[start:stop], start + 1):
            slot = number & mask
            while other := table[slot]:
                if numbers[other - 1] == number:
                    self.put(row - 1)
                    break
                slot = (slot + 1) & mask
            else:
                table[slot] = row
        self._used += stop - start

    def put(self, row: int) -> None:
        """One row under the number it has, or under the one that its owner gives it instead; 0 is none. Slots are left for
        as many as there are rows: no number is given to a third of them a second time."""
        numbers = self.numbers
        while (number := numbers[row]) and (other := self._other(number, row)) >= 0:
            numbers[row] = self._part(row, other)
        if not number:
            return
        slot = number & self._mask
        while self._table[slot]:
            slot = (slot + 1) & self._mask
        self._table[slot] = row + 1
        self._used += 1

    def _other(self, number: int, row: int) -> int:
        """Another row that has this number, or -1."""
        slot = number & self._mask
        while other := self._table[slot]:
            if other - 1 != row and self.numbers[other - 1] == number:
                return other - 1
            slot = (slot + 1) & self._mask
        return -1

"""When a folder is being read file by file, and which of its rows are fetched ahead.

Opens in listing order: from the second in a row on (the first, when the folder was listed for somebody), the next 16,
doubling to 64 while it goes on; refilled when a quarter is used, so that the network always has enough to do.
Opens out of order: after eight, the folder from its start, 64 at a time.
Only first opens of files count. Pure: rows in, rows out.
"""

from dataclasses import dataclass

STRAY = 8
"""Opens out of order after which the folder is taken in listing order."""

NEAR = 8
"""A row at most this far behind the last one is the next in order: files between may be folders, links or filtered."""


@dataclass(slots=True)
class Order:
    """State: of one folder. `ahead` is the row up to which files have been asked for."""

    first: int
    most: int
    last: int = -1
    run: int = 0
    strays: int = 0
    window: int = 0
    ahead: int = 0
    swept: int = 0

    def opened(self, row: int, *, listed: bool, rows: int) -> tuple[int, int] | None:
        """A file's first open: rows [start, stop) to fetch ahead now, or None. The file itself is not among them."""
        in_order = self.last < row <= self.last + NEAR if self.last >= 0 else listed and row < NEAR
        self.last = row
        if in_order:
            self.run += 1
            return self._forward(row, rows)
        self.run = 0
        self.window = 0
        self.strays += 1
        if self.strays < STRAY:
            return None
        return self._sweep(rows)

    def _forward(self, row: int, rows: int) -> tuple[int, int] | None:
        if not (self.window and self.ahead > row):
            self.window, self.ahead = 0, row + 1
        if self.window and self.ahead - row > self.window - self.window // 4:
            return None
        self.window = min(self.window * 2, self.most) if self.window else self.first
        start, stop = self.ahead, min(row + 1 + self.window, rows)
        self.ahead = max(stop, self.ahead)
        return (start, stop) if start < stop else None

    def _sweep(self, rows: int) -> tuple[int, int] | None:
        if self.swept >= rows:
            return None
        start, self.swept = self.swept, min(self.swept + self.most, rows)
        return start, self.swept

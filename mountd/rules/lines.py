"""A very long list of paths, held small: a million of 40 bytes in about 16 MB, most of it the marks by which one is found.

Lines are packed a thousand at a time; the pack read last stays open, because lines are read in their order. Pure.
"""

import zlib

PACKED = 1024
_MARK = 8


class Lines:
    """State: `_packs`, `_last` (lines of the pack being filled), `_marks` (a hash a line), `_open` (number and lines of a pack)."""

    def __init__(self) -> None:
        self._packs: list[bytes] = []
        self._last: list[bytes] = []
        self._marks = bytearray()
        self._open: tuple[int, list[bytes]] = (-1, [])

    def append(self, path: bytes) -> None:
        """A path has no NUL in it."""
        self._last.append(path)
        self._marks += _mark(path)
        if len(self._last) == PACKED:
            self._packs.append(zlib.compress(b"\0".join(self._last), 1))
            self._last = []

    def __len__(self) -> int:
        return len(self._packs) * PACKED + len(self._last)

    def __getitem__(self, line: int) -> bytes:
        number, place = divmod(line, PACKED)
        if number == len(self._packs):
            return self._last[place]
        if self._open[0] != number:
            self._open = number, zlib.decompress(self._packs[number]).split(b"\0")
        return self._open[1][place]

    def find(self, path: bytes, start: int) -> int:
        """The first line at or behind `start` that is this path, else the first at all; -1 where there is none."""
        mark = _mark(path)
        found = self._find(path, mark, start * _MARK)
        return found if found >= 0 or not start else self._find(path, mark, 0)

    def _find(self, path: bytes, mark: bytes, at: int) -> int:
        while (at := self._marks.find(mark, at)) >= 0:
            if at % _MARK == 0 and self[at // _MARK] == path:
                return at // _MARK
            at += 1
        return -1


def _mark(path: bytes) -> bytes:
    return hash(path).to_bytes(_MARK, "little", signed=True)

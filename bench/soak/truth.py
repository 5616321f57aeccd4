"""What is true in the storage, and since when: bytes that name their own version, and the history of every key.

Each 16 bytes of a body hold the key's checksum, the generation and their own place, so that whoever reads any part can
tell which version it is, and whether every byte of it is that version's. Times are of the monotonic clock, which all
processes of a machine share.
"""

import math
import random
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy

WORD = 16
ABSENT = 0
"""The generation of a key that is not there."""


@lru_cache(maxsize=100_000)
def size_of(key: str, generation: int) -> int:
    """Every generation has another size: a wrong size shows too."""
    choose = random.Random(f"{key} {generation}")
    if key.startswith("stable/large"):
        return 64 << 20
    if key.startswith("big/"):
        return choose.randrange(4 << 20, 24 << 20)
    return choose.randrange(64, 60_000)


def _tag(key: str, generation: int) -> int:
    return zlib.crc32(key.encode()) << 32 | generation


def body(key: str, generation: int, start: int = 0, stop: int | None = None) -> bytes:
    """The bytes [start, stop) of a version."""
    size = size_of(key, generation)
    stop = size if stop is None else min(stop, size)
    first, last = start // WORD, -(-stop // WORD)
    words = numpy.empty((max(0, last - first), 2), dtype="<u8")
    words[:, 0] = _tag(key, generation)
    words[:, 1] = numpy.arange(first, last, dtype="<u8")
    return words.tobytes()[start - first * WORD : max(start, stop) - first * WORD]


def generation_in(key: str, offset: int, data: bytes) -> int | None:
    """Which version these bytes say they are of; None where they are of no version of this key, or too few to say."""
    at = -offset % WORD
    word = data[at : at + WORD]
    if len(word) < WORD or int.from_bytes(word[4:8], "little") != zlib.crc32(key.encode()):
        return None
    return int.from_bytes(word[:4], "little")


@dataclass(frozen=True, slots=True)
class Change:
    """Somewhere between `before` and `after` the key became this generation."""

    key: str
    generation: int
    before: float
    after: float


class History:
    """Every key's changes, in order."""

    def __init__(self, changes: Iterable[Change]) -> None:
        self._changes: dict[str, list[Change]] = {}
        for change in sorted(changes, key=lambda change: change.before):
            self._changes.setdefault(change.key, []).append(change)

    @property
    def keys(self) -> Iterable[str]:
        return self._changes.keys()

    def never_changed(self, key: str) -> bool:
        """There before the start, and left alone."""
        changes = self._changes.get(key, ())
        return len(changes) == 1 and changes[0].before == -math.inf

    def possible(self, key: str, since: float, until: float) -> Iterator[int]:
        """The generations that the key may have had at some time of this span."""
        changes = self._changes.get(key, [])
        known = [Change(key, ABSENT, -math.inf, -math.inf), *changes]
        ends = [change.after for change in changes] + [math.inf]
        for change, end in zip(known, ends, strict=True):
            if change.before <= until and end >= since and (change.before, end) != (-math.inf, -math.inf):
                yield change.generation

"""Small files fetched ahead on a guess, and what became of them: opened, or in vain.

Promises: no more bytes wait unopened than `allowance` says; where guesses prove wrong they end: who samples a folder at random
would otherwise have all of it fetched again and again. It must not know which files are guessed, or why.
"""

from mountd import metrics
from mountd.types import MiB

WASTE = (
    32 * MiB
)  # of files fetched ahead may leave unopened before no more are guessed: some folders are read at random
EARNED = 8  # bytes that leave having been read allow one byte of waste again
MEMORY = 256  # guesses after which an older one counts for a third in the rate


class Guesses:
    """One datastore's on one storage. Mutable state: `unread`, bytes asked for and not opened yet; `credit`, bytes that may
    still be wasted; `rate`, the part of the last guesses that was right."""

    __slots__ = ("_gauge", "_right", "_used", "_wasted", "_wrong", "credit", "rate", "unread")

    def __init__(self, datastore: str) -> None:
        self.unread = 0
        self.credit = WASTE
        self.rate = 1.0
        self._used = metrics.PREFETCH_BYTES.labels(datastore, "used")
        self._wasted = metrics.PREFETCH_BYTES.labels(datastore, "wasted")
        self._right = metrics.GUESSED_FILES.labels(datastore, "used")
        self._wrong = metrics.GUESSED_FILES.labels(datastore, "wasted")
        self._gauge = metrics.GUESS_RATE.labels(datastore)

    def allowance(self, stock: int) -> int:
        """Bytes that may be guessed now, where `stock` may wait unopened."""
        return stock - self.unread if self.credit > 0 else 0

    def made(self, size: int) -> None:
        self.unread += size

    def opened(self, size: int) -> None:
        """A guess was right."""
        self.unread -= size
        self._right.inc()
        self._learn(1.0)

    def ended(self, size: int, *, wasted: bool) -> None:
        """A guess left unopened: evicted, or never fetched after all."""
        self.unread -= size
        if wasted:
            self._wrong.inc()
            self._learn(0.0)

    def left(self, size: int, *, ahead: bool, read: bool) -> None:
        """Bytes left the memory tier because others needed the room."""
        if ahead and not read:
            self.credit -= size
        else:
            self.credit = min(self.credit + size // EARNED, WASTE)

    def counted(self, size: int, *, read: bool) -> None:
        """Bytes fetched ahead left, whatever for."""
        (self._used if read else self._wasted).inc(size)

    def _learn(self, outcome: float) -> None:
        self.rate += (outcome - self.rate) / MEMORY
        self._gauge.set(self.rate)

"""How fast the disk tier writes: no faster than a part of the processors can, by the cost that was measured."""

import os
import time

from mountd.types import MiB

GUESSED_COST = 0.3e-9  # seconds of CPU a byte written, until it was measured
REMEMBERED = 64 * MiB  # bytes over which the cost is averaged


class DiskPace:
    """How fast may be written: what a part of the processors can do, by the cost that was measured. Where writing is dear, less
    is kept; where the daemon has nothing else to do, more. Mutable: `cost`, `_part`, and when it was looked at."""

    BUSY_PART, IDLE_PART = 0.03, 0.1  # of the processors may write, while the daemon is busy, and while it is not
    BUSY = 0.35  # of the processors in use by the daemon: readers take the rest of them
    LOOK = 0.25  # seconds

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._cores = os.cpu_count() or 1
        self._part = self.IDLE_PART
        self._looked = self._used = 0.0
        self.cost = GUESSED_COST

    def rate(self, now: float) -> float:
        """Bytes a second, at a time of the loop's clock."""
        if self._rate:
            return float(self._rate)
        if now - self._looked > self.LOOK:
            used = time.process_time()
            busy = used - self._used > self.BUSY * self._cores * (now - self._looked)
            self._part = self.BUSY_PART if busy else self.IDLE_PART
            self._looked, self._used = now, used
        return self._part * self._cores / self.cost

    def note(self, size: int, seconds: float) -> None:
        """Writing `size` bytes took so much of a processor."""
        part = size / (size + REMEMBERED)
        self.cost += (max(seconds, 1e-6) / size - self.cost) * part

    def add(self, seconds: float) -> None:
        """What was written before took so much more."""
        self.cost += seconds / REMEMBERED

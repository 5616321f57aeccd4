"""What a storage's answers take, learnt from them, and what follows: how many requests at once, how far ahead, how small
to cut a read that somebody waits for.

The time of a request of n bytes is taken as first byte + n / bandwidth; both come from the best times seen by size, which
rise slowly so that a slower network is noticed. Best times, not means: means hold our own queues, and more requests at once would
seem to call for still more. Pure: the time is an argument.
"""

from mountd.rules.blocks import KERNEL_REQUEST, RANGE
from mountd.types import MiB

GUESSED_BANDWIDTH = 100e6  # bytes/s of one connection, until sizes that differ were seen
GUESSED_FIRST_BYTE = 0.01  # seconds, until the first answer
FORGETTING = 20.0  # seconds in which a best time that is not met again doubles
REQUEST_COST = 0.0003  # seconds of CPU of one more request: what cutting a read costs
SHORTEST = 1e-6  # seconds: a store in memory answers at once
LONG_AGO = 20.0  # doublings: a best time before an idle hour says nothing
WORTH_CUTTING = 0.8  # a read is cut where that leaves less than this of its time,
TIMED_BEFORE_CUT = 3  # and so many came whole: one slow answer would have all cut that come after, and none timed again
REQUEST_RATE = 4000  # requests/s worth having in flight: more than two cores carry out (3,500 measured)
BYTE_RATE = 2.0e9  # bytes/s worth having in flight: more than two cores move (1.3 GB/s measured)
FEWEST, MOST = 8, 48  # requests at once: a local server wants 8, one 10 ms away 32 and more; a store has places for 64
SMALLEST_WINDOW = 8 * RANGE
_CLASSES = 5  # up to 128 KiB, 256 KiB, 512 KiB, 1 MiB, and more


class Pace:
    """One storage's. Mutable: `_best` (seconds), `_sizes` (bytes), `_seen` (when), `_timed` (how many), by size class; the fit."""

    __slots__ = ("_best", "_seen", "_sizes", "_timed", "bandwidth", "first_byte")

    def __init__(self) -> None:
        self._best = [0.0] * _CLASSES
        self._sizes = [0] * _CLASSES
        self._seen = [0.0] * _CLASSES
        self._timed = [0] * _CLASSES
        self.first_byte = GUESSED_FIRST_BYTE
        self.bandwidth = GUESSED_BANDWIDTH

    def note(self, size: int, seconds: float, now: float) -> None:
        """A request of `size` bytes took `seconds`."""
        seconds = max(seconds, SHORTEST)
        place = _place(size)
        self._timed[place] += 1
        best = self._best[place]
        risen = best * 2 ** min((now - self._seen[place]) / FORGETTING, LONG_AGO)
        if not best or seconds < risen:
            self._best[place], self._sizes[place], self._seen[place] = seconds, size, now
            self._fit()

    def _fit(self) -> None:
        known = [place for place in range(_CLASSES) if self._best[place]]
        small, large = known[0], known[-1]
        apart = self._sizes[large] - self._sizes[small]
        if apart > 0:
            slower = self._best[large] - self._best[small]
            self.bandwidth = min(max(apart / max(slower, 1e-6), 1e6), 5e9)
        self.first_byte = max(self._best[small] - self._sizes[small] / self.bandwidth, 1e-4)

    def seconds(self, size: int) -> float:
        """What a request of that size should take when nothing else is going on."""
        return self.first_byte + size / self.bandwidth

    def concurrency(self, size: int) -> int:
        """Requests of that size to have in flight when many are wanted."""
        time = self.seconds(size)
        return min(max(int(time * min(REQUEST_RATE, BYTE_RATE / max(size, 1))), FEWEST), MOST)

    def window(self) -> int:
        """Bytes to have ahead of one sequential reader, at most: bandwidth times delay."""
        return max(int(BYTE_RATE * self.seconds(RANGE)), SMALLEST_WINDOW)

    def piece(self, size: int) -> int:
        """The bytes of one request where somebody waits for `size`: fewer, where several at once answer sooner."""
        if size <= KERNEL_REQUEST or not any(self._best):
            return RANGE
        if not self._best[0] and not self._best[1] and size >= MiB // 2 and self._best[3]:
            return KERNEL_REQUEST  # nothing small was ever timed here: once is enough to know
        if sum(self._timed[_place(size) :]) < TIMED_BEFORE_CUT:
            return RANGE
        best, choice = WORTH_CUTTING * self.seconds(size), RANGE
        piece = KERNEL_REQUEST
        while piece < size:
            time = self.seconds(piece) + REQUEST_COST * (-(-size // piece))
            if time < best:
                best, choice = time, piece
            piece *= 2
        return choice


def _place(size: int) -> int:
    """The size class of a request."""
    return min(max((size - 1).bit_length() - KERNEL_REQUEST.bit_length() + 1, 0), _CLASSES - 1)

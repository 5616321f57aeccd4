"""The kernel's next request: is it there, is it worth looking again, and when is it everybody else's turn.

Going to sleep and being woken costs more than a request: on two cores a caller and the daemon that wake each other for each of
open, flush and release make 6,000 files a second, and 13,000 where the daemon looks again for a moment before it sleeps. That
pays only while requests follow each other closely; after a look in vain the next ones are left out, 1, 3, 7 … 255 of them.
"""

import select
from collections.abc import Callable
from time import perf_counter

TURN = 0.0005  # seconds of requests in a row before every other task of the loop may run: thirty requests

MOST_LEFT_OUT = 255


class Descriptor:
    """The kernel's end of the mount. `looking`: seconds for which it is looked at again before anybody sleeps.

    State: `_turn_ends`; `_leave_out`, waits that will not look, and `_in_vain`, how many the last look in vain cost.
    """

    def __init__(self, descriptor: int, looking: float, clock: Callable[[], float] = perf_counter) -> None:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        self._poll = poll.poll
        self._looking = looking
        self._clock = clock
        self._turn_ends = 0.0
        self._in_vain = 0
        self._leave_out = 0

    def is_readable(self) -> bool:
        return bool(self._poll(0))

    def turn_is_over(self) -> bool:
        return self._clock() >= self._turn_ends

    def begin_turn(self) -> None:
        self._turn_ends = self._clock() + TURN

    def becomes_readable(self) -> bool:
        """Whether a request came while it was looked for. Blocks the loop for `looking` seconds at most."""
        if self._leave_out:
            self._leave_out -= 1
            return False
        poll, clock = self._poll, self._clock
        end = clock() + self._looking
        while clock() < end:
            if poll(0):
                self._in_vain = 0
                return True
        self._leave_out = self._in_vain = min(2 * self._in_vain + 1, MOST_LEFT_OUT)
        return False

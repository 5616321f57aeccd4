"""Whether a datastore may be asked now. Keeps an outage from becoming a storm, and a dead datastore's readers from waiting.

closed   everyone asks.
suspect  failures in a row, no answer between: one call at a time tries, the others wait for what it finds.
open     a call has given up with no answer since it began: the others are refused at once; after a while one tries.
Any answer closes it. Times come in as arguments; nothing here starts a task or a timer, so an idle one costs nothing.
"""

from dataclasses import dataclass
from enum import Enum, auto

import trio

from mountd.stores.config import StoreConfig

LONGEST_ASKED = 600.0
"""Seconds of a Retry-After that are kept. A service asks for seconds or minutes; a date in a header and a clock that is wrong can
make a day of it, and a datastore that lives would be refused to everybody for all of that."""


class State(Enum):
    CLOSED = auto()
    SUSPECT = auto()
    OPEN = auto()


class Permission(Enum):
    ASK = auto()  # as one of many
    TRY = auto()  # as the one that tries for all: must end in answered(), failed() or abandoned()
    WAIT = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """`failures` in a row make it suspect. Delays between trials double from `first` to `longest`, and while open from
    `open_first` to `open_longest`."""

    failures: int
    first: float
    longest: float
    open_first: float
    open_longest: float

    @classmethod
    def of(cls, config: StoreConfig) -> "BreakerLimits":
        return cls(
            config.breaker_failures,
            config.retry_first_delay,
            config.retry_longest_delay,
            config.breaker_trial_delay,
            config.deadline,
        )


class Breaker:
    """One datastore's. All state is here, changed by functions without `await`; `changed` wakes who waits."""

    __slots__ = ("_delay", "_failures", "_limits", "_trying", "changed", "last_answer", "next_trial", "state")

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self.state = State.CLOSED
        self.changed = trio.lowlevel.ParkingLot()
        self.last_answer = float("-inf")
        self.next_trial = float("-inf")
        self._failures = 0  # in a row
        self._trying = False
        self._delay = limits.first

    @property
    def trying(self) -> bool:
        return self._trying

    def ask(self, now: float) -> Permission:
        if self.state is State.CLOSED:
            return Permission.ASK
        if not self._trying and now >= self.next_trial:
            self._trying = True
            return Permission.TRY
        return Permission.WAIT if self.state is State.SUSPECT else Permission.REFUSED

    def answered(self, now: float) -> None:
        """The service said something: it lives."""
        self.last_answer = now
        if self._failures == 0 and self.state is State.CLOSED:
            return
        self._failures = 0
        self._trying = False
        self._delay = self._limits.first
        self.state = State.CLOSED
        self.changed.unpark_all()

    def failed(self, now: float, *, trial: bool, retry_after: float = 0.0) -> None:
        """A request found no service."""
        self._failures += 1
        if self.state is State.CLOSED and self._failures >= self._limits.failures:
            self.state = State.SUSPECT
            self._schedule(now, self._limits.first, retry_after)
        elif trial and self.state is not State.CLOSED:
            self._trying = False
            longest = self._limits.longest if self.state is State.SUSPECT else self._limits.open_longest
            self._schedule(now, min(2.0 * self._delay, longest), retry_after)

    def gave_up(self, now: float, began: float, *, retry_after: float = 0.0) -> None:
        """A call that began at `began` ends in failure; if nothing was heard in all that time, the datastore is dead."""
        if self.state is State.OPEN or self.last_answer >= began:
            return
        self.state = State.OPEN
        self._schedule(now, self._limits.open_first, retry_after)

    def abandoned(self) -> None:
        """The call that tried for all was cancelled: the next may try at once."""
        self._trying = False
        self.changed.unpark_all()

    def _schedule(self, now: float, delay: float, retry_after: float) -> None:
        self._delay = delay
        self.next_trial = now + max(delay, min(retry_after, LONGEST_ASKED))
        self.changed.unpark_all()

"""Which failures are worth asking again, and how long to wait before. Pure: no clock, no I/O, randomness handed in."""

import random
from dataclasses import dataclass

from mountd.errors import Corrupt, StoreError, StoreTimeout, Throttled, Unavailable
from mountd.stores.config import StoreConfig

RETRIED = (Throttled, Unavailable, StoreTimeout, Corrupt)
"""Asked again when repeating is harmless: reads, listings, staging a block."""

NEVER_ACTED = (Throttled,)
"""Asked again even for a mutation: the service says that it did nothing. After any other failure a mutation may have
happened, and whoever asked for it looks it up (SEMANTICS 20) instead of doing it twice."""

OUTAGE = (Throttled, Unavailable, StoreTimeout)
"""What counts towards a breaker. Everything else is an answer, and an answer shows that the service lives."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with jitter, bounded in count; the deadline bounds it in time."""

    attempts: int
    first: float
    longest: float

    @classmethod
    def of(cls, config: StoreConfig) -> "Backoff":
        return cls(config.retry_attempts, config.retry_first_delay, config.retry_longest_delay)

    def delay(self, failures: int, error: StoreError, chance: random.Random) -> float | None:
        """Seconds to wait after the `failures`-th failure in a row (1 is the first); None: give up.

        A service's Retry-After is a floor, and up to a tenth is added so that its clients do not come back together.
        """
        if failures >= self.attempts:
            return None
        step = min(self.longest, self.first * 2.0 ** (failures - 1))
        own = step * (0.5 + 0.5 * chance.random())
        if error.retry_after is None:
            return own
        return max(own, error.retry_after * (1.0 + 0.1 * chance.random()))

"""How long what a storage showed may be believed (SEMANTICS 4). Times are of one monotonic clock, seconds.

`ttl` is infinite for an immutable mapping. What was never shown, or has been doubted since, was shown at `NEVER`.
"""

import math

NEVER = -math.inf


def is_fresh(shown_at: float, now: float, ttl: float) -> bool:
    """Whether it may be served without asking. With a ttl of 0 every call asks; nothing makes NEVER fresh."""
    return shown_at != NEVER and now - shown_at < ttl


def remaining(shown_at: float, now: float, ttl: float, longest: float) -> float:
    """How long somebody else (the kernel) may still believe it: never longer than we do ourselves."""
    if shown_at == NEVER:
        return 0.0
    return min(max(ttl - (now - shown_at), 0.0), longest)


def worth_listing(asked: int, size: int | None, page: int) -> bool:
    """Whether a folder is better listed than asked about name by name: when the questions so far have cost what the listing
    will, two requests each against one a page. From the second question on; the third where the size is not known (None).
    """
    if size is None:
        return asked >= 2
    return asked >= 1 and 2 * asked * page >= size

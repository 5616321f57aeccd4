"""A cap on requests or bytes a second. Pure: times come in, waiting times go out; who asked does the waiting."""


class TokenBucket:
    """Lets `rate` units a second through, `burst` of them at once.

    A reservation is always granted and says how long to wait for it, so that callers are served in the order they came
    and a request larger than the burst is not refused for ever.
    """

    __slots__ = ("_burst", "_free_at", "_rate")

    def __init__(self, rate: float, burst: float) -> None:
        if rate <= 0 or burst <= 0:
            raise ValueError("rate and burst must be positive")
        self._rate = rate
        self._burst = burst
        # The moment at which everything granted so far is paid for. State; changed by reserve() and give_back() alone.
        self._free_at = float("-inf")

    def reserve(self, units: float, now: float) -> float:
        """Takes `units`; gives the seconds to wait before using them (0: none)."""
        self._free_at = max(self._free_at, now - self._burst / self._rate) + units / self._rate
        return max(0.0, self._free_at - now)

    def give_back(self, units: float) -> None:
        """Undoes a reservation whose caller was cancelled while it waited."""
        self._free_at -= units / self._rate

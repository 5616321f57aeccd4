"""Who leaves the memory tier: S3-FIFO with shares, decided when room is needed, so that a hit only adds to a number.

New entries wait in a probation queue; one whose bytes were served more than once over is kept in the main queue, so a
scan (every byte served once) passes through probation and does not wipe what is used again and again. What was fetched
ahead and not read yet gets a second turn. An entry that comes back soon after it left goes to the main queue at once: its
ghost is remembered until as many bytes left as the cache holds. The share that holds most for its weight gives first.
Pure: no clock, no I/O.
"""

from collections import OrderedDict
from collections.abc import Hashable

PROBATION_PART = 0.25  # below this part of a share's bytes, the main queue gives: a hot set may fill three quarters


class Evictable:
    """What a cache entry carries for this policy. `served` is all bytes given to readers since it was looked at last; `cost` is
    the memory that it takes: its bytes, and what holds them."""

    __slots__ = ("cost", "ghost", "protected", "second_turn", "served", "share", "size")

    def __init__(self, size: int, share: "Share", ghost: Hashable, *, overhead: int = 0) -> None:
        self.size = size
        self.cost = size + overhead
        self.share = share
        self.ghost = ghost
        self.served = 0
        self.protected = False
        self.second_turn = True


class Share:
    """The entries of one owner, and its weight against others (`cache_share` of a mapping)."""

    __slots__ = ("bytes", "main", "probation", "probation_bytes", "weight")

    def __init__(self, weight: float) -> None:
        self.weight = max(weight, 0.001)
        self.probation: OrderedDict[Evictable, None] = OrderedDict()
        self.main: OrderedDict[Evictable, None] = OrderedDict()
        self.bytes = 0
        self.probation_bytes = 0


class Eviction:
    """The queues of all shares. `memory`: bytes of departed entries to remember. Mutable state: `shares`, `_ghosts` (size by
    entry), `_ghost_bytes`, and each entry's place."""

    def __init__(self, memory: int) -> None:
        self.shares: list[Share] = []
        self._memory = memory
        self._ghosts: OrderedDict[Hashable, int] = OrderedDict()
        self._ghost_bytes = 0

    def share(self, weight: float) -> Share:
        share = Share(weight)
        self.shares.append(share)
        return share

    def add(self, entry: Evictable) -> None:
        share = entry.share
        share.bytes += entry.cost
        ghost = self._ghosts.pop(entry.ghost, 0)
        if ghost:
            self._ghost_bytes -= ghost
            entry.protected = True
            share.main[entry] = None
        else:
            share.probation[entry] = None
            share.probation_bytes += entry.cost

    def remove(self, entry: Evictable) -> None:
        """Takes an entry out, wherever it is."""
        share = entry.share
        share.bytes -= entry.cost
        if entry.protected:
            del share.main[entry]
        else:
            del share.probation[entry]
            share.probation_bytes -= entry.cost

    def victim(self) -> Evictable | None:
        """Takes out the entry that should leave next, and gives it; None when there are none."""
        share = max((share for share in self.shares if share.bytes), key=_fullness, default=None)
        if share is None:
            return None
        entry = None
        if share.probation_bytes > PROBATION_PART * share.bytes or not share.main:
            entry = _from_probation(share)
        entry = entry or _from_main(share) or next(iter(share.probation))
        self.remove(entry)
        if not entry.protected:
            self._remember(entry)
        return entry

    def _remember(self, entry: Evictable) -> None:
        self._ghost_bytes += entry.cost - self._ghosts.pop(entry.ghost, 0)
        self._ghosts[entry.ghost] = entry.cost
        while self._ghost_bytes > self._memory:
            self._ghost_bytes -= self._ghosts.popitem(last=False)[1]


def _fullness(share: Share) -> float:
    return share.bytes / share.weight


def _from_probation(share: Share) -> Evictable | None:
    """The oldest entry that was read, and read no more than once over. Each entry is looked at once a turn."""
    for _ in range(len(share.probation)):
        entry = next(iter(share.probation))
        if entry.served > entry.size:
            del share.probation[entry]
            share.probation_bytes -= entry.cost
            entry.served = 0
            entry.protected = True
            share.main[entry] = None
        elif not entry.served and entry.second_turn:
            entry.second_turn = False
            share.probation.move_to_end(entry)
        else:
            return entry
    return None


def _from_main(share: Share) -> Evictable | None:
    """The oldest entry not served since its last turn, unless it only waits for its first reader."""
    for _ in range(2 * len(share.main)):
        entry = next(iter(share.main))
        if not entry.served and not entry.second_turn:
            return entry
        entry.served = 0
        entry.second_turn = False
        share.main.move_to_end(entry)
    return next(iter(share.main), None)

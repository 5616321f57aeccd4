"""What the kernel remembers of a folder's names: how often it was given each, and under which number.

Counted beside the rows of listings, for names asked by themselves beside the answer. A listing that replaces another takes its
counts over, a few thousand rows at a time; until then both are looked into. All without I/O or clock.
"""

from collections.abc import Iterator

from mountd.fs.listing import ABSENT, FOLDER, Listing
from mountd.rules.freshness import NEVER
from mountd.types import PLAIN, Traits, Version

CARRIED = 2000
"""Rows of a former listing carried over before everybody else has a turn: 5 ms."""


class Known:
    """A name asked by itself. `lookups`: what the kernel remembers of it, under `number`. `doubted`: since when a listing
    counts only if it began later; NEVER where nobody doubts it."""

    __slots__ = ("doubted", "kind", "lookups", "number", "shown_at", "traits", "version")

    def __init__(self, kind: int, shown_at: float, version: Version | None = None, traits: Traits = PLAIN) -> None:
        self.kind = kind
        self.shown_at = shown_at
        self.version = version
        self.traits = traits
        self.lookups = 0
        self.number = 0
        self.doubted = NEVER


class Remembered:
    """State: the listing and those `beside` it (on their way, or former ones whose rows the kernel still remembers), single
    answers, numbers that are not their name's own."""

    __slots__ = ("_carried", "_named", "asked", "beside", "listing", "renumbered")

    def __init__(self) -> None:
        self.listing: Listing | None = None
        self.beside: list[Listing] = []
        self.asked: dict[bytes, Known] = {}
        self.renumbered: dict[bytes, int] = {}
        self._named: dict[int, bytes] = {}
        self._carried = 0

    def listings(self) -> Iterator[Listing]:
        """All whose rows the kernel may remember, the present one first."""
        if self.listing is not None:
            yield self.listing
        yield from self.beside

    def remember(self, name: bytes, number: int, count: int) -> None:
        for listing in self.listings():
            if (listing is self.listing or listing.growing) and (row := listing.find(name)) >= 0:
                listing.lookups[row] += count
                return
        self._remember_gone(name, number, count)  # asked about by itself, or a row of a handle's older snapshot

    def forget(self, name: bytes, count: int) -> bool:
        """Takes back; True when the kernel now remembers nothing of this name."""
        left = 0
        for listing in self.listings():
            if (row := listing.find(name)) >= 0:
                taken = min(count, listing.lookups[row])
                listing.lookups[row] -= taken
                count -= taken
                left += listing.lookups[row]
        known = self.asked.get(name)
        if known is None:
            return left == 0
        known.lookups = max(known.lookups - count, 0)
        if known.lookups == 0 and known.kind == ABSENT and known.doubted == NEVER:
            self._drop(name)
        return left + known.lookups == 0

    def _drop(self, name: bytes) -> None:
        known = self.asked.pop(name)
        if self.renumbered.get(name) != known.number:
            self._named.pop(known.number, None)

    def take_lookups(self, name: bytes) -> int:
        """What the kernel remembers of a name, which from now on counts for an inode that has left it."""
        count = 0
        for listing in self.listings():
            if (row := listing.find(name)) >= 0:
                count += listing.lookups[row]
                listing.lookups[row] = 0
        known = self.asked.get(name)
        if known is not None:
            count, known.lookups = count + known.lookups, 0
        return count

    def is_remembered(self) -> bool:
        """Whether the kernel holds any name in here."""
        if any(known.lookups for known in self.asked.values()):
            return True
        return any(any(listing.lookups) for listing in self.listings())

    def renumber(self, name: bytes, number: int) -> None:
        self._named.pop(self.renumbered.get(name, 0), None)
        self.renumbered[name] = number
        self._named[number] = name
        known = self.asked.get(name)
        if known is not None and known.kind != FOLDER:
            self._named.pop(known.number, None)
            known.number = number

    # From one listing to the next -----------------------------------------------------------------------------------

    def abandon(self, listing: Listing) -> None:
        """A listing on its way is not wanted any more."""
        self.beside.remove(listing)
        listing.growing = False
        if any(listing.lookups):
            listing.make_thin()
            self.beside.append(listing)

    def carry(self, rows: int) -> bool:
        """Takes over what the kernel remembers of so many rows of a former listing; whether there is no more to take over."""
        former = next((listing for listing in self.beside if not listing.growing), None)
        if former is None or self.listing is None:
            return True
        start, stop = self._carried, min(self._carried + rows, len(former))
        self._carry(former, self.listing, start, stop)
        self._carried = stop
        if stop == len(former):
            self.beside.remove(former)
            self._carried = 0
        return False

    def _carry(self, old: Listing, new: Listing, start: int, stop: int) -> None:
        for row, count in enumerate(old.lookups[start:stop], start):
            if not count:
                continue
            old.lookups[row] = 0
            name = old.name(row)
            at = new.find(name)
            if at < 0:
                self._remember_gone(name, self.renumbered.get(name, old.numbers[row]), count)
            elif (new.kinds[at] == FOLDER) == (old.kinds[row] == FOLDER):  # else it is another inode
                new.lookups[at] += count
                if new.numbers[at] != old.numbers[row] and name not in self.renumbered:
                    self.renumber(name, old.numbers[row])

    def _remember_gone(self, name: bytes, number: int, count: int) -> None:
        """The kernel remembers a name that no listing has now: kept until it forgets."""
        gone = self.asked.setdefault(name, Known(ABSENT, NEVER))
        gone.lookups += count
        if not gone.number:
            gone.number = number
            self._named[number] = name

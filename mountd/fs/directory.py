"""One folder of the tree that somebody has looked into: what is known of the names in it, and since when.

Two sources: the listing, and single names asked since (`asked`). The younger one counts. A name of which nothing is known is
not in either. `beside` the listing stand those on their way, and former ones whose rows the kernel still remembers.
`mounted` are entries of the mount table: they shadow the storage's. All without I/O or clock.
"""

import math
from dataclasses import dataclass

from mountd.fs.listing import ABSENT, FOLDER, Listing
from mountd.fs.mapped import Mapped
from mountd.fs.remembered import CARRIED, Known, Remembered
from mountd.rules.freshness import NEVER
from mountd.rules.inodes import FolderNumbers, after
from mountd.rules.siblings import Order
from mountd.types import PLAIN, Traits, Version

STRIDE = 16
"""Rows that a program going through a folder may leave out at once."""

ANSWERS = 4096
"""Single answers kept of a folder before those nobody holds are dropped."""


@dataclass(slots=True)
class Entry:
    """What is known of one name: made when somebody asks, from a row or from an answer. `version` is None for a folder
    and for an absent name; `row` is -1 outside the listing."""

    folder: "Directory"
    name: bytes
    number: int
    kind: int
    shown_at: float
    version: Version | None = None
    traits: Traits = PLAIN
    row: int = -1


class Directory(Remembered):
    """State: the listing and when it was asked for; single answers; numbers that are not their name's own; children that
    are Directories themselves; files opened, by name. `handles` and `lookups` keep it from being dropped."""

    __slots__ = (
        "_asked_limit",
        "_numbers_of",
        "absent_since",
        "asked_row",
        "below",
        "children",
        "doubted_at",
        "handles",
        "large",
        "listed_at",
        "listed_in",
        "lookups",
        "mapped",
        "missed_at",
        "misses",
        "mounted",
        "name",
        "number",
        "opened",
        "order",
        "parent",
        "prefix",
        "read_through",
        "walked",
    )

    def __init__(
        self, number: int, parent: "Directory | None", name: bytes, mapped: Mapped | None, prefix: str
    ) -> None:
        super().__init__()
        self.number = number
        self.parent = parent
        self.name = name
        self.mapped = mapped
        self.prefix = prefix
        self.listed_at = NEVER
        self.listed_in = 0.0
        self.mounted: dict[bytes, Directory] = {}
        self.children: dict[bytes, Directory] = {}
        self._asked_limit = ANSWERS
        self.opened: dict[bytes, int] = {}
        self.absent_since = NEVER
        self.misses = 0
        self.missed_at = NEVER
        self.asked_row = -1
        self.large = False
        self.walked = -1
        self.below = 0
        self.doubted_at = NEVER
        self.handles = 0
        self.lookups = 0
        self.order: Order | None = None
        self.read_through = False
        self._numbers_of: FolderNumbers | None = None if mapped is None else mapped.numbers(prefix)

    def __repr__(self) -> str:
        return f"Directory({self.path}, {self.listing!r}, {len(self.asked)} asked)"

    @property
    def path(self) -> str:
        segments: list[str] = []
        folder = self
        while folder.parent is not None:
            segments.append(folder.name.decode("utf-8", "surrogateescape"))
            folder = folder.parent
        return "/" + "/".join(reversed(segments))

    def path_of(self, name: bytes) -> str:
        return self.path.rstrip("/") + "/" + name.decode("utf-8", "surrogateescape")

    @property
    def bucket(self) -> int:
        return -1 if self._numbers_of is None else self._numbers_of.bucket

    def new_listing(self) -> Listing:
        assert self._numbers_of is not None
        return Listing(self.prefix, self._numbers_of)

    # Names and numbers ---------------------------------------------------------------------------------------------

    def number_of(self, name: bytes, kind: int) -> int:
        """The inode number of a name: from its key, or the one it got when it was replaced while open."""
        if self.renumbered and name in self.renumbered and kind != FOLDER:
            return self.renumbered[name]
        listing = self.listing
        if (
            listing is not None
            and (row := listing.find(name)) >= 0
            and (listing.kinds[row] == FOLDER) == (kind == FOLDER)
        ):
            return listing.numbers[row]
        assert self._numbers_of is not None
        return self._numbers_of.number(name + b"/" if kind == FOLDER else name)

    def spare_number(self, name: bytes, etag: str) -> int:
        """A number for a file that was replaced while open: of this name and version, and nobody else's in this folder."""
        assert self._numbers_of is not None
        number = self._numbers_of.number(b"\0".join((name, etag.encode())))
        while self.name_of(number) is not None:
            number = after(number)
        return number

    def name_of(self, number: int) -> bytes | None:
        """The name in this folder that has this number now."""
        name = self._named.get(number)
        if name is None:
            name = self._listed_name(number)
        return None if name is None or self._has_left(name, number) else name

    def _listed_name(self, number: int) -> bytes | None:
        for listing in self.listings():
            if (row := listing.row_of(number)) >= 0:
                return listing.name(row)
        return None

    def _has_left(self, name: bytes, number: int) -> bool:
        """Whether a name has another number by now. Only a file's changes: a folder of the same name keeps its own."""
        if self.renumbered.get(name, number) == number:
            return False
        listing = self.listing
        row = -1 if listing is None else listing.row_of(number)
        if listing is not None and row >= 0 and listing.kinds[row] == FOLDER:
            return False
        known = self.asked.get(name)
        return known is None or known.kind != FOLDER or known.number != number

    # What is known -------------------------------------------------------------------------------------------------

    def find(self, name: bytes) -> Entry | None:
        """The youngest knowledge of a name; None when nothing is known. A name that a listing lacks is ABSENT."""
        known = self.asked.get(name) if self.asked else None
        if known is not None and (known.doubted != NEVER or known.shown_at >= self.listed_at):
            return self._coming(name, known.shown_at if known.doubted == NEVER else math.inf) or Entry(
                self, name, self.number_of(name, known.kind), known.kind, known.shown_at, known.version, known.traits
            )
        if self.beside and (coming := self._coming(name, self.listed_at)) is not None:
            return coming
        listing = self.listing
        if listing is None or self.listed_at == NEVER:
            return self._doubtful(name, known)
        row = listing.find(name)
        if row < 0:
            return Entry(self, name, 0, ABSENT, self.listed_at)
        return self._row(listing, row, name)

    def _coming(self, name: bytes, since: float) -> Entry | None:
        """What a listing on its way shows of a name, where that is younger than `since`."""
        for listing in self.beside:
            if not listing.growing or (row := listing.find(name)) < 0 or row in listing.undecided:
                continue
            shown_at = listing.shown_at(row)
            if shown_at > since and shown_at >= self.doubted_at and self._agrees(listing, row, name):
                entry = self._row(listing, row, name)
                entry.shown_at, entry.row = shown_at, -1
                return entry
        return None

    def _agrees(self, coming: Listing, row: int, name: bytes) -> bool:
        """Whether what the kernel may have been told of a name is what is coming; else it is asked about by itself."""
        old = self.listing
        if old is None or (at := old.find(name)) < 0:
            return True
        return not old.thin and old.kinds[at] == coming.kinds[row] and old.etag(at) == coming.etag(row)

    def entry_of(self, number: int) -> Entry | None:
        """What is known of a name, by its number: None where this folder has no such number."""
        name = self._named.get(number) if self._named else None
        listing = self.listing
        if name is None and listing is not None and (row := listing.row_of(number)) >= 0:
            name = listing.name(row)
            if self.listed_at != NEVER and not self.asked and not self.renumbered and not self.beside:
                return self._row(listing, row, name)
        if name is None and self.beside:
            name = self._listed_name(number)
        if name is None or self._has_left(name, number):
            return None
        return self.find(name) or Entry(self, name, number, ABSENT, NEVER)

    def _doubtful(self, name: bytes, known: Known | None) -> Entry | None:
        """What was known before it was invalidated: the kernel may still ask about it. Shown at NEVER."""
        if self.listing is not None and (row := self.listing.find(name)) >= 0:
            return self._row(self.listing, row, name)
        if known is None:
            return None
        return Entry(self, name, self.number_of(name, known.kind), known.kind, NEVER, known.version, known.traits)

    def _row(self, listing: Listing, row: int, name: bytes) -> Entry:
        kind, number, shown_at = listing.kinds[row], listing.numbers[row], self.listed_at
        if shown_at != NEVER:  # each page is as old as its own request
            shown_at = max(shown_at, listing.shown_at(row))
        if kind == FOLDER or listing.thin:
            return Entry(self, name, number, kind, shown_at, row=row)
        if self.renumbered:
            number = self.renumbered.get(name, number)
        return Entry(self, name, number, kind, shown_at, listing.version(row), listing.trait(row), row)

    def key_prefix(self, name: bytes, segment: str | None) -> str:
        """The prefix of a child folder."""
        if self.listing is not None and (row := self.listing.find(name)) >= 0 and self.listing.kinds[row] == FOLDER:
            return self.listing.key(row)
        return f"{self.prefix}{segment}/"

    def asked_on(self, name: bytes, since: float) -> bool:
        """Whether this name follows the one asked about last in the listing, as it does when a program goes through all of
        them (`ls -l`, rsync); and whether the first of that run was asked about no earlier than `since`."""
        assert self.listing is not None
        last, self.asked_row = self.asked_row, self.listing.find(name)
        return 0 <= self.asked_row - last <= STRIDE and self.missed_at >= since

    # Learning ------------------------------------------------------------------------------------------------------

    def learn(self, name: bytes, known: Known) -> Entry:
        """An answer about one name."""
        if len(self.asked) >= self._asked_limit:
            self._purge()
        old = self.asked.get(name)
        if old is not None:
            known.lookups, known.number = old.lookups, old.number
        self.asked[name] = known
        number = 0
        if known.kind != ABSENT:
            number = self.number_of(name, known.kind)
            if known.number not in (0, number):  # a file became a folder, or the reverse: another inode
                self._named.pop(known.number, None)
                known.lookups = 0
            known.number = number
            self._named[number] = name
        return Entry(self, name, number, known.kind, known.shown_at, known.version, known.traits)

    def _purge(self) -> None:
        """Answers that the kernel remembers nothing of are dropped: a program may ask for names without end."""
        for name in [name for name, known in self.asked.items() if not known.lookups]:
            self._drop(name)
        self._asked_limit = max(ANSWERS, 2 * len(self.asked))

    def take(self, listing: Listing, listed_at: float) -> None:
        """A new listing. What the kernel remembers of the old one's rows, and of single names, is carried over."""
        old = self.listing
        self.listing, self.listed_at = listing, listed_at
        self.misses, self.large, self.below, self.walked = 0, False, 0, -1
        if listing in self.beside:
            self.beside.remove(listing)
        if old is not None and listing.same_names(old):
            listing.inherit(old)
        elif old is not None:
            old.make_thin()
            self.beside.append(old)
            self.carry(CARRIED)
        for name, known in list(self.asked.items()):
            younger = known.shown_at > listed_at or known.doubted > listed_at  # than the listing's beginning
            row = listing.find(name)
            if row >= 0:
                if younger or known.number in (0, listing.numbers[row], self.renumbered.get(name)):
                    listing.lookups[row] += known.lookups
                known.lookups = 0
            if younger:
                continue
            if known.lookups == 0:
                self._drop(name)
            else:
                known.kind, known.version, known.shown_at, known.doubted = ABSENT, None, listed_at, NEVER

    def doubt(self, now: float) -> None:
        """Everything is asked anew from now on; a listing begun before does not count either."""
        self.listed_at, self.doubted_at = NEVER, now
        for name, known in list(self.asked.items()):
            known.shown_at = NEVER
            if not known.lookups:
                self._drop(name)

    def doubt_name(self, name: bytes, now: float) -> None:
        """One name is asked anew. Its youngest knowledge becomes an answer of no age, whatever a listing begun before says."""
        known = self.asked.get(name)
        if known is None:
            entry = self.find(name)
            kind, version = (ABSENT, None) if entry is None else (entry.kind, entry.version)
            known = self.asked[name] = Known(kind, NEVER, version)
        known.shown_at = NEVER
        known.doubted = now

    def remember_entry(self, entry: Entry) -> None:
        """The kernel was just given an entry of this folder."""
        if entry.row >= 0 and self.listing is not None:
            self.listing.lookups[entry.row] += 1
        else:
            self.remember(entry.name, entry.number, 1)

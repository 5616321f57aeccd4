"""One listing of one folder: columns, packed. 100,000 entries are 6 MB here; as objects they would be 30.

Rows stand in the store's order. A row's name, kind, size, time and etag are columns; its key is the folder's prefix and
its name, but for the few rows of `keys`. An index by inode number finds a row by number or by name. What the kernel
remembers of each row (`lookups`) stands beside it. Built page by page: rows of a page can be found once they are indexed
(`indexing`, in slices), and shown but for those `undecided`. Then `finish`ed and unchanged but for `lookups`.
It must not know freshness, mappings or other folders.
"""

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from operator import add

from mountd.fs.index import Index
from mountd.rules import names
from mountd.rules.freshness import NEVER
from mountd.rules.inodes import FolderNumbers, after
from mountd.types import PLAIN, ListPage, Traits, Version

FILE, FOLDER, LINK, HIDDEN, ABSENT = range(5)
"""What a row is. HIDDEN: a second row of one folder (its marker). ABSENT never stands in a listing: a name known not to be."""


class Packed:
    """Many short byte strings in one."""

    __slots__ = ("blob", "offsets")

    def __init__(self) -> None:
        self.blob: bytearray | bytes = bytearray()
        self.offsets = array("I", (0,))

    def extend(self, strings: Sequence[bytes], joined: bytes) -> None:
        if len(self.blob) + len(joined) >= 1 << 32 and self.offsets.typecode == "I":
            self.offsets = array("Q", self.offsets)
        ends = accumulate(map(len, strings), initial=len(self.blob))
        next(ends)
        self.offsets.extend(ends)
        self.blob += joined

    def seal(self) -> None:
        """No more strings come: bytes are cut faster than a bytearray."""
        self.blob = bytes(self.blob)

    def __getitem__(self, row: int) -> bytes:
        offsets = self.offsets
        return bytes(self.blob[offsets[row] : offsets[row + 1]])  # of bytes: no second copy

    def __len__(self) -> int:
        return len(self.offsets) - 1


def kind_of(traits: Traits) -> int:
    """What a blob is, by its metadata, as blobfuse2 and rslex write it (SEMANTICS 10, 11)."""
    if not traits.metadata:
        return FILE
    for key, value in traits.metadata.items():
        lower = key.lower()
        if lower == "hdi_isfolder" and value.lower() == "true":
            return FOLDER
        if lower == "is_symlink" and value.lower() == "true":
            return LINK
    return FILE


class Listing:
    """State: the columns while pages come; after `finish` only `lookups` changes. `growing`: pages come. `undecided`: rows of
    blobs that may have to leave their name to a folder still to come."""

    __slots__ = (
        "_index",
        "_last",
        "_left",
        "_numbers_of",
        "_page_ends",
        "_page_times",
        "_renamed",
        "etags",
        "growing",
        "keys",
        "kinds",
        "lookups",
        "modified",
        "names",
        "numbers",
        "prefix",
        "sizes",
        "thin",
        "traits",
        "undecided",
    )

    def __init__(self, prefix: str, numbers_of: FolderNumbers) -> None:
        self.prefix = prefix
        self.names = Packed()
        self.etags = Packed()
        self.kinds = bytearray()
        self.sizes = array("Q")
        self.modified = array("q")
        self.traits: dict[int, Traits] = {}
        self.keys: dict[int, str] = {}
        self.lookups = array("I")
        self.thin = False
        self.growing = True
        self.undecided: set[int] = set()
        self._renamed: dict[int, bytes] = {}
        self._numbers_of = numbers_of
        self._index = Index(self._part_twins)
        self.numbers = self._index.numbers
        self._left: set[int] = set()
        self._last = ""
        self._page_ends = array("I")
        self._page_times = array("d")

    def __len__(self) -> int:
        return len(self.kinds)

    def __repr__(self) -> str:
        return f"Listing({self.prefix!r}, {len(self)} rows)"

    # Building ------------------------------------------------------------------------------------------------------

    def add(self, page: ListPage, asked_at: float = NEVER) -> None:
        """Rows of one page of a one-level listing of this prefix, and when the storage was asked for it."""
        self.add_objects(page, 0, len(page.keys))
        self.add_folders(page.folders)
        self._last = max([*page.keys[-1:], *page.folders[-1:]], default=self._last)
        self._page_ends.append(len(self.kinds))
        self._page_times.append(asked_at)

    def add_objects(self, page: ListPage, start: int, stop: int) -> None:
        """Blobs that lie directly in this folder: rows [start, stop) of a page."""
        whole = start == 0 and stop == len(page.keys)
        keys = page.keys if whole else page.keys[start:stop]
        if keys and keys[0] == self.prefix:  # the folder's own marker, or a blob with an empty last segment
            if page.sizes[start]:
                self._append((names.spelled_blob(""),), (keys[0],), page, start)
            start, keys, whole = start + 1, keys[1:], False
        cut = len(self.prefix)
        spelled = [key[cut:].encode("utf-8", "surrogateescape") for key in keys]
        joined = b"".join(spelled)
        if names.all_plain(spelled, joined):
            self._append(spelled, (), page, start)
        else:
            for row, key in enumerate(keys):
                self._append((names.spelled(key[cut:]),), (key,), page, start + row)

    def add_folders(self, prefixes: Iterable[str]) -> None:
        cut = len(self.prefix)
        for prefix in prefixes:
            segment = prefix[cut:-1]
            name = names.spelled(segment)
            if name.startswith(names.MARK):
                self.keys[len(self.kinds)] = prefix
            self.names.extend((name,), name)
            self.numbers.append(self._numbers_of.number(name + b"/"))
            self.etags.extend((b"",), b"")
            self.kinds.append(FOLDER)
            self.sizes.append(0)
            self.modified.append(0)

    def _append(self, spelled: Sequence[bytes], odd_keys: Sequence[str], page: ListPage, start: int) -> None:
        base, count = len(self.kinds), len(spelled)
        stop = start + count
        if odd_keys and spelled[0].startswith(names.MARK):
            self.keys[base] = odd_keys[0]
        self.names.extend(spelled, b"".join(spelled))
        self.numbers.extend(map(self._numbers_of.number, spelled))
        etags = [etag.encode() for etag in (page.etags if count == len(page.keys) else page.etags[start:stop])]
        self.etags.extend(etags, b"".join(etags))
        self.sizes.extend(page.sizes[start:stop])
        self.modified.extend(page.modified_ns[start:stop])
        self.kinds += bytes(count)
        if page.traits:
            self._take_traits(page, start, stop, base - start)

    def _take_traits(self, page: ListPage, start: int, stop: int, shift: int) -> None:
        wanted = (
            page.traits.items()
            if stop - start == len(page.keys)
            else ((row, page.traits[row]) for row in range(start, stop) if row in page.traits)
        )
        for row, traits in wanted:
            if traits.metadata:
                kind = self.kinds[row + shift] = kind_of(traits)
                if kind == FOLDER:
                    self.numbers[row + shift] = self._numbers_of.number(self.names[row + shift] + b"/")
            self.traits[row + shift] = traits

    def indexing(self) -> Iterator[None]:
        """Makes the rows that came since the last time ones that can be found and shown; slice by slice."""
        first = self._index.rows
        self.lookups.frombytes(bytes(4 * (len(self.kinds) - len(self.lookups))))
        yield from self._index.growing()
        if self.kinds.find(FOLDER, first) >= 0:
            self._part_from_blobs([row for row in range(first, len(self.kinds)) if self.kinds[row] == FOLDER])
        self.undecided = self._may_be_folders()

    @property
    def indexed(self) -> int:
        """How many rows can be found."""
        return self._index.rows

    def finish(self) -> "Listing":
        """No more pages come."""
        for _ in self.indexing():
            pass
        self.undecided = set()
        self.growing = False
        self.names.seal()
        self.etags.seal()
        return self

    def _may_be_folders(self) -> set[int]:
        """Blobs whose folder could still come: "b" stands before "b-1" in a storage's order, and "b/" behind it."""
        last = self._last[len(self.prefix) :]
        starts = [last[:end] for end, character in enumerate(last) if character < "/" and end]
        rows = {self.find(names.spelled(start)) for start in [*starts, last] if start and start[-1] != "/"}
        return {row for row in rows if row >= 0 and self.kinds[row] != FOLDER}

    def _part_from_blobs(self, folders: list[int]) -> None:
        """A folder keeps the plain name; a blob of that name is spelled otherwise (SEMANTICS 9)."""
        for folder in folders:
            name = self.names[folder]
            row = self._row(name, b"", FILE)
            if row >= 0:
                key = self.keys[row] = self.key(row)
                self._renamed[row] = names.spelled_blob(key[len(self.prefix) :])
                self._left.add(self.numbers[row])
                self.numbers[row] = self._numbers_of.number(self._renamed[row])
                self._index.put(row)

    def _part_twins(self, row: int, other: int) -> int:
        """The number of a row whose number another has: none where they are one folder (its marker, or listed twice), for
        one of them stays; else, by chance, the next."""
        alike = (self.kinds[row] == FOLDER) == (self.kinds[other] == FOLDER)
        if alike and self.name(row) == self.name(other):
            self.kinds[row] = HIDDEN
            return 0
        return after(self.numbers[row])

    # Asking --------------------------------------------------------------------------------------------------------

    def name(self, row: int) -> bytes:
        if self._renamed and row in self._renamed:
            return self._renamed[row]
        return self.names[row]

    def key(self, row: int) -> str:
        """The whole key of a blob; of a folder its prefix, with the "/" at its end."""
        if self.keys and row in self.keys:
            return self.keys[row]
        key = self.prefix + self.names[row].decode("utf-8", "surrogateescape")
        return key + "/" if self.kinds[row] == FOLDER else key

    def etag(self, row: int) -> str:
        return self.etags[row].decode()

    def version(self, row: int) -> Version:
        return Version(self.key(row), self.etag(row), self.sizes[row], self.modified[row])

    def trait(self, row: int) -> Traits:
        return self.traits.get(row, PLAIN)

    def shown_at(self, row: int) -> float:
        """When the page of this row was asked for; NEVER where nobody said."""
        page = bisect_right(self._page_ends, row)
        return self._page_times[page] if page < len(self._page_times) else NEVER

    def row_of(self, number: int) -> int:
        """The row that has this number, or -1."""
        return self._index.row_of(number)

    def find(self, name: bytes) -> int:
        """The row of this name, or -1."""
        row = self._row(name, b"")
        return row if row >= 0 else self._row(name, b"/")

    def _row(self, name: bytes, mark: bytes, kind: int = ABSENT) -> int:
        """`kind`: FILE for anything but a folder, where it matters."""
        number = self._numbers_of.number(name + mark)
        while (row := self._index.row_of(number)) >= 0 or (self._left and number in self._left):
            if row >= 0 and self.name(row) == name and (kind == ABSENT or self.kinds[row] != FOLDER):
                return row
            number = after(number)
        return -1

    def same_names(self, other: "Listing") -> bool:
        return (
            self.names.blob == other.names.blob
            and self.names.offsets == other.names.offsets
            and self.kinds == other.kinds
            and self._renamed == other._renamed
        )

    def inherit(self, old: "Listing") -> None:
        """Takes over what the kernel knows from an older listing of the same names; both share it from now on."""
        if any(self.lookups):
            old.lookups[:] = array("I", map(add, old.lookups, self.lookups))
        self.names, self.numbers, self.lookups = old.names, old.numbers, old.lookups
        self._index, self._left = old._index, old._left

    def make_thin(self) -> None:
        """Keeps names and numbers, for what the kernel remembers of them, and drops everything that a listing shows anew."""
        self.thin = True
        self.etags, self.sizes, self.modified, self.traits = Packed(), array("Q"), array("q"), {}

    def small_rows(self, start: int, stop: int, largest: int) -> list[int]:
        """The readable files of rows [start, stop) that have at most `largest` bytes, and some."""
        kinds, sizes, traits = self.kinds, self.sizes, self.traits
        if self.thin:
            return []
        return [
            row
            for row in range(start, min(stop, len(kinds)))
            if kinds[row] == FILE and 0 < sizes[row] <= largest and not (traits and self.trait(row).archived)
        ]

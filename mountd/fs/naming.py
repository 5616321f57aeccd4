"""Names and attributes for the kernel: lookup, stat, directories, links, extended attributes (interface.Names).

A hit answers without a request and without waiting. It counts what the kernel remembers, and asks through `asking`.
"""

from collections.abc import Iterable, Sequence
from itertools import count

import trio

from mountd.errors import BadHandle, NoEntry, Stale, Unsupported
from mountd.fs.arriving import Arrival
from mountd.fs.asking import Asking
from mountd.fs.directory import Directory, Entry
from mountd.fs.eviction import Eviction
from mountd.fs.inodes import Inodes, Pinned
from mountd.fs.interface import Attributes
from mountd.fs.listing import ABSENT, FOLDER, HIDDEN, LINK, Listing
from mountd.fs.mapped import FOREVER, Mapped
from mountd.fs.walking import Walking
from mountd.rules import freshness
from mountd.types import Traits, Version

FOLDER_TIME_NS = 315_619_200 * 10**9
"""mtime of every folder: storages keep none, and a made-up one must not change between mounts. 1980-01-02, because zip
refuses what is before 1980 in any time zone."""

AT_FIRST = 1000
"""Rows of a folder waited for before the first of them is shown: what has fewer is known as a whole then."""

_UNMAPPED_MODE = 0o040555
_NO_VERSION = Version("", "", 0, FOLDER_TIME_NS)


class OpenDirectory:
    """State: the snapshot that a handle lists, taken when its first row is asked for; while it is on its way, `arrival`.
    `late`: rows passed over while it was undecided what they are called; they come last."""

    __slots__ = ("arrival", "directory", "late", "listing", "mounted", "shown_at")

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.listing: Listing | None = None
        self.arrival: Arrival | None = None
        self.late: dict[int, None] = {}
        self.mounted: list[Directory] = []
        self.shown_at = freshness.NEVER

    @property
    def ready(self) -> int:
        """Positions of which the row is there."""
        if self.arrival is not None and not self.arrival.over:
            return self.arrival.ready
        return 0 if self.listing is None else len(self.listing) + len(self.late)

    def row(self, position: int) -> int:
        """The row at a position: the late ones stand behind all others."""
        assert self.listing is not None
        behind = position - len(self.listing)
        return position if behind < 0 else list(self.late)[behind]

    def is_late(self, position: int) -> bool:
        """Whether the row at this position comes later."""
        assert self.listing is not None
        if position >= len(self.listing):
            return False
        if position in self.listing.undecided:
            self.late[position] = None
        return position in self.late


class Naming:
    """State: open directories."""

    def __init__(self, inodes: Inodes, asking: Asking, walking: Walking, eviction: Eviction) -> None:
        self._inodes = inodes
        self._asking = asking
        self._walking = walking
        self._eviction = eviction
        self._open: dict[int, OpenDirectory] = {}
        self._handles = count(1)

    # One inode -----------------------------------------------------------------------------------------------------

    async def lookup(self, parent: int, name: bytes) -> Attributes:
        folder = self._inodes.directory(parent)
        mounted = folder.mounted.get(name) if folder.mounted else None
        if mounted is not None:
            mounted.lookups += 1
            return directory_attributes(mounted, trio.current_time())
        entry = await self._asking.entry(folder, name)
        if entry.kind == ABSENT:
            folder.absent_since = entry.shown_at
            if folder.listing is not None:
                self._eviction.used(folder)
            raise NoEntry(f"{folder.path_of(name)} does not exist.")
        folder.remember_entry(entry)
        self._asking.told.told(entry)
        self._eviction.used(folder)
        self._eviction.remembered(folder, 1)
        return entry_attributes(entry, trio.current_time())

    def negative_timeout(self, parent: int) -> float:
        """Of the name that `lookup` just found absent in this folder."""
        folder = self._inodes.directories.get(parent)
        if folder is None or folder.mapped is None:
            return 0.0
        return freshness.remaining(folder.absent_since, trio.current_time(), folder.mapped.ttl, FOREVER)

    async def attributes(self, inode: int) -> Attributes:
        directory = self._inodes.directories.get(inode)
        if directory is not None:
            await self.check(directory)
            return directory_attributes(directory, trio.current_time())
        pinned = self._inodes.pinned.get(inode)
        if pinned is not None and (pinned.replaced or pinned.handles):
            # What is open is its version, whatever has become of the path: the kernel asks this before reads, and
            # those must not wait for a storage that is down.
            return pinned_attributes(pinned)
        return entry_attributes(await self.entry(inode), trio.current_time())

    async def entry(self, inode: int) -> Entry:
        """What a number that is no Directory stands for now. Stale when its path has another number by now."""
        entry = self._inodes.known(inode)
        folder, name = entry.folder, entry.name
        entry = await self._asking.fresh(entry)
        if entry.kind == ABSENT:
            raise NoEntry(f"{folder.path_of(name)} does not exist any more.")
        if entry.number != inode:
            pinned = self._inodes.pinned.get(inode)
            if pinned is None:
                raise Stale(f"{folder.path_of(name)} was replaced.", remedy="Look the path up again.")
            return Entry(folder, name, inode, entry.kind, entry.shown_at, pinned.version, pinned.traits)
        return entry

    async def check(self, directory: Directory) -> None:
        """NoEntry when a folder is known to be gone. Folders of the mount table never are. A listing with entries says that its
        folder is there; an empty one says nothing."""
        parent = directory.parent
        if parent is None or parent.mounted.get(directory.name) is directory:
            return
        mapped = directory.mapped
        lists = directory.listing is not None and len(directory.listing) > 0
        if lists and mapped is not None and freshness.is_fresh(directory.listed_at, trio.current_time(), mapped.ttl):
            return
        entry = await self._asking.entry(parent, directory.name)
        if entry.kind != FOLDER:
            raise NoEntry(f"{directory.path} does not exist any more.")

    def forget(self, inodes: Iterable[tuple[int, int]]) -> None:
        for number, taken in inodes:
            self._forget(number, taken)

    def _forget(self, number: int, taken: int) -> None:
        directory = self._inodes.directories.get(number)
        if directory is not None and (
            directory.parent is None or directory.parent.mounted.get(directory.name) is directory
        ):
            directory.lookups = max(directory.lookups - taken, 0)
            return
        self._eviction.forgotten(taken)
        pinned = self._inodes.pinned.get(number)
        if pinned is not None and pinned.replaced:
            pinned.lookups -= taken
            self._inodes.let_go(pinned)
            return
        try:
            folder, name = self._inodes.place(number)
        except Stale:  # of a mapping that is gone: its folder went with it
            return
        if folder.forget(name, taken) and pinned is not None and not pinned.handles and not pinned.orphaned:
            del self._inodes.pinned[number]
            folder.opened.pop(name, None)

    # Directories ---------------------------------------------------------------------------------------------------

    async def open_directory(self, inode: int) -> int:
        directory = self._inodes.directory(inode)
        handle = next(self._handles)
        self._open[handle] = OpenDirectory(directory)
        directory.handles += 1
        return handle

    def close_directory(self, handle: int) -> None:
        opened = self._open.pop(handle, None)
        if opened is not None:
            self._leave(opened)
            opened.directory.handles -= 1
            self._eviction.closed()

    async def list_directory(self, handle: int, after: int, limit: int) -> Sequence[tuple[bytes, Attributes, int]]:
        opened = self._open.get(handle)
        if opened is None:
            raise BadHandle(f"There is no open directory {handle}.")
        if after == 0 or (opened.listing is None and not opened.mounted):
            await self._snapshot(opened)
        rows: list[tuple[bytes, Attributes, int]] = []
        now = trio.current_time()
        for position in range(after, min(after + limit, len(opened.mounted))):
            child = opened.mounted[position]
            child.lookups += 1
            rows.append((child.name, directory_attributes(child, now), position + 1))
        mapped = opened.directory.mapped
        if opened.listing is None or mapped is None:
            return rows
        position = max(after - len(opened.mounted), 0)
        while len(rows) < limit:
            position = self._add_rows(rows, opened, mapped, position, limit)
            if rows or opened.arrival is None or not await self._more(opened, opened.arrival, position):
                break
        return rows

    async def _snapshot(self, opened: OpenDirectory) -> None:
        directory, mapped = opened.directory, opened.directory.mapped
        self._leave(opened)
        opened.late = {}
        if mapped is not None:
            await self._walking.prepare(directory)
            if self._asking.is_listed(directory):
                opened.listing, opened.shown_at = directory.listing, directory.listed_at
            else:
                opened.arrival = self._asking.arrival(directory, mapped)
                opened.listing, opened.shown_at = opened.arrival.listing, opened.arrival.asked_at
                await self._more(opened, opened.arrival, AT_FIRST)
            if opened.arrival is None and not opened.ready:
                await self.check(directory)
            self._eviction.used(directory)
        opened.mounted = [directory.mounted[name] for name in sorted(directory.mounted)]

    async def _more(self, opened: OpenDirectory, arrival: Arrival, position: int) -> bool:
        """Waits for the row at this position; whether it comes, or late ones do."""
        await arrival.reach(position)
        if arrival.over:
            self._leave(opened)
            self._eviction.used(opened.directory)
        return position < opened.ready

    def _leave(self, opened: OpenDirectory) -> None:
        if opened.arrival is not None:
            self._asking.left(opened.arrival)
            opened.arrival = None

    def _add_rows(
        self,
        rows: list[tuple[bytes, Attributes, int]],
        opened: OpenDirectory,
        mapped: Mapped,
        position: int,
        limit: int,
    ) -> int:
        """Rows of the snapshot from a position on, counted as remembered; gives the position behind them. Written out because
        a listing has 100,000 of them."""
        listing, directory = opened.listing, opened.directory
        assert listing is not None
        shift = len(opened.mounted) + 1
        counted = listing is directory.listing or listing.growing
        counted = counted or (directory.listing is not None and directory.listing.lookups is listing.lookups)
        special = bool(directory.renumbered or directory.mounted or not counted)
        timeout = freshness.remaining(_shown_at(opened, position), trio.current_time(), mapped.ttl, FOREVER)
        kinds, numbers, sizes, modified = listing.kinds, listing.numbers, listing.sizes, listing.modified
        lookups, name_of = listing.lookups, listing.name
        modes = [mapped.mode(kind) for kind in range(ABSENT)]
        older, asked = _is_older(opened), directory.asked
        uid, gid = mapped.uid, mapped.gid
        start, left, ready = len(rows), limit - len(rows), opened.ready
        odd = bool(listing.undecided or opened.late)
        while left > 0 and position < ready:
            row = position
            if odd:
                if opened.is_late(position):
                    position += 1
                    continue
                row = opened.row(position)
            position += 1
            kind, number, name = kinds[row], numbers[row], name_of(row)
            if kind == HIDDEN or (special and name in directory.mounted):
                continue
            if older or name in asked:
                if (attributes := _as_known(directory, name)) is not None:
                    directory.remember(name, attributes.inode, 1)
                    rows.append((name, attributes, position + shift - 1))
                    left -= 1
                continue
            if special:
                number = directory.renumbered.get(name, number) if kind != FOLDER else number
                directory.remember(name, number, 1)
            else:
                lookups[row] += 1
            time = modified[row] if kind != FOLDER else FOLDER_TIME_NS
            attributes = Attributes(number, modes[kind], sizes[row], time, time, uid, gid, 1, timeout)
            rows.append((name, attributes, position + shift - 1))
            left -= 1
        if position >= len(kinds) and not listing.growing:
            directory.read_through = True
        self._eviction.remembered(directory, len(rows) - start)
        return position

    # Links and extended attributes ---------------------------------------------------------------------------------

    async def link(self, inode: int) -> Entry:
        """The entry of a symbolic link."""
        if inode not in self._inodes.directories:
            entry = await self.entry(inode)
            if entry.kind == LINK:
                return entry
        raise Unsupported("This is not a symbolic link.")

    async def extended_attributes(self, inode: int) -> dict[bytes, bytes]:
        if inode in self._inodes.directories:
            return {}
        pinned = self._inodes.pinned.get(inode)
        if pinned is not None and (pinned.replaced or pinned.handles):
            return attributes_of(pinned.version, pinned.traits)
        entry = await self.entry(inode)
        return {} if entry.version is None else attributes_of(entry.version, entry.traits)


def attributes_of(version: Version, traits: Traits) -> dict[bytes, bytes]:
    """user.etag, user.content_type, user.content_encoding, user.tier, and user.metadata.NAME for each of the blob's own."""
    found = {
        b"user.etag": version.etag,
        b"user.content_type": traits.content_type,
        b"user.content_encoding": traits.content_encoding,
        b"user.tier": traits.tier,
    }
    attributes = {name: value.encode() for name, value in found.items() if value}
    for key, value in traits.metadata.items():
        attributes[b"user.metadata." + key.encode()] = value.encode("utf-8", "surrogateescape")
    return attributes


def entry_attributes(entry: Entry, now: float) -> Attributes:
    mapped = entry.folder.mapped
    assert mapped is not None
    version = entry.version or _NO_VERSION
    timeout = freshness.remaining(entry.shown_at, now, mapped.ttl, FOREVER)
    time = version.modified_ns
    return Attributes(
        entry.number, mapped.mode(entry.kind), version.size, time, time, mapped.uid, mapped.gid, 1, timeout
    )


def pinned_attributes(pinned: Pinned) -> Attributes:
    mapped = pinned.folder.mapped
    assert mapped is not None
    time = pinned.version.modified_ns
    mode, timeout = mapped.file_mode, FOREVER if pinned.replaced else min(mapped.ttl, FOREVER)
    return Attributes(pinned.number, mode, pinned.version.size, time, time, mapped.uid, mapped.gid, 1, timeout)


def _shown_at(opened: OpenDirectory, position: int) -> float:
    """When the storage showed the rows from this position on; NEVER where they were invalidated since."""
    listing, directory = opened.listing, opened.directory
    assert listing is not None
    shown_at = max(listing.shown_at(position), opened.shown_at)
    if shown_at < directory.doubted_at or (not listing.growing and directory.listed_at == freshness.NEVER):
        return freshness.NEVER
    return shown_at


def _is_older(opened: OpenDirectory) -> bool:
    """Whether a listing that began later is here by now."""
    listing, directory = opened.listing, opened.directory
    if listing is directory.listing:
        return False
    return listing is None or not listing.growing or directory.listed_at > opened.shown_at


def _as_known(directory: Directory, name: bytes) -> Attributes | None:
    """What a row must say whose name is known better by now: the kernel may have been told, and keeps what it hears last.
    None where it is gone."""
    entry = directory.find(name)
    return None if entry is None or entry.kind == ABSENT else entry_attributes(entry, trio.current_time())


def directory_attributes(directory: Directory, now: float) -> Attributes:
    mapped = directory.mapped
    if mapped is None:
        return Attributes(directory.number, _UNMAPPED_MODE, 0, FOLDER_TIME_NS, FOLDER_TIME_NS, 0, 0, 1, 1.0)
    shown_at = directory.listed_at
    if directory.parent is None or directory.parent.mounted.get(directory.name) is directory:
        shown_at = now  # the mount table's own: always there
    else:
        entry = directory.parent.find(directory.name)
        if entry is not None and entry.kind == FOLDER:
            shown_at = max(shown_at, entry.shown_at)
    timeout = freshness.remaining(shown_at, now, mapped.ttl, FOREVER)
    return Attributes(
        directory.number, mapped.dir_mode, 0, FOLDER_TIME_NS, FOLDER_TIME_NS, mapped.uid, mapped.gid, 1, timeout
    )

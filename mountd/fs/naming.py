"""Names and attributes for the kernel: lookup, stat, directories, links, extended attributes (interface.Names).

A hit answers without a request and without waiting. It counts what the kernel remembers, and asks through `asking`.
"""

from collections.abc import Iterable, Sequence
from itertools import count

import trio

from mountd.errors import BadHandle, NoEntry, Stale, Unsupported
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

_UNMAPPED_MODE = 0o040555
_NO_VERSION = Version("", "", 0, FOLDER_TIME_NS)


class OpenDirectory:
    """State: the snapshot that a handle lists, taken when its first row is asked for."""

    __slots__ = ("directory", "listing", "mounted", "shown_at")

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.listing: Listing | None = None
        self.mounted: list[Directory] = []
        self.shown_at = freshness.NEVER


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
            opened.directory.handles -= 1

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
        if opened.listing is not None and mapped is not None and len(rows) < limit:
            self._add_rows(rows, opened, mapped, max(after, len(opened.mounted)), limit)
        return rows

    async def _snapshot(self, opened: OpenDirectory) -> None:
        directory = opened.directory
        if directory.mapped is not None:
            await self._walking.prepare(directory)
            opened.listing = await self._asking.listing(directory)
            opened.shown_at = directory.listed_at
            if opened.listing is not None and not len(opened.listing):
                await self.check(directory)
            self._eviction.used(directory)
        opened.mounted = [directory.mounted[name] for name in sorted(directory.mounted)]

    def _add_rows(
        self, rows: list[tuple[bytes, Attributes, int]], opened: OpenDirectory, mapped: Mapped, after: int, limit: int
    ) -> None:
        """Rows of the snapshot, counted as remembered. Written out because a listing has 100,000 of them."""
        listing, directory = opened.listing, opened.directory
        assert listing is not None
        shift = len(opened.mounted)
        current = directory.listing is not None and directory.listing.lookups is listing.lookups
        special = bool(directory.renumbered or directory.mounted or not current)
        # Rows of an older snapshot are as old as it; NEVER where they were invalidated since.
        shown_at = min(opened.shown_at, directory.listed_at)
        timeout = freshness.remaining(shown_at, trio.current_time(), mapped.ttl, FOREVER)
        kinds, numbers, sizes, modified = listing.kinds, listing.numbers, listing.sizes, listing.modified
        lookups, name_of = listing.lookups, listing.name
        modes = [mapped.mode(kind) for kind in range(ABSENT)]
        older, asked = directory.listing is not listing, directory.asked
        uid, gid = mapped.uid, mapped.gid
        start, row, left = len(rows), after - shift, limit - len(rows)
        while left > 0 and row < len(kinds):
            kind, number, name = kinds[row], numbers[row], name_of(row)
            row += 1
            if kind == HIDDEN or (special and name in directory.mounted):
                continue
            if older or name in asked:
                if (attributes := _as_known(directory, name)) is not None:
                    directory.remember(name, attributes.inode, 1)
                    rows.append((name, attributes, row + shift))
                    left -= 1
                continue
            if special:
                number = directory.renumbered.get(name, number) if kind != FOLDER else number
                directory.remember(name, number, 1)
            else:
                lookups[row - 1] += 1
            time = modified[row - 1] if kind != FOLDER else FOLDER_TIME_NS
            attributes = Attributes(number, modes[kind], sizes[row - 1], time, time, uid, gid, 1, timeout)
            rows.append((name, attributes, row + shift))
            left -= 1
        directory.read_through = directory.read_through or row >= len(kinds)
        self._eviction.remembered(directory, len(rows) - start)

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

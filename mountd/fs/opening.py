"""Open files: each pinned to one version, read through content (interface.Files).

`open` asks the storage when the mapping's freshness says so; `read` never asks about names. A version that is gone
from the storage is Stale for its handles, unless the bytes are cached.
"""

import os
from collections.abc import Iterator
from itertools import count

import trio

from mountd.content.interface import Content, OpenContent, Source
from mountd.errors import Archived, BadHandle, IsADirectory, NoEntry, NotFound, PreconditionFailed, ReadOnly, Stale
from mountd.fs.asking import Asking
from mountd.fs.directory import Entry
from mountd.fs.inodes import Inodes, Pinned
from mountd.fs.interface import Opened
from mountd.fs.listing import ABSENT, FILE, FOLDER
from mountd.fs.naming import Naming
from mountd.fs.order import Orders
from mountd.fs.siblings import Siblings
from mountd.fs.versions import Versions
from mountd.types import Buffer, WallClock

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_TRUNC
_LONGEST_LINK = 4096


class OpenHandle:
    """One open file."""

    __slots__ = ("bytes_read", "content", "opened_ns", "pinned")

    def __init__(self, pinned: Pinned, content: OpenContent, opened_ns: int) -> None:
        self.pinned = pinned
        self.content = content
        self.opened_ns = opened_ns
        self.bytes_read = 0


class Ahead:
    """Who hears of opened files, to fetch others ahead: orders that say what comes, and guesses where none does."""

    def __init__(self, siblings: Siblings, orders: Orders) -> None:
        self._siblings = siblings
        self._orders = orders

    def opened(self, entry: Entry, *, first: bool, guess: bool) -> None:
        if self._orders.running and self._orders.opened(entry.folder, entry.name, entry.number):
            return
        if first and guess:
            self._siblings.opened(entry)


class Opening:
    """State: the open handles."""

    def __init__(self, inodes: Inodes, naming: Naming, asking: Asking, versions: Versions, ahead: Ahead) -> None:
        self._inodes = inodes
        self._naming = naming
        self._asking = asking
        self._versions = versions
        self._ahead = ahead
        self._handles = count(1)
        self._open: dict[int, OpenHandle] = {}

    async def open(self, inode: int, flags: int, content: Content, wall_clock: WallClock) -> Opened:
        if flags & _WRITES:
            raise ReadOnly("This mount does not write.", remedy="Open the file for reading only.")
        if inode in self._inodes.directories:
            raise IsADirectory("A directory is not opened as a file.")
        entry = await self._current(inode, direct=bool(flags & os.O_DIRECT))
        first = inode not in self._inodes.pinned
        pinned = self._pin(entry, inode)
        if pinned.traits.archived:
            raise Archived(
                f"{entry.folder.path_of(entry.name)} is in the archive tier and cannot be read.",
                remedy="Rehydrate it first: set its tier to Hot, Cool or Cold, and wait until that is done.",
            )
        keep_cache = pinned.cached == pinned.version.etag
        pinned.cached = pinned.version.etag
        handle = next(self._handles)
        self._open[handle] = OpenHandle(pinned, content.open(pinned.source, pinned.version), wall_clock())
        pinned.handles += 1
        self._ahead.opened(entry, first=first, guess=entry.kind == FILE and pinned.source.prefetch)
        return Opened(handle, keep_cache)

    async def _current(self, inode: int, *, direct: bool) -> Entry:
        """The entry to open, as fresh as its mapping wants. Stale sends the kernel to look the path up again."""
        entry = await self._naming.entry(inode)
        mapped = entry.folder.mapped
        if mapped is not None and (direct or mapped.always_asks):
            entry = await self._asking.entry(entry.folder, entry.name, at_once=True)
        if entry.kind == ABSENT:
            raise NoEntry(f"{entry.folder.path_of(entry.name)} does not exist any more.")
        if entry.kind == FOLDER:
            raise IsADirectory(f"{entry.folder.path_of(entry.name)} is a directory by now.")
        if entry.number != inode:
            raise Stale(
                f"{entry.folder.path_of(entry.name)} was replaced while it was open.", remedy="Open the path again."
            )
        return entry

    def _pin(self, entry: Entry, inode: int) -> Pinned:
        pinned = self._inodes.pinned.get(inode)
        if pinned is None:
            if not self._asking.told.is_current(entry, trio.current_time()):
                raise Stale(
                    f"{entry.folder.path_of(entry.name)} has changed since its size was told.",
                    remedy="Open the path again.",
                )
            assert entry.folder.mapped is not None
            pinned = self._inodes.pinned[inode] = Pinned(entry, entry.folder.mapped.source)
            entry.folder.opened[entry.name] = inode
        return pinned

    async def read(self, handle: int, offset: int, size: int) -> Buffer:
        opened = self._open.get(handle)
        if opened is None:
            raise BadHandle(f"There is no open file {handle}.")
        try:
            data = await opened.content.read(offset, size)
        except (PreconditionFailed, NotFound) as error:
            pinned = opened.pinned
            self._versions.doubt(pinned)
            raise Stale(
                f"{pinned.folder.path_of(pinned.name)} was replaced or deleted in the storage since it was opened.",
                remedy="Open it again to read what is there now.",
                request_id=error.request_id,
            ) from error
        opened.bytes_read += len(data)
        return data

    def release(self, handle: int) -> None:
        opened = self._open.pop(handle, None)
        if opened is None:
            return
        opened.content.close()
        pinned = opened.pinned
        pinned.handles -= 1
        self._inodes.let_go(pinned)

    async def read_link(self, inode: int, content: Content) -> bytes:
        entry = await self._naming.link(inode)
        assert entry.version is not None
        if entry.version.size == 0:
            return b""
        source = _source(entry)
        opened = content.open(source, entry.version)
        try:
            return bytes(await opened.read(0, min(entry.version.size, _LONGEST_LINK)))
        except (PreconditionFailed, NotFound) as error:
            entry.folder.doubt_name(entry.name, trio.current_time())
            raise Stale(f"{entry.folder.path_of(entry.name)} was replaced in the storage.") from error
        finally:
            opened.close()

    def handles(self) -> Iterator[tuple[int, OpenHandle]]:
        return iter(self._open.items())


def _source(entry: Entry) -> Source:
    assert entry.folder.mapped is not None
    return entry.folder.mapped.source

"""The tree by path, for control/: what a path is and where its bytes are (interface.Inspector)."""

from collections.abc import Sequence

import trio

from mountd.content.interface import Content
from mountd.errors import IsADirectory, NoEntry, NotADirectory, Unsupported
from mountd.fs.asking import Asking
from mountd.fs.directory import Directory, Entry
from mountd.fs.eviction import Eviction
from mountd.fs.interface import KernelCache, OpenFile, PathReport
from mountd.fs.listing import ABSENT, FILE, FOLDER, HIDDEN, LINK, Listing
from mountd.fs.mounts import Mounts
from mountd.fs.opening import Opening
from mountd.fs.walking import Walking
from mountd.rules import names
from mountd.rules.freshness import NEVER

AT_A_TIME = 2000
"""Rows gone through before everybody else has a turn: a few milliseconds."""

_KINDS = {FILE: "file", LINK: "symlink"}


class TreeInspector:
    """State: none of its own."""

    def __init__(self, mounts: Mounts, asking: Asking, walking: Walking, opening: Opening, kernel: KernelCache) -> None:
        self._mounts = mounts
        self._inodes = mounts.inodes
        self._asking = asking
        self._walking = walking
        self._opening = opening
        self._kernel = kernel

    async def find(self, path: str) -> Directory | Entry:
        """What is at a path: a Directory, or the entry of a file or link. NoEntry, NotADirectory."""
        here: Directory | Entry = self._mounts.root
        for segment in path.split("/"):
            if not segment:
                continue
            if isinstance(here, Entry):
                raise NotADirectory(f"{here.folder.path_of(here.name)} is not a directory.")
            here = await self._step(here, names.encoded(segment))
        return here

    async def _step(self, folder: Directory, name: bytes) -> Directory | Entry:
        mounted = folder.mounted.get(name)
        if mounted is not None:
            return mounted
        entry = await self._asking.entry(folder, name)
        if entry.kind == ABSENT:
            raise NoEntry(f"{folder.path_of(name)} does not exist.")
        return self._inodes.child(folder, name, entry.number) if entry.kind == FOLDER else entry

    async def report(self, path: str, content: Content) -> PathReport:
        here = await self.find(path)
        if isinstance(here, Directory):
            return _directory_report(here)
        mapped, version = here.folder.mapped, here.version
        assert mapped is not None
        assert version is not None
        held = content.held(mapped.source.reader.identity, version)
        pinned = self._inodes.pinned.get(here.number)
        return PathReport(
            path=here.folder.path_of(here.name),
            kind=_KINDS[here.kind],
            datastore=mapped.definition.datastore,
            key=version.key,
            etag=version.etag,
            size=version.size,
            modified_ns=version.modified_ns,
            inode=here.number,
            tier=here.traits.tier,
            content_type=here.traits.content_type,
            metadata=dict(here.traits.metadata),
            memory_bytes=held.memory,
            disk_bytes=held.disk,
            open_handles=0 if pinned is None else pinned.handles,
        )

    async def invalidate(self, path: str) -> int:
        """By what is known, without a request: a storage that is down keeps nobody from doubting it. The kernel has
        forgotten too when this returns: the next open or stat asks."""
        touched = await self._invalidate(path)
        await self._kernel.settled()
        return touched

    async def _invalidate(self, path: str) -> int:
        self._walking.doubt()
        here: Directory = self._mounts.root
        for segment in [segment for segment in path.split("/") if segment]:
            name = names.encoded(segment)
            child = here.mounted.get(name) or here.children.get(name)
            if child is None:
                return self._doubt_name(here, name)
            here = child
        if here.parent is not None and here.parent.mounted.get(here.name) is not here:
            self._doubt_name(here.parent, here.name)
        touched = 0
        for directory, listings, asked in self._doubt(here):
            touched += await self._tell_kernel(directory, listings, asked)
        return touched

    def _doubt_name(self, folder: Directory, name: bytes) -> int:
        entry = folder.find(name)
        folder.doubt_name(name, trio.current_time())
        self._kernel.forget_entry(folder.number, name)
        if entry is None or not entry.number:
            return 0
        self._kernel.forget_inode(entry.number, attributes_only=True)
        return 1

    def _doubt(self, directory: Directory) -> list[tuple[Directory, list[Listing], list[bytes]]]:
        """Doubts a folder and all below it, at once; gives what the kernel may know of each."""
        doubted = [(directory, list(directory.listings()), list(directory.asked))]
        directory.doubt(trio.current_time())
        for child in (*directory.children.values(), *directory.mounted.values()):
            doubted += self._doubt(child)
        return doubted

    async def _tell_kernel(self, directory: Directory, listings: list[Listing], asked: list[bytes]) -> int:
        """Names are looked up again, and with that their attributes; open files are asked about by number."""
        self._kernel.forget_inode(directory.number, attributes_only=True)
        touched = 1
        for listing in listings:
            for row in range(len(listing.lookups)):
                if row % AT_A_TIME == 0:
                    await trio.lowlevel.checkpoint()
                if listing.lookups[row]:
                    touched += 1
                    self._kernel.forget_entry(directory.number, listing.name(row))
        for name in asked:
            self._kernel.forget_entry(directory.number, name)
        for number in directory.opened.values():
            self._kernel.forget_inode(number, attributes_only=True)
        await trio.lowlevel.checkpoint()
        return touched

    async def files_below(self, path: str, eviction: Eviction) -> Sequence[str]:
        here = await self.find(path)
        if isinstance(here, Entry):
            return [here.folder.path_of(here.name)] if here.kind == FILE else []
        found: list[str] = []
        waiting = [here]
        while waiting:
            directory = waiting.pop()
            waiting.extend(await self._files_in(directory, found))
            eviction.used(directory)
        return sorted(found)

    async def _files_in(self, directory: Directory, found: list[str]) -> list[Directory]:
        """Adds a folder's files; gives its folders."""
        if directory.mapped is not None:
            directory.listed_at = NEVER
        listing = await self._asking.listing(directory)
        below = list(directory.mounted.values())
        if listing is not None:
            await self._name_rows(directory, listing, found, below)
        return below

    async def _name_rows(
        self, directory: Directory, listing: Listing, found: list[str], below: list[Directory]
    ) -> None:
        base = directory.path_of(b"")
        for row in range(len(listing)):
            if row % AT_A_TIME == 0:
                await trio.lowlevel.checkpoint()
            name, kind = listing.name(row), listing.kinds[row]
            if name in directory.mounted or kind == HIDDEN:
                continue
            if kind == FOLDER:
                below.append(self._inodes.child(directory, name, listing.numbers[row]))
            elif kind == FILE:
                found.append(base + names.decoded(name))

    async def warm(self, path: str, content: Content) -> int:
        here = await self.find(path)
        if isinstance(here, Directory):
            raise IsADirectory(f"{here.path} is a directory.", remedy="Warm its files one by one.")
        if here.kind != FILE or here.version is None or here.folder.mapped is None:
            raise Unsupported(f"{here.folder.path_of(here.name)} is a symbolic link.", remedy="Warm what it points to.")
        return await content.warm(here.folder.mapped.source, here.version)

    def open_files(self) -> Sequence[OpenFile]:
        return [
            OpenFile(
                path=opened.pinned.folder.path_of(opened.pinned.name),
                handle=handle,
                inode=opened.pinned.number,
                etag=opened.pinned.version.etag,
                bytes_read=opened.bytes_read,
                opened_ns=opened.opened_ns,
            )
            for handle, opened in self._opening.handles()
        ]


def _directory_report(directory: Directory) -> PathReport:
    mapped = directory.mapped
    return PathReport(
        path=directory.path,
        kind="directory",
        datastore="" if mapped is None else mapped.definition.datastore,
        key=directory.prefix,
        etag="",
        size=0,
        modified_ns=0,
        inode=directory.number,
        tier="",
        content_type="",
        metadata={},
        memory_bytes=0,
        disk_bytes=0,
        open_handles=directory.handles,
    )

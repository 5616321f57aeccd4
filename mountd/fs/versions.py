"""What happens to files that are or were open when a storage shows that they changed (SEMANTICS 3).

With open handles the path gets a new inode number and the handles keep the old one; without, the number stays and the
pages and blocks of the old version are dropped. Nothing here asks or waits.
"""

import trio

from mountd.content.interface import Content
from mountd.fs.directory import Directory, Entry
from mountd.fs.inodes import Inodes, Pinned
from mountd.fs.interface import KernelCache
from mountd.fs.listing import ABSENT


class Versions:
    """asking.Shown: hears every answer about names."""

    def __init__(self, inodes: Inodes, content: Content, kernel: KernelCache) -> None:
        self._inodes = inodes
        self._content = content
        self._kernel = kernel

    def listed(self, folder: Directory) -> None:
        for name in list(folder.opened):
            entry = folder.find(name)
            if entry is not None:
                self.learned(entry)
        for number in list(self._inodes.orphans):
            met = folder.entry_of(number)
            if met is not None:
                self._meet_orphan(met)

    def learned(self, entry: Entry) -> Entry:
        if entry.number in self._inodes.orphans:
            self._meet_orphan(entry)
        number = entry.folder.opened.get(entry.name)
        pinned = None if number is None else self._inodes.pinned.get(number)
        if pinned is None or (entry.version is not None and entry.version.etag == pinned.version.etag):
            return entry
        del entry.folder.opened[entry.name]
        if pinned.handles:
            self._part(pinned, entry)
        else:
            self._drop(pinned, gone=entry.version is None)
        return entry

    def _part(self, pinned: Pinned, entry: Entry) -> None:
        """The open handles keep number and version; the path goes on under another number."""
        folder, name = entry.folder, entry.name
        pinned.replaced = True
        pinned.lookups = folder.take_lookups(name)
        folder.renumber(name, folder.spare_number(name, "" if entry.version is None else entry.version.etag))
        if entry.kind != ABSENT:
            entry.number = folder.number_of(name, entry.kind)
        self._kernel.forget_entry(folder.number, name)

    def _meet_orphan(self, entry: Entry) -> None:
        """A mapping came back while files are open from before: an inode has one content, so that another version of the path
        gets another number; the same one is the same inode."""
        folder, version = entry.folder, entry.version
        if version is None or folder.mapped is None:
            return
        pinned = self._inodes.pinned[entry.number]
        if pinned.version.etag != version.etag:
            folder.renumber(entry.name, folder.spare_number(entry.name, version.etag))
            entry.number = folder.number_of(entry.name, entry.kind)
        elif entry.number in self._inodes.orphans:
            self._inodes.adopt(pinned, entry, folder.mapped.source)

    def _drop(self, pinned: Pinned, *, gone: bool) -> None:
        del self._inodes.pinned[pinned.number]
        self._content.drop(pinned.source.reader.identity, pinned.version.key)
        self._kernel.forget_inode(pinned.number)
        if gone:
            self._kernel.forget_entry(pinned.folder.number, pinned.name)

    def doubt(self, pinned: Pinned) -> None:
        """A read found that the version is gone: the next call on the path asks."""
        if not pinned.replaced:
            pinned.folder.doubt_name(pinned.name, trio.current_time())
            self._kernel.forget_entry(pinned.folder.number, pinned.name)
            self._kernel.forget_inode(pinned.number, attributes_only=True)

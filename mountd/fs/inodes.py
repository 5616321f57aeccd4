"""From an inode number to what it is. A number that the kernel knows costs nothing here: it leads to its folder.

Three places: folders somebody looked into, files that are or were open (pinned to a version), and the rows of listings, found
through the upper bits of the number. It must not ask a storage.
"""

from mountd.content.interface import Source
from mountd.errors import NotADirectory, Stale
from mountd.fs.directory import Directory, Entry
from mountd.fs.listing import FOLDER
from mountd.rules import names
from mountd.rules.inodes import NAME_BITS, bucket_of
from mountd.types import Traits, Version


class Pinned:
    """A file that has been opened since the kernel learned of it: its content is one version (SEMANTICS 2, 3).

    `cached` is the etag whose pages the kernel may hold. `replaced`: the path has another content and number by now;
    `lookups` is then what the kernel remembers of this one. `orphaned`: its folder left the tree with a mapping.
    """

    __slots__ = (
        "cached",
        "folder",
        "handles",
        "lookups",
        "name",
        "number",
        "orphaned",
        "replaced",
        "source",
        "traits",
        "version",
    )

    def __init__(self, entry: Entry, source: Source) -> None:
        assert entry.version is not None
        self.number = entry.number
        self.folder = entry.folder
        self.name = entry.name
        self.source = source
        self.version: Version = entry.version
        self.traits: Traits = entry.traits
        self.handles = 0
        self.lookups = 0
        self.cached = ""
        self.replaced = False
        self.orphaned = False


class Inodes:
    """State: `directories` and `pinned` by number, `orphans` (numbers of pinned files whose folder left the tree), `_buckets` by
    the upper bits of the numbers in a folder."""

    def __init__(self) -> None:
        self.directories: dict[int, Directory] = {}
        self.pinned: dict[int, Pinned] = {}
        self.orphans: set[int] = set()
        self._buckets: dict[int, list[Directory]] = {}

    def add(self, directory: Directory) -> None:
        self.directories[directory.number] = directory
        if directory.bucket >= 0:
            self._buckets.setdefault(directory.bucket, []).append(directory)

    def drop(self, directory: Directory) -> None:
        """Forgets a folder object; its number, if the kernel still asks, leads to its parent's row again."""
        if self.directories.get(directory.number) is directory:
            del self.directories[directory.number]
        bucket = self._buckets.get(directory.bucket)
        if bucket is not None and directory in bucket:
            bucket.remove(directory)
            if not bucket:
                del self._buckets[directory.bucket]
        if directory.parent is not None and directory.parent.children.get(directory.name) is directory:
            del directory.parent.children[directory.name]

    def drop_below(self, directory: Directory) -> None:
        for child in list(directory.children.values()):
            self.drop_below(child)
            self.drop(child)

    def leave_orphans(self) -> None:
        """After folders left the tree: files open in them stay for their handles, the others are forgotten."""
        for pinned in list(self.pinned.values()):
            if self.directories.get(pinned.folder.number) is not pinned.folder:
                pinned.orphaned = True
                self.orphans.add(pinned.number)
                self.let_go(pinned)

    def let_go(self, pinned: Pinned) -> None:
        """Drops a file that has left its path, once nobody holds it."""
        left = pinned.orphaned or (pinned.replaced and pinned.lookups <= 0)
        if left and not pinned.handles and self.pinned.get(pinned.number) is pinned:
            del self.pinned[pinned.number]
            self.orphans.discard(pinned.number)

    def adopt(self, pinned: Pinned, entry: Entry, source: Source) -> None:
        """The folder of an orphan came back, and with it the very version that is still open."""
        pinned.folder, pinned.source, pinned.orphaned, pinned.replaced = entry.folder, source, False, False
        entry.folder.opened[entry.name] = pinned.number
        self.orphans.discard(pinned.number)

    def place(self, number: int) -> tuple[Directory, bytes]:
        """The folder and name of a number that is no Directory. Stale: nothing has this number any more."""
        for folder in self._buckets.get(bucket_of(number), ()):
            name = folder.name_of(number)
            if name is not None:
                return folder, name
        raise _stale()

    def known(self, number: int) -> Entry:
        """What is known of a number that is no Directory, however old; as `place` does, raises Stale."""
        for folder in self._buckets.get(number >> NAME_BITS, ()):
            entry = folder.entry_of(number)
            if entry is not None:
                return entry
        raise _stale()

    def directory(self, number: int) -> Directory:
        """A folder by number; made from its row when somebody looks into it for the first time."""
        found = self.directories.get(number)
        if found is not None:
            return found
        folder, name = self.place(number)
        entry = folder.find(name)
        if entry is None or entry.kind != FOLDER:
            raise NotADirectory(f"{folder.path_of(name)} is not a directory.")
        return self.child(folder, name, number)

    def child(self, folder: Directory, name: bytes, number: int) -> Directory:
        """The Directory of a name known to be a folder."""
        child = folder.mounted.get(name) or folder.children.get(name)
        if child is None:
            meant = names.meant(name)
            prefix = folder.key_prefix(name, None if meant is None else meant[0])
            child = Directory(number, folder, name, folder.mapped, prefix)
            folder.children[name] = child
            self.add(child)
        return child


def _stale() -> Stale:
    return Stale("This file is no longer what it was.", remedy="Look the path up again.")

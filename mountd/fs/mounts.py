"""The mappings on the live tree: the mount table as Directories.

A mapping's root, and each folder on the way to one, is a Directory that is there whatever a storage says (`mounted` in its
parent). Attaching and detaching replaces exactly the Directories whose owner changed, and touches no open file.
"""

from collections.abc import Iterator

from mountd.content.interface import Source
from mountd.definitions import MappingDefinition, Origin
from mountd.fs.directory import Directory
from mountd.fs.inodes import Inodes
from mountd.fs.interface import ROOT_INODE, KernelCache
from mountd.fs.mapped import Mapped
from mountd.rules import names
from mountd.rules.inodes import FolderNumbers
from mountd.rules.mount_table import MountTable, parent


class Mounts:
    """State: the table, the mapped sources, and `_fixed`: the Directories by path that the table puts there."""

    def __init__(self, inodes: Inodes, kernel: KernelCache) -> None:
        self.inodes = inodes
        self._kernel = kernel
        self._table = MountTable()
        self._mapped: dict[tuple[str, bool], Mapped] = {}
        self._fixed: dict[str, Directory] = {}
        self._numbers = FolderNumbers("mount table", "", "")
        self._arrange()

    @property
    def root(self) -> Directory:
        return self._fixed["/"]

    def table(self) -> MountTable:
        return self._table

    def attach(self, definition: MappingDefinition, source: Source) -> None:
        """InvalidDefinition, with nothing changed, where the table refuses it."""
        self._table = self._table.add(definition)
        self._mapped[_key(definition)] = Mapped(definition, source)
        self._arrange()

    def detach(self, path: str) -> None:
        definition = self._table.at(path)
        self._table = self._table.remove(path)
        self._mapped.pop(_key(definition)).attached = False
        self._arrange()

    def shown(self) -> Iterator[Mapped]:
        for definition in self._table.shown():
            yield self._mapped[_key(definition)]

    def _arrange(self) -> None:
        """Makes the fixed Directories what the table says, parents first."""
        wanted = {"/"}
        for definition in self._table.shown():
            path = definition.path
            while path not in wanted:
                wanted.add(path)
                path = parent(path)
        for path in sorted(set(self._fixed) - wanted, key=len, reverse=True):
            self._remove(path)
        for path in sorted(wanted):
            self._place(path)
        self.inodes.leave_orphans()

    def _place(self, path: str) -> None:
        place = self._table.resolve(path)
        assert place is not None
        mapped = None if place.mapping is None else self._mapped[_key(place.mapping)]
        prefix = "" if mapped is None else mapped.definition.prefix + _prefix(place.relative)
        old = self._fixed.get(path)
        above = None if path == "/" else self._fixed[parent(path)]
        if old is not None and old.mapped is mapped and old.prefix == prefix and old.parent is above:
            return
        name = names.encoded(path.rpartition("/")[2])
        owner = "" if mapped is None else f"{mapped.source.reader.identity}"
        number = ROOT_INODE if above is None else self._numbers.number(names.encoded(f"{path}\0{owner}\0{prefix}"))
        fresh = Directory(number, above, name, mapped, prefix)
        if old is not None:
            fresh.lookups, fresh.handles = old.lookups, old.handles
            self._discard(old)
        self._fixed[path] = fresh
        self.inodes.add(fresh)
        if above is not None:
            hidden = above.children.pop(name, None)
            if hidden is not None:
                self._discard(hidden)
            above.mounted[name] = fresh
            self._kernel.forget_entry(above.number, name)
        else:
            self._kernel.forget_inode(ROOT_INODE, attributes_only=True)

    def _remove(self, path: str) -> None:
        gone = self._fixed.pop(path)
        self._discard(gone)
        if gone.parent is not None:
            gone.parent.mounted.pop(gone.name, None)
            self._kernel.forget_entry(gone.parent.number, gone.name)

    def _discard(self, directory: Directory) -> None:
        for listing in directory.listings() if directory.number == ROOT_INODE else ():
            for row, count in enumerate(listing.lookups):
                if count:
                    self._kernel.forget_entry(ROOT_INODE, listing.name(row))
        self.inodes.drop_below(directory)
        self.inodes.drop(directory)


def _key(definition: MappingDefinition) -> tuple[str, bool]:
    return definition.path, definition.origin is Origin.BUILT_IN


def _prefix(relative: str) -> str:
    """The keys' part of a path below a mapping's root."""
    if not relative:
        return ""
    segments = []
    for name in relative.split("/"):
        meant = names.meant(names.encoded(name))
        segments.append(name if meant is None else meant[0])
    return "/".join(segments) + "/"

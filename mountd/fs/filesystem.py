"""The tree, for its doors: fs.interface's Names, Files and Inspector in one object.

Puts the rooms of fs/ together and passes calls on; what a call means is in the room it names. Attaching and detaching
mappings happens here while everything else goes on.
"""

from collections.abc import Iterable, Sequence

from mountd.content.interface import Content, Source
from mountd.definitions import MappingDefinition
from mountd.fs.asking import Asking
from mountd.fs.config import TreeConfig
from mountd.fs.eviction import Eviction
from mountd.fs.inodes import Inodes
from mountd.fs.inspector import TreeInspector
from mountd.fs.interface import Attributes, KernelCache, NameCapacity, Opened, OpenFile, PathReport, Teller
from mountd.fs.mounts import Mounts
from mountd.fs.naming import Naming
from mountd.fs.opening import Ahead, Opening
from mountd.fs.order import Orders
from mountd.fs.siblings import Siblings
from mountd.fs.told import Told
from mountd.fs.versions import Versions
from mountd.fs.walking import Walking
from mountd.rules.lines import Lines
from mountd.rules.mount_table import MountTable
from mountd.types import Buffer, WallClock

_TOTAL = 1 << 60  # bytes; an exbibyte: what storages say of their limit, which is nothing


class Filesystem:
    """Names, Files and Inspector. One per daemon; lives in one trio loop."""

    def __init__(self, content: Content, kernel: KernelCache, config: TreeConfig, wall_clock: WallClock) -> None:
        self._content = content
        self._config = config
        self._wall_clock = wall_clock
        inodes = Inodes()
        versions = Versions(inodes, content, kernel)
        self._eviction = Eviction(config, inodes, kernel)
        asking = Asking(versions, Told())
        walking = Walking(asking, config)
        self._mounts = Mounts(inodes, kernel)
        self._naming = Naming(inodes, asking, walking, self._eviction)
        self._orders = Orders(self._mounts, asking, self._eviction, content)
        ahead = Ahead(Siblings(content, config), self._orders)
        self._opening = Opening(inodes, self._naming, asking, versions, ahead)
        self._inspector = TreeInspector(self._mounts, asking, walking, self._opening, kernel)

    # Mappings ------------------------------------------------------------------------------------------------------

    def attach(self, mapping: MappingDefinition, source: Source) -> None:
        """Shows a mapping. InvalidDefinition, and nothing is changed, where the mount table refuses it."""
        self._mounts.attach(mapping, source)

    def detach(self, path: str) -> None:
        """Ends the mapping shown at exactly this path; files open on it go on. UnknownMapping."""
        self._mounts.detach(path)

    def mappings(self) -> Sequence[MappingDefinition]:
        return self._mounts.table().shown()

    def table(self) -> MountTable:
        return self._mounts.table()

    # Names ---------------------------------------------------------------------------------------------------------

    async def lookup(self, parent: int, name: bytes) -> Attributes:
        return await self._naming.lookup(parent, name)

    def negative_timeout(self, parent: int) -> float:
        return self._naming.negative_timeout(parent)

    async def attributes(self, inode: int) -> Attributes:
        return await self._naming.attributes(inode)

    def forget(self, inodes: Iterable[tuple[int, int]]) -> None:
        self._naming.forget(inodes)

    async def open_directory(self, inode: int) -> int:
        return await self._naming.open_directory(inode)

    async def list_directory(self, handle: int, after: int, limit: int) -> Sequence[tuple[bytes, Attributes, int]]:
        return await self._naming.list_directory(handle, after, limit)

    def close_directory(self, handle: int) -> None:
        self._naming.close_directory(handle)

    async def read_link(self, inode: int) -> bytes:
        return await self._opening.read_link(inode, self._content)

    async def extended_attributes(self, inode: int) -> dict[bytes, bytes]:
        return await self._naming.extended_attributes(inode)

    def capacity(self) -> NameCapacity:
        return NameCapacity(self._config.block_size, _TOTAL, _TOTAL, 255)

    # Files ---------------------------------------------------------------------------------------------------------

    async def open(self, inode: int, flags: int) -> Opened:
        return await self._opening.open(inode, flags, self._content, self._wall_clock)

    async def read(self, handle: int, offset: int, size: int) -> Buffer:
        return await self._opening.read(handle, offset, size)

    def release(self, handle: int) -> None:
        self._opening.release(handle)

    # Inspector -----------------------------------------------------------------------------------------------------

    async def report(self, path: str) -> PathReport:
        return await self._inspector.report(path, self._content)

    async def invalidate(self, path: str) -> int:
        return await self._inspector.invalidate(path)

    async def files_below(self, path: str) -> Sequence[str]:
        return await self._inspector.files_below(path, self._eviction)

    async def warm(self, path: str) -> int:
        return await self._inspector.warm(path, self._content)

    def open_files(self) -> Sequence[OpenFile]:
        return self._inspector.open_files()

    async def follow(self, lines: Lines, teller: Teller) -> None:
        await self._orders.follow(lines, teller)

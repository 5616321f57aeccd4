"""What fs/ offers its doors: the tree as inodes for fuse/, as paths for control/; and what it asks of the kernel's door.

fs/ knows no FUSE: numbers in, values and errors (errors.TreeError, errors.StoreError) out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from mountd.errors import MountdError
from mountd.types import Buffer

ROOT_INODE = 1


class Attributes(NamedTuple):
    """stat of one inode. `mode` has the type bits. `timeout` is how long the kernel may believe it, seconds.

    A tuple, because each row of a listing is one: it is made in 0.4 µs, a frozen dataclass in 1.2.
    """

    inode: int
    mode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    uid: int
    gid: int
    nlink: int = 1
    timeout: float = 0.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An open file. `keep_cache`: the kernel's pages of this inode are still this version's."""

    handle: int
    keep_cache: bool


@dataclass(frozen=True, slots=True)
class NameCapacity:
    """statfs of the mount: sizes in bytes, made up where the storage has no limit."""

    block_size: int
    total: int
    free: int
    name_max: int


class Names(Protocol):
    """Names and attributes, for fuse/. A successful `lookup`, and each entry `list_directory` returns beside `.` and `..`,
    adds one to what the kernel remembers of that inode; `forget` takes it back."""

    async def lookup(self, parent: int, name: bytes) -> Attributes:
        """NoEntry only when the storage said so. `negative_timeout` tells how long the kernel may believe that."""
        ...

    def negative_timeout(self, parent: int) -> float: ...

    async def attributes(self, inode: int) -> Attributes: ...

    def forget(self, inodes: Iterable[tuple[int, int]]) -> None: ...

    async def open_directory(self, inode: int) -> int: ...

    async def list_directory(self, handle: int, after: int, limit: int) -> Sequence[tuple[bytes, Attributes, int]]:
        """Up to `limit` rows (name, attributes, cookie) behind cookie `after` (0: from the start); empty at the end. The
        listing of a handle is one snapshot, so that a name is neither repeated nor skipped. Rows that the kernel did not take are
        given back with `forget`."""
        ...

    def close_directory(self, handle: int) -> None: ...

    async def read_link(self, inode: int) -> bytes: ...

    async def extended_attributes(self, inode: int) -> dict[bytes, bytes]: ...

    def capacity(self) -> NameCapacity: ...


class Files(Protocol):
    """Open files, for fuse/."""

    async def open(self, inode: int, flags: int) -> Opened: ...

    async def read(self, handle: int, offset: int, size: int) -> Buffer: ...

    def release(self, handle: int) -> None: ...


class KernelCache(Protocol):
    """Invalidations, asked by fs/, carried out by fuse/ from a worker thread. Asking never waits; safe where nothing is mounted."""

    def forget_inode(self, inode: int, *, attributes_only: bool = False) -> None: ...

    def forget_entry(self, parent: int, name: bytes) -> None: ...

    async def settled(self) -> None:
        """Returns when the kernel has done all that was asked before, or after a few seconds."""
        ...


@dataclass(frozen=True, slots=True)
class PathReport:
    """What `mountctl stat` shows of one path: where it comes from and where its bytes are."""

    path: str
    kind: str  # "file", "directory" or "symlink"
    datastore: str
    key: str
    etag: str
    size: int
    modified_ns: int
    inode: int
    tier: str
    content_type: str
    metadata: dict[str, str]
    memory_bytes: int
    disk_bytes: int
    open_handles: int


@dataclass(frozen=True, slots=True)
class OpenFile:
    path: str
    handle: int
    inode: int
    etag: str
    bytes_read: int
    opened_ns: int


@dataclass(frozen=True, slots=True)
class OrderState:
    """How an order fares, in lines: those behind its readers (`done`), all, read, on their way or waiting in memory (`ahead`), and
    those that name no file (`bad`); and the bytes asked for."""

    done: int
    total: int
    bytes: int
    read: int
    ahead: int
    bad: int


class Teller(Protocol):
    """Hears how an order fares."""

    def progress(self, state: OrderState) -> None: ...

    def bad_line(self, line: int, path: str, error: MountdError) -> None:
        """`line` counts from 1."""
        ...


class Inspector(Protocol):
    """The tree by path, for control/. Paths are absolute in the tree ("/" is its root)."""

    async def report(self, path: str) -> PathReport: ...

    async def invalidate(self, path: str) -> int:
        """Asks the storage anew from now on for the path and all below it; gives how many inodes that touched."""
        ...

    async def files_below(self, path: str) -> Sequence[str]:
        """Paths of all files at or below `path`, from a fresh listing."""
        ...

    async def warm(self, path: str) -> int:
        """Fetches one file into the cache; gives the bytes fetched."""
        ...

    def open_files(self) -> Sequence[OpenFile]: ...

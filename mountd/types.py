"""The words of the data path: versions, listings, identities. Values only: no I/O, no clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

KiB = 1 << 10
MiB = 1 << 20
GiB = 1 << 30

Buffer: TypeAlias = bytes | memoryview
"""Bytes as they came: never copied without need, so a view of a foreign buffer is as good as `bytes`."""

WallClock: TypeAlias = Callable[[], int]
"""Nanoseconds since the epoch; `time.time_ns` outside tests. For timestamps only: deadlines use `trio.current_time()`."""


class BlobKind(StrEnum):
    BLOCK = "block"
    APPEND = "append"
    PAGE = "page"


@dataclass(frozen=True, slots=True)
class Version:
    """One content of one key. `etag` is unquoted; `modified_ns` is the store's Last-Modified."""

    key: str
    etag: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True)
class Traits:
    """What is known of an object beside its version. Most objects have none: `PLAIN`."""

    kind: BlobKind = BlobKind.BLOCK
    tier: str = ""
    archived: bool = False
    content_type: str = ""
    content_encoding: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


PLAIN = Traits()


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    version: Version
    traits: Traits = PLAIN


@dataclass(slots=True)
class ListPage:
    """One page of a listing, column by column: row i is keys[i], etags[i], sizes[i], modified_ns[i].

    `traits` has rows only for objects that are not PLAIN. `folders` are the common prefixes of a one-level listing, each
    ending in "/". Keys and folders are whole keys of the store, unchanged, in the store's order (bytes of UTF-8).
    """

    keys: list[str] = field(default_factory=list)
    etags: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    modified_ns: list[int] = field(default_factory=list)
    traits: dict[int, Traits] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)

    def info(self, row: int) -> ObjectInfo:
        version = Version(self.keys[row], self.etags[row], self.sizes[row], self.modified_ns[row])
        return ObjectInfo(version, self.traits.get(row, PLAIN))


@dataclass(frozen=True, slots=True)
class StoreIdentity:
    """Where bytes come from, whatever name they are registered under: what cached bytes are filed by."""

    kind: str
    endpoint: str
    account: str
    container: str

    def __str__(self) -> str:
        return "|".join((self.kind, self.endpoint, self.account, self.container))

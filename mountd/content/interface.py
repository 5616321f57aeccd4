"""What content/ offers to those above it (fs/, and later jobs/): the bytes of versions, cached, joined, fetched ahead."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mountd.stores.interface import DirectReader, Reader
from mountd.types import Buffer, StoreIdentity, Version


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Whose bytes: a datastore's live reader and how a mapping wants it read.

    `reader` stays the same object while credentials rotate; its `identity` files the cached bytes. Compared by identity.
    `direct`: the same reader, where it reads without a task.
    """

    datastore: str
    reader: Reader
    prefetch: bool = True
    cache_share: float = 1.0
    direct: DirectReader | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if isinstance(self.reader, DirectReader) and self.reader.places:
            object.__setattr__(
                self, "direct", self.reader
            )  # decided once: to ask costs as much as a look-up of a block


@dataclass(frozen=True, slots=True)
class Held:
    """How many bytes of one version are where; a byte in both tiers counts in both."""

    memory: int
    disk: int
    size: int


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """`memory_limit` bounds the sum of `memory_bytes` (cached), `in_flight_bytes` and `buffer_bytes` (between two uses, and waiting
    for the disk)."""

    memory_bytes: int
    memory_limit: int
    in_flight_bytes: int
    disk_bytes: int
    disk_limit: int
    disk_files: int
    disk_healthy: bool
    buffer_bytes: int = 0


class OpenContent(Protocol):
    """One open of one version. Its own streams: two opens of a version never disturb each other's prefetch."""

    @property
    def version(self) -> Version: ...

    async def read(self, offset: int, size: int) -> Buffer:
        """At most `size` bytes from `offset`; fewer only at the end of the version, b"" behind it. A view where it can be.

        Raises PreconditionFailed or NotFound when the version is gone from the store and the bytes are not cached; any
        other StoreError when they could not be fetched.
        """
        ...

    def close(self) -> None:
        """Ends this open's streams; what they fetched stays cached."""
        ...


class Kept(Protocol):
    """A file's first bytes, fetched or on their way, that stay until they are let go."""

    @property
    def cost(self) -> int: ...


class Content(Protocol):
    """The one content service of a daemon. Calls without `async` never block and do no I/O."""

    def open(self, source: Source, version: Version) -> OpenContent: ...

    def fetch_ahead(self, source: Source, versions: Sequence[Version]) -> int:
        """Starts fetching whole small files, in this order, as far as the budget allows; gives how many were taken (those
        already cached or in flight count as taken)."""
        ...

    def keep(self, source: Source, version: Version) -> Kept | None:
        """Fetches a file that somebody said will be read, and keeps it until it is let go; None: there is no room now, and
        what `on_room` was given is called when there may be."""
        ...

    def let_go(self, kept: Kept, *, unread: bool) -> None:
        """It was opened, or nobody is coming for it (`unread`)."""
        ...

    def on_room(self, heard: Callable[[], None]) -> None: ...

    async def warm(self, source: Source, version: Version) -> int:
        """Fetches all of one version into the cache (disk tier where there is one); gives the bytes fetched."""
        ...

    def held(self, identity: StoreIdentity, version: Version) -> Held: ...

    def drop(self, identity: StoreIdentity, key: str) -> None:
        """Forgets every cached byte of a key, whatever version."""
        ...

    async def clear(self) -> int:
        """Forgets every cached byte that no open file is using now; gives the bytes freed."""
        ...

    def usage(self) -> CacheUsage: ...

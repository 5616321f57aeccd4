"""What a storage kind offers, as small protocols. Everything above stores/ knows a storage only through this file.

Rules every kind keeps (tests/contract runs them over each):
- ETags are unquoted. Keys are passed and returned unchanged, byte for byte.
- `read` answers exactly the bytes asked of exactly that version, or raises: PreconditionFailed (replaced), NotFound (gone), …
- "I could not find out" is never answered as an empty listing or NotFound.
- Errors are `errors.StoreError`s, translated where the foreign library is called.
- Every call is cancellable at once: a thread left behind finishes alone and its result is dropped.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from mountd.types import Buffer, ListPage, ObjectInfo, StoreIdentity, Version


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What this datastore can do beyond reading."""

    writes: bool = False
    blocks: bool = False
    leases: bool = False
    metadata: bool = False
    conditions: bool = True
    hierarchical: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A precondition of a mutation; at most one field is set, and neither means unconditional."""

    if_match: str = ""
    if_absent: bool = False


UNCONDITIONAL = Condition()
IF_ABSENT = Condition(if_absent=True)


@dataclass(frozen=True, slots=True)
class Properties:
    """What is stored beside the bytes. Metadata keys are ASCII identifiers, values ASCII (SEMANTICS 34)."""

    content_type: str = ""
    content_encoding: str = ""
    cache_control: str = ""
    content_disposition: str = ""
    content_language: str = ""
    tier: str = ""
    metadata: Mapping[str, str] | None = None


NO_PROPERTIES = Properties()


@dataclass(frozen=True, slots=True)
class BlockId:
    """One entry of a block list: the id as the service stores it (base64), the block's size, and whether committed."""

    id: str
    size: int
    committed: bool


class HealthState(StrEnum):
    """What the last requests to a datastore showed."""

    UNKNOWN = "unknown"  # nothing was asked yet, or not since its credential changed
    OK = "ok"
    REFUSED = "refused"  # the credential was refused, or is needed and missing
    MISSING = "missing"  # no such account or container
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class StoreHealth:
    """One datastore's health. Times are nanoseconds since the epoch, 0 where there is none. `last_error` stays after
    recovery, with the storage's `request_id` where it gave one; `retry_at_ns` is when an open breaker lets a call try."""

    state: HealthState
    since_ns: int
    last_success_ns: int = 0
    last_error: str = ""
    last_remedy: str = ""
    last_error_code: str = ""
    last_error_ns: int = 0
    request_id: str = ""
    retry_at_ns: int = 0
    in_flight: int = 0
    in_flight_limit: int = 0


class Reader(Protocol):
    """Listing and reading; every kind has it."""

    @property
    def identity(self) -> StoreIdentity: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def stat(self, key: str) -> ObjectInfo:
        """One object. NotFound if the store says that there is none."""
        ...

    async def read(self, version: Version, start: int, stop: int) -> Buffer:
        """Bytes [start, stop) of that version, 0 <= start < stop <= version.size; exactly stop - start of them."""
        ...

    def list(self, prefix: str, *, recursive: bool = False, page_size: int = 5000) -> AsyncIterator[ListPage]:
        """All objects whose key starts with `prefix`, as pages, in the store's order. One level unless `recursive`: then
        keys with a "/" after the prefix are folded into `folders`. The next page may be asked for ahead.

        A page that failed is asked for again by the next `anext`: a failure does not end the iterator."""
        ...

    async def aclose(self) -> None:
        """Ends threads and connections; calls in flight fail with Unavailable."""
        ...


class Landing(Protocol):
    """Who hears of a read that was begun: one of these, once, on trio's thread; neither after it was left."""

    def arrived(self, data: Buffer) -> None: ...

    def failed(self, rest: Callable[[], Awaitable[Buffer]]) -> None:
        """The first request failed. `rest` does what `read` would do from here: asks again, or raises."""
        ...


class BegunRead(Protocol):
    """A read under way without a task. Who began it calls `expire` once trio's clock has passed its `deadline`, which moves on
    as bytes come."""

    @property
    def deadline(self) -> float: ...

    def expire(self) -> None: ...

    def leave(self) -> None:
        """Nobody waits any more."""
        ...


@runtime_checkable
class DirectReader(Protocol):
    """A Reader that needs no task for each read: for those who have many in flight, at a third of the cost."""

    @property
    def places(self) -> int:
        """Reads that can be under way at once; some more are kept for listings and the like. 0: this kind has no direct reads."""
        ...

    def begin(self, version: Version, start: int, stop: int, landing: Landing) -> BegunRead | None:
        """Asks now, as `read` does; None: not without waiting (no place is free, the datastore is in trouble or has caps)."""
        ...


class Writer(Protocol):
    """Whole objects. `capabilities.writes` says that a store has it."""

    async def put(
        self, key: str, data: Buffer, *, condition: Condition = UNCONDITIONAL, properties: Properties = NO_PROPERTIES
    ) -> Version: ...

    async def delete(self, key: str, *, condition: Condition = UNCONDITIONAL) -> None: ...

    async def copy(self, source: Version, key: str, *, condition: Condition = UNCONDITIONAL) -> Version: ...

    async def set_metadata(self, version: Version, metadata: Mapping[str, str]) -> Version: ...


class Blocks(Protocol):
    """Objects made of blocks. `capabilities.blocks` says that a store has it."""

    async def stage_block(self, key: str, block_id: str, data: Buffer) -> None: ...

    async def commit_blocks(
        self,
        key: str,
        block_ids: Sequence[BlockId],
        *,
        condition: Condition = UNCONDITIONAL,
        properties: Properties = NO_PROPERTIES,
    ) -> Version: ...

    async def block_list(self, key: str) -> Sequence[BlockId]: ...


class Leases(Protocol):
    """Exclusive claims. `capabilities.leases` says that a store has it."""

    async def acquire_lease(self, key: str, seconds: int) -> str:
        """The lease's id. LeaseConflict if somebody else holds one. `seconds` is 15 to 60, or -1 for no end."""
        ...

    async def renew_lease(self, key: str, lease_id: str) -> None: ...

    async def release_lease(self, key: str, lease_id: str) -> None: ...

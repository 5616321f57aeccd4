"""A datastore in memory: the reference for what every kind must do, and a real kind for scratch data and for tests.

Everything is here: conditions, blocks, leases, metadata. Deterministic: ETags are counted, the wall clock is handed in,
and every call checkpoints exactly once. Contents are lost with the process.
"""

import time
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from mountd.errors import AlreadyExists, LeaseConflict, NotFound, PreconditionFailed, Unsupported
from mountd.stores.interface import (
    NO_PROPERTIES,
    UNCONDITIONAL,
    BlockId,
    Capabilities,
    Condition,
    Properties,
)
from mountd.types import PLAIN, Buffer, ListPage, ObjectInfo, StoreIdentity, Traits, Version, WallClock

METADATA_LIMIT = 8 << 10


@dataclass(slots=True)
class _Object:
    version: Version
    data: bytes
    traits: Traits
    blocks: list[BlockId] = field(default_factory=list)


@dataclass(slots=True)
class _Lease:
    id: str
    seconds: int
    ends: float


class MemoryStore:
    """Reader, Writer, Blocks and Leases."""

    capabilities = Capabilities(writes=True, blocks=True, leases=True, metadata=True)

    def __init__(self, container: str = "memory", *, wall_clock: WallClock = time.time_ns) -> None:
        self.identity = StoreIdentity("memory", "", "", container)
        self._clock = wall_clock
        # State: objects by key, their keys in order, staged blocks by key and id, leases by key, the last ETag's number.
        # Changed after the call's one checkpoint, without `await`: each call is atomic.
        self._objects: dict[str, _Object] = {}
        self._order: list[str] = []
        self._staged: dict[str, dict[str, bytes]] = {}
        self._leases: dict[str, _Lease] = {}
        self._count = 0

    def __repr__(self) -> str:
        return f"<MemoryStore {self.identity.container}: {len(self._objects)} objects>"

    # Reading -----------------------------------------------------------------------------------------------------

    async def stat(self, key: str) -> ObjectInfo:
        await trio.lowlevel.checkpoint()
        found = self._existing(key)
        return ObjectInfo(found.version, found.traits)

    async def read(self, version: Version, start: int, stop: int) -> Buffer:
        await trio.lowlevel.checkpoint()
        found = self._existing(version.key)
        if found.version.etag != version.etag:
            raise PreconditionFailed(f"'{version.key}' is no longer the version {version.etag}.")
        return memoryview(found.data)[start:stop]

    def list(self, prefix: str, *, recursive: bool = False, page_size: int = 5000) -> "MemoryPages":
        return MemoryPages(self, prefix, recursive=recursive, page_size=page_size)

    def page(self, prefix: str, after: str, *, recursive: bool, limit: int) -> tuple[ListPage, str | None]:
        """Up to `limit` rows at or behind `after`, and where the next page starts (None: nowhere)."""
        page = ListPage()
        order = self._order
        row = bisect_left(order, max(prefix, after))
        while row < len(order) and order[row].startswith(prefix):
            key = order[row]
            if len(page.keys) + len(page.folders) >= limit:
                return page, key
            slash = -1 if recursive else key.find("/", len(prefix))
            if slash >= 0:
                page.folders.append(key[: slash + 1])
                row = bisect_left(
                    order, key[:slash] + "0"
                )  # the character behind "/": the first key not in this folder
            else:
                _append(page, self._objects[key])
                row += 1
        return page, None

    async def aclose(self) -> None:
        """Nothing to end; the objects stay for who still holds the store."""
        await trio.lowlevel.checkpoint()

    # Whole objects -----------------------------------------------------------------------------------------------

    async def put(
        self, key: str, data: Buffer, *, condition: Condition = UNCONDITIONAL, properties: Properties = NO_PROPERTIES
    ) -> Version:
        await trio.lowlevel.checkpoint()
        self._check(key, condition)
        return self._store(key, bytes(data), _traits(properties), [])

    async def delete(self, key: str, *, condition: Condition = UNCONDITIONAL) -> None:
        await trio.lowlevel.checkpoint()
        self._existing(key)
        self._check(key, condition)
        del self._objects[key]
        del self._order[bisect_left(self._order, key)]
        self._leases.pop(key, None)

    async def copy(self, source: Version, key: str, *, condition: Condition = UNCONDITIONAL) -> Version:
        await trio.lowlevel.checkpoint()
        found = self._existing(source.key)
        if found.version.etag != source.etag:
            raise PreconditionFailed(f"'{source.key}' is no longer the version {source.etag}.")
        self._check(key, condition)
        return self._store(key, found.data, found.traits, found.blocks)

    async def set_metadata(self, version: Version, metadata: Mapping[str, str]) -> Version:
        await trio.lowlevel.checkpoint()
        found = self._existing(version.key)
        self._check(version.key, Condition(if_match=version.etag))
        checked = checked_metadata(metadata)
        old = found.traits
        traits = Traits(old.kind, old.tier, old.archived, old.content_type, old.content_encoding, checked)
        found.traits = PLAIN if traits == PLAIN else traits
        found.version = self._next_version(version.key, len(found.data))
        return found.version

    # Blocks ------------------------------------------------------------------------------------------------------

    async def stage_block(self, key: str, block_id: str, data: Buffer) -> None:
        await trio.lowlevel.checkpoint()
        staged = self._staged.get(key, {})
        known = self._objects[key].blocks if key in self._objects else []
        if {*map(len, staged), *(len(block.id) for block in known)} - {len(block_id)}:
            raise Unsupported(f"All block ids of '{key}' must have one length.")
        self._staged.setdefault(key, {})[block_id] = bytes(data)

    async def commit_blocks(
        self,
        key: str,
        block_ids: Sequence[BlockId],
        *,
        condition: Condition = UNCONDITIONAL,
        properties: Properties = NO_PROPERTIES,
    ) -> Version:
        await trio.lowlevel.checkpoint()
        self._check(key, condition)
        committed = self._committed_blocks(key)
        staged = self._staged.get(key, {})
        pieces = []
        for block in block_ids:
            data = (committed if block.committed else staged).get(block.id)
            if data is None:
                raise PreconditionFailed(
                    f"'{key}' has no {'committed' if block.committed else 'staged'} block {block.id}."
                )
            pieces.append(data)
        blocks = [BlockId(block.id, len(data), True) for block, data in zip(block_ids, pieces, strict=True)]
        return self._store(key, b"".join(pieces), _traits(properties), blocks)

    async def block_list(self, key: str) -> Sequence[BlockId]:
        await trio.lowlevel.checkpoint()
        staged = self._staged.get(key, {})
        if not staged:
            return list(self._existing(key).blocks)
        committed = self._objects[key].blocks if key in self._objects else []
        return [*committed, *(BlockId(known, len(data), False) for known, data in staged.items())]

    def _committed_blocks(self, key: str) -> dict[str, bytes]:
        found = self._objects.get(key)
        blocks: dict[str, bytes] = {}
        position = 0
        for block in found.blocks if found else []:
            blocks[block.id] = found.data[position : position + block.size] if found else b""
            position += block.size
        return blocks

    # Leases ------------------------------------------------------------------------------------------------------

    async def acquire_lease(self, key: str, seconds: int) -> str:
        await trio.lowlevel.checkpoint()
        if seconds != -1 and not 15 <= seconds <= 60:
            raise Unsupported(f"A lease lasts 15 to 60 seconds, or -1 for no end; not {seconds}.")
        self._existing(key)
        self._require_unleased(key)
        self._count += 1
        lease = _Lease(f"00000000-0000-0000-0000-{self._count:012x}", seconds, 0.0)
        self._leases[key] = lease
        _extend(lease)
        return lease.id

    async def renew_lease(self, key: str, lease_id: str) -> None:
        await trio.lowlevel.checkpoint()
        _extend(self._held(key, lease_id))

    async def release_lease(self, key: str, lease_id: str) -> None:
        await trio.lowlevel.checkpoint()
        self._held(key, lease_id)
        del self._leases[key]

    def _held(self, key: str, lease_id: str) -> _Lease:
        self._existing(key)
        lease = self._leases.get(key)
        if lease is None or lease.id != lease_id:
            raise LeaseConflict(f"'{key}' is not held under this lease.")
        return lease

    def _require_unleased(self, key: str) -> None:
        lease = self._leases.get(key)
        if lease is not None and lease.ends > trio.current_time():
            raise LeaseConflict(f"'{key}' is leased.")

    # State -------------------------------------------------------------------------------------------------------

    def _existing(self, key: str) -> _Object:
        found = self._objects.get(key)
        if found is None:
            raise NotFound(f"There is no '{key}'.")
        return found

    def _check(self, key: str, condition: Condition) -> None:
        found = self._objects.get(key)
        if condition.if_absent and found is not None:
            raise AlreadyExists(f"'{key}' exists.")
        if condition.if_match and (found is None or found.version.etag != condition.if_match):
            raise PreconditionFailed(f"'{key}' is no longer the version {condition.if_match}.")
        self._require_unleased(key)

    def _next_version(self, key: str, size: int) -> Version:
        self._count += 1
        return Version(key, f"0x{self._count:016X}", size, self._clock())

    def _store(self, key: str, data: bytes, traits: Traits, blocks: Sequence[BlockId]) -> Version:
        if key not in self._objects:
            insort(self._order, key)
        version = self._next_version(key, len(data))
        self._objects[key] = _Object(version, data, traits, list(blocks))
        self._staged.pop(key, None)
        return version


class MemoryPages:
    """One listing. A name that comes or goes between two pages is seen or not, as in any storage."""

    def __init__(self, store: MemoryStore, prefix: str, *, recursive: bool, page_size: int) -> None:
        self._store = store
        self._prefix = prefix
        self._recursive = recursive
        self._limit = page_size
        self._after: str | None = ""

    def __aiter__(self) -> "MemoryPages":
        return self

    async def __anext__(self) -> ListPage:
        await trio.lowlevel.checkpoint()
        if self._after is None:
            raise StopAsyncIteration
        page, self._after = self._store.page(self._prefix, self._after, recursive=self._recursive, limit=self._limit)
        return page


def _append(page: ListPage, found: _Object) -> None:
    version = found.version
    if found.traits is not PLAIN:
        page.traits[len(page.keys)] = found.traits
    page.keys.append(version.key)
    page.etags.append(version.etag)
    page.sizes.append(version.size)
    page.modified_ns.append(version.modified_ns)


def _extend(lease: _Lease) -> None:
    lease.ends = float("inf") if lease.seconds == -1 else trio.current_time() + lease.seconds


def _traits(properties: Properties) -> Traits:
    traits = Traits(
        tier=properties.tier,
        archived=properties.tier.lower() == "archive",
        content_type=properties.content_type,
        content_encoding=properties.content_encoding,
        metadata=checked_metadata(properties.metadata or {}),
    )
    return PLAIN if traits == PLAIN else traits


def checked_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """SEMANTICS 34: ASCII identifiers, ASCII values, 8 KiB in all. Unsupported otherwise."""
    for name, value in metadata.items():
        if not (name.isascii() and name.isidentifier()) or not value.isascii():
            raise Unsupported(f"Metadata '{name}' must be an ASCII identifier with an ASCII value.")
    if sum(len(name) + len(value) for name, value in metadata.items()) > METADATA_LIMIT:
        raise Unsupported(f"Metadata holds at most {METADATA_LIMIT} bytes.")
    return dict(metadata)

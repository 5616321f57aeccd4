"""The datastore as the rest of mountd sees it: a raw kind behind its protection, with a credential that can be changed.

A LiveStore stays the same object for as long as the datastore is registered. `rotate` puts another raw store under it:
calls in flight finish on the old one, and who leaves it last closes it. A credential that was good and is refused has
perhaps been replaced at the storage first: its calls wait a moment for the rotation. Nothing runs while nothing is asked.
"""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar, cast

import trio

from mountd.definitions import DatastoreDefinition
from mountd.errors import AccessDenied, ClockSkew, InvalidDefinition, Unsupported
from mountd.stores.config import StoreConfig
from mountd.stores.generations import Generation
from mountd.stores.health import HealthRecord
from mountd.stores.interface import (
    NO_PROPERTIES,
    UNCONDITIONAL,
    BegunRead,
    BlockId,
    Blocks,
    Capabilities,
    Condition,
    Landing,
    Leases,
    Properties,
    Reader,
    StoreHealth,
    Writer,
)
from mountd.stores.listing import LivePages
from mountd.stores.meters import Operation
from mountd.stores.protection import Protection
from mountd.stores.reading import DirectRead, Range
from mountd.types import Buffer, ListPage, ObjectInfo, StoreIdentity, Version, WallClock

T = TypeVar("T")

LARGEST_READ = 8 << 20
"""A larger read is asked for in pieces of this size, so that each piece is progress and its memory is bounded."""


class Raw(Reader, Writer, Blocks, Leases, Protocol):
    """A kind with everything. What a store lacks is never called: `capabilities` is asked first."""


REFUSED_ANEW_SECONDS = 60.0
"""A refusal this long after the last one begins a new wait; until then, calls on what stays refused fail at once."""


class LiveStore:
    """Reader, Writer, Blocks and Leases over whatever kind `opened` makes of a definition."""

    def __init__(
        self,
        definition: DatastoreDefinition,
        config: StoreConfig,
        opened: Callable[[DatastoreDefinition], Reader],
        *,
        wall_clock: WallClock = time.time_ns,
        chance: random.Random | None = None,
    ) -> None:
        self._opened = opened
        self._generation = Generation(opened(definition))
        self._identity = self._generation.raw.identity
        self._health = HealthRecord(wall_clock)
        self._protection = Protection(definition.name, config, self._health, chance or random.Random())
        self._patience = config.rotation_wait
        self._rotated = trio.lowlevel.ParkingLot()

    def __repr__(self) -> str:
        return f"<LiveStore {self._protection.datastore} {self._identity} {self._health.state}>"

    @property
    def identity(self) -> StoreIdentity:
        return self._identity

    @property
    def capabilities(self) -> Capabilities:
        return self._generation.raw.capabilities

    def health(self) -> StoreHealth:
        return self._protection.report()

    async def rotate(self, definition: DatastoreDefinition) -> None:
        """From now on calls use this definition's credential. It must be of the same storage: cached bytes are filed by it."""
        raw = self._opened(definition)
        old = self._generation
        if raw is old.raw:
            return
        if raw.identity != self._identity:
            await raw.aclose()
            raise InvalidDefinition(
                f"Datastore '{definition.name}' is {self._identity}; a rotation cannot make it {raw.identity}.",
                remedy="Register the other storage under another name.",
            )
        self._generation = Generation(raw)
        self._health.reset()
        self._rotated.unpark_all()
        old.replaced = True
        await old.close_if_left()

    async def aclose(self) -> None:
        self._protection.close()
        self._rotated.unpark_all()
        await self._generation.raw.aclose()

    # Reading -----------------------------------------------------------------------------------------------------

    async def stat(self, key: str) -> ObjectInfo:
        return await self._run(Operation.STAT, lambda raw: raw.stat(key))

    async def read(self, version: Version, start: int, stop: int) -> Buffer:
        if stop - start <= LARGEST_READ:
            return await self._read_range(version, start, stop)
        pieces = [
            await self._read_range(version, position, min(stop, position + LARGEST_READ))
            for position in range(start, stop, LARGEST_READ)
        ]
        return b"".join(pieces)

    async def _read_range(self, version: Version, start: int, stop: int) -> Buffer:
        span = Range(version, start, stop)
        return self._came(span.whole(await self._run(Operation.READ, span.attempt, stop - start)))

    def _came(self, data: Buffer) -> Buffer:
        self._protection.meters.bytes_in(len(data))
        return data

    @property
    def places(self) -> int:
        return self._protection.places if self._generation.direct is not None else 0

    def begin(self, version: Version, start: int, stop: int, landing: Landing) -> BegunRead | None:
        generation = self._generation
        raw = generation.direct
        if raw is None or stop - start > LARGEST_READ:
            return None
        call = self._protection.begin(Operation.READ, stop - start)
        if call is None:
            return None
        read = DirectRead(Range(version, start, stop), call, self._protection, landing, self._go_on)
        read.ask(raw, generation)
        return read

    async def _go_on(self, read: DirectRead) -> Buffer:
        """The bytes of a direct read whose first attempt has failed, or the failure."""
        span = read.span
        data = await self._run(Operation.READ, span.attempt, span.stop - span.start, read)
        return self._came(span.whole(data))

    def list(self, prefix: str, *, recursive: bool = False, page_size: int = 5000) -> AsyncIterator[ListPage]:
        return LivePages(self._list_call, lambda: self._pages_of(prefix, recursive=recursive, page_size=page_size))

    def _pages_of(self, prefix: str, *, recursive: bool, page_size: int) -> tuple[object, AsyncIterator[ListPage]]:
        generation = self._generation
        return generation, generation.raw.list(prefix, recursive=recursive, page_size=page_size)

    async def _list_call(self, attempt: Callable[[object], Awaitable[T]]) -> T:
        return await self._run(Operation.LIST, lambda raw: attempt(self._generation))

    # Writing -----------------------------------------------------------------------------------------------------

    async def put(
        self, key: str, data: Buffer, *, condition: Condition = UNCONDITIONAL, properties: Properties = NO_PROPERTIES
    ) -> Version:
        self._require("writes", self.capabilities.writes)
        version = await self._run(
            Operation.PUT, lambda raw: raw.put(key, data, condition=condition, properties=properties), len(data)
        )
        self._protection.meters.bytes_out(len(data))
        return version

    async def delete(self, key: str, *, condition: Condition = UNCONDITIONAL) -> None:
        self._require("writes", self.capabilities.writes)
        await self._run(Operation.DELETE, lambda raw: raw.delete(key, condition=condition))

    async def copy(self, source: Version, key: str, *, condition: Condition = UNCONDITIONAL) -> Version:
        self._require("writes", self.capabilities.writes)
        return await self._run(Operation.COPY, lambda raw: raw.copy(source, key, condition=condition))

    async def set_metadata(self, version: Version, metadata: Mapping[str, str]) -> Version:
        self._require("metadata", self.capabilities.metadata)
        return await self._run(Operation.SET_METADATA, lambda raw: raw.set_metadata(version, metadata))

    async def stage_block(self, key: str, block_id: str, data: Buffer) -> None:
        self._require("blocks", self.capabilities.blocks)
        await self._run(Operation.STAGE_BLOCK, lambda raw: raw.stage_block(key, block_id, data), len(data))
        self._protection.meters.bytes_out(len(data))

    async def commit_blocks(
        self,
        key: str,
        block_ids: Sequence[BlockId],
        *,
        condition: Condition = UNCONDITIONAL,
        properties: Properties = NO_PROPERTIES,
    ) -> Version:
        self._require("blocks", self.capabilities.blocks)
        return await self._run(
            Operation.COMMIT_BLOCKS,
            lambda raw: raw.commit_blocks(key, block_ids, condition=condition, properties=properties),
        )

    async def block_list(self, key: str) -> Sequence[BlockId]:
        self._require("blocks", self.capabilities.blocks)
        return await self._run(Operation.BLOCK_LIST, lambda raw: raw.block_list(key))

    async def acquire_lease(self, key: str, seconds: int) -> str:
        self._require("leases", self.capabilities.leases)
        return await self._run(Operation.LEASE, lambda raw: raw.acquire_lease(key, seconds))

    async def renew_lease(self, key: str, lease_id: str) -> None:
        self._require("leases", self.capabilities.leases)
        await self._run(Operation.LEASE, lambda raw: raw.renew_lease(key, lease_id))

    async def release_lease(self, key: str, lease_id: str) -> None:
        self._require("leases", self.capabilities.leases)
        await self._run(Operation.LEASE, lambda raw: raw.release_lease(key, lease_id))

    # One request ---------------------------------------------------------------------------------------------------

    async def _run(
        self,
        operation: Operation,
        attempt: Callable[[Raw], Awaitable[T]],
        size: int = 0,
        begun: DirectRead | None = None,
    ) -> T:
        """What `attempt` gives. `begun`: its first attempt was made without a task, and has failed."""
        while True:
            generation = self._generation if begun is None else begun.generation
            try:
                if begun is None:
                    return await self._protection.run(operation, lambda: self._on_current(attempt), size)
                failed, begun = begun, None
                return await self._protection.go_on(failed.call, failed.error, lambda: self._on_current(attempt))
            except AccessDenied as refused:
                if isinstance(refused, ClockSkew) or not await self._replaced_soon(generation):
                    raise

    async def _replaced_soon(self, generation: Generation) -> bool:
        """Whether another credential comes while it is worth waiting for. A refused call has changed nothing."""
        if not generation.accepted:
            return generation is not self._generation
        now = trio.current_time()
        if now >= generation.refused_at + REFUSED_ANEW_SECONDS:
            generation.refused_at = now
        with trio.move_on_at(generation.refused_at + self._patience):
            if generation is self._generation:
                await self._rotated.park()
        return generation is not self._generation

    async def _on_current(self, attempt: Callable[[Raw], Awaitable[T]]) -> T:
        """On the raw store of this moment; once more on its successor, if the credential was refused as it was replaced."""
        while True:
            generation = self._generation
            generation.calls += 1
            try:
                result = await attempt(cast(Raw, generation.raw))
                generation.accepted = True
                return result
            except AccessDenied:
                if generation is self._generation:
                    raise
            finally:
                generation.calls -= 1
                await generation.close_if_left()

    def _require(self, what: str, present: bool) -> None:
        if not present:
            raise Unsupported(f"Datastore '{self._protection.datastore}' ({self._identity.kind}) has no {what}.")

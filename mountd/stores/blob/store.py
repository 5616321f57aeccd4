"""One container of Azure Blob Storage as a raw store: each call is one hop to the pool's threads and one request; but a read
that is begun without a task is one request of the loop's own connections.

Retries, deadlines and concurrency limits are around it (stores/live.py); it remembers nothing between calls.
"""

from collections.abc import AsyncIterator

import trio

from mountd.definitions import DatastoreDefinition
from mountd.errors import Unavailable
from mountd.stores import progress
from mountd.stores.blob.connections import Connections
from mountd.stores.blob.endpoint import endpoint_of
from mountd.stores.blob.headers import object_info
from mountd.stores.blob.listing import PAGE_LIMIT, Listing
from mountd.stores.blob.objects import Objects
from mountd.stores.blob.rest import Request, RestClient
from mountd.stores.blob.threads import Job, ThreadPool
from mountd.stores.blob.writing import BlobChanges
from mountd.stores.config import NetworkConfig, StoreConfig
from mountd.stores.credentials import signer_for
from mountd.stores.generations import Landed, Leavable
from mountd.stores.interface import Capabilities
from mountd.stores.network import proxy_for
from mountd.stores.progress import Listener
from mountd.types import Buffer, ListPage, ObjectInfo, StoreIdentity, Version

THREADS = 64  # they start when needed
SPARE_THREADS = 8  # beyond the requests at once: pages asked for ahead, and being parsed


class BlobStore(BlobChanges):
    """One container: a Reader here; Writer, Blocks and Leases in BlobChanges.

    Construction asks nothing of the network. Raises InvalidDefinition for an endpoint or credential that cannot be.
    """

    def __init__(self, definition: DatastoreDefinition, network: NetworkConfig) -> None:
        threads = SPARE_THREADS + (network.concurrency if isinstance(network, StoreConfig) else THREADS)
        self._endpoint = endpoint_of(definition)
        signer = signer_for(definition.credential, self._endpoint.account, network)
        pool = ThreadPool(definition.name, threads)
        rest = RestClient(self._endpoint, signer, network, threads)
        super().__init__(rest, pool, checksums=network.block_checksums)
        self._objects = Objects(self._endpoint, signer, network, rest)
        usable = not (network.block_checksums or proxy_for(network, self._endpoint.scheme, self._endpoint.host))
        self._connections = Connections(rest, network, pool, self._in_thread, usable=usable)

    def __repr__(self) -> str:
        return f"BlobStore({self._endpoint})"

    @property
    def identity(self) -> StoreIdentity:
        return self._endpoint.identity

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(writes=True, blocks=True, leases=True, metadata=True)

    async def stat(self, key: str) -> ObjectInfo:
        answer = await self._send(Request("HEAD", key))
        return object_info(key, answer.headers)

    async def read(self, version: Version, start: int, stop: int) -> Buffer:
        heard = Hearing(progress.LISTENER.get() or progress.NOBODY)
        try:
            return await self._threads.run(lambda: self._objects.read(version, start, stop, heard))
        finally:
            heard.leave()

    def begin(self, version: Version, start: int, stop: int, landed: Landed, listener: Listener) -> Leavable:
        """generations.DirectRaw."""
        way = self._connections.begin if self._connections.take(stop - start) else self._in_thread
        return way(version, start, stop, landed, listener)

    def _in_thread(self, version: Version, start: int, stop: int, landed: Landed, listener: Listener) -> Leavable:
        heard = Hearing(listener)
        heard.job = self._threads.give(
            lambda: self._objects.read(version, start, stop, heard), lambda job: landed(job.value, job.error)
        )
        return heard

    def list(self, prefix: str, *, recursive: bool = False, page_size: int = PAGE_LIMIT) -> AsyncIterator[ListPage]:
        return Listing(self._rest, self._threads, prefix, recursive=recursive, page_size=page_size)

    async def aclose(self) -> None:
        self._connections.close()
        self._threads.close()
        self._rest.close()
        await trio.lowlevel.checkpoint()


class Hearing:
    """What a read's thread tells as bytes come, and is told: that nobody waits any more."""

    __slots__ = ("_listener", "_token", "job", "left")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._token = trio.lowlevel.current_trio_token()
        self.job: Job[Buffer] | None = None
        self.left = False

    def leave(self) -> None:
        self.left = True
        if self.job is not None:
            self.job.leave()

    def __call__(self) -> None:
        """From the thread. A storage that sends a byte now and then would hold it long after its caller has left."""
        if self.left:
            raise Unavailable("Nobody waits for these bytes any more.")
        self._token.run_sync_soon(self._listener.progress_made, idempotent=True)

"""A running emulator: a thread with its own event loop, its sockets, and the state behind them.

`Emulator` is what tests, the demo and the command line use. Promises loopback only, `close()` leaves no thread, socket
or temporary file, and its helpers put any blob name straight into the state.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from .content import Content
from .faults import Faults
from .requestlog import RequestLog
from .service import Anyone, Service
from .state import DEFAULT_ACCOUNT, DEFAULT_KEY, Account, Blob, Container, Described
from .wire import connections, listen


class ContainerHelper:
    """A container as tests fill it: without HTTP, any name."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self.name = name
        with account.lock:
            self.state: Container = account.containers.get(name) or account.create_container(name)

    def put(
        self,
        key: str,
        data: bytes | bytearray | memoryview = b"",
        *,
        metadata: Mapping[str, str] | None = None,
        content_type: str = "application/octet-stream",
        tier: str = "",
        modified: int | None = None,
    ) -> Blob:
        """Stores a block blob as a new version, and answers it (etag, modified, …)."""
        with self._account.lock:
            blob = self._account.create_blob(self.state, key, Content.of(data))
            blob.metadata = dict(metadata or {})
            blob.described = Described(content_type)
            if tier:
                blob.tier, blob.tier_changed = tier, blob.modified
            if modified is not None:
                blob.modified = modified
            return blob

    def get(self, key: str) -> bytes:
        with self._account.lock:
            return self.state.blobs[key].content.bytes()

    def blob(self, key: str) -> Blob:
        with self._account.lock:
            return self.state.blobs[key]

    def delete(self, key: str) -> None:
        with self._account.lock:
            self.state.remove(key)

    def keys(self) -> list[str]:
        with self._account.lock:
            return list(self.state.keys())


class Emulator:
    """An account of block, append and page blobs on http(s)://127.0.0.1:PORT/ACCOUNT.

    `clock` gives the service's time (seconds since the epoch): leases, SAS and tokens expire by it.
    """

    def __init__(
        self,
        account: str = DEFAULT_ACCOUNT,
        key: str = DEFAULT_KEY,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        faults: Faults | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.state = Account(account, key, clock)
        self.faults = faults or Faults()
        self.requests = RequestLog()
        self._service = Service(self.state, Anyone(), self.faults, self.requests)
        self._socket = listen(host, port)
        self._host = host
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._stopping: asyncio.Event = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="mountd-emulator", daemon=True)
        self._started = threading.Event()

    # Its life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def close(self) -> None:
        """Cuts every connection and ends the thread. Idempotent."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
        self._socket.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Blocks until closed."""
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        factory, opened = connections(self._service)
        server = await self._loop.create_server(factory, sock=self._socket, backlog=1024)
        self._started.set()
        await self._stopping.wait()
        server.close()
        for connection in list(opened):
            connection.close()
        await asyncio.sleep(0)

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def account(self) -> str:
        return self.state.name

    @property
    def key(self) -> str:
        return self.state.key

    @property
    def endpoint(self) -> str:
        """What a client is given as account URL."""
        return f"http://{self._authority()}/{self.account}"

    def _authority(self) -> str:
        family = self._socket.family
        return f"[{self._host}]:{self.port}" if family == socket.AF_INET6 else f"{self._host}:{self.port}"

    def container(self, name: str) -> ContainerHelper:
        """The container of that name, made if it is not there."""
        return ContainerHelper(self.state, name)

    def connection_string(self) -> str:
        return (
            f"DefaultEndpointsProtocol=http;AccountName={self.account};AccountKey={self.key};BlobEndpoint={self.endpoint};"
        )


def directory_of(path: str | Path | None) -> Path | None:
    return None if path is None else Path(path)

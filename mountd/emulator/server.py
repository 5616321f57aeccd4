"""A running emulator: a thread with its own event loop, its sockets, and the state behind them.

`Emulator` is what tests, the demo and the command line use. Promises loopback only, `close()` leaves no thread, socket
or temporary file, and its helpers put any blob name straight into the state.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from .authorisation import Authorisation
from .content import Content
from .control import Control
from .disk import Disk
from .faults import Faults
from .identity import Identity
from .requestlog import RequestLog
from .sas import account_sas, container_sas
from .service import Service
from .state import DEFAULT_ACCOUNT, DEFAULT_KEY, Account, Blob, Container, Described
from .tls import CertificateAuthority
from .tokens import Authority
from .wire import connections, listen


@dataclass(frozen=True)
class EmulatorSettings:
    """What few need: the loopback address, faults from the start, the clock."""

    host: str = "127.0.0.1"
    faults: Faults | None = None
    clock: Callable[[], float] = time.time


class ContainerHelper:
    """A container as tests fill it: without HTTP, any name."""

    def __init__(self, account: Account, name: str) -> None:
        self._account = account
        self.name = name
        with account.lock:
            found = account.containers.get(name)
            self.state: Container = found or account.create_container(name)
            if found is None:
                account.changed(name, "")

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
            self._account.changed(self.name, key)
            return blob

    def fill(self, key: str, pattern: bytes, size: int) -> Blob:
        """Stores a blob of any size that repeats a pattern, in the pattern's memory."""
        with self._account.lock:
            once = Content.of(pattern)
            whole = Content(once.segments * -(-size // len(pattern))).span(0, size)
            blob = self._account.create_blob(self.state, key, whole)
            self._account.changed(self.name, key)
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
            self._account.changed(self.name, key)

    def rehydrate(self, key: str) -> None:
        """Ends the wait that a tier change out of Archive began."""
        with self._account.lock:
            blob = self.state.blobs[key]
            blob.tier, blob.rehydrating, blob.tier_changed = blob.rehydrating or "Hot", "", int(self._account.clock())
            self._account.changed(self.name, key)

    def keys(self) -> list[str]:
        with self._account.lock:
            return list(self.state.keys())


class Emulator:
    """An account of block, append and page blobs on http(s)://127.0.0.1:PORT/ACCOUNT.

    With `tls` the endpoint is https, certified by `certificate_authority`, and `metadata_endpoint` stays plain HTTP, as
    instance metadata is. `clock` gives the service's time (seconds since the epoch): leases, SAS and tokens expire by it.
    """

    def __init__(
        self,
        account: str = DEFAULT_ACCOUNT,
        key: str = DEFAULT_KEY,
        port: int = 0,
        *,
        directory: str | Path | None = None,
        tls: bool = False,
        settings: "EmulatorSettings | None" = None,
    ) -> None:
        settings = settings or EmulatorSettings()
        self.state = Account(account, key, settings.clock)
        self.faults = settings.faults or Faults()
        self.requests = RequestLog()
        self.identity = Identity(Authority(), settings.clock)
        self._service = Service(self.state, Authorisation(self.identity.authority), self.faults, self.requests)
        self._service.doors = [Control(self.faults, self.requests, self.identity), self.identity]
        self._host = settings.host
        with ExitStack() as owned:  # what was opened is closed if a later step fails
            self._authority = CertificateAuthority(_temporary(owned), account) if tls else None
            if directory is not None:
                disk = owned.enter_context(closing(Disk(Path(directory), self.state)))
                self.state.changed = disk.changed
            self._sockets = [owned.enter_context(listen(settings.host, port))]
            if tls:
                self._sockets.append(owned.enter_context(listen(settings.host, 0)))
            self._loop = owned.enter_context(closing(asyncio.new_event_loop()))
            self._owned = owned.pop_all()
        self.port: int = self._sockets[0].getsockname()[1]
        self.identity.authority.url = self.origin
        self._stopping = asyncio.Event()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mountd-emulator", daemon=True)

    # Its life -----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        self._thread.start()
        self._started.wait()
        return self

    def close(self) -> None:
        """Cuts every connection and ends the thread. Idempotent."""
        if self._thread.is_alive():
            self.stop()
            self._thread.join()
        self._owned.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def wait(self) -> None:
        """Blocks until closed."""
        self._thread.join()

    def stop(self) -> None:
        """Asks the thread to end, without waiting: what a signal handler may do."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._started.set()  # nobody waits for what will never start

    async def _serve(self) -> None:
        factory, opened = connections(self._service)
        servers = []
        for sock, secure in zip(self._sockets, (self._authority is not None, False), strict=False):
            context = self._authority.context() if secure and self._authority is not None else None
            servers.append(await self._loop.create_server(factory, sock=sock, backlog=1024, ssl=context))
        self._started.set()
        await self._stopping.wait()
        for server in servers:
            server.close()
        for connection in list(opened):
            connection.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    # What it is ---------------------------------------------------------------------------------------------------

    @property
    def account(self) -> str:
        return self.state.name

    @property
    def key(self) -> str:
        return self.state.key

    @property
    def origin(self) -> str:
        """scheme://host:port; with TLS also the authority host that azure-identity is given."""
        return f"{'https' if self._authority else 'http'}://{self._address(self.port)}"

    @property
    def endpoint(self) -> str:
        """What a client is given as account URL."""
        return f"{self.origin}/{self.account}"

    @property
    def metadata_endpoint(self) -> str:
        """Where instance metadata is: always plain HTTP."""
        return f"http://{self._address(self._sockets[-1].getsockname()[1])}"

    @property
    def certificate_authority(self) -> Path | None:
        """The PEM file that a client must trust; None without TLS."""
        return self._authority.file if self._authority else None

    def _address(self, port: int) -> str:
        return f"[{self._host}]:{port}" if ":" in self._host else f"{self._host}:{port}"

    def connection_string(self) -> str:
        scheme = self.origin.partition(":")[0]
        return (
            f"DefaultEndpointsProtocol={scheme};AccountName={self.account};AccountKey={self.key};"
            f"BlobEndpoint={self.endpoint};"
        )

    def rotate_key(self, key: str, *, keep_old: bool = False) -> None:
        """Replaces the account key: whoever signs with the old one is refused from now on, unless it stays as the second."""
        with self.state.lock:
            self.state.second_key = self.state.key if keep_old else ""
            self.state.key = key

    def sas(self, container: str, permissions: str = "rl", expiry: float | None = None) -> str:
        """A container's SAS, without a question mark. `expiry` is seconds since the epoch; None is in an hour."""
        return container_sas(
            self.state, container, permissions, self.state.clock() + 3600 if expiry is None else expiry
        )

    def account_sas(self, permissions: str = "rwdlac", expiry: float | None = None) -> str:
        return account_sas(self.state, permissions, self.state.clock() + 3600 if expiry is None else expiry)

    def container(self, name: str) -> ContainerHelper:
        """The container of that name, made if it is not there."""
        return ContainerHelper(self.state, name)


def _temporary(owned: ExitStack) -> Path:
    return Path(owned.enter_context(TemporaryDirectory(prefix="mountd-emulator-")))

"""A container to read, on Azurite and on the emulator, and a server that answers exactly what a test says."""

import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from mountd.definitions import AccountKey, Anonymous, Credential, DatastoreDefinition, DatastoreKind, Secret
from mountd.emulator import Emulator
from mountd.stores.blob import BlobStore
from mountd.stores.config import NetworkConfig
from tests.fixtures.azurite import Azurite


@asynccontextmanager
async def opened(definition: DatastoreDefinition, **network: object) -> AsyncIterator[BlobStore]:
    store = BlobStore(definition, NetworkConfig(**network))
    try:
        yield store
    finally:
        await store.aclose()


def on_emulator(
    emulator: Emulator, container: str = "data", credential: Credential | None = None
) -> DatastoreDefinition:
    return DatastoreDefinition(
        name=container,
        kind=DatastoreKind.BLOB,
        account=emulator.account,
        container=container,
        endpoint=emulator.endpoint,
        allow_http=True,
        credential=credential or AccountKey(Secret(emulator.key)),
    )


@pytest.fixture(params=["azurite", "emulator"])
def definition(request: pytest.FixtureRequest) -> DatastoreDefinition:
    """A new empty container of each server."""
    server = request.getfixturevalue(request.param)
    if isinstance(server, Azurite):
        return server.definition()
    server.container("data")
    return on_emulator(server)


@dataclass
class Wire:
    """A server of one-answer connections: `answers` are sent as they are, in order, and the last one for ever."""

    listener: socket.socket
    answers: list[bytes | Callable[[bytes], bytes]] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)
    stalled: list[socket.socket] = field(default_factory=list)
    afterwards: Callable[[socket.socket], None] | None = None

    @property
    def definition(self) -> DatastoreDefinition:
        port = self.listener.getsockname()[1]
        return DatastoreDefinition(
            name="wire",
            kind=DatastoreKind.BLOB,
            account="acct",
            container="c",
            endpoint=f"http://127.0.0.1:{port}/acct",
            allow_http=True,
            credential=Anonymous(),
        )

    def targets(self) -> list[str]:
        return [head.split(" ")[1] for head in self.heads]

    def header(self, request: int, name: str) -> str:
        for line in self.heads[request].split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            head = b""
            while b"\r\n\r\n" not in head and (piece := connection.recv(65536)):
                head += piece
            if not head:
                connection.close()
                continue
            self.heads.append(head.decode())
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            data = answer if isinstance(answer, bytes) else answer(head)
            connection.sendall(data)
            if self.afterwards is not None:
                with contextlib.suppress(OSError):
                    self.afterwards(connection)
            if data.endswith(STALL):
                self.stalled.append(connection)
            else:
                connection.close()


STALL = b"<stall>"


def ranged(
    data: bytes, etag: str = "v1", *, sent: int | None = None, size: int | None = None
) -> Callable[[bytes], bytes]:
    """206 for the range asked of `data`; only the first `sent` bytes of its body arrive."""

    def answer(head: bytes) -> bytes:
        lower = head.decode().lower()
        start, stop = lower.split("bytes=")[1].split("\r\n")[0].split("-")
        body = data[int(start) : int(stop) + 1]
        lines = (
            "HTTP/1.1 206 Partial Content",
            f"Content-Length: {len(body)}",
            f"Content-Range: bytes {start}-{stop}/{size or len(data)}",
            f'ETag: "{etag}"',
            "Last-Modified: Sun, 22 Nov 2026 23:19:04 GMT",
        )
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body[:sent]

    return answer


@pytest.fixture
def wire() -> Iterator[Wire]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Wire(listener)
        thread = threading.Thread(target=served.serve, daemon=True)
        thread.start()
        yield served
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)
    for connection in served.stalled:
        connection.close()

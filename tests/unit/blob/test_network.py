"""Authorities and proxies, the same for our client, obstore and azure-identity; and networks that are not there."""

import base64
import contextlib
import select
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import pytest

from mountd.definitions import ClientSecret, DatastoreDefinition, DatastoreKind, Secret
from mountd.emulator import Emulator
from mountd.errors import InvalidDefinition, StoreError, Unavailable, UnknownAccount
from mountd.stores.blob import BlobStore
from mountd.stores.config import NetworkConfig
from mountd.stores.network import proxy_for
from mountd.types import Version
from tests.unit.blob.conftest import Wire, on_emulator, opened
from tests.unit.blob.test_credentials import CLIENT, filled, reads


@dataclass
class Proxy:
    """An HTTP proxy: CONNECT tunnels, and whole URLs forwarded. `asked` holds each request line."""

    listener: socket.socket
    asked: list[str] = field(default_factory=list)
    heads: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(connection,), daemon=True).start()

    def _pass(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(65536)
                if not piece:
                    return
                head += piece
            line, rest = head.split(b"\r\n", 1)
            method, target, _version = line.decode().split(" ")
            self.asked.append(f"{method} {target}")
            self.heads.append(head.decode().lower())
            if method == "CONNECT":
                host, port = target.rsplit(":", 1)
                with socket.create_connection((host, int(port))) as server:
                    client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    self._both_ways(client, server)
                return
            parts = urlsplit(target)
            with socket.create_connection((parts.hostname, parts.port)) as server:
                origin = target[len(f"{parts.scheme}://{parts.netloc}") :]
                server.sendall(f"{method} {origin} HTTP/1.1\r\nConnection: close\r\n".encode() + rest)
                self._both_ways(client, server)

    def _both_ways(self, one: socket.socket, other: socket.socket) -> None:
        while True:
            for ready in select.select([one, other], [], [], 20)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (other if ready is one else one).sendall(data)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = Proxy(listener)
        thread = threading.Thread(target=served.serve, daemon=True)
        thread.start()
        yield served
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


async def test_https_through_a_proxy_and_a_private_authority(tls_emulator: Emulator, proxy: Proxy) -> None:
    filled(tls_emulator)
    ca = str(tls_emulator.certificate_authority)
    async with opened(on_emulator(tls_emulator), proxy=proxy.url, ca_file=ca) as store:
        assert await reads(store) == b"content"
    connects = [line for line in proxy.asked if line.startswith("CONNECT")]
    assert len(connects) == len(proxy.asked) >= 2, "our client and obstore each made a tunnel"


async def test_http_through_a_proxy_keeps_names(emulator: Emulator, proxy: Proxy) -> None:
    filled(emulator).container("more").put("a/../b", b"dots")
    async with opened(on_emulator(emulator), proxy=proxy.url) as store:
        assert await reads(store) == b"content"
    assert {line.split("//")[0] for line in proxy.asked} == {"GET http:", "HEAD http:"}
    async with opened(on_emulator(emulator, "more"), proxy=proxy.url) as store:
        version = (await store.stat("a/../b")).version
        assert bytes(await store.read(version, 0, 4)) == b"dots"


async def test_tokens_go_through_the_proxy_too(tls_emulator: Emulator, proxy: Proxy) -> None:
    filled(tls_emulator).identity.application(CLIENT, secret="s3cret")
    credential = ClientSecret(tls_emulator.identity.authority.tenant, CLIENT, Secret("s3cret"), tls_emulator.origin)
    ca = str(tls_emulator.certificate_authority)
    async with opened(on_emulator(tls_emulator, credential=credential), proxy=proxy.url, ca_file=ca) as store:
        await store._threads.run(store._rest.signer.prepare)
        assert len(proxy.asked) == 1
        assert await reads(store) == b"content"


async def test_an_unknown_authority_is_refused(tls_emulator: Emulator) -> None:
    filled(tls_emulator)
    async with opened(on_emulator(tls_emulator)) as store:
        with pytest.raises(Unavailable, match="ca_file"):
            await store.stat("plain")


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_is_none(tmp_path: Path, emulator: Emulator, content: str | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InvalidDefinition, match="ca.pem"):
        BlobStore(on_emulator(emulator), NetworkConfig(ca_file=str(file)))


def test_the_environments_proxy_is_everyones(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    assert proxy_for(NetworkConfig(), "https", "a.example") == ""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "near.example")
    assert proxy_for(NetworkConfig(), "https", "a.example") == "http://proxy:3128"
    assert proxy_for(NetworkConfig(), "https", "x.near.example") == ""
    assert proxy_for(NetworkConfig(proxy="http://ours:1"), "https", "x.near.example") == "http://ours:1"


@pytest.mark.parametrize("proxy", ["proxy:3128", "u:s3cret@proxy:3128"])
def test_a_proxy_without_its_scheme_is_http_as_it_is_for_curl(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    assert proxy_for(NetworkConfig(), "https", "a.example") == f"http://{proxy}"
    assert proxy_for(NetworkConfig(proxy=proxy), "https", "a.example") == f"http://{proxy}"


@pytest.mark.parametrize(
    "proxy",
    ["socks5://u:s3cret@h:1", "http://u:s3cret@[::1", "http://u:s3cret@h:99999", "http://u:s3cret@h:abc", "http://"],
)
def test_a_proxy_that_cannot_be_is_refused_without_its_password(emulator: Emulator, proxy: str) -> None:
    with pytest.raises(InvalidDefinition, match="proxy") as caught:
        BlobStore(on_emulator(emulator), NetworkConfig(proxy=proxy))
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("number", "endpoint", "kind"),
    [
        (socket.EAI_NONAME, "", UnknownAccount),
        (socket.EAI_AGAIN, "", Unavailable),
        (
            socket.EAI_NONAME,
            "https://emulator.invalid/acct",
            Unavailable,
        ),  # a shared host's name says nothing of an account
    ],
)
async def test_names_that_do_not_resolve(
    number: int, endpoint: str, kind: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def getaddrinfo(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(number, "as the resolver says")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    unknown = DatastoreDefinition(
        "d", DatastoreKind.BLOB, account="nobody", container="c", endpoint_suffix="invalid", endpoint=endpoint
    )
    async with opened(unknown) as store:
        with pytest.raises(StoreError) as caught:
            await store.stat("x")
    assert type(caught.value) is kind
    assert ".invalid" in str(caught.value)


async def test_nobody_listens(wire: Wire) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with opened(replace(wire.definition, endpoint=f"http://127.0.0.1:{port}/acct")) as store:
        for ask in (store.stat("x"), store.list("").__anext__(), store.read(Version("k", "e", 1, 0), 0, 1)):
            with pytest.raises(Unavailable):
                await ask


async def test_a_host_that_answers_no_connection(wire: Wire) -> None:
    with contextlib.ExitStack() as held:
        deaf = held.enter_context(socket.socket())
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):  # the kernel's queue is full: further connections get no answer
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(deaf.getsockname())
        endpoint = f"http://127.0.0.1:{deaf.getsockname()[1]}/acct"
        async with opened(replace(wire.definition, endpoint=endpoint), connect_timeout=0.2, stall_timeout=2.0) as store:
            began = time.monotonic()
            for ask in (store.stat("x"), store.read(Version("k", "e", 1, 0), 0, 1)):
                with pytest.raises(Unavailable, match="does not answer a connection"):
                    await ask
            assert time.monotonic() - began < 2


async def test_a_proxy_with_a_password_gets_it_from_every_library(tls_emulator: Emulator, proxy: Proxy) -> None:
    filled(tls_emulator).identity.application(CLIENT, secret="s3cret")
    credential = ClientSecret(tls_emulator.identity.authority.tenant, CLIENT, Secret("s3cret"), tls_emulator.origin)
    ca = str(tls_emulator.certificate_authority)
    url = proxy.url.replace("http://", "http://us%40er:pa%3Ass@")
    async with opened(on_emulator(tls_emulator, credential=credential), proxy=url, ca_file=ca) as store:
        assert await reads(store) == b"content"
    assert len(proxy.heads) >= 3
    expected = f"proxy-authorization: basic {base64.b64encode(b'us@er:pa:ss').decode()}".lower()
    assert all(expected in head for head in proxy.heads), "the token service, our client and obstore"


async def test_a_slow_upload_is_no_stall() -> None:
    size = 8 << 20
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                received = b""
                while b"\r\n\r\n" not in received:
                    received += connection.recv(65536)
                count = len(received.split(b"\r\n\r\n", 1)[1])
                paused = threading.Event()
                while count < size:
                    paused.wait(0.005)  # the link's speed: the whole takes several times the timeout
                    count += len(connection.recv(65536))
                connection.sendall(
                    b'HTTP/1.1 201 Created\r\nETag: "e"\r\nLast-Modified: Sun, 22 Nov 2026 23:19:04 GMT\r\n'
                    b"Content-Length: 0\r\n\r\n"
                )

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        definition = DatastoreDefinition(
            "d",
            DatastoreKind.BLOB,
            account="acct",
            container="c",
            endpoint=f"http://127.0.0.1:{port}/acct",
            allow_http=True,
        )
        async with opened(definition, connect_timeout=0.15, stall_timeout=0.5) as store:
            assert (await store.put("k", bytes(size))).size == size
        thread.join(5)

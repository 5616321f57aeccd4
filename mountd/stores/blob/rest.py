"""Our own client of the Blob REST service: one request, signed, sent, answered or translated. Synchronous, for pool threads.

It never retries what the service refused or the network lost (those above do), but for one thing: a token that the
service refuses is renewed once. It follows no redirect and decodes no content. Request paths are given percent-encoded
and in origin form, which urllib3 leaves as they are (it folds dot segments of whole URLs).
"""

import itertools
import logging
import re
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3 import exceptions as lost
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from mountd import __version__
from mountd.errors import Corrupt, StoreError, StoreTimeout, Unavailable, UnknownAccount, Unsupported
from mountd.stores.blob.endpoint import Endpoint
from mountd.stores.blob.translation import Asked, refusal
from mountd.stores.config import NetworkConfig
from mountd.stores.crc64 import crc64_header
from mountd.stores.credentials import Outgoing, Signer
from mountd.stores.network import proxy_for, tls_context
from mountd.types import Buffer, Version

API_VERSION = "2023-11-03"  # has percent-encoded names in listings; what obstore sends too
USER_AGENT = f"mountd/{__version__}"
ERROR_BODY_LIMIT = 64 << 10
PIECE = 256 << 10
# Load balancers forget idle connections after four minutes without a word: found out by the kernel, not by a request.
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 60),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 10),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)
_CODE = re.compile(rb"<Code>(\w+)</Code>")

# Its debug lines hold whole request targets, and so the signatures of SAS.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

Response = urllib3.BaseHTTPResponse
Progress = Callable[[], None]


@dataclass(slots=True)
class Request:
    """One operation on the container (`key` is None) or on a blob."""

    method: str
    key: str | None = None
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: Buffer = b""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class RestClient:
    def __init__(self, endpoint: Endpoint, signer: Signer, network: NetworkConfig, connections: int) -> None:
        self.endpoint = endpoint
        self.signer = signer
        self._timeout = urllib3.Timeout(connect=network.connect_timeout, read=network.stall_timeout)
        self._network = network
        self._proxy = proxy_for(network, endpoint.scheme, endpoint.host)
        self._pool = self._connections(connections)
        # Through a proxy, plain http asks with whole URLs.
        self._target_prefix = endpoint.origin if self._proxy and endpoint.scheme == "http" else ""
        self._client = secrets.token_hex(8)
        self._numbers = itertools.count()  # next() of it is safe between threads, as a generator's is not

    def _connections(self, connections: int) -> HTTPConnectionPool:
        options: dict[str, Any] = {
            "maxsize": connections,
            "block": False,
            "retries": False,
            "timeout": self._timeout,
            "socket_options": [*HTTPConnection.default_socket_options, *KEEPALIVE],
        }
        context = tls_context(self._network)
        manager = (
            urllib3.ProxyManager(
                self._proxy,
                proxy_headers=_proxy_headers(self._proxy),
                ssl_context=context,
                proxy_ssl_context=context,
                **options,
            )
            if self._proxy
            else urllib3.PoolManager(ssl_context=context, **options)
        )
        return manager.connection_from_host(self.endpoint.host, self.endpoint.port, self.endpoint.scheme)

    def source_url(self, key: str) -> str:
        """A blob of this container as the source of a copy: readable by whoever this client's requests are from."""
        outgoing = Outgoing("GET", self.endpoint.path(key))
        self.signer.sign(outgoing)
        return self.endpoint.origin + outgoing.target

    def close(self) -> None:
        self._pool.close()

    def send(self, request: Request) -> Answer:
        """The whole answer of a success (2xx); any other is raised as what it means."""
        response = self._open(request)
        try:
            return Answer(response.status, response.headers, response.read())
        except (lost.HTTPError, OSError) as error:
            raise self.translated(error) from error
        finally:
            response.release_conn()

    def read_into(
        self, version: Version, start: int, buffer: memoryview, progress: Progress, *, checked: bool = False
    ) -> int:
        """Fills `buffer` with the version's bytes from `start` as far as they come: how many came, which is less when the
        body was cut short. Raises only where none came. `checked`: compares the service's checksum, for 4 MiB at most."""
        span = f"{start}-{start + len(buffer) - 1}"
        headers = {"x-ms-range": f"bytes={span}", "If-Match": f'"{version.etag}"'}
        if checked:
            headers["x-ms-range-get-content-crc64"] = "true"
        response = self._open(Request("GET", version.key, headers=headers))
        said = response.headers.get("Content-Range", ""), response.headers.get("ETag", "")
        if said != (f"bytes {span}/{version.size}", f'"{version.etag}"'):
            response.close()
            raise Corrupt(f"The service sent another range or version of {version.key!r} than was asked for.")
        received = self._received(response, buffer, progress)
        if checked and received == len(buffer):
            _compare(version.key, buffer, response.headers.get("x-ms-content-crc64", ""))
        return received

    def _received(self, response: Response, buffer: memoryview, progress: Progress) -> int:
        received = 0
        try:
            while received < len(buffer):
                piece = response.read1(min(PIECE, len(buffer) - received))
                if not piece:
                    break
                buffer[received : received + len(piece)] = piece
                received += len(piece)
                progress()
        except (lost.HTTPError, OSError) as error:
            if not received:
                raise self.translated(error) from error
        finally:
            if received == len(buffer):
                response.release_conn()
            else:
                response.close()
        return received

    def _open(self, request: Request) -> Response:
        """A success whose body is still to be read."""
        response = self._exchange(request)
        if response.status == 401 and self.signer.refused():
            response.drain_conn()
            response.release_conn()
            response = self._exchange(request)
        if 200 <= response.status < 300:
            return response
        raise self._refusal(request, response)

    def _exchange(self, request: Request) -> Response:
        path = self.endpoint.container_path if request.key is None else self.endpoint.path(request.key)
        headers = {
            "x-ms-version": API_VERSION,
            "x-ms-client-request-id": f"{self._client}-{next(self._numbers)}",
            "User-Agent": USER_AGENT,
            **request.headers,
        }
        has_body = request.method in ("PUT", "POST")
        if has_body:
            headers["Content-Length"] = str(len(request.body))
        outgoing = Outgoing(request.method, path, request.query, headers)
        self.signer.sign(outgoing)
        try:
            return self._pool.urlopen(
                request.method,
                self._target_prefix + outgoing.target,
                body=cast(Any, _pieces(request.body)) if has_body else None,
                headers=outgoing.headers,
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
        except (lost.HTTPError, OSError) as error:
            raise self.translated(error) from error

    def _refusal(self, request: Request, response: Response) -> StoreError:
        body = b""
        try:
            body = response.read(ERROR_BODY_LIMIT)
        except (lost.HTTPError, OSError):
            response.close()  # status and headers say enough
        finally:
            response.release_conn()
        if_absent = request.headers.get("If-None-Match", "") == "*"
        return self.refusal(request.key or "", response.status, response.headers, body, if_absent=if_absent)

    def refusal(
        self, key: str, status: int, headers: Mapping[str, str], body: bytes, *, if_absent: bool = False
    ) -> StoreError:
        """What an answer means that is no success."""
        found = _CODE.search(body)
        asked = Asked(
            place=str(self.endpoint),
            key=key,
            anonymous=self.signer.anonymous,
            expires=self.signer.expires,
            if_absent=if_absent,
        )
        return refusal(status, headers, asked, found.group(1).decode() if found else "")

    def translated(self, error: Exception) -> StoreError:
        """What the network did, by type. The library's texts are left out: they quote whole request targets, SAS included."""
        place = self.endpoint.service
        cause = error.__cause__
        if isinstance(error, lost.NameResolutionError):
            unknown = isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME
            if unknown and not self._proxy and not self.endpoint.root:
                return UnknownAccount(
                    f"There is no storage account {self.endpoint.account!r}: the name {self.endpoint.host} does not exist.",
                    remedy="Check the account's name and endpoint suffix, and this machine's DNS.",
                )
            return Unavailable(f"The name {self.endpoint.host} cannot be looked up now.")
        if isinstance(error, lost.ConnectTimeoutError) and not isinstance(error, lost.NewConnectionError):
            return Unavailable(f"{place} does not answer a connection within {self._timeout.connect_timeout} s.")
        if isinstance(error, lost.ReadTimeoutError | TimeoutError):
            return StoreTimeout(f"No byte from {place} for {self._network.stall_timeout} s.")
        if isinstance(error, lost.SSLError):
            return Unavailable(
                f"{place} does not prove who it is (TLS).",
                remedy="If its certificate is from a private authority, name that in ca_file.",
            )
        if isinstance(error, lost.ProxyError):
            return Unavailable(f"The proxy on the way to {place} does not serve.")
        reason = type(cause or error).__name__
        return Unavailable(f"The connection to {place} failed ({reason}).")


def _compare(key: str, data: Buffer, checksum: str) -> None:
    if not checksum:
        raise Unsupported("The service sends no checksums of ranges.", remedy="Turn block_checksums off.")
    if checksum != crc64_header(data):
        raise Corrupt(f"The bytes of {key!r} did not arrive as they were sent.")


def _pieces(body: Buffer) -> Iterator[memoryview]:
    """Views, sent without a copy. Piece by piece, as a socket's timeout is for all of one send: a slow link is no stall."""
    view = memoryview(body)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]


def _proxy_headers(proxy: str) -> dict[str, str]:
    """The proxy's own name and password, which obstore and azure-identity find in its URL by themselves."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return {}
    return urllib3.make_headers(proxy_basic_auth=f"{unquote(parts.username)}:{unquote(parts.password or '')}")

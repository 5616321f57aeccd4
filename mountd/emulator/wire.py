"""HTTP/1.1 on a connection, byte by byte: what a general server would hide is what the faults need.

Owns the sockets' protocol. Promises the raw path, bodies received straight into their own buffer, bodies sent from
memoryviews without a copy, and that a delivery's fault is exactly what the client sees. Knows no storage.
"""

import asyncio
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol, cast

from .messages import Request, Response, Undecodable, parse_query

HEAD_LIMIT = 64 * 1024  # the service allows 64 KiB of headers with a 4 KiB URL
BODY_LIMIT = 5_000 * 1024 * 1024 + 65_536  # the largest Put Blob
PIECE = 256 * 1024  # what one write hands to the kernel: the transport copies only what the socket did not take
REASONS = {
    200: "OK", 201: "Created", 202: "Accepted", 206: "Partial Content", 304: "Not Modified", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    411: "Length Required", 412: "Precondition Failed", 413: "Payload Too Large", 416: "Range Not Satisfiable",
    429: "Too Many Requests", 431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    503: "Service Unavailable",
}  # fmt: skip
BODILESS = frozenset({204, 304})


class Ending(Enum):
    """How a delivery ends."""

    WHOLE = auto()
    RESET_BEFORE = auto()  # connection reset, the operation did not run
    RESET_AFTER = auto()  # the operation ran, the client never learns it
    TRUNCATED = auto()  # Content-Length promised more
    STALLED = auto()  # the rest never comes


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one answer travels. `limit` is the body's bytes sent before a truncation or stall."""

    latency: float = 0.0
    bandwidth: float = 0.0  # bytes a second; 0: unlimited
    ending: Ending = Ending.WHOLE
    limit: int = 0
    hold: float = 0.0  # seconds a stalled connection stays open; 0: until the client leaves


PLAIN = Delivery()


class Application(Protocol):
    """What answers. `plan` looks at a request and draws its faults; `act` runs it. Neither awaits."""

    def plan(self, request: Request) -> Delivery: ...

    def act(self, request: Request) -> Response: ...


class Connection(asyncio.BufferedProtocol):
    """One client's connection. State: `_filled` bytes of `_buffer` unread; `_body` being received from `_got`."""

    def __init__(self, application: Application, open_connections: "set[Connection]") -> None:
        self._application = application
        self._siblings = open_connections
        self._buffer = bytearray(HEAD_LIMIT)
        self._view = memoryview(self._buffer)
        self._filled = 0
        self._request: Request | None = None
        self._body = memoryview(b"")
        self._got = 0
        self._chunks: Chunks | None = None
        self._busy = False
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None

    # What the transport calls -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # asyncio does this only for sockets made with a protocol's number. Without it the body of a small answer waits 40 ms
        # for the client to acknowledge the head.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._secure = transport.get_extra_info("sslcontext") is not None
        self._siblings.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._siblings.discard(self)
        if self._task is not None:
            self._task.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._request is not None and self._chunks is None and not self._busy:
            return self._body[self._got :]
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._request is not None and self._chunks is None and not self._busy:
            self._got += nbytes
        else:
            self._filled += nbytes
        self._advance()

    def eof_received(self) -> bool:
        return self._busy  # a client may half-close and still wait for its answer

    def pause_writing(self) -> None:
        self._writable = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def close(self) -> None:
        self._transport.abort()

    # Receiving ----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        while not self._busy and not self._transport.is_closing():
            if self._request is None and not self._head():
                break
            if not self._body_complete():
                break
            self._answer()
        if self._busy and self._filled == HEAD_LIMIT:
            self._transport.pause_reading()

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
        if end < 0:
            if self._filled == HEAD_LIMIT:
                self._refuse(431)
            return False
        try:
            request, length, chunked = parse_head(bytes(self._view[:end]), self._secure)
        except (Undecodable, ValueError):
            self._refuse(400)
            return False
        if length > BODY_LIMIT:
            self._refuse(413)
            return False
        self._consume(end + 4)
        self._closing = request.headers.get("connection", "").lower() == "close"
        self._request, self._chunks = request, Chunks() if chunked else None
        taken = min(length, self._filled)
        self._body, self._got = memoryview(bytearray(length)), taken
        self._body[:taken] = self._view[:taken]
        self._consume(taken)
        if "expect" in request.headers and taken < max(length, chunked):
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _body_complete(self) -> bool:
        if self._chunks is None:
            return self._got == len(self._body)
        try:
            used, done = self._chunks.feed(self._view[: self._filled])
        except ValueError:
            self._refuse(400)
            return False
        self._consume(used)
        if not done and self._filled == HEAD_LIMIT:
            self._refuse(400)
        if done:
            self._body, self._chunks = memoryview(self._chunks.data), None
            self._got = len(self._body)
        return done

    def _consume(self, count: int) -> None:
        if not count:
            return
        rest = self._filled - count
        if rest:
            self._buffer[:rest] = self._buffer[count : self._filled]
        self._filled = rest

    def _refuse(self, status: int) -> None:
        self._transport.write(head(Response(status, {"Connection": "close"}), 0))
        self._transport.close()

    # Answering ----------------------------------------------------------------------------------------------------

    def _answer(self) -> None:
        request = self._request
        assert request is not None
        request.body = self._body.toreadonly()
        self._body = memoryview(b"")
        delivery = self._application.plan(request)
        if delivery is PLAIN:
            response = self._application.act(request)
            size = response.size()
            if size <= PIECE and self._writable is None:
                self._transport.write(b"".join((head(response, size, self._closing), *response.body)))
                self._finish()
                return
            work = self._send(response, PLAIN)
        else:
            work = self._deliver(request, delivery)
        self._busy = True
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._done)

    async def _deliver(self, request: Request, delivery: Delivery) -> None:
        if delivery.latency:
            await asyncio.sleep(delivery.latency)
        if delivery.ending is Ending.RESET_BEFORE:
            self._reset()
            return
        response = self._application.act(request)
        if delivery.ending is Ending.RESET_AFTER:
            self._reset()
            return
        await self._send(response, delivery)

    async def _send(self, response: Response, delivery: Delivery) -> None:
        size = response.size()
        self._transport.write(head(response, size, self._closing))
        left = size if delivery.ending is Ending.WHOLE else min(delivery.limit, size)
        step = PIECE if not delivery.bandwidth else max(1, min(PIECE, int(delivery.bandwidth / 50)))
        for segment in response.body:
            view = memoryview(segment)[:left]
            left -= len(view)
            for start in range(0, len(view), step):
                if self._writable is not None:
                    await self._writable
                if self._transport.is_closing():
                    return  # the client has left; asyncio would write a warning for every piece more
                piece = view[start : start + step]
                self._transport.write(piece)
                if delivery.bandwidth:
                    await asyncio.sleep(len(piece) / delivery.bandwidth)
        if delivery.ending is Ending.TRUNCATED:
            self._transport.close()
        elif delivery.ending is Ending.STALLED:
            await asyncio.sleep(delivery.hold or 86_400)
            self._transport.close()

    def _done(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._transport.abort()
            raise error  # reaches the loop's exception handler, which logs it
        self._busy = False
        self._finish()
        if self._transport.is_closing():
            return
        self._transport.resume_reading()
        self._advance()

    def _finish(self) -> None:
        self._request = None
        if self._closing:
            self._transport.close()

    def _reset(self) -> None:
        """RST instead of FIN: what a client sees of a crashed server or a dropped load-balancer entry."""
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


class Chunks:
    """A chunked body being received. State: `_left` bytes missing of the chunk, then its line end if `_inside`."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._left = 0
        self._inside = False
        self._last = False

    def feed(self, view: memoryview) -> tuple[int, bool]:
        """Bytes used of the view, and whether the last chunk came. ValueError if it is no chunked body."""
        used = 0
        while True:
            piece = view[used : used + self._left]
            self.data += piece
            used += len(piece)
            self._left -= len(piece)
            if self._left or (self._inside and len(view) - used < 2):
                return used, False
            if self._inside:
                used += 2
                self._inside = False
            if self._last:
                return used, True
            line = bytes(view[used : used + 1024])
            end = line.find(b"\r\n")
            if end < 0:
                return used, False
            self._left = int(line[:end].partition(b";")[0], 16)
            if self._left + len(self.data) > BODY_LIMIT:
                raise ValueError(self._left)
            used += end + 2
            self._inside, self._last = True, self._left == 0


def parse_head(text: bytes, secure: bool) -> tuple[Request, int, bool]:
    """The request of a head, its Content-Length, and whether the body is chunked. ValueError if it is none."""
    lines = text.decode("utf-8", "surrogateescape").split("\r\n")
    method, target, protocol = lines[0].split(" ")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon:
            raise ValueError(line)
        name = name.lower()
        value = value.strip()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if target.startswith(("http://", "https://")):
        host, _, rest = target.partition("://")[2].partition("/")
        target = f"/{rest}"
        headers.setdefault("host", host)
    if protocol == "HTTP/1.0":
        headers.setdefault("connection", "close")
    path, _, query = target.partition("?")
    length = int(headers.get("content-length") or 0)
    if length < 0:
        raise ValueError(length)
    chunked = headers.get("transfer-encoding", "").lower() == "chunked"
    return Request(method, path, parse_query(query), headers, secure=secure), length, chunked


def head(response: Response, size: int, closing: bool = False) -> bytes:
    """Status line and headers."""
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    if response.status not in BODILESS:
        lines.append(f"Content-Length: {size if response.length is None else response.length}")
    if closing:
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


def connections(application: Application) -> "tuple[Callable[[], Connection], set[Connection]]":
    """A protocol factory for loop.create_server, and the set of what it has open."""
    opened: set[Connection] = set()
    return (lambda: Connection(application, opened)), opened


def listen(host: str, port: int) -> socket.socket:
    """A loopback socket. The emulator checks nothing that would make it fit for a network, so it offers itself to none."""
    if host not in {"127.0.0.1", "::1", "localhost"}:
        raise ValueError(f"The emulator listens on loopback only, not on {host}.")
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock

"""Ranged GETs over plain sockets of our own: the shortest way from the network to a buffer, where there is no TLS and no proxy.

A general client costs more than the bytes: 128 KiB take 165 µs of CPU and 4.5 context switches with obstore, whose runtime has
threads of its own between the socket and who waits; 40 µs and 1.5 here. A gigabyte in ranges of 2 MiB: 0.37 s and 0.15 s.
TLS is obstore's: it deciphers without the interpreter.

Promises: only an answer that is exactly what was asked for is taken (206, length, range, version); whatever else comes is left
for the REST client to ask again and to name. A connection is used again only after a whole answer. Synchronous, for pool threads.
"""

import itertools
import secrets
import socket
import struct
import time
from collections import deque
from collections.abc import Callable

from mountd.errors import StoreTimeout
from mountd.stores.blob.endpoint import Endpoint
from mountd.stores.blob.rest import API_VERSION, KEEPALIVE, USER_AGENT
from mountd.stores.config import NetworkConfig
from mountd.stores.credentials import Outgoing, Signer
from mountd.types import Buffer, Version

HEAD = (
    4096  # bytes of a first look: an answer's head has 600 to 900, and the body's beginning is copied out of the rest
)
LONGEST_HEAD = 64 << 10
IDLE_SECONDS = 90.0  # load balancers forget an idle connection after four minutes, without a word
HTTP_PORT = 80


Wanted = tuple[bytes, bytes, int]
"""What an answer must say: its Content-Range, ETag and length."""


class Connection:
    """One connection, and when it was last of use."""

    __slots__ = ("idle_since", "socket", "used", "wakes_at")

    def __init__(self, opened: socket.socket) -> None:
        self.socket = opened
        self.used = False
        self.idle_since = 0.0
        self.wakes_at = 1  # bytes there, before who waits is woken (SO_RCVLOWAT)


class RangeClient:
    """State: `_idle`, the connections nobody uses, the one used last at the end; its steps are whole to every thread."""

    def __init__(self, endpoint: Endpoint, signer: Signer, network: NetworkConfig) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._network = network
        self._idle: deque[Connection] = deque()
        self._closed = False
        self._client = secrets.token_hex(8)
        self._numbers = itertools.count()
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self._host = f"{host}:{endpoint.port}" if endpoint.port else host
        whole, part = divmod(network.stall_timeout, 1)
        self._patience = struct.pack("ll", int(whole), int(part * 1e6))

    def close(self) -> None:
        self._closed = True
        while self._idle:
            self._idle.pop().socket.close()

    def read(self, version: Version, start: int, stop: int, progress: Callable[[], None]) -> Buffer:
        """The version's bytes [start, stop), as far as they came. Fewer than all: the answer was another or was cut short, and is
        worth asking for once more. Raises StoreTimeout, with what came, where nothing came for too long."""
        request, wanted = self.request(version, start, stop)
        while True:
            connection = self.idle() or self._connected()
            if connection is None:
                return b""
            answer = Answer(connection, wanted, progress)
            try:
                answer.receive(request)
            except BlockingIOError as nothing:
                stall = StoreTimeout(f"No byte from {self._endpoint.service} for {self._network.stall_timeout} s.")
                stall.received = answer.body
                raise stall from nothing
            except OSError:
                answer.whole = False
            finally:
                if answer.whole:
                    self.keep(connection, answer.head)
                else:
                    connection.socket.close()
            if answer.head or not connection.used:
                return answer.body
            # It was idle and the other side has closed it meanwhile: that says nothing about the next one.

    def request(self, version: Version, start: int, stop: int) -> tuple[bytes, Wanted]:
        """What to send, and what the answer must say."""
        headers = {
            "x-ms-version": API_VERSION,
            "x-ms-client-request-id": f"{self._client}-{next(self._numbers)}",
            "User-Agent": USER_AGENT,
            "x-ms-range": f"bytes={start}-{stop - 1}",
            "If-Match": f'"{version.etag}"',
        }
        outgoing = Outgoing("GET", self._endpoint.path(version.key), {}, headers)
        self._signer.sign(outgoing)
        lines = [f"GET {outgoing.target} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in outgoing.headers.items()]
        wanted = f"bytes {start}-{stop - 1}/{version.size}".encode(), f'"{version.etag}"'.encode(), stop - start
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"), wanted

    def idle(self) -> Connection | None:
        """A connection that nobody uses: the one used last."""
        oldest = time.monotonic() - IDLE_SECONDS
        try:
            while True:
                connection = self._idle.pop()
                if connection.idle_since > oldest:
                    return connection
                connection.socket.close()
        except IndexError:
            return None

    def _connected(self) -> Connection | None:
        port = self._endpoint.port or HTTP_PORT
        try:
            opened = socket.create_connection((self._endpoint.host, port), self._network.connect_timeout)
        except OSError:
            return None
        # Blocking, with the kernel's own limits: so one call waits for the whole body.
        opened.settimeout(None)
        for option in (
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
            (socket.SOL_SOCKET, socket.SO_RCVTIMEO, self._patience),
            (socket.SOL_SOCKET, socket.SO_SNDTIMEO, self._patience),
            *KEEPALIVE,
        ):
            opened.setsockopt(*option)
        return Connection(opened)

    def keep(self, connection: Connection, head: bytes) -> None:
        """It is idle again, all of an answer was taken; closed, where the answer's head says so."""
        if b"\r\nconnection: close" in head.lower():
            connection.socket.close()
            return
        connection.used = True
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if self._closed:
            self.close()


class Answer:
    """What comes for one request on one connection. State: `head` and `body`, as far as they came; `whole`: all of a good answer
    came, and more may be asked on this connection."""

    __slots__ = ("_progress", "_socket", "_wanted", "body", "head", "whole")

    def __init__(self, connection: Connection, wanted: Wanted, progress: Callable[[], None]) -> None:
        self._socket = connection.socket
        self._wanted = wanted
        self._progress = progress
        self.head = b""
        self.body: Buffer = b""
        self.whole = False

    def receive(self, request: bytes) -> None:
        self._socket.sendall(request)
        if not self._receive_head() or not is_answer(self.head, self._wanted):
            return
        size = self._wanted[2]
        # All of it in one call, into memory that nobody has cleared before: to clear 2 MiB takes as long as to copy them.
        self.body = self._socket.recv(size, socket.MSG_WAITALL)
        if len(self.body) < size:
            self._receive_slowly(size)
        self.whole = len(self.body) == size

    def _receive_head(self) -> bool:
        """Exactly the head: looked at before it is taken, so that the body begins with the next byte."""
        while len(self.head) < LONGEST_HEAD:
            seen = self._socket.recv(HEAD, socket.MSG_PEEK)
            if not seen:
                return False
            end = (self.head + seen).find(b"\r\n\r\n")
            self.head += self._socket.recv(end + 4 - len(self.head) if end >= 0 else len(seen))
            if end >= 0:
                return True
        return False

    def _receive_slowly(self, size: int) -> None:
        """The rest of a body that comes with pauses."""
        view = memoryview(bytearray(size))
        received = len(self.body)
        view[:received] = self.body
        try:
            while received < size:
                came = self._socket.recv_into(view[received:], 0, socket.MSG_WAITALL)
                if not came:
                    break
                received += came
                self._progress()
        finally:
            self.body = view[:received].toreadonly()


def is_answer(head: bytes, wanted: Wanted) -> bool:
    """Whether this is the head of exactly what was asked for."""
    status, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if not status.startswith(b"HTTP/1.1 206"):
        return False
    fields: dict[bytes, bytes] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in fields and name == b"content-length":
            return False
        fields[name] = value.strip()
    span, etag, length = wanted
    return (
        fields.get(b"content-range") == span
        and fields.get(b"etag") == etag
        and fields.get(b"content-length") == str(length).encode()
        and b"transfer-encoding" not in fields
    )

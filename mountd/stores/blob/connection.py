"""One connection of the loop's own: a socket that never blocks, the GET it asks, and how much of the answer has come.

Promises: a body is taken only if its head announced exactly what was asked for; the buffer is never larger than that.
"""

import socket
import ssl
from typing import Protocol

from mountd.stores.blob.ranged import HEAD_END, LONGEST_HEAD, Head, RangedGet, parsed
from mountd.stores.blob.rest import ERROR_BODY_LIMIT
from mountd.stores.generations import Landed, Leavable
from mountd.stores.progress import Listener

FIRST = 16 << 10  # bytes taken with a head: they are copied once more
NOT_YET = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Connected = socket.socket | ssl.SSLSocket


class Owner(Protocol):
    """Who places GETs on connections."""

    def left(self, get: "Get") -> None: ...


class Get:
    """One GET under way. `place`: the connection that asks, or who does it otherwise; None while it waits for a connection."""

    __slots__ = ("_owner", "asked", "landed", "left", "listener", "place")

    def __init__(self, owner: Owner, asked: RangedGet, landed: Landed, listener: Listener) -> None:
        self._owner = owner
        self.asked = asked
        self.landed = landed
        self.listener = listener
        self.place: Connection | Leavable | None = None
        self.left = False

    def leave(self) -> None:
        if not self.left:
            self.left = True
            self._owner.left(self)


class Connection:
    """One socket. State: the GET it asks (None: idle, since `since`), and how much of the answer has come."""

    __slots__ = ("_came", "_head", "_raw", "_view", "get", "since", "socket", "used")

    def __init__(self, connected: Connected) -> None:
        self.socket = connected
        self.get: Get | None = None
        self.used = False  # it has answered, or been idle: the service may have closed it meanwhile
        self.since = 0.0
        self._raw = b""
        self._head: Head | None = None
        self._view = memoryview(b"")
        self._came = 0

    def ask(self, get: Get, request: bytes) -> None:
        """Raises OSError where the request does not leave as a whole: a socket that is idle has room for it."""
        self.get = get
        self._raw = b""
        self._head = None
        self._came = 0
        if self.socket.send(request) != len(request):
            raise BrokenPipeError("a request was taken in part")

    @property
    def untouched(self) -> bool:
        """Nothing of the answer has come."""
        return not self._raw and self._head is None

    @property
    def received(self) -> memoryview:
        """What has come of the bytes asked for."""
        head = self._head
        wanted = head is not None and self.get is not None and self.get.asked.answered_by(head)
        return self._view[: self._came].toreadonly() if wanted else memoryview(b"")

    def hear(self) -> Head | None:
        """Takes what is there; the head of an answer that has come whole. Raises OSError (ssl.SSLError is one), EOFError, or
        ValueError for what is no answer."""
        try:
            if self._head is None and not self._take_head():
                return None
            view, wanted = self._view, len(self._view)
            while self._came < wanted:
                came = self.socket.recv_into(view[self._came :])
                if not came:
                    raise EOFError
                self._came += came
        except NOT_YET:
            return None
        return self._head

    def _take_head(self) -> bool:
        piece = self.socket.recv(FIRST)
        if not piece:
            raise EOFError
        if self.get is None:
            raise ValueError("bytes that nobody asked for")
        raw = self._raw + piece if self._raw else piece
        self._raw = raw
        end = raw.find(HEAD_END)
        if end < 0:
            if len(raw) > LONGEST_HEAD:
                raise ValueError("a head without an end")
            return self._take_head()
        head = parsed(raw[:end])
        if head is None:
            raise ValueError("no answer of HTTP/1")
        length = head.length
        if self.get.asked.answered_by(head) or 0 <= length <= ERROR_BODY_LIMIT and not 200 <= head.status < 300:
            buffer = bytearray(length)
        else:
            raise ValueError("another answer than to a ranged GET")
        body = raw[end + len(HEAD_END) :]
        if len(body) > length:
            raise ValueError("more bytes than were announced")
        self._view = memoryview(buffer)
        self._view[: len(body)] = body
        self._came = len(body)
        self._head = head
        self._raw = b""
        return True

    def taken(self) -> tuple[Get, memoryview]:
        """Ends the GET that was answered: it, and the body."""
        get, view = self.get, self._view
        assert get is not None
        self.get = None
        self.used = True
        self._head = None  # what is heard while it is idle is no end of this answer
        self._view = memoryview(b"")
        return get, view.toreadonly()

    def close(self) -> None:
        self.socket.close()

"""Small ranges without a thread: asked on trio's thread over connections that are idle, and taken when the kernel has them.

A thread for 128 KiB costs two wake-ups, and each turn at the interpreter's lock a third: about as much as the bytes. Here the
request is one send, and one task looks after all answers: the kernel wakes it when an answer has begun, and again when the rest
of its body is there (SO_RCVLOWAT).

Promises: nothing here waits; what cannot be asked at once, or comes as anything but the whole of what was asked for, is
left to a thread, which asks again and names what is wrong. Trio thread only.
"""

import fcntl
import select
import socket
import struct
import termios
from collections.abc import Callable

import trio

from mountd.stores.blob.ranges import HEAD, Connection, RangeClient, Wanted, is_answer
from mountd.types import Buffer, Version

LARGEST = 512 << 10  # a larger body is copied by a thread: without the interpreter's lock, beside others
_COUNT = struct.pack("i", 0)


class Watched:
    """One answer that is waited for. `landed` is given its bytes; None: a thread has to ask. State: `_head`, once it has come;
    `_parts` of a body that came in several, `_left` of it to come."""

    __slots__ = ("_connection", "_head", "_landed", "_left", "_owner", "_parts", "_wanted")

    def __init__(
        self, owner: "WatchedRanges", connection: Connection, wanted: Wanted, landed: Callable[[Buffer | None], None]
    ) -> None:
        self._owner = owner
        self._connection = connection
        self._wanted = wanted
        self._landed = landed
        self._head = b""
        self._parts: list[bytes] = []
        self._left = wanted[2]

    def leave(self) -> None:
        """Its answer is not wanted any more, and nothing else may be asked where it will come."""
        self._owner.end(self._connection, self._head, whole=False)

    def give_up(self) -> None:
        self.leave()
        self._landed(None)

    def ready(self) -> None:
        """Something has come."""
        try:
            whole = self._receive()
        except BlockingIOError:
            return
        except OSError:
            whole = False
        if whole is None:
            return
        self._owner.end(self._connection, self._head, whole=whole)
        self._landed((self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)) if whole else None)

    def _receive(self) -> bool | None:
        """True: all of it is here; False: something else came, or the end; None: the rest is to come."""
        connection = self._connection.socket
        if not self._head:
            seen = connection.recv(HEAD, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            end = seen.find(b"\r\n\r\n") + 4
            if end < 4 or not is_answer(seen[:end], self._wanted):
                return False
            self._head = connection.recv(end, socket.MSG_DONTWAIT)
            if struct.unpack("i", fcntl.ioctl(connection, termios.FIONREAD, _COUNT))[0] < self._left:
                self._wake_at(self._left)
                return None
        part = connection.recv(self._left, socket.MSG_DONTWAIT)
        if not part:
            return False
        self._parts.append(part)
        self._left -= len(part)
        if self._left:
            self._wake_at(self._left)
            return None
        return True

    def _wake_at(self, size: int) -> None:
        self._connection.wakes_at = size
        self._connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)


class WatchedRanges:
    """State: `_waiting`, by the number of the connection; `_attending`: the task is there, which stays until `close`, parked."""

    def __init__(self, ranges: RangeClient) -> None:
        self._ranges = ranges
        self._waiting: dict[int, Watched] = {}
        self._attending = False
        self._poll = select.epoll()

    def begin(self, version: Version, start: int, stop: int, landed: Callable[[Buffer | None], None]) -> Watched | None:
        """Asks now; None: not without a thread. `landed` hears of it later, never within this call."""
        connection = self._ranges.idle() if stop - start <= LARGEST and not self._poll.closed else None
        if connection is None:
            return None
        request, wanted = self._ranges.request(version, start, stop)
        try:
            sent = connection.socket.send(request, socket.MSG_DONTWAIT)
        except OSError:
            sent = 0
        if sent < len(request):
            connection.socket.close()
            return None
        watched = Watched(self, connection, wanted, landed)
        self._poll.register(connection.socket, select.EPOLLIN)
        self._waiting[connection.socket.fileno()] = watched
        if not self._attending:
            self._attending = True
            trio.lowlevel.spawn_system_task(self._attend, name="answers of a datastore")
        return watched

    def end(self, connection: Connection, head: bytes, *, whole: bool) -> None:
        """No more is expected on this connection."""
        del self._waiting[connection.socket.fileno()]
        self._poll.unregister(connection.socket)
        if not whole:
            connection.socket.close()
            return
        if connection.wakes_at != 1:
            connection.wakes_at = 1
            connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
        self._ranges.keep(connection, head)

    def close(self) -> None:
        """What waits is left to a thread, whose pool is closed: it says so."""
        if self._poll.closed:
            return
        for watched in list(self._waiting.values()):
            watched.give_up()
        if self._attending:
            trio.lowlevel.notify_closing(self._poll.fileno())
        self._poll.close()

    async def _attend(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self._poll.fileno())
                for number, _ in self._poll.poll(0):
                    if number in self._waiting:  # what landed just before may have ended it
                        self._waiting[number].ready()
        except trio.ClosedResourceError:
            return

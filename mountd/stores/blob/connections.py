"""GETs on trio's loop itself: sockets that never block, heard by one task.

A GET through a pool's thread and obstore's runtime costs 400 µs of CPU here, most of it handing the interpreter from thread to
thread; on the loop 128 KiB cost 54 µs, and 2 MiB 380 µs (0.18 s of CPU a GB against 0.5). Threads only open connections.

Promises: `landed` hears once, unless the GET was left; bytes are given only if the answer announced exactly them; an error names
status, code and request id as the REST client's does. What is out of the ordinary (an answer without a length, a 401
that a new token may mend) is asked again by `otherwise`, in a thread. It never retries what the service refused; a kept connection
that turns out to be closed is replaced once, without a word.
"""

import logging
import select
import ssl
from collections import deque
from typing import Protocol

import trio
import urllib3
from urllib3 import exceptions as lost
from urllib3.connection import HTTPConnection, HTTPSConnection

from mountd import metrics
from mountd.errors import StoreError, Unavailable
from mountd.stores.blob.connection import NOT_YET, Connected, Connection, Get
from mountd.stores.blob.ranged import Head, RangedGet, request_writer
from mountd.stores.blob.rest import KEEPALIVE, RestClient
from mountd.stores.blob.threads import Job, ThreadPool
from mountd.stores.config import NetworkConfig
from mountd.stores.generations import Landed, Leavable
from mountd.stores.network import tls_context
from mountd.stores.progress import Listener
from mountd.types import Buffer, Version

log = logging.getLogger(__name__)

IDLE_SECONDS = 90.0  # load balancers forget an idle connection after four minutes, without a word
AT_ONCE = 16  # connections heard in one turn of the loop: 2 MiB each are 6 ms
LARGEST_SEALED = 256 << 10
"""Through TLS, larger ranges are for threads, which decrypt on several cores: the loop would do 1 GB/s in all."""


class Otherwise(Protocol):
    """How a GET is done that the loop leaves to a thread."""

    def __call__(self, version: Version, start: int, stop: int, landed: Landed, listener: Listener) -> Leavable: ...


class Connections:
    """The connections of one storage. State, of the trio thread: `_by_number` (all, by descriptor), `_idle` (used last: at the
    end), `_waiting` GETs, `_opening` (how many connections), and `_scope` of the one task."""

    def __init__(
        self, rest: RestClient, network: NetworkConfig, threads: ThreadPool, otherwise: Otherwise, *, usable: bool
    ) -> None:
        self._rest = rest
        self._network = network
        self._threads = threads
        self._otherwise = otherwise
        self._usable = usable
        self._sealed = rest.endpoint.scheme == "https"
        self._context = tls_context(network) if self._sealed else None
        self._written = request_writer(rest.endpoint, rest.signer)
        self._epoll: select.epoll | None = None
        self._by_number: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: deque[Get] = deque()
        self._opening = 0
        self._scope: trio.CancelScope | None = None
        self._closed = False

    @property
    def open(self) -> int:
        return len(self._by_number)

    def take(self, size: int) -> bool:
        """Whether a GET of that size is one for the loop, now: nothing that might block it."""
        return self._usable and not (self._sealed and size > LARGEST_SEALED) and self._rest.signer.at_hand

    def begin(self, version: Version, start: int, stop: int, landed: Landed, listener: Listener) -> Leavable:
        """generations.DirectRaw."""
        get = Get(self, RangedGet(self._rest.endpoint, version, start, stop), landed, listener)
        if self._closed:
            get.left = True
            landed(None, self._gone())
        else:
            self._place(get)
        return get

    def left(self, get: Get) -> None:
        """Nobody waits for it any more: its connection would first have to bring the rest."""
        place = get.place
        if isinstance(place, Connection):
            self._drop(place)
        elif place is not None:
            place.leave()
        else:
            self._waiting.remove(get)

    def close(self) -> None:
        """What is under way fails now."""
        self._closed = True
        for get in self._waiting:
            self._fail(get, self._gone())
        self._waiting.clear()
        for connection in list(self._by_number.values()):
            asking = connection.get
            self._drop(connection)
            if asking is not None:
                self._fail(asking, self._gone())
        if self._scope is not None:
            self._scope.cancel()

    # Which connection asks ------------------------------------------------------------------------------------------

    def _place(self, get: Get) -> None:
        now = trio.current_time()
        while self._idle and self._idle[0].since < now - IDLE_SECONDS:
            self._drop(self._idle[0])
        if self._idle:
            self._ask(self._idle.pop(), get)
            return
        self._waiting.append(get)
        if self._opening < len(self._waiting):
            self._opening += 1
            self._threads.give(self._connect, self._connected)

    def _ask(self, connection: Connection, get: Get) -> None:
        get.place = connection
        try:
            connection.ask(get, self._written(get.asked))
        except (OSError, *NOT_YET) as error:
            self._lost(connection, error)

    def _connect(self) -> Connected:
        """In a thread: a name may have to be looked up, and TLS wants several round trips."""
        endpoint, network = self._rest.endpoint, self._network
        options = [*HTTPConnection.default_socket_options, *KEEPALIVE]
        to: HTTPConnection
        if self._context is None:
            to = HTTPConnection(endpoint.host, endpoint.port, timeout=network.connect_timeout, socket_options=options)
        else:
            to = HTTPSConnection(
                endpoint.host,
                endpoint.port,
                timeout=network.connect_timeout,
                socket_options=options,
                ssl_context=self._context,
            )
        try:
            to.connect()
        except ssl.SSLError as error:
            raise self._rest.translated(lost.SSLError(error)) from error
        except (lost.HTTPError, OSError) as error:
            raise self._rest.translated(error) from error
        connected: Connected = to.sock
        connected.setblocking(False)
        return connected

    def _connected(self, job: Job[Connected]) -> None:
        self._opening -= 1
        error = job.error
        if job.value is not None:
            connection = Connection(job.value)
            if self._closed:
                connection.close()
                return
            try:
                self._add(connection)
            except OSError as refused:  # this machine gives no more descriptors, or no more to be watched
                connection.close()
                error = self._rest.translated(refused)
            else:
                self._free(connection)
                return
        if self._waiting:  # else who wanted it has left, or was served by another
            error = error or Unavailable(f"No connection to {self._rest.endpoint.service} came about.")
            self._fail(self._waiting.popleft(), error)

    def _add(self, connection: Connection) -> None:
        """From now on it is heard, idle or not."""
        if self._epoll is None:
            self._epoll = select.epoll()
            self._scope = trio.CancelScope()
            trio.lowlevel.spawn_system_task(self._serve, self._scope, name="hearing a storage's connections")
        number = connection.socket.fileno()
        self._epoll.register(number, select.EPOLLIN)
        self._by_number[number] = connection

    def _free(self, connection: Connection) -> None:
        while self._waiting:
            get = self._waiting.popleft()
            if self._rest.signer.at_hand:
                self._ask(connection, get)
                return
            self._do_otherwise(get)  # its token ran out while it waited: to ask for another would block the loop
        connection.used = True
        connection.since = trio.current_time()
        self._idle.append(connection)

    def _drop(self, connection: Connection) -> None:
        number = connection.socket.fileno()
        if self._by_number.pop(number, None) is not None:
            assert self._epoll is not None
            self._epoll.unregister(number)
        if connection in self._idle:
            self._idle.remove(connection)
        connection.get = None
        connection.close()

    # Hearing --------------------------------------------------------------------------------------------------------

    async def _serve(self, scope: trio.CancelScope) -> None:
        """While anything is asked, and so long after that connections are worth keeping. A bug here would end the daemon, as it
        is one of trio's own tasks: it fails what is under way instead."""
        assert self._epoll is not None
        number = self._epoll.fileno()
        try:
            with scope:
                while True:
                    if len(self._idle) < len(self._by_number):
                        await trio.lowlevel.wait_readable(number)
                    else:
                        with trio.move_on_after(IDLE_SECONDS) as idle:
                            await trio.lowlevel.wait_readable(number)
                        if idle.cancelled_caught and len(self._idle) == len(self._by_number):
                            break
                    self._hear()
        except Exception:
            log.exception("hearing a storage's connections ended in an unexpected way")
            metrics.BUGS.labels("stores.connections").inc()
        finally:
            self._end()

    def _end(self) -> None:
        self._scope = None
        for connection in list(self._by_number.values()):
            get = connection.get
            self._drop(connection)
            if get is not None:
                self._fail(get, Unavailable(f"The connection to {self._rest.endpoint.service} was given up."))
        if self._epoll is not None:
            self._epoll.close()
            self._epoll = None

    def _hear(self) -> None:
        assert self._epoll is not None
        for number, _ in self._epoll.poll(0, AT_ONCE):
            connection = self._by_number.get(number)
            if connection is None:  # closed by what was heard just before
                continue
            try:
                head = connection.hear()
            except (OSError, EOFError) as error:
                self._lost(connection, error)
            except ValueError:
                unanswered = connection.get
                self._drop(connection)
                if unanswered is not None:
                    self._do_otherwise(unanswered)
            else:
                if head is not None:
                    self._answered(connection, head)
                elif connection.get is not None:
                    connection.get.listener.progress_made()

    def _answered(self, connection: Connection, head: Head) -> None:
        get, body = connection.taken()
        if head.last:
            self._drop(connection)
        else:
            self._free(connection)
        if head.status == 206:
            get.left = True
            get.landed(body, None)
        elif head.status == 401:
            self._do_otherwise(get)
        else:
            headers = urllib3.HTTPHeaderDict(head.headers)
            self._fail(get, self._rest.refusal(get.asked.version.key, head.status, headers, bytes(body)))

    def _lost(self, connection: Connection, error: Exception) -> None:
        """The service closed the connection, or the network did."""
        get, received = connection.get, connection.received
        anew = connection.used and connection.untouched
        self._drop(connection)
        if get is None:
            return
        get.place = None
        if anew and self._rest.signer.at_hand:
            self._place(get)
        elif anew:
            self._do_otherwise(get)
        elif isinstance(error, EOFError):
            self._fail(get, _cut_short(get, received))
        else:
            failure = self._rest.translated(error)
            failure.received = received
            self._fail(get, failure)

    def _do_otherwise(self, get: Get) -> None:
        asked = get.asked

        def landed(data: Buffer | None, error: BaseException | None) -> None:
            get.left = True
            get.landed(data, error)

        get.place = self._otherwise(asked.version, asked.start, asked.stop, landed, get.listener)

    @staticmethod
    def _fail(get: Get, error: BaseException) -> None:
        if not get.left:
            get.left = True
            get.landed(None, error)

    def _gone(self) -> Unavailable:
        return Unavailable(f"The connection to {self._rest.endpoint.service} was closed.")


def _cut_short(get: Get, received: memoryview) -> StoreError:
    failure = Unavailable(f"The service's answer was cut short of {get.asked.version.key!r}.")
    failure.received = received
    return failure

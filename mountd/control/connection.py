"""One HTTP/1.1 connection that hosts an ASGI application, on trio.

h11 parses; this file moves bytes. Every wait can be cancelled and has a deadline: a client that stops reading or
writing is hung up on, and never holds up the daemon's stop. It must not know what the application does.

Why not Hypercorn: it hides the peer's credentials, and its sends are shielded from cancellation, so that one stopped
reader of /v1/events (Ctrl-Z) would keep the daemon from ever ending.
"""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict
from typing import Any, TypeAlias
from urllib.parse import unquote

import h11
import trio

from mountd import metrics
from mountd.control.bodies import SCOPE_KEY as BODY_KEY
from mountd.control.bodies import BodyLimit
from mountd.control.config import ControlConfig
from mountd.control.failures import failure_of
from mountd.control.roles import SCOPE_KEY, Peer
from mountd.errors import BadRequest

log = logging.getLogger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

RECEIVE_BYTES = 65536
HEADER_LIMIT = 16 * 1024
MOST_DRAINED = 64 << 20


class Connection:
    """Serves request after request until the client leaves, falls silent, or `finish` is called."""

    def __init__(self, application: Application, stream: trio.SocketStream, peer: Peer, config: ControlConfig) -> None:
        self._application = application
        self._stream = stream
        self._peer = peer
        self._config = config
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT)
        self._waiting: trio.CancelScope | None = None
        self._finishing = False
        self._body_bytes = 0
        self._body_limit = BodyLimit(config.request_limit)
        self._body_ended = False
        self._head: h11.Response | None = None

    async def run(self) -> None:
        """Ends quietly when the client goes away: that is how connections end."""
        try:
            async with self._stream:
                try:
                    await self._serve()
                except h11.RemoteProtocolError as error:
                    await self._refuse(error)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            log.debug("pid %d hung up or stopped reading", self._peer.pid)

    async def _serve(self) -> None:
        while (request := await self._request()) is not None:
            await self._answer(request)
            await self._drain()
            if self._finishing or not self._reusable():
                return
            self._http.start_next_cycle()

    def finish(self) -> None:
        """No request after the one in progress."""
        self._finishing = True
        if self._waiting is not None:
            self._waiting.cancel()

    # Incoming ------------------------------------------------------------------------------------------------------

    async def _request(self) -> h11.Request | None:
        with trio.move_on_after(self._config.idle_timeout) as self._waiting:
            if self._finishing:
                return None
            event = await self._event()
            return event if isinstance(event, h11.Request) else None
        return None

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            if self._http.they_are_waiting_for_100_continue:
                await self._write(h11.InformationalResponse(status_code=100, headers=[]))
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            self._http.receive_data(await self._stream.receive_some(RECEIVE_BYTES))

    async def _receive(self) -> Message:
        """ASGI's receive: the body, then, once that has ended, nothing until the client goes away."""
        if not self._body_ended:
            with trio.fail_after(self._config.idle_timeout):
                event = await self._event()
            if isinstance(event, h11.Data):
                self._body_bytes += len(event.data)
                if self._body_bytes > self._body_limit.bytes:
                    raise BadRequest(f"The request is larger than {self._body_limit.bytes} bytes.")
                return {"type": "http.request", "body": bytes(event.data), "more_body": True}
            if isinstance(event, h11.EndOfMessage):
                self._body_ended = True
                return {"type": "http.request", "body": b"", "more_body": False}
            return {"type": "http.disconnect"}
        while True:
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data or len(self._http.trailing_data[0]) > HEADER_LIMIT:
                return {"type": "http.disconnect"}
            self._http.receive_data(data)  # the next request, sent early

    async def _drain(self) -> None:
        """Reads what the application left of the body: closing on unread bytes would reset the client before it reads."""
        with trio.fail_after(self._config.idle_timeout):
            while self._http.their_state is h11.SEND_BODY and self._body_bytes <= MOST_DRAINED:
                event = await self._event()
                self._body_bytes += len(event.data) if isinstance(event, h11.Data) else 0

    # Outgoing ------------------------------------------------------------------------------------------------------

    async def _answer(self, request: h11.Request) -> None:
        self._body_bytes, self._body_ended, self._head = 0, False, None
        self._body_limit = BodyLimit(self._config.request_limit)
        path, _, query = request.target.partition(b"?")
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": request.http_version.decode("ascii"),
            "method": request.method.decode("ascii").upper(),
            "scheme": "http",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(request.headers),
            "client": None,
            "server": None,
            "state": {},
            SCOPE_KEY: self._peer,
            BODY_KEY: self._body_limit,
        }
        try:
            await self._application(scope, self._receive, self._send)
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            raise
        except Exception:
            metrics.BUGS.labels("control").inc()
            log.exception("%s %s failed", scope["method"], scope["path"])
            self._finishing = True

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
            if self._finishing:
                headers.append((b"connection", b"close"))
            self._head = h11.Response(status_code=message["status"], headers=headers)
            return
        if self._head is not None:
            await self._write(self._head)
            self._head = None
        if body := message.get("body", b""):
            await self._write(h11.Data(data=body))
        if not message.get("more_body", False):
            await self._write(h11.EndOfMessage())

    async def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            with trio.fail_after(self._config.idle_timeout):
                await self._stream.send_all(data)

    async def _refuse(self, error: h11.RemoteProtocolError) -> None:
        """What does not speak HTTP/1.1 is told so in the API's error shape, where an answer can still be begun."""
        log.debug("pid %d does not speak HTTP/1.1: %s", self._peer.pid, error)
        if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = json.dumps(asdict(failure_of(BadRequest(f"This is not HTTP/1.1: {error}.")))).encode()
            headers = [
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ]
            await self._write(h11.Response(status_code=error.error_status_hint, headers=headers))
            await self._write(h11.Data(data=body))
            await self._write(h11.EndOfMessage())

    def _reusable(self) -> bool:
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

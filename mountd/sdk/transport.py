"""HTTP over the control socket, and errors as they were raised: by their code, the same classes on both sides.

One connection a call: a Unix socket costs 50 µs, and a client that lives for days holds nothing open. It must not know
what the answers mean.
"""

import http.client
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import quote, urlencode

from mountd.api import Json
from mountd.errors import ConfigurationInvalid, DaemonNotRunning, MountdError, RoleRefused, StoreTimeout

LONGEST_ADDRESS = 107  # bytes in sockaddr_un, without its final NUL


class Transport:
    """Calls to one daemon. `timeout` is how long an answer may be silent, in seconds; None waits for ever."""

    def __init__(self, path: str, timeout: float | None) -> None:
        self.path = path
        self._timeout = timeout

    def call(self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Json = None) -> Json:
        """The decoded answer; None where there is none. Raises what the daemon raised."""
        with self._answer(method, path, query, body, self._timeout) as answer:
            return _decoded(answer, answer.read())

    def send(self, path: str, body: Iterator[bytes], *, query: Mapping[str, Any] | None = None) -> Json:
        """Posts a body as it comes, of any length."""
        with self._answer("POST", path, query, body, self._timeout) as answer:
            return _decoded(answer, answer.read())

    def text(self, path: str) -> str:
        with self._answer("GET", path, None, None, self._timeout) as answer:
            content = answer.read()
            if answer.status >= 400:
                raise _error(answer.status, content)
            return content.decode()

    def lines(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """Each line of a stream, decoded, as it comes; it may be silent for as long as it likes."""
        with self._answer("GET", path, query, None, None) as answer:
            if answer.status >= 400:
                raise _error(answer.status, answer.read())
            while line := answer.readline():
                yield json.loads(line)

    @contextmanager
    def _answer(
        self, method: str, path: str, query: Mapping[str, Any] | None, body: Json, timeout: float | None
    ) -> Iterator[http.client.HTTPResponse]:
        given = {name: _word(value) for name, value in (query or {}).items() if value is not None}
        target = quote(path) + (f"?{urlencode(given)}" if given else "")
        content, headers = _content(body)
        with self._translated(timeout), closing(_UnixConnection(self.path, timeout)) as connection:
            with suppress(BrokenPipeError):  # refused before all was sent: the answer says why
                connection.request(method, target, content, {**headers, "connection": "close"})
            with connection.getresponse() as answer:
                yield answer

    @contextmanager
    def _translated(self, timeout: float | None) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            raise DaemonNotRunning(
                f"No mountd listens on {self.path}.",
                remedy="Start one (mountd serve, mountd mount), or name its socket: --socket, $MOUNTD_SOCKET.",
            ) from None
        except PermissionError:
            raise RoleRefused(
                f"You may not use the control socket {self.path}.",
                remedy="Ask as root, as the daemon's user, or as a member of the socket's group.",
            ) from None
        except TimeoutError:
            raise StoreTimeout(
                f"The daemon at {self.path} did not answer within {timeout:g} s.", remedy="Its log may say why."
            ) from None
        except (http.client.HTTPException, OSError) as error:
            raise DaemonNotRunning(
                f"The daemon at {self.path} hung up ({type(error).__name__}).",
                remedy="It may have stopped; see its log.",
            ) from None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float | None) -> None:
        super().__init__("mountd", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.settimeout(self.timeout)
            if len(os.fsencode(self._path)) <= LONGEST_ADDRESS:
                self.sock.connect(self._path)
            else:
                self._connect_through_directory()
        except BaseException:
            self.sock.close()
            raise

    def _connect_through_directory(self) -> None:
        directory = os.open(os.path.dirname(self._path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sock.connect(f"/proc/self/fd/{directory}/{os.path.basename(self._path)}")
        finally:
            os.close(directory)


def _content(body: Json) -> tuple[Any, dict[str, str]]:
    """What to send, and as what: JSON, but for an iterator of bytes."""
    if body is None:
        return None, {}
    if isinstance(body, Iterator):
        return body, {"content-type": "text/plain"}
    text = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogateescape")
    return text, {"content-type": "application/json"}


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _decoded(answer: http.client.HTTPResponse, content: bytes) -> Json:
    if answer.status >= 400 and not _is_plain_answer(answer.status, content):
        raise _error(answer.status, content)
    return json.loads(content) if content else None


def _is_plain_answer(status: int, content: bytes) -> bool:
    """/v1/ready says 503 and is no error."""
    return status == 503 and b'"ready"' in content


def _error(status: int, content: bytes) -> MountdError:
    try:
        words = json.loads(content)
        code, message = str(words["code"]), str(words["message"])
    except (ValueError, KeyError, TypeError):
        return MountdError(f"The daemon answered {status} without saying why.", remedy="See its log.")
    kind = _classes().get(code, MountdError)
    remedy, request_id = str(words.get("remedy") or ""), words.get("request_id")
    if issubclass(kind, ConfigurationInvalid):
        return kind(message.split("\n"))
    return kind(message, remedy=remedy, request_id=request_id)


def _classes() -> dict[str, type[MountdError]]:
    found: dict[str, type[MountdError]] = {}
    waiting: list[type[MountdError]] = [MountdError]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found

"""A request as it came and a response as it goes: the words between the wire and the operations.

Promises that nothing about a name is normalised: `path` is what the client sent, and `names()` decodes it once.
Knows no operation and no state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

Bytes = bytes | bytearray | memoryview


@dataclass(slots=True)
class Request:
    """One HTTP request. Header names are lower case; query values are decoded; `body` is owned by the request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: memoryview = memoryview(b"")
    secure: bool = False
    signed_path: str = ""  # where a signature covers another path than `path` (a batch's parts)
    failure: Exception | None = None  # a fault: answered instead of acting
    corrupt: int | None = None  # a fault: the body's byte that is changed on the way


@dataclass(slots=True)
class Response:
    """One HTTP response. `length` is Content-Length where it is not the body's (HEAD)."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Sequence[Bytes] = ()
    length: int | None = None

    def size(self) -> int:
        return sum(map(len, self.body))


class Address(NamedTuple):
    """What a path names; empty where it stops short."""

    account: str
    container: str
    key: str


class Undecodable(ValueError):
    """The path or query is not UTF-8."""


def parse_query(text: str) -> dict[str, str]:
    """Decoded query; names are compared without case by the service, so they are lower-cased."""
    if not text:
        return {}
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    try:
        return {unquote_plus(name).lower(): unquote_plus(value, errors="strict") for name, _, value in pairs}
    except UnicodeDecodeError as error:
        raise Undecodable(text) from error


def decode(path: str) -> str:
    try:
        return unquote(path, errors="strict") if "%" in path else path
    except UnicodeDecodeError as error:
        raise Undecodable(path) from error


def address(path: str, host: str) -> Address:
    """Account, container and key of a raw path. `ACCOUNT.blob.…` as host means that the path starts at the container."""
    name, dot, _ = host.partition(".blob.")
    rest = path.removeprefix("/")
    account = name
    if not dot:
        account, _, rest = rest.partition("/")
    container, _, key = rest.partition("/")
    return Address(decode(account), decode(container), decode(key))


@lru_cache(maxsize=256)
def http_date(epoch: int) -> str:
    return formatdate(epoch, usegmt=True)


@lru_cache(maxsize=256)
def parse_date(text: str) -> float | None:
    """Seconds since the epoch of an HTTP date; None where it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None

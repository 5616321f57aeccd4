"""One ranged GET as bytes: the request as it goes on the wire, and what the head of an answer says. Pure but for the signer.

Promises: the request names range and version; an answer is taken for the bytes asked for only if its status, range, length and
ETag all say so. What is none of an answer to that request is not guessed at: `Head.whole` is False.
"""

import re
from collections.abc import Callable, Mapping

from mountd.stores.blob.endpoint import Endpoint
from mountd.stores.blob.rest import API_VERSION, USER_AGENT
from mountd.stores.credentials import Outgoing, Signer
from mountd.types import Version

HEAD_END = b"\r\n\r\n"
LONGEST_HEAD = 32 << 10


class RangedGet:
    """Bytes [start, stop) of a version."""

    __slots__ = ("etag", "path", "span", "start", "stop", "version")

    def __init__(self, endpoint: Endpoint, version: Version, start: int, stop: int) -> None:
        self.version = version
        self.start = start
        self.stop = stop
        self.path = endpoint.path(version.key)
        self.span = f"{start}-{stop - 1}"
        self.etag = f'"{version.etag}"'

    @property
    def size(self) -> int:
        return self.stop - self.start

    def answered_by(self, head: "Head") -> bool:
        """Whether the head announces exactly these bytes of exactly this version."""
        headers = head.headers
        return (
            head.status == 206
            and headers.get("content-range") == f"bytes {self.span}/{self.version.size}"
            and headers.get("etag") == self.etag
            and head.length == self.size
        )


def request_writer(endpoint: Endpoint, signer: Signer) -> Callable[[RangedGet], bytes]:
    """How a request to this storage is written, signed now."""
    host = endpoint.origin.partition("://")[2]
    fixed = f"Host: {host}\r\nUser-Agent: {USER_AGENT}\r\nx-ms-version: {API_VERSION}\r\n"

    def written(get: RangedGet) -> bytes:
        asked = {"x-ms-range": f"bytes={get.span}", "If-Match": get.etag, "x-ms-version": API_VERSION}
        outgoing = Outgoing("GET", get.path, {}, asked)
        signer.sign(outgoing)
        del asked["x-ms-version"]
        lines = "".join([f"{name}: {value}\r\n" for name, value in asked.items()])
        return f"GET {outgoing.target} HTTP/1.1\r\n{fixed}{lines}\r\n".encode("ascii")

    return written


class Head:
    """Status and headers (names in lower case) of an answer. `length` is -1 where none is said, or where it is no plain number;
    `last`: the connection ends with this answer."""

    __slots__ = ("headers", "last", "length", "status")

    def __init__(self, status: int, headers: Mapping[str, str], *, last: bool) -> None:
        self.status = status
        self.headers = headers
        said = headers.get("content-length", "")
        plain = said.isascii() and said.isdecimal() and "transfer-encoding" not in headers
        self.length = int(said) if plain else -1
        self.last = last or headers.get("connection", "").lower() == "close"


_OF_INTEREST = re.compile(
    r"^(content-length|content-range|etag|connection|transfer-encoding):[ \t]*([^\r\n]*?)[ \t]*\r?$",
    re.IGNORECASE | re.MULTILINE,
)


def parsed(head: bytes) -> Head | None:
    """None: this is no answer of HTTP/1. Of a 206, the headers that decide are enough: the whole costs 25 µs."""
    if head.startswith(b"HTTP/1.1 206 "):
        found = _OF_INTEREST.findall(head.decode("latin-1"))
        decisive = {name.lower(): value for name, value in found}
        return Head(206, decisive, last=False) if len(decisive) == len(found) else None
    first, *lines = head.decode("latin-1").split("\r\n")
    kind, _, rest = first.partition(" ")
    status = rest[:3]
    if kind not in ("HTTP/1.1", "HTTP/1.0") or not (status.isascii() and status.isdecimal()):
        return None
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.lower()
        if not colon or name in headers and name in ("content-length", "transfer-encoding"):
            return None
        headers[name] = value.strip()
    return Head(int(status), headers, last=kind == "HTTP/1.0")

"""Where a container is and how a key is written into a request: URLs of Azure Blob Storage and of its emulators.

Keys reach the wire exactly: every character that is not unreserved is percent-encoded, and so are the dots of `.` and
`..` segments, which clients, proxies and servers would otherwise fold into another name (`a/../b` into `b`).
"""

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from mountd.definitions import DatastoreDefinition
from mountd.errors import InvalidDefinition
from mountd.types import StoreIdentity

_DOT_SEGMENT = re.compile(r"(?:(?<=/)|^)\.{1,2}(?=/|$)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One container. `root` is the path before it: "" for an account's own host, "/ACCOUNT" where hosts are shared."""

    scheme: str
    host: str
    port: int | None
    root: str
    account: str
    container: str

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + (f":{self.port}" if self.port else "")

    @property
    def service(self) -> str:
        """The URL that containers are under."""
        return self.origin + self.root

    @property
    def container_path(self) -> str:
        return f"{self.root}/{quote(self.container, safe='$')}"

    def path(self, key: str) -> str:
        """The request path of a key, percent-encoded."""
        return f"{self.container_path}/{quoted_key(key)}"

    def url(self, key: str) -> str:
        return self.origin + self.path(key)

    @property
    def identity(self) -> StoreIdentity:
        return StoreIdentity("blob", self.service, self.account, self.container)

    def __str__(self) -> str:
        return f"{self.service}/{self.container}"


def quoted_key(key: str) -> str:
    quoted = quote(key, safe="/~-._")
    if "." not in quoted:
        return quoted
    return _DOT_SEGMENT.sub(lambda dots: "%2E" * len(dots.group()), quoted)


def endpoint_of(definition: DatastoreDefinition) -> Endpoint:
    """Raises InvalidDefinition for what is no http(s) URL, and for plain http without `allow_http`."""
    if not definition.endpoint:
        suffix = definition.endpoint_suffix.strip("/.")
        host = f"{definition.account}.blob.{suffix}".lower()
        return Endpoint("https", host, None, "", definition.account, definition.container)
    parts = urlsplit(definition.endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidDefinition(f"The endpoint {_bare(definition.endpoint)!r} is not an http or https URL.")
    if parts.scheme == "http" and not definition.allow_http:
        raise InvalidDefinition(
            f"The endpoint {_bare(definition.endpoint)!r} is plain http.",
            remedy="Set allow_http if it is an emulator on this machine.",
        )
    root = parts.path.rstrip("/")
    account = definition.account or root.lstrip("/") or parts.hostname.split(".", 1)[0]
    return Endpoint(parts.scheme, parts.hostname, parts.port, root, account, definition.container)


def _bare(url: str) -> str:
    """Without a query, which may be a signature."""
    return url.split("?", 1)[0]

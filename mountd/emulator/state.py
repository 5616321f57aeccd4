"""What the storage holds: containers, blobs, snapshots, staged blocks, leases. Data only; operations decide.

State changes only under `Account.lock`, in functions that do not wait, so every request is atomic. ETags are unique
and grow. Knows no HTTP.
"""

import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from .content import Content

Kind = Literal["BlockBlob", "AppendBlob", "PageBlob"]
TICKS_TO_UNIX = 621_355_968_000_000_000  # 100 ns steps from year 1 to 1970: the service's ETags are such times
DEFAULT_ACCOUNT = "devstoreaccount1"
# The key every Azure Storage emulator has, published in its documentation: no secret.
DEFAULT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(slots=True)
class Lease:
    """A lease of a blob or container. `until` is the end of its term or of its break; None where it has none."""

    identifier: str = ""
    duration: int = 0  # seconds; -1 is infinite; 0 none was taken
    until: float | None = None
    broken: bool = False
    breaking: bool = False
    released: bool = True

    def state(self, now: float) -> str:
        if self.released:
            return "available"
        ended = self.until is not None and now >= self.until
        if self.broken or self.breaking:
            return "broken" if self.broken or ended else "breaking"
        return "expired" if ended else "leased"

    def locked(self, now: float) -> bool:
        return self.state(now) in {"leased", "breaking"}


@dataclass(slots=True, frozen=True)
class Block:
    """A block's name and bytes."""

    identifier: str
    content: Content


@dataclass(slots=True, frozen=True)
class Described:
    """The HTTP headers that a blob keeps."""

    content_type: str = "application/octet-stream"
    encoding: str = ""
    language: str = ""
    md5: str = ""
    cache_control: str = ""
    disposition: str = ""


@dataclass(slots=True)
class Copy:
    """The last copy into a blob. Copies inside the emulator are always done at once."""

    identifier: str
    source: str
    length: int
    completed: float
    status: str = "success"


@dataclass(slots=True)
class Blob:
    """One version of a blob and what belongs to its name (lease, snapshots)."""

    key: str
    kind: Kind
    content: Content
    etag: str
    modified: int
    created: int
    described: Described = Described()
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    tier: str = ""  # set explicitly; "" is the account's default
    tier_changed: int = 0
    rehydrating: str = ""
    legal_hold: bool = False
    retained_until: float = 0.0
    sequence: int = 0
    sealed: bool = False
    copy: Copy | None = None
    lease: Lease = field(default_factory=Lease)
    snapshot: str = ""
    snapshots: dict[str, "Blob"] = field(default_factory=dict)
    pages: tuple[tuple[int, int], ...] = ()  # written ranges of a page blob, [start, end)

    def frozen(self, snapshot: str) -> "Blob":
        return replace(
            self, snapshot=snapshot, snapshots={}, lease=Lease(), metadata=dict(self.metadata), tags=dict(self.tags)
        )


@dataclass(slots=True)
class Policy:
    """A stored access policy."""

    start: str = ""
    expiry: str = ""
    permissions: str = ""


@dataclass(slots=True)
class Container:
    """A container. `blobs` holds what is committed, `staged` the uncommitted blocks by key."""

    name: str
    etag: str
    modified: int
    metadata: dict[str, str] = field(default_factory=dict)
    public: str = ""
    policies: dict[str, Policy] = field(default_factory=dict)
    lease: Lease = field(default_factory=Lease)
    blobs: dict[str, Blob] = field(default_factory=dict)
    staged: dict[str, dict[str, Block]] = field(default_factory=dict)
    order: list[str] | None = None

    def keys(self) -> list[str]:
        """Every key with a blob, ascending. Sorted when asked after a change: clients list after they wrote."""
        if self.order is None:
            self.order = sorted(self.blobs)
        return self.order

    def put(self, blob: Blob) -> None:
        if blob.key not in self.blobs:
            self.order = None
        self.blobs[blob.key] = blob

    def remove(self, key: str) -> None:
        del self.blobs[key]
        self.order = None


class Account:
    """Everything one emulator holds. `clock` gives seconds since the epoch; tests replace it."""

    def __init__(self, name: str, key: str, clock: Callable[[], float] = time.time) -> None:
        b64decode(key, validate=True)  # an account key is Base64: ValueError here rather than at the first request
        self.name = name
        self.key = key
        self.second_key = ""
        self.clock = clock
        self.lock = threading.RLock()
        self.containers: dict[str, Container] = {}
        self.properties: bytes = b""
        self.changed: Callable[[str, str], None] = lambda container, key: (
            None
        )  # told after each change; disk.py listens
        self._ticks = 0

    @property
    def keys(self) -> tuple[str, ...]:
        """What may have signed a request: an account has two, so that one can be replaced while the other is in use."""
        return (self.key, self.second_key) if self.second_key else (self.key,)

    def stamp(self) -> tuple[str, int]:
        """A new ETag (quoted) and Last-Modified."""
        now = self.clock()
        self._ticks = max(self._ticks + 1, int(now * 10_000_000) + TICKS_TO_UNIX)
        return f'"0x{self._ticks:X}"', int(now)

    def snapshot_time(self) -> str:
        """A snapshot's name: a time with seven digits, later than every other."""
        self._ticks = max(self._ticks + 1, int(self.clock() * 10_000_000) + TICKS_TO_UNIX)
        ticks = self._ticks - TICKS_TO_UNIX
        return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ticks // 10_000_000)) + f".{ticks % 10_000_000:07d}Z"

    def create_container(self, name: str) -> Container:
        etag, modified = self.stamp()
        container = self.containers[name] = Container(name, etag, modified)
        return container

    def create_blob(self, container: Container, key: str, content: Content, kind: Kind = "BlockBlob") -> Blob:
        etag, modified = self.stamp()
        blob = Blob(key, kind, content, etag, modified, modified)
        container.put(blob)
        return blob


def block_identifier(number: int) -> str:
    """A Base64 block id, as the helper that puts big blobs makes them."""
    return b64encode(f"{number:08d}".encode()).decode()

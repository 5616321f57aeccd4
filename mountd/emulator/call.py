"""One call as an operation sees it: the request, what it names, and the state it may look at and change.

Promises the service's failures for what is missing or malformed. The headers that every answer about a blob carries are
written here, so that all operations agree on them.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from .failures import ServiceFailure
from .messages import Address, Request, Response, http_date
from .state import Account, Blob, Container

METADATA_PREFIX = "x-ms-meta-"
METADATA_LIMIT = 8 * 1024
_METADATA_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


@dataclass(slots=True)
class Call:
    """A request on its way through an operation."""

    request: Request
    account: Account
    address: Address
    now: float
    version: str
    url: str  # scheme, host and account, without a slash at the end
    again: Callable[[Request], Response]  # answers another request as if it had come alone; for batches
    principal: str = ""  # object id of a bearer token's owner
    overrides: dict[str, str] = field(default_factory=dict)  # response headers a SAS asks for

    def header(self, name: str, default: str = "") -> str:
        return self.request.headers.get(name, default)

    def required(self, name: str) -> str:
        value = self.request.headers.get(name)
        if not value:
            raise ServiceFailure("MissingRequiredHeader")
        return value

    def parameter(self, name: str, default: str = "") -> str:
        return self.request.query.get(name, default)

    def number(self, name: str, default: int | None = None) -> int:
        """A header's non-negative integer."""
        text = self.request.headers.get(name)
        if text is None:
            if default is None:
                raise ServiceFailure("MissingRequiredHeader")
            return default
        if not text.isascii() or not text.isdigit():
            raise ServiceFailure("InvalidHeaderValue")
        return int(text)

    def container(self) -> Container:
        found = self.account.containers.get(self.address.container)
        if found is None:
            raise ServiceFailure("ContainerNotFound")
        return found

    def existing(self) -> Blob | None:
        """The blob as it is now, without snapshots; None if nothing is committed."""
        return self.container().blobs.get(self.address.key)

    def blob(self) -> Blob:
        """The blob, or the snapshot the query names."""
        found = self.existing()
        snapshot = self.request.query.get("snapshot")
        if found is not None and snapshot:
            found = found.snapshots.get(snapshot)
        if found is None:
            raise ServiceFailure("BlobNotFound")
        return found

    def metadata(self) -> dict[str, str]:
        """The request's metadata; names keep no case over HTTP, and mountd's are lower case."""
        pairs = {
            name.removeprefix(METADATA_PREFIX): value
            for name, value in self.request.headers.items()
            if name.startswith(METADATA_PREFIX)
        }
        if "" in pairs:
            raise ServiceFailure("EmptyMetadataKey")
        if not all(map(_METADATA_NAME.match, pairs)) or not all(value.isascii() for value in pairs.values()):
            raise ServiceFailure("InvalidMetadata")
        if sum(len(name) + len(value) for name, value in pairs.items()) > METADATA_LIMIT:
            raise ServiceFailure("MetadataTooLarge")
        return pairs

    def touch(self, blob: Blob) -> None:
        """Gives a changed blob its new version."""
        blob.etag, blob.modified = self.account.stamp()


def version_headers(thing: Blob | Container) -> dict[str, str]:
    return {"ETag": thing.etag, "Last-Modified": http_date(thing.modified)}


def lease_headers(thing: Blob | Container, now: float) -> dict[str, str]:
    if isinstance(thing, Blob) and thing.snapshot:
        return {}
    state = thing.lease.state(now)
    headers = {
        "x-ms-lease-status": "locked" if state in {"leased", "breaking"} else "unlocked",
        "x-ms-lease-state": state,
    }
    if state == "leased":
        headers["x-ms-lease-duration"] = "infinite" if thing.lease.duration < 0 else "fixed"
    return headers


def metadata_headers(metadata: dict[str, str]) -> dict[str, str]:
    return {METADATA_PREFIX + name: value for name, value in metadata.items()}


def tier_properties(blob: Blob) -> dict[str, str]:
    """Tier as properties name it; only block blobs have one here."""
    if blob.kind != "BlockBlob":
        return {}
    if not blob.tier:
        return {"AccessTier": "Hot", "AccessTierInferred": "true"}
    found = {"AccessTier": blob.tier, "AccessTierChangeTime": http_date(blob.tier_changed)}
    if blob.rehydrating:
        found["ArchiveStatus"] = f"rehydrate-pending-to-{blob.rehydrating.lower()}"
    return found


def copy_headers(blob: Blob) -> dict[str, str]:
    copy = blob.copy
    if copy is None:
        return {}
    return {
        "x-ms-copy-id": copy.identifier,
        "x-ms-copy-source": copy.source,
        "x-ms-copy-status": copy.status,
        "x-ms-copy-progress": f"{copy.length}/{copy.length}",
        "x-ms-copy-completion-time": http_date(int(copy.completed)),
    }


def blob_headers(blob: Blob, now: float) -> dict[str, str]:
    """What Get Blob and Get Blob Properties both say of a blob."""
    described = blob.described
    headers = {
        "Last-Modified": http_date(blob.modified),
        "ETag": blob.etag,
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": blob.kind,
        "x-ms-creation-time": http_date(blob.created),
        "x-ms-server-encrypted": "true",
    }
    if blob.lease.released and not blob.snapshot:
        headers["x-ms-lease-status"] = "unlocked"
        headers["x-ms-lease-state"] = "available"
    else:
        headers |= lease_headers(blob, now)
    for name, value in (
        ("Content-Type", described.content_type),
        ("Content-Encoding", described.encoding),
        ("Content-Language", described.language),
        ("Cache-Control", described.cache_control),
        ("Content-Disposition", described.disposition),
    ):
        if value:
            headers[name] = value
    if blob.metadata:
        headers |= metadata_headers(blob.metadata)
    return headers | rarer_headers(blob)


def rarer_headers(blob: Blob) -> dict[str, str]:
    headers: dict[str, str] = {}
    if blob.tags:
        headers["x-ms-tag-count"] = str(len(blob.tags))
    if blob.kind == "AppendBlob":
        headers["x-ms-blob-committed-block-count"] = str(len(blob.blocks))
        if blob.sealed:
            headers["x-ms-blob-sealed"] = "true"
    elif blob.kind == "PageBlob":
        headers["x-ms-blob-sequence-number"] = str(blob.sequence)
    if blob.legal_hold:
        headers["x-ms-legal-hold"] = "true"
    if blob.copy is not None:
        headers |= copy_headers(blob)
    return headers

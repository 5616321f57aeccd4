"""List Blobs: pages of keys in order, folded at a delimiter, with what `include` asks for.

A marker is the place to go on from, in Base64; clients treat it as opaque. Folding jumps over a prefix by bisection, so
that a page costs what it shows, not what it hides.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_left
from dataclasses import dataclass, field
from functools import lru_cache

from ..call import Call, lease_headers, tier_properties
from ..failures import ServiceFailure
from ..messages import Response, http_date
from ..state import Blob, Container
from ..tags import document
from ..xml import DECLARATION, element, elements, escape, name_element
from .containers import XML, page_limit

INCLUDES = frozenset(
    {
        "snapshots", "metadata", "uncommittedblobs", "copy", "deleted", "tags", "versions", "deletedwithversions",
        "immutabilitypolicy", "legalhold", "permissions",
    }
)  # fmt: skip
ORDINARY = (
    "<BlobType>BlockBlob</BlobType><AccessTier>Hot</AccessTier><AccessTierInferred>true</AccessTierInferred>"
    "<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>"
)
ALWAYS = "<ServerEncrypted>true</ServerEncrypted>"


@dataclass(slots=True)
class Page:
    """A page being collected."""

    limit: int
    include: frozenset[str]
    now: float
    entries: list[str] = field(default_factory=list)
    following: str = ""

    def full(self) -> bool:
        return len(self.entries) >= self.limit


def list_blobs(call: Call) -> Response:
    container = call.container()
    prefix, delimiter = call.parameter("prefix"), call.parameter("delimiter")
    include = frozenset(word.strip().lower() for word in call.parameter("include").split(",") if word.strip())
    if include - INCLUDES:
        raise ServiceFailure("InvalidQueryParameterValue")
    marker = call.parameter("marker")
    page = Page(page_limit(call), include, call.now)
    _collect(page, container, prefix, delimiter, max(_unpacked(marker), prefix))
    echo = {"Prefix": prefix, "Marker": marker, "MaxResults": call.parameter("maxresults"), "Delimiter": delimiter}
    body = (
        f'{DECLARATION}<EnumerationResults ServiceEndpoint="{escape(call.url)}/" ContainerName="{escape(container.name)}">'
        + elements({tag: text for tag, text in echo.items() if text})
        + f"<Blobs>{''.join(page.entries)}</Blobs>"
        + element("NextMarker", _packed(page.following))
        + "</EnumerationResults>"
    )
    return Response(200, dict(XML), (body.encode("utf-8", "surrogatepass"),))


def _collect(page: Page, container: Container, prefix: str, delimiter: str, start: str) -> None:
    """Fills the page from the first key at or after `start`."""
    keys = container.keys()
    if "uncommittedblobs" in page.include and container.staged:
        keys = sorted({*keys, *container.staged})
    index = bisect_left(keys, start)
    while index < len(keys) and keys[index].startswith(prefix):
        key = keys[index]
        if page.full():
            page.following = key
            return
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end >= 0:
            folder = key[: end + len(delimiter)]
            page.entries.append(f"<BlobPrefix>{name_element(folder)}</BlobPrefix>")
            index = bisect_left(keys, _after(folder), index)
            continue
        blob = container.blobs.get(key)
        if blob is None:
            page.entries.append(_uncommitted(container, key))
        else:
            if blob.snapshots and "snapshots" in page.include:
                page.entries += [_entry(page, taken) for _, taken in sorted(blob.snapshots.items())]
            page.entries.append(_entry(page, blob))
        index += 1


def _after(folder: str) -> str:
    """The first string behind everything that starts with `folder`."""
    return folder[:-1] + chr(ord(folder[-1]) + 1)


def _entry(page: Page, blob: Blob) -> str:
    return (
        f"<Blob>{name_element(blob.key)}"
        + (f"<Snapshot>{blob.snapshot}</Snapshot>" if blob.snapshot else "")
        + f"<Properties>{_properties(page, blob)}</Properties>"
        + (f"<Metadata>{elements(blob.metadata)}</Metadata>" if blob.metadata and "metadata" in page.include else "")
        + (document(blob.tags) if blob.tags and "tags" in page.include else "")
        + "<OrMetadata /></Blob>"
    )


def _properties(page: Page, blob: Blob) -> str:
    about = blob.described
    said = _described(about.content_type, about.encoding, about.language, about.cache_control, about.disposition)
    text = (
        f"<Creation-Time>{http_date(blob.created)}</Creation-Time><Last-Modified>{http_date(blob.modified)}</Last-Modified>"
        f"<Etag>{blob.etag[1:-1]}</Etag><Content-Length>{blob.content.length}</Content-Length>"
        f"{said}<Content-CRC64 />{element('Content-MD5', about.md5)}"
    )
    if blob.kind == "BlockBlob" and not blob.tier and blob.lease.released and not blob.snapshot:
        text += ORDINARY  # nearly every blob: half the time of a page
    else:
        text += _kind(page, blob)
    return text + _seldom(page, blob) + ALWAYS


@lru_cache(maxsize=256)
def _described(kind: str, encoding: str, language: str, cache_control: str, disposition: str) -> str:
    """Few combinations serve all blobs of a container."""
    said = {"Content-Type": kind, "Content-Encoding": encoding, "Content-Language": language}
    return elements(said | {"Cache-Control": cache_control, "Content-Disposition": disposition})


def _kind(page: Page, blob: Blob) -> str:
    text = ""
    if blob.kind == "PageBlob":
        text += f"<x-ms-blob-sequence-number>{blob.sequence}</x-ms-blob-sequence-number>"
    text += f"<BlobType>{blob.kind}</BlobType>{elements(tier_properties(blob))}"
    lease = lease_headers(blob, page.now)
    if lease:
        text += f"<LeaseStatus>{lease['x-ms-lease-status']}</LeaseStatus><LeaseState>{lease['x-ms-lease-state']}</LeaseState>"
        if "x-ms-lease-duration" in lease:
            text += element("LeaseDuration", lease["x-ms-lease-duration"])
    return text


def _seldom(page: Page, blob: Blob) -> str:
    text = ""
    if blob.copy is not None and "copy" in page.include:
        progress = f"{blob.copy.length}/{blob.copy.length}"
        text += elements(
            {"CopyId": blob.copy.identifier, "CopySource": blob.copy.source, "CopyStatus": blob.copy.status}
        )
        text += elements({"CopyProgress": progress, "CopyCompletionTime": http_date(int(blob.copy.completed))})
    if blob.tags:
        text += f"<TagCount>{len(blob.tags)}</TagCount>"
    if blob.sealed:
        text += "<Sealed>true</Sealed>"
    if blob.legal_hold and "legalhold" in page.include:
        text += "<LegalHold>true</LegalHold>"
    return text


def _uncommitted(container: Container, key: str) -> str:
    return (
        f"<Blob>{name_element(key)}<Properties><Content-Length>0</Content-Length><BlobType>BlockBlob</BlobType>"
        f"<LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState>{ALWAYS}</Properties></Blob>"
    )


def _packed(key: str) -> str:
    return "2!" + urlsafe_b64encode(key.encode("utf-8", "surrogatepass")).decode() if key else ""


def _unpacked(marker: str) -> str:
    if not marker:
        return ""
    try:
        if not marker.startswith("2!"):
            raise ValueError(marker)
        return urlsafe_b64decode(marker[2:].encode("ascii")).decode("utf-8", "surrogatepass")
    except ValueError as error:
        raise ServiceFailure("OutOfRangeInput") from error

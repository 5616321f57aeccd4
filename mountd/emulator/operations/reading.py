"""Get Blob, Get Blob Properties, Get Blob Metadata: bytes and what is known of them."""

import re
from datetime import datetime

from ..call import Call, blob_headers, metadata_headers, tier_properties, version_headers
from ..checksums import crc64, md5
from ..conditions import check, check_lease
from ..content import Content
from ..failures import ServiceFailure
from ..messages import Response, parse_date
from ..state import Blob

CHECKSUM_LIMIT = 4 * 1024 * 1024  # the service computes a range's checksum up to here
_RANGE = re.compile(r"bytes=(\d+)-(\d*)\Z")


def requested_range(call: Call, length: int) -> tuple[int, int] | None:
    """[start, end) asked for; None for all. What the service does not understand it ignores, as HTTP allows."""
    text = call.request.headers.get("x-ms-range") or call.request.headers.get("range")
    if text is None:
        return None
    found = _RANGE.match(text)
    if found is None:
        return None
    start = int(found[1])
    last = int(found[2]) if found[2] else length - 1
    if start >= length or last < start:
        if start == 0 and length == 0 and not found[2]:
            return None
        raise ServiceFailure("InvalidRange", extra={"Content-Range": f"bytes */{length}"})
    return start, min(last + 1, length)


def readable(call: Call) -> Blob:
    """The blob, after its conditions and lease are checked."""
    blob = call.blob()
    check(call.request.headers, blob, reading=True)
    if "x-ms-lease-id" in call.request.headers:
        check_lease(call.request.headers, blob, call.now, writing=False)
    return blob


def get_blob(call: Call) -> Response:
    blob = readable(call)
    if blob.tier == "Archive":
        raise ServiceFailure("BlobBeingRehydrated" if blob.rehydrating else "BlobArchived")
    length = blob.content.length
    wanted = requested_range(call, length)
    headers = blob_headers(blob, call.now)
    if wanted is None:
        if blob.described.md5:
            headers["Content-MD5"] = blob.described.md5
        return Response(200, headers, blob.content.views())
    start, end = wanted
    headers["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
    if blob.described.md5:
        headers["x-ms-blob-content-md5"] = blob.described.md5
    part = blob.content.span(start, end)
    headers |= _range_checksums(call, part)
    return Response(206, headers, part.views())


def _range_checksums(call: Call, part: Content) -> dict[str, str]:
    wants_md5 = call.request.headers.get("x-ms-range-get-content-md5", "").lower() == "true"
    wants_crc = call.request.headers.get("x-ms-range-get-content-crc64", "").lower() == "true"
    if not (wants_md5 or wants_crc):
        return {}
    if part.length > CHECKSUM_LIMIT or (wants_md5 and wants_crc):
        raise ServiceFailure("OutOfRangeInput" if not (wants_md5 and wants_crc) else "InvalidHeaderValue")
    return {"Content-MD5": md5(part.views())} if wants_md5 else {"x-ms-content-crc64": crc64(part.views())}


def get_blob_properties(call: Call) -> Response:
    blob = readable(call)
    headers = blob_headers(blob, call.now)
    if blob.described.md5:
        headers["Content-MD5"] = blob.described.md5
    tier = tier_properties(blob)
    for name, header in (
        ("AccessTier", "x-ms-access-tier"),
        ("AccessTierInferred", "x-ms-access-tier-inferred"),
        ("AccessTierChangeTime", "x-ms-access-tier-change-time"),
        ("ArchiveStatus", "x-ms-archive-status"),
    ):
        if name in tier:
            headers[header] = tier[name]
    if blob.retained_until:
        headers["x-ms-immutability-policy-until-date"] = datetime.fromtimestamp(blob.retained_until).isoformat()
    return Response(200, headers, length=blob.content.length)


def get_blob_metadata(call: Call) -> Response:
    blob = readable(call)
    return Response(200, version_headers(blob) | metadata_headers(blob.metadata))


def until(text: str) -> float:
    """The end of a retention, as its header writes it."""
    found = parse_date(text)
    if found is None:
        raise ServiceFailure("InvalidHeaderValue")
    return found

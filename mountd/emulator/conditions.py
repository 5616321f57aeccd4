"""Every If-* condition and lease id that a request may carry, decided as the service decides them.

Order and results: "Specifying conditional headers for Blob service operations". A read whose If-None-Match or
If-Modified-Since fails is 304, everything else 412. Pure: looks at headers and a version, changes nothing.
"""

from collections.abc import Mapping

from .failures import ServiceFailure
from .messages import parse_date
from .state import Blob, Container
from .tags import tags_match

IF_NAMES = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "x-ms-if-tags")


def check(headers: Mapping[str, str], found: Blob | Container | None, *, reading: bool, prefix: str = "") -> None:
    """Raises if a condition does not hold. `prefix` is x-ms-source- for a copy's source; `found` is None if nothing exists."""
    if_match, if_none_match = headers.get(f"{prefix}if-match"), headers.get(f"{prefix}if-none-match")
    since, until = headers.get(f"{prefix}if-modified-since"), headers.get(f"{prefix}if-unmodified-since")
    tags = headers.get(f"{prefix}x-ms-if-tags") if not prefix else headers.get("x-ms-source-if-tags")
    if not (if_match or if_none_match or since or until or tags):
        return
    failed = "SourceConditionNotMet" if prefix else "ConditionNotMet"
    if found is None:
        # Nothing exists: only If-Match (and dates, tags) can fail; If-None-Match: * is what such a request hopes for.
        if if_match:
            raise ServiceFailure(failed)
        return
    if tags and isinstance(found, Blob) and not tags_match(tags, found.tags):
        raise ServiceFailure(failed)
    if if_match and if_match != "*" and not _same(if_match, found.etag):
        raise ServiceFailure(failed)
    if until and found.modified > _date(until):
        raise ServiceFailure(failed)
    _check_unchanged(if_none_match, since, found, "NotModified" if reading and not prefix else failed)


def _check_unchanged(if_none_match: str | None, since: str | None, found: Blob | Container, failed: str) -> None:
    """If-None-Match and If-Modified-Since: one that holds is enough."""
    if if_none_match and if_none_match.strip() == "*":
        codes = {"NotModified": "UnsatisfiableCondition", "ConditionNotMet": "BlobAlreadyExists"}
        raise ServiceFailure(codes.get(failed, failed))
    holds = [not _same(if_none_match, found.etag)] if if_none_match else []
    holds += [found.modified > _date(since)] if since else []
    if holds and not any(holds):
        raise ServiceFailure("ConditionNotMet", status=304) if failed == "NotModified" else ServiceFailure(failed)


def _same(wanted: str, etag: str) -> bool:
    """ETags compare with or without quotes, and any of a list may match."""
    bare = etag.strip('"')
    return any(one.strip().removeprefix("W/").strip('"') in {bare, "*"} for one in wanted.split(","))


def _date(text: str) -> float:
    found = parse_date(text)
    if found is None:
        raise ServiceFailure("InvalidHeaderValue")
    return found


def check_lease(headers: Mapping[str, str], found: Blob | Container, now: float, *, writing: bool) -> None:
    """A write to something leased needs its lease id; whoever names a lease id must name the right one."""
    given = headers.get("x-ms-lease-id", "")
    on_blob = isinstance(found, Blob)
    kind = "Blob" if on_blob else "Container"
    state = found.lease.state(now)
    if not given:
        if writing and state in {"leased", "breaking"}:
            raise ServiceFailure("LeaseIdMissing")
        return
    if state in {"leased", "breaking"}:
        if given.lower() != found.lease.identifier.lower():
            raise ServiceFailure(f"LeaseIdMismatchWith{kind}Operation")
        return
    if state == "available":
        raise ServiceFailure(f"LeaseNotPresentWith{kind}Operation")
    raise ServiceFailure("LeaseLost")


def check_writable(found: Blob, now: float) -> None:
    """What a legal hold or retention forbids."""
    if found.legal_hold:
        raise ServiceFailure("BlobImmutableDueToLegalHold")
    if now < found.retained_until:
        raise ServiceFailure("BlobImmutableDueToPolicy", status=409)

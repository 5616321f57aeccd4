"""Page blobs: Put Page (update and clear) and Get Page Ranges, so that there is something to read."""

import operator
import re

from ..call import Call, version_headers
from ..checksums import verify_body
from ..content import Content
from ..failures import ServiceFailure
from ..messages import Response
from ..state import Blob
from ..xml import DECLARATION
from .blocks import ENCRYPTED
from .containers import XML
from .reading import readable, requested_range
from .writing import changeable

PAGE = 512
LIMIT = 4 * 1024 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d+)\Z")

Spans = tuple[tuple[int, int], ...]


def _place(call: Call, blob: Blob) -> tuple[int, int]:
    found = _RANGE.match(call.header("x-ms-range") or call.required("range"))
    if found is None:
        raise ServiceFailure("InvalidHeaderValue")
    start, end = int(found[1]), int(found[2]) + 1
    if start % PAGE or end % PAGE or end <= start or end > blob.content.length:
        raise ServiceFailure("InvalidPageRange")
    return start, end


def put_page(call: Call) -> Response:
    blob = changeable(call)
    if blob.kind != "PageBlob":
        raise ServiceFailure("InvalidBlobType")
    _check_sequence(call, blob)
    start, end = _place(call, blob)
    action = call.required("x-ms-page-write").lower()
    if action not in {"update", "clear"}:
        raise ServiceFailure("InvalidHeaderValue")
    acknowledged: dict[str, str] = {}
    if action == "clear":
        fresh = Content.of(bytes(end - start))
    else:
        acknowledged = verify_body(call.request)
        if len(call.request.body) != end - start or end - start > LIMIT:
            raise ServiceFailure("InvalidHeaderValue")
        fresh = Content.of(call.request.body)
    before, behind = blob.content.span(0, start), blob.content.span(end, blob.content.length)
    blob.content = before.joined(fresh, behind)
    blob.pages = _without(blob.pages, start, end) if action == "clear" else _with(blob.pages, start, end)
    call.touch(blob)
    return Response(
        201, version_headers(blob) | acknowledged | ENCRYPTED | {"x-ms-blob-sequence-number": str(blob.sequence)}
    )


def _check_sequence(call: Call, blob: Blob) -> None:
    for name, holds in (("le", operator.le), ("lt", operator.lt), ("eq", operator.eq)):
        header = f"x-ms-if-sequence-number-{name}"
        if call.header(header) and not holds(blob.sequence, call.number(header)):
            raise ServiceFailure("SequenceNumberConditionNotMet")


def _without(spans: Spans, start: int, end: int) -> Spans:
    left = [(a, min(b, start)) for a, b in spans if a < start]
    right = [(max(a, end), b) for a, b in spans if b > end]
    return tuple(sorted(left + right))


def _with(spans: Spans, start: int, end: int) -> Spans:
    merged: list[tuple[int, int]] = []
    for a, b in sorted((*_without(spans, start, end), (start, end))):
        if merged and merged[-1][1] == a:
            merged[-1] = (merged[-1][0], b)
        else:
            merged.append((a, b))
    return tuple(merged)


def get_page_ranges(call: Call) -> Response:
    blob = readable(call)
    if blob.kind != "PageBlob":
        raise ServiceFailure("InvalidBlobType")
    start, end = requested_range(call, blob.content.length) or (0, blob.content.length)
    inside = [(max(a, start), min(b, end)) for a, b in blob.pages if a < end and b > start]
    ranges = "".join(f"<PageRange><Start>{a}</Start><End>{b - 1}</End></PageRange>" for a, b in inside)
    headers = version_headers(blob) | XML | {"x-ms-blob-content-length": str(blob.content.length)}
    return Response(200, headers, (f"{DECLARATION}<PageList>{ranges}</PageList>".encode(),))

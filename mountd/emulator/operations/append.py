"""Append blobs: Append Block (also from a URL) and Append Blob Seal."""

from ..call import Call, version_headers
from ..checksums import crc64, verify_body
from ..content import Content
from ..failures import ServiceFailure
from ..messages import Response
from ..state import Block, block_identifier
from .blocks import ENCRYPTED
from .copying import source_range
from .writing import changeable

LIMIT = 50_000


def append_block(call: Call) -> Response:
    call.container()
    if not len(call.request.body):
        raise ServiceFailure("InvalidHeaderValue")
    acknowledged = verify_body(call.request)
    return _append(call, Content.of(call.request.body), acknowledged)


def append_block_from_url(call: Call) -> Response:
    call.container()
    content = source_range(call)
    return _append(call, content, {"x-ms-content-crc64": crc64(content.views())})


def _append(call: Call, content: Content, acknowledged: dict[str, str]) -> Response:
    blob = changeable(call)
    if blob.kind != "AppendBlob":
        raise ServiceFailure("InvalidBlobType")
    if blob.sealed:
        raise ServiceFailure("BlobIsSealed")
    offset = blob.content.length
    if call.number("x-ms-blob-condition-appendpos", offset) != offset:
        raise ServiceFailure("AppendPositionConditionNotMet")
    limit = call.header("x-ms-blob-condition-maxsize")
    if limit and offset + content.length > call.number("x-ms-blob-condition-maxsize"):
        raise ServiceFailure("MaxBlobSizeConditionNotMet")
    if len(blob.blocks) >= LIMIT:
        raise ServiceFailure("BlockCountExceedsLimit")
    blob.content = blob.content.joined(content)
    blob.blocks = (*blob.blocks, Block(block_identifier(len(blob.blocks)), content))
    call.touch(blob)
    place = {"x-ms-blob-append-offset": str(offset), "x-ms-blob-committed-block-count": str(len(blob.blocks))}
    return Response(201, version_headers(blob) | acknowledged | place | ENCRYPTED)


def seal(call: Call) -> Response:
    blob = changeable(call)
    if blob.kind != "AppendBlob":
        raise ServiceFailure("InvalidBlobType")
    blob.sealed = True  # changes neither ETag nor Last-Modified
    return Response(200, version_headers(blob) | {"x-ms-blob-sealed": "true"})

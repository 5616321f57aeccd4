"""Copy Blob, Put Blob From URL and ranges of another blob: always within this emulator, always done at once.

A source is named by URL and must be readable by it: its own SAS, a public container, the same account's key, or the bearer
token in x-ms-copy-source-authorization. Nothing outside is ever fetched.
"""

import re
import uuid
from dataclasses import replace
from urllib.parse import urlsplit

from ..call import Call, version_headers
from ..checksums import crc64, md5
from ..conditions import check
from ..content import Content
from ..failures import ServiceFailure
from ..messages import Address, Request, Response, Undecodable, address, parse_query
from ..state import Blob, Copy
from .writing import described, explicit_tier, new_blob, replaced, writable

_RANGE = re.compile(r"bytes=(\d+)-(\d+)\Z")


def source(call: Call) -> Blob:
    """The blob that x-ms-copy-source names, if this request may read it and its conditions hold."""
    url = call.required("x-ms-copy-source")
    split = urlsplit(url)
    try:
        where, query = address(split.path, split.netloc), parse_query(split.query)
    except Undecodable as error:
        raise ServiceFailure("InvalidHeaderValue") from error
    if split.scheme not in {"http", "https"} or not where.container:
        raise ServiceFailure("InvalidHeaderValue")
    if where.account != call.account.name or split.netloc != call.header("host"):
        raise ServiceFailure("CannotVerifyCopySource")
    if not where.key:
        where = Address(where.account, "$root", where.container)
    _authorise(call, split.path, query, where)
    container = call.account.containers.get(where.container)
    blob = container.blobs.get(where.key) if container else None
    if blob is not None and query.get("snapshot"):
        blob = blob.snapshots.get(query["snapshot"])
    if blob is None:
        raise ServiceFailure("BlobNotFound")
    check(call.request.headers, blob, reading=False, prefix="x-ms-source-")
    if blob.tier == "Archive" and call.address != where:
        raise ServiceFailure("BlobArchived")
    return blob


def _authorise(call: Call, path: str, query: dict[str, str], where: Address) -> None:
    """Within one account the key that signed this request reads the source too; else the source URL says who may."""
    token = call.header("x-ms-copy-source-authorization")
    if call.header("authorization").startswith("SharedKey") and "sig" not in query and not token:
        return
    headers = {"host": call.header("host"), "x-ms-version": call.version}
    if token:
        headers["authorization"] = token
    request = Request("HEAD", path, query, headers, secure=call.request.secure)
    answer = call.again(request)
    if answer.status in {401, 403, 404} and answer.headers.get("x-ms-error-code") not in {
        "BlobNotFound",
        "ContainerNotFound",
    }:
        raise ServiceFailure("CannotVerifyCopySource", status=answer.status)


def source_range(call: Call) -> Content:
    """The bytes of the source that x-ms-source-range asks for, verified against what the client says they are."""
    content = source(call).content
    text = call.header("x-ms-source-range")
    if text:
        found = _RANGE.match(text)
        if found is None:
            raise ServiceFailure("InvalidHeaderValue")
        start, end = int(found[1]), int(found[2]) + 1
        if start >= content.length or end > content.length:
            raise ServiceFailure("InvalidRange")
        content = content.span(start, end)
    said_md5, said_crc = call.header("x-ms-source-content-md5"), call.header("x-ms-source-content-crc64")
    if said_md5 and md5(content.views()) != said_md5:
        raise ServiceFailure("Md5Mismatch")
    if said_crc and crc64(content.views()) != said_crc:
        raise ServiceFailure("Crc64Mismatch")
    return content


def copy_blob(call: Call) -> Response:
    """Bytes, headers, blocks; metadata unless the request brings its own; the tier only if named."""
    call.container()
    found = source(call)
    before = writable(call)
    if before is not None and before.kind != found.kind:
        raise ServiceFailure("InvalidBlobType")
    asynchronous = call.header("x-ms-requires-sync").lower() != "true"
    blob = new_blob(call, found.kind, found.content, found.described)
    blob.metadata = blob.metadata or dict(found.metadata)
    blob.blocks, blob.pages, blob.sequence = found.blocks, found.pages, found.sequence
    blob.sealed = call.header("x-ms-seal-blob").lower() == "true"
    _tier(call, before, blob)
    if call.header("x-ms-copy-source-tag-option").lower() == "copy":
        blob.tags = dict(found.tags)
    blob.copy = Copy(
        str(uuid.uuid4()), call.header("x-ms-copy-source").partition("?")[0], found.content.length, call.now
    )
    same = before if before is found else None
    stored = replaced(call, before, blob)
    if same is not None and not explicit_tier(call):
        stored.tier, stored.tier_changed = same.tier, same.tier_changed
    headers = version_headers(stored) | {"x-ms-copy-id": blob.copy.identifier, "x-ms-copy-status": "success"}
    if not asynchronous:
        headers["x-ms-content-crc64"] = crc64(stored.content.views())
    return Response(202, headers)


def _tier(call: Call, before: Blob | None, blob: Blob) -> None:
    if before is not None and before.tier and not blob.tier:
        blob.tier, blob.tier_changed = before.tier, before.tier_changed


def put_blob_from_url(call: Call) -> Response:
    """A block blob of the source's bytes; its properties too unless x-ms-copy-source-blob-properties is false."""
    call.container()
    found = source(call)
    before = writable(call)
    if found.kind != "BlockBlob" and not call.header("x-ms-copy-source").partition("?")[2]:
        found = replace(found, kind="BlockBlob")
    content = source_range(call)
    computed = md5(content.views())
    about = found.described
    own = described(call, fallback=False)
    if call.header("x-ms-copy-source-blob-properties", "true").lower() == "false" or own.content_type:
        about = replace(own, content_type=own.content_type or "application/octet-stream")
    blob = new_blob(call, "BlockBlob", content, replace(about, md5=computed))
    if call.header("x-ms-copy-source-tag-option").lower() == "copy":
        blob.tags = dict(found.tags)
    replaced(call, before, blob)
    acknowledged = {"Content-MD5": computed, "x-ms-content-crc64": crc64(content.views())}
    return Response(201, version_headers(blob) | acknowledged | {"x-ms-request-server-encrypted": "true"})


def abort_copy(call: Call) -> Response:
    """No copy is ever pending here."""
    found = call.existing()
    if found is None:
        raise ServiceFailure("BlobNotFound")
    same = found.copy is not None and found.copy.identifier == call.parameter("copyid")
    raise ServiceFailure("NoPendingCopyOperation" if same else "CopyIdMismatch")

"""Put Blob and what changes a blob without its bytes: headers, metadata, tier, snapshot, holds; and Delete Blob."""

from dataclasses import replace

from ..call import Call, version_headers
from ..checksums import md5, verify_body
from ..conditions import check, check_lease, check_writable
from ..content import Content
from ..failures import ServiceFailure
from ..messages import Response, http_date, parse_date
from ..state import Blob, Described
from ..tags import from_header

BLOCK_BLOB_TIERS = {"hot": "Hot", "cool": "Cool", "cold": "Cold", "archive": "Archive"}
KEY_LIMIT = 1024


def check_name(key: str) -> None:
    if len(key) > KEY_LIMIT:
        raise ServiceFailure("OutOfRangeInput")


def writable(call: Call, *, conditions: bool = True) -> Blob | None:
    """What is at the name now, after conditions, lease and holds were checked for a write; None if nothing is."""
    check_name(call.address.key)
    found = call.existing()
    if conditions:
        check(call.request.headers, found, reading=False)
    if found is None:
        if "x-ms-lease-id" in call.request.headers:
            raise ServiceFailure("LeaseNotPresentWithBlobOperation")
        return None
    check_lease(call.request.headers, found, call.now, writing=True)
    check_writable(found, call.now)
    return found


def changeable(call: Call) -> Blob:
    """The same for what must exist already."""
    found = writable(call)
    if found is None:
        raise ServiceFailure("BlobNotFound")
    return found


def described(call: Call, *, fallback: bool) -> Described:
    """The headers a blob shall keep: x-ms-blob-…, or (Put Blob only) the plain ones."""

    def said(name: str, plain: str) -> str:
        value = call.header(f"x-ms-blob-{name}")
        return value or (call.header(plain) if fallback else "")

    return Described(
        said("content-type", "content-type") or ("application/octet-stream" if fallback else ""),
        said("content-encoding", "content-encoding"),
        said("content-language", "content-language"),
        call.header("x-ms-blob-content-md5"),
        said("cache-control", "cache-control"),
        call.header("x-ms-blob-content-disposition"),
    )


def explicit_tier(call: Call) -> str:
    given = call.header("x-ms-access-tier")
    if not given:
        return ""
    if given.lower() not in BLOCK_BLOB_TIERS:
        raise ServiceFailure("InvalidHeaderValue")
    return BLOCK_BLOB_TIERS[given.lower()]


def replaced(call: Call, before: Blob | None, blob: Blob) -> Blob:
    """Stores a new version in place of the old: the name's lease and snapshots stay, its staged blocks go."""
    if before is not None:
        if not (before.lease.locked(call.now) or before.lease.released):
            before.lease.released = True  # an expired or broken lease ends with the version it was for
        blob = replace(blob, lease=before.lease, snapshots=before.snapshots)
    container = call.container()
    container.staged.pop(blob.key, None)
    container.put(blob)
    return blob


def new_blob(call: Call, kind: str, content: Content, about: Described) -> Blob:
    etag, modified = call.account.stamp()
    tier = explicit_tier(call)
    tags = from_header(call.header("x-ms-tags"))
    blob = Blob(call.address.key, "BlockBlob", content, etag, modified, modified, about, call.metadata(), tags)
    if tier:
        blob.tier, blob.tier_changed = tier, modified
    if kind == "AppendBlob":
        blob.kind = "AppendBlob"
    elif kind == "PageBlob":
        blob.kind = "PageBlob"
    return blob


def put_blob(call: Call) -> Response:
    kind = call.required("x-ms-blob-type")
    if kind not in {"BlockBlob", "AppendBlob", "PageBlob"}:
        raise ServiceFailure("InvalidHeaderValue")
    call.container()
    before = writable(call)
    acknowledged = verify_body(call.request)
    about = described(call, fallback=True)
    if kind == "BlockBlob":
        content = Content.of(call.request.body)
        computed = md5(content.views())
        if about.md5 and about.md5 != computed:
            raise ServiceFailure("Md5Mismatch")
        about = replace(about, md5=computed)
        acknowledged["Content-MD5"] = computed
    else:
        if len(call.request.body):
            raise ServiceFailure("InvalidBlobOrBlock" if kind == "AppendBlob" else "InvalidHeaderValue")
        content = _zeros(call) if kind == "PageBlob" else Content()
        acknowledged = {}
    blob = new_blob(call, kind, content, about)
    blob.sequence = call.number("x-ms-blob-sequence-number", 0)
    replaced(call, before, blob)
    return Response(201, version_headers(blob) | acknowledged | {"x-ms-request-server-encrypted": "true"})


def _zeros(call: Call) -> Content:
    size = call.number("x-ms-blob-content-length")
    if size % 512:
        raise ServiceFailure("InvalidHeaderValue")
    return Content.of(bytes(size))


def set_blob_metadata(call: Call) -> Response:
    blob = changeable(call)
    blob.metadata = call.metadata()
    call.touch(blob)
    return Response(200, version_headers(blob) | {"x-ms-request-server-encrypted": "true"})


def set_blob_properties(call: Call) -> Response:
    """Headers; for a page blob also its size and sequence number."""
    blob = changeable(call)
    asked = [name for name in call.request.headers if name.startswith("x-ms-blob-")]
    if not asked or any("content-length" not in name and "sequence" not in name for name in asked):
        blob.described = described(call, fallback=False)
    headers: dict[str, str] = {}
    if blob.kind == "PageBlob":
        _resize(call, blob)
        headers["x-ms-blob-sequence-number"] = str(blob.sequence)
    call.touch(blob)
    return Response(200, version_headers(blob) | headers)


def _resize(call: Call, blob: Blob) -> None:
    size = call.number("x-ms-blob-content-length", blob.content.length)
    if size % 512:
        raise ServiceFailure("InvalidHeaderValue")
    if size > blob.content.length:
        blob.content = blob.content.joined(Content.of(bytes(size - blob.content.length)))
    else:
        blob.content = blob.content.span(0, size)
        blob.pages = tuple((start, min(end, size)) for start, end in blob.pages if start < size)
    action = call.header("x-ms-sequence-number-action").lower()
    if action == "increment":
        blob.sequence += 1
    elif action in {"update", "max"}:
        said = call.number("x-ms-blob-sequence-number")
        blob.sequence = said if action == "update" else max(said, blob.sequence)


def set_tier(call: Call) -> Response:
    """Changes no ETag. Out of Archive it is a rehydration, which ends when a test asks (`ContainerHelper.rehydrate`)."""
    tier = BLOCK_BLOB_TIERS.get(call.required("x-ms-access-tier").lower())
    blob = call.blob()
    if blob.kind != "BlockBlob":
        raise ServiceFailure("InvalidBlobType")
    if tier is None:
        raise ServiceFailure("InvalidHeaderValue")
    check({name: call.header(name) for name in ("x-ms-if-tags",) if call.header(name)}, blob, reading=False)
    if "x-ms-lease-id" in call.request.headers:
        check_lease(call.request.headers, blob, call.now, writing=False)
    if blob.tier == "Archive" and tier != "Archive":
        blob.rehydrating = tier
        return Response(202)
    blob.tier, blob.tier_changed = tier, int(call.now)
    return Response(200)


def snapshot_blob(call: Call) -> Response:
    blob = call.existing()
    if blob is None:
        raise ServiceFailure("BlobNotFound")
    check(call.request.headers, blob, reading=False)
    check_lease(call.request.headers, blob, call.now, writing=False)
    name = call.account.snapshot_time()
    taken = blob.snapshots[name] = blob.frozen(name)
    metadata = call.metadata()
    if metadata:
        taken.metadata = metadata
        call.touch(taken)
    return Response(201, version_headers(taken) | {"x-ms-snapshot": name, "x-ms-request-server-encrypted": "false"})


def delete_blob(call: Call) -> Response:
    check_name(call.address.key)
    blob = call.blob()
    check(call.request.headers, blob, reading=False)
    check_writable(blob, call.now)
    snapshots = call.header("x-ms-delete-snapshots").lower()
    if snapshots not in {"", "include", "only"}:
        raise ServiceFailure("InvalidHeaderValue")
    container = call.container()
    if blob.snapshot:
        if snapshots:
            raise ServiceFailure("InvalidQueryParameterValue")
        del container.blobs[blob.key].snapshots[blob.snapshot]
        return Response(202, {"x-ms-delete-type-permanent": "true"})
    check_lease(call.request.headers, blob, call.now, writing=True)
    if snapshots == "only":
        blob.snapshots.clear()
    elif blob.snapshots and not snapshots:
        raise ServiceFailure("SnapshotsPresent")
    else:
        container.remove(blob.key)
        container.staged.pop(blob.key, None)
    return Response(202, {"x-ms-delete-type-permanent": "true"})


def set_legal_hold(call: Call) -> Response:
    blob = call.blob()
    blob.legal_hold = call.required("x-ms-legal-hold").lower() == "true"
    return Response(200, {"x-ms-legal-hold": str(blob.legal_hold).lower()})


def set_immutability_policy(call: Call) -> Response:
    blob = call.blob()
    end = parse_date(call.required("x-ms-immutability-policy-until-date"))
    if end is None:
        raise ServiceFailure("InvalidHeaderValue")
    blob.retained_until = end
    headers = {
        "x-ms-immutability-policy-until-date": http_date(int(end)),
        "x-ms-immutability-policy-mode": call.header("x-ms-immutability-policy-mode", "unlocked").lower(),
    }
    return Response(200, headers)


def delete_immutability_policy(call: Call) -> Response:
    call.blob().retained_until = 0.0
    return Response(200)

"""Put Block, Put Block From URL, Put Block List, Get Block List: staging and committing."""

from base64 import b64decode
from dataclasses import replace

from ..call import Call, version_headers
from ..checksums import crc64, verify_body
from ..conditions import check, check_lease
from ..content import Content
from ..failures import ServiceFailure
from ..messages import Response
from ..state import Block
from ..xml import DECLARATION, Malformed, element, parse
from .containers import XML
from .copying import source_range
from .writing import check_name, described, new_blob, replaced, writable

LIMIT = 50_000
STAGED_LIMIT = 100_000
ENCRYPTED = {"x-ms-request-server-encrypted": "true"}


def _identifier(call: Call) -> str:
    """The block id: Base64 of at most 64 bytes, of one length within a blob."""
    text = call.parameter("blockid")
    try:
        raw = b64decode(text, validate=True)
    except ValueError as error:
        raise ServiceFailure("InvalidQueryParameterValue") from error
    if not 1 <= len(raw) <= 64:
        raise ServiceFailure("InvalidQueryParameterValue")
    return text


def _stage(call: Call, content: Content, acknowledged: dict[str, str]) -> Response:
    check_name(call.address.key)
    identifier = _identifier(call)
    container = call.container()
    found = container.blobs.get(call.address.key)
    if found is not None:
        check_lease(call.request.headers, found, call.now, writing=True)
        if found.kind != "BlockBlob":
            raise ServiceFailure("InvalidBlobType")
    staged = container.staged.setdefault(call.address.key, {})
    named = next(iter(staged), None)
    if named is not None and len(named) != len(identifier):
        raise ServiceFailure("InvalidBlobOrBlock")
    if len(staged) >= STAGED_LIMIT:
        raise ServiceFailure("BlockCountExceedsLimit")
    staged.pop(identifier, None)
    staged[identifier] = Block(identifier, content)
    return Response(201, acknowledged | ENCRYPTED)


def put_block(call: Call) -> Response:
    call.container()
    if not len(call.request.body):
        raise ServiceFailure("InvalidHeaderValue")
    acknowledged = verify_body(call.request)
    return _stage(call, Content.of(call.request.body), acknowledged)


def put_block_from_url(call: Call) -> Response:
    if len(call.request.body):
        raise ServiceFailure("InvalidHeaderValue")
    call.container()
    content = source_range(call)
    return _stage(call, content, {"x-ms-content-crc64": crc64(content.views())})


def _wanted(call: Call) -> list[tuple[str, str]]:
    """(Committed | Uncommitted | Latest, id) in order."""
    try:
        root = parse(call.request.body)
    except Malformed as error:
        raise ServiceFailure("InvalidXmlDocument") from error
    if root.tag != "BlockList" or any(child.tag not in {"Committed", "Uncommitted", "Latest"} for child in root):
        raise ServiceFailure("InvalidXmlDocument")
    found = [(child.tag, (child.text or "").strip()) for child in root]
    if len(found) > LIMIT:
        raise ServiceFailure("BlockListTooLong")
    return found


def put_block_list(call: Call) -> Response:
    container = call.container()
    before = writable(call)
    acknowledged = verify_body(call.request)
    wanted = _wanted(call)
    if before is not None and before.kind != "BlockBlob":
        raise ServiceFailure("InvalidBlobType")
    staged = container.staged.get(call.address.key, {})
    committed = {block.identifier: block for block in (before.blocks if before else ())}
    blocks: list[Block] = []
    for where, identifier in wanted:
        found = {"Committed": committed.get(identifier), "Uncommitted": staged.get(identifier)}
        block = found.get(where) if where != "Latest" else staged.get(identifier) or committed.get(identifier)
        if block is None:
            raise ServiceFailure("InvalidBlockList")
        blocks.append(block)
    about = described(call, fallback=False)
    about = replace(about, content_type=about.content_type or "application/octet-stream")
    content = Content(segment for block in blocks for segment in block.content.segments)
    blob = new_blob(call, "BlockBlob", content, about)
    blob.blocks = tuple(blocks)
    replaced(call, before, blob)
    return Response(201, version_headers(blob) | acknowledged | ENCRYPTED)


def get_block_list(call: Call) -> Response:
    kind = call.parameter("blocklisttype", "committed").lower()
    if kind not in {"committed", "uncommitted", "all"}:
        raise ServiceFailure("InvalidQueryParameterValue")
    container = call.container()
    staged = container.staged.get(call.address.key, {})
    blob = container.blobs.get(call.address.key) if not call.parameter("snapshot") else call.blob()
    if blob is None and not staged:
        raise ServiceFailure("BlobNotFound")
    headers = dict(XML)
    if blob is not None:
        check(
            {name: value for name, value in call.request.headers.items() if name == "x-ms-if-tags"}, blob, reading=True
        )
        if blob.kind != "BlockBlob":
            raise ServiceFailure("InvalidBlobType")
        if "x-ms-lease-id" in call.request.headers:
            check_lease(call.request.headers, blob, call.now, writing=False)
        headers |= version_headers(blob) | {"x-ms-blob-content-length": str(blob.content.length)}
    else:
        headers["x-ms-blob-content-length"] = "0"
    lists = ""
    if kind in {"committed", "all"}:
        lists += _listed("CommittedBlocks", blob.blocks if blob else ())
    if kind in {"uncommitted", "all"}:
        lists += _listed("UncommittedBlocks", tuple(sorted(staged.values(), key=lambda block: block.identifier)))
    return Response(200, headers, (f"{DECLARATION}<BlockList>{lists}</BlockList>".encode(),))


def _listed(tag: str, blocks: tuple[Block, ...]) -> str:
    inner = "".join(
        f"<Block>{element('Name', block.identifier)}{element('Size', block.content.length)}</Block>" for block in blocks
    )
    return f"<{tag}>{inner}</{tag}>" if inner else f"<{tag} />"

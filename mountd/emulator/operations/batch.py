"""Blob Batch: up to 256 deletes or tier changes in one multipart body, each authorised and answered as if it came alone."""

import re
import uuid

from ..call import Call
from ..failures import ServiceFailure
from ..messages import Request, Response
from ..wire import REASONS, parse_head

LIMIT = 256
ALLOWED = frozenset({"DELETE", "PUT"})
_BOUNDARY = re.compile(r'multipart/mixed\s*;.*boundary="?([^";]+)"?', re.IGNORECASE)


def submit(call: Call) -> Response:
    found = _BOUNDARY.match(call.header("content-type"))
    if found is None:
        raise ServiceFailure("InvalidHeaderValue")
    parts = _parts(bytes(call.request.body), found[1].encode())
    if not parts or len(parts) > LIMIT:
        raise ServiceFailure("InvalidInput")
    boundary = f"batchresponse_{uuid.uuid4()}"
    answers = [_answered(call, identifier, request, boundary) for identifier, request in parts]
    body = b"".join((*answers, f"--{boundary}--\r\n".encode()))
    return Response(202, {"Content-Type": f"multipart/mixed; boundary={boundary}"}, (body,))


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, bytes]]:
    """(Content-ID, the HTTP request's head) of each part."""
    found: list[tuple[str, bytes]] = []
    for part in body.replace(b"\r\n", b"\n").split(b"--" + boundary)[1:]:
        if part.startswith(b"--"):
            break
        outer, _, inner = part.strip(b"\n").partition(b"\n\n")
        identifier = re.search(rb"(?im)^content-id:\s*(\S+)", outer)
        head, _, _ = inner.partition(b"\n\n")
        found.append((identifier[1].decode() if identifier else "", head.strip(b"\n").replace(b"\n", b"\r\n")))
    return found


def _answered(call: Call, identifier: str, head: bytes, boundary: str) -> bytes:
    response = _run(call, head)
    lines = [f"--{boundary}", "Content-Type: application/http"]
    lines += [f"Content-ID: {identifier}"] if identifier else []
    lines += ["", f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    content = b"".join(response.body)
    lines += [f"Content-Length: {len(content)}"] if content else []
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + content + (b"\r\n" if content else b"")


def _run(call: Call, head: bytes) -> Response:
    try:
        request, _, _ = parse_head(head, call.request.secure)
    except ValueError as error:
        raise ServiceFailure("InvalidInput") from error
    if request.method not in ALLOWED or (request.method == "PUT" and request.query.get("comp") != "tier"):
        raise ServiceFailure("InvalidInput")
    request.headers.setdefault("host", call.header("host"))
    return call.again(_placed(call, request))


def _placed(call: Call, request: Request) -> Request:
    """A sub-request's path starts at the container, whether or not this one's has the account; it is signed as sent."""
    own = f"/{call.account.name}/"
    if ".blob." not in call.header("host") and not request.path.startswith(own):
        request.signed_path = request.path
        request.path = own + request.path.removeprefix("/")
    return request

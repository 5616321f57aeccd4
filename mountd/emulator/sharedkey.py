"""Shared Key and Shared Key Lite: the string to sign, and whether a signature is right.

Source: "Authorize with Shared Key" in the service's REST reference. Pure.
"""

import hmac
from base64 import b64decode, b64encode

from .messages import Request

SIGNED = (
    "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date", "if-modified-since",
    "if-match", "if-none-match", "if-unmodified-since", "range",
)  # fmt: skip
SIGNED_LITE = ("content-md5", "content-type", "date")


def signature(key: str, text: str) -> str:
    return b64encode(hmac.digest(b64decode(key), text.encode("utf-8", "surrogatepass"), "sha256")).decode()


def same(given: str, computed: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), computed.encode())


def string_to_sign(request: Request, account: str, *, lite: bool = False) -> str:
    """What the client should have signed."""
    headers = request.headers
    parts = [request.method]
    for name in SIGNED_LITE if lite else SIGNED:
        value = headers.get(name, "")
        if (name == "content-length" and value == "0") or (name == "date" and "x-ms-date" in headers):
            value = ""
        parts.append(value)
    parts += [f"{name}:{' '.join(headers[name].split())}" for name in sorted(headers) if name.startswith("x-ms-")]
    resource = f"/{account}{request.signed_path or request.path}"
    query = request.query
    if lite:
        resource += f"?comp={query['comp']}" if "comp" in query else ""
    elif query:
        resource += "".join(f"\n{name}:{query[name]}" for name in sorted(query))
    parts.append(resource)
    return "\n".join(parts)

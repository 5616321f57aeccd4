"""Shared Key: the signature of a request by an account's key. Pure: text in, text out.

The rules are the service's "Authorize with Shared Key"; the order of x-ms- headers is the one it uses in fact, where `-`
does not count and `_` comes before digits and letters (metadata names hold underscores).
"""

import base64
import binascii
import hmac
from collections.abc import Mapping

from mountd.errors import InvalidDefinition

_SIGNED_HEADERS = (
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "date",
    "if-modified-since",
    "if-match",
    "if-none-match",
    "if-unmodified-since",
    "range",
)
_ORDER = str.maketrans({"-": None, "_": "\x01"})


def decoded_key(key: str) -> bytes:
    """Raises InvalidDefinition for what is no base64 text."""
    try:
        return base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        # The message of the library's error is left out: it could quote the key.
        raise InvalidDefinition("The account key is not base64 text.", remedy="Copy it again, whole.") from None


def string_to_sign(method: str, account: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """`path` percent-encoded as it is sent; `query` values decoded; header names in any case."""
    lower = {name.lower(): value for name, value in headers.items()}
    if lower.get("content-length") == "0":
        lower["content-length"] = ""
    lines = [method]
    lines += [lower.get(name, "") for name in _SIGNED_HEADERS]
    ours = sorted((name for name in lower if name.startswith("x-ms-")), key=lambda name: name.translate(_ORDER))
    lines += [f"{name}:{lower[name]}" for name in ours]
    lines.append(f"/{account}{path}")
    lines += [f"{name.lower()}:{value}" for name, value in sorted(query.items())]
    return "\n".join(lines)


def signature(key: bytes, text: str) -> str:
    return base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode()

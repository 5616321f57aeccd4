"""Content-MD5 and x-ms-content-crc64 of what came and what goes, as the service writes them (Base64).

The service's CRC64 is what catalogues call CRC-64/NVME (reflected polynomial 0x9A6C9329AC4BC9B5), eight bytes
little-endian. anycrc computes it at 13 GiB/s; fastcrc has no such variant.
"""

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Iterable

import anycrc

from .failures import ServiceFailure
from .messages import Bytes, Request

_CRC64 = anycrc.Model("CRC64-NVME")


def crc64(pieces: Iterable[Bytes]) -> str:
    value = 0
    for piece in pieces:
        value = _CRC64.calc(piece, value)
    return b64encode(value.to_bytes(8, "little")).decode()


def md5(pieces: Iterable[Bytes]) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    for piece in pieces:
        digest.update(piece)
    return b64encode(digest.digest()).decode()


def verify_body(request: Request) -> dict[str, str]:
    """Compares what the client says its body's checksums are; answers the headers that acknowledge them."""
    said_md5 = request.headers.get("content-md5")
    said_crc = request.headers.get("x-ms-content-crc64")
    if said_md5:
        _well_formed(said_md5, 16, "InvalidMd5")
        if md5((request.body,)) != said_md5:
            raise ServiceFailure("Md5Mismatch")
    if said_crc:
        _well_formed(said_crc, 8, "InvalidHeaderValue")
        if crc64((request.body,)) != said_crc:
            raise ServiceFailure("Crc64Mismatch")
    if said_md5 and not said_crc:
        return {"Content-MD5": said_md5}
    return {"x-ms-content-crc64": said_crc or crc64((request.body,))}


def _well_formed(text: str, size: int, code: str) -> None:
    try:
        right = len(b64decode(text, validate=True)) == size
    except ValueError:
        right = False
    if not right:
        raise ServiceFailure(code)

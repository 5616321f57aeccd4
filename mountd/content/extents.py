"""The file format of the disk tier: extents of a few MiB, each a run of records.

A record is a header, what it is (JSON: identity, key, etag, size, start), a checksum for each grain, and the bytes. The
header's checksum covers all but the bytes, each grain's its own, so that a torn tail ends the walk over an extent, and damaged
bytes are found when they are read. A record may instead say that a key was dropped: what came before it does not
count. Integers are little-endian. Knows files and nothing of caches.
"""

import json
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

from mountd.rules.blocks import GRAIN
from mountd.types import StoreIdentity, Version

MAGIC = b"mountd extent 1\n"
_HEADER = struct.Struct("<4sHHII")  # magic, length of the JSON, number of grains, number of bytes, checksum
_BYTES, _DROPPED = b"span", b"drop"
DIGEST_SIZE = 16


def digest(identity: StoreIdentity, key: str) -> bytes:
    """What records of one key are found by; never a datastore's name, which may be registered anew."""
    return blake2b(f"{identity}\n{key}".encode(errors="surrogatepass"), digest_size=DIGEST_SIZE).digest()


def tag(version: Version) -> int:
    """32 bits that tell one version of a key from another; a record found by it is still compared in full."""
    return zlib.crc32(f"{version.etag}\n{version.size}".encode())


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an extent: at `offset`, with its bytes at `data`, [start, stop) of a version. A dropped key has none."""

    offset: int
    data: int
    start: int
    stop: int
    digest: bytes
    tag: int
    dropped: bool = False


def encode(identity: StoreIdentity, version: Version, start: int, data: memoryview) -> bytes:
    """All of a record before its bytes."""
    what = json.dumps(
        {"identity": str(identity), "key": version.key, "etag": version.etag, "size": version.size, "start": start}
    ).encode()
    sums = [zlib.crc32(data[at : at + GRAIN]) for at in range(0, len(data), GRAIN)]
    return _sealed(_BYTES, what, sums, len(data))


def encode_drop(key: bytes) -> bytes:
    return _sealed(_DROPPED, json.dumps({"digest": key.hex()}).encode(), [], 0)


def _sealed(kind: bytes, what: bytes, sums: list[int], length: int) -> bytes:
    rest = what + struct.pack(f"<{len(sums)}I", *sums)
    head = _HEADER.pack(kind, len(what), len(sums), length, 0)
    return head[:-4] + zlib.crc32(rest, zlib.crc32(head[:-4])).to_bytes(4, "little") + rest


@dataclass(frozen=True, slots=True)
class _Head:
    kind: bytes
    what: dict[str, object]
    sums: tuple[int, ...]
    length: int
    data: int  # offset of the bytes


def _head(file: int, offset: int) -> _Head | None:
    """The record at an offset, without its bytes; None if there is none, or not a whole one."""
    fixed = os.pread(file, _HEADER.size, offset)
    if len(fixed) < _HEADER.size:
        return None
    kind, what_length, count, length, checksum = _HEADER.unpack(fixed)
    if kind not in (_BYTES, _DROPPED):
        return None
    rest = os.pread(file, what_length + 4 * count, offset + _HEADER.size)
    if len(rest) < what_length + 4 * count or zlib.crc32(rest, zlib.crc32(fixed[:-4])) != checksum:
        return None
    sums = struct.unpack(f"<{count}I", rest[what_length:])
    return _Head(kind, json.loads(rest[:what_length]), sums, length, offset + _HEADER.size + len(rest))


def records(file: int) -> Iterator[Record]:
    """The whole records of an extent, up to the first that is torn or damaged; none if it is not an extent."""
    if os.pread(file, len(MAGIC), 0) != MAGIC:
        return
    offset, end = len(MAGIC), os.fstat(file).st_size
    while (head := _head(file, offset)) is not None and head.data + head.length <= end:
        if head.kind == _DROPPED:
            yield Record(offset, head.data, 0, 0, bytes.fromhex(str(head.what["digest"])), 0, dropped=True)
        else:
            start = int(str(head.what["start"]))
            key = f"{head.what['identity']}\n{head.what['key']}".encode(errors="surrogatepass")
            name = blake2b(key, digest_size=DIGEST_SIZE).digest()
            mark = zlib.crc32(f"{head.what['etag']}\n{head.what['size']}".encode())
            yield Record(offset, head.data, start, start + head.length, name, mark)
        offset = head.data + head.length


def read_into(file: int, offset: int, identity: StoreIdentity, version: Version, span: tuple[int, memoryview]) -> bool:
    """Fills `span` (where it starts in the version, and its bytes) from the record at `offset`; False unless it is that
    version's, holds all of the span, and every grain of it is as it was written."""
    start, target = span
    head = _head(file, offset)
    if head is None or head.kind != _BYTES:
        return False
    what = head.what
    first = int(str(what["start"]))
    named = (what["identity"], what["key"], what["etag"], what["size"])
    if named != (str(identity), version.key, version.etag, version.size):
        return False
    if start < first or start + len(target) > first + head.length or (start - first) % GRAIN:
        return False
    if os.preadv(file, [target], head.data + start - first) != len(target):
        return False
    grain = (start - first) // GRAIN
    return all(
        zlib.crc32(target[at : at + GRAIN]) == head.sums[grain + at // GRAIN] for at in range(0, len(target), GRAIN)
    )

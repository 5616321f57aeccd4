"""The file format of the disk tier: extents of a few MiB, each a run of records, closed by a table of them.

A record is a head, what it is (storage, etag, key), a checksum for each grain, and the bytes. The head's checksum covers all but
the bytes; each grain's covers its bytes and, by where it begins to count, the version that they are of: bytes of another
version, a torn or a garbled grain are found out by it. A record may instead say that a key was dropped: what came before it
does not count. The table of a finished extent says in one read what a walk over its records would. Integers are
little-endian. Knows bytes and nothing of files' places or of caches.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from hashlib import blake2b
from typing import NamedTuple

import anycrc

from mountd.rules.blocks import GRAIN, GRAIN_BITS
from mountd.types import Buffer, KiB, StoreIdentity, Version

MAGIC = b"mountd extent 2\n"
PAGE = 4 * KiB  # what an unbuffered write is a multiple of: extents end on one
_HEAD = struct.Struct(
    "<4sIHHIQQ"
)  # kind, checksum, length of the text, of the padding, of the bytes; start, size of the version
_BYTES, _DROPPED = b"span", b"drop"
_ROW = struct.Struct("<QQIIII")  # key, name, first grain, offset of the head, offset of the bytes, number of bytes
_TAIL = struct.Struct("<8sIIII")  # magic, offset of the table, rows, checksums, checksum of the table
_TABLE = b"mtable 2"
DIGEST_SIZE = 16
_MOST = 1 << 31  # bytes of one record, and of one extent

_checksum = anycrc.Model(
    "CRC32C"
).calc  # 0.075 s of CPU a GB; zlib's takes 0.25, and hands the interpreter over for each grain


class Name(NamedTuple):
    """One version as the index knows it: 64 bits of its key, 64 of the version, and where its checksums begin to count; and as
    its records have it."""

    key: int
    version: int
    seed: int
    text: bytes = b""
    size: int = 0


class Row(NamedTuple):
    """One record: where its head and its bytes are, which grains of which version; a dropped key has no bytes."""

    key: int
    version: int
    grain: int
    head: int
    data: int
    length: int
    sums: tuple[int, ...]

    @property
    def dropped(self) -> bool:
        return not self.length


def digest(identity: StoreIdentity, key: str) -> bytes:
    """What records of one key are known by; never a datastore's name, which may be registered anew."""
    return blake2b(f"{identity}\n{key}".encode(errors="surrogatepass"), digest_size=DIGEST_SIZE).digest()


def key_of(whole: bytes) -> int:
    """A key's digest as the index and the records have it."""
    return int.from_bytes(whole[:8], "little")


def name_of(identity: StoreIdentity, version: Version) -> Name:
    return _name(f"{identity}\0{version.etag}\0{version.key}".encode(errors="surrogatepass"), version.size)


def _name(text: bytes, size: int) -> Name:
    identity, _, key = text.split(b"\0", 2)
    whole = blake2b(text + size.to_bytes(8, "little"), digest_size=12).digest()
    of_key = blake2b(identity + b"\n" + key, digest_size=DIGEST_SIZE).digest()
    seed = int.from_bytes(whole[8:], "little")
    return Name(key_of(of_key), int.from_bytes(whole[:8], "little"), seed, text, size)


def sum_of(data: Buffer, seed: int) -> int:
    """The checksum of one grain."""
    value: int = _checksum(data, seed)
    return value


def head_size(name: Name, grains: int) -> int:
    """Bytes of a record before its own."""
    return _HEAD.size + len(name.text) + 4 * grains


def encode(name: Name, span: tuple[int, int], sums: list[int], padding: int = 0) -> bytes:
    """All of a record before the bytes [start, stop) of its span; `padding` puts them where a direct write wants them."""
    start, stop = span
    return _sealed(_BYTES, name.text, sums, (padding, stop - start, start, name.size))


def encode_drop(key: int) -> bytes:
    return _sealed(_DROPPED, key.to_bytes(8, "little"), [], (0, 0, 0, 0))


def _sealed(kind: bytes, text: bytes, sums: list[int], numbers: tuple[int, int, int, int]) -> bytes:
    rest = text + struct.pack(f"<{len(sums)}I", *sums)
    check = zlib.crc32(rest, zlib.crc32(_HEAD.pack(kind, 0, len(text), *numbers)))
    return _HEAD.pack(kind, check, len(text), *numbers) + rest + bytes(numbers[0])


class Contents:
    """The table of an extent while it grows: packed, because an extent may have 30,000 records."""

    def __init__(self) -> None:
        self._rows = bytearray()
        self._sums = bytearray()

    def add(self, row: Row) -> None:
        self._rows += _ROW.pack(*row[:6])
        self._sums += struct.pack(f"<{len(row.sums)}I", *row.sums)

    @property
    def size(self) -> int:
        """Bytes that `encoded` has, at most."""
        return len(self._rows) + len(self._sums) + _TAIL.size + PAGE

    def encoded(self, offset: int) -> bytes:
        """As it ends an extent, to stand at `offset`; up to the end of a page."""
        body = bytes(self._rows + self._sums)
        padding = bytes(-(offset + len(body) + _TAIL.size) % PAGE)
        rows, sums = len(self._rows) // _ROW.size, len(self._sums) // 4
        return body + padding + _TAIL.pack(_TABLE, offset, rows, sums, zlib.crc32(body))


def records(file: int) -> list[Row]:
    """The whole records of an extent: by its table, or where there is none by a walk up to the first that is torn or
    damaged; none if it is not an extent."""
    if os.pread(file, len(MAGIC), 0) != MAGIC:
        return []
    end = os.fstat(file).st_size
    rows = _table(file, end)
    return list(_walk(file, end)) if rows is None else rows


def _table(file: int, end: int) -> list[Row] | None:
    tail = os.pread(file, _TAIL.size, end - _TAIL.size)
    if len(tail) < _TAIL.size or not tail.startswith(_TABLE):
        return None
    _, offset, count, number, check = _TAIL.unpack(tail)
    length = count * _ROW.size + 4 * number
    body = os.pread(file, length, offset)
    if len(body) < length or zlib.crc32(body) != check:
        return None
    sums = struct.unpack(f"<{number}I", body[count * _ROW.size :])
    rows: list[Row] = []
    at = 0
    for key, version, grain, head, data, size in _ROW.iter_unpack(body[: count * _ROW.size]):
        after = at + _grains(size)
        rows.append(Row(key, version, grain, head, data, size, sums[at:after]))
        at = after
    return rows


def _walk(file: int, end: int) -> Iterator[Row]:
    offset = len(MAGIC)
    while True:
        fixed = os.pread(file, _HEAD.size, offset)
        if len(fixed) < _HEAD.size or fixed[:4] not in (_BYTES, _DROPPED):
            return
        kind, check, length_of_text, padding, length, start, size = _HEAD.unpack(fixed)
        length_of_rest = length_of_text + 4 * _grains(length)
        if length > _MOST or length_of_rest > end:
            return
        rest = os.pread(file, length_of_rest, offset + _HEAD.size)
        data = offset + _HEAD.size + length_of_rest + padding
        without = _HEAD.pack(kind, 0, length_of_text, padding, length, start, size)
        if len(rest) < length_of_rest or zlib.crc32(rest, zlib.crc32(without)) != check or data + length > end:
            return
        if kind == _DROPPED:
            yield Row(key_of(rest), 0, 0, offset, data, 0, ())
        else:
            name = _name(rest[:length_of_text], size)
            sums = struct.unpack(f"<{_grains(length)}I", rest[length_of_text:])
            yield Row(name.key, name.version, start >> GRAIN_BITS, offset, data, length, sums)
        offset = data + length


def _grains(length: int) -> int:
    return (length + GRAIN - 1) >> GRAIN_BITS

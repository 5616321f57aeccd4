"""Bytes and names against simple references: content in segments, listings in pages, checksums."""

import hashlib
from base64 import b64encode
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.emulator.call import Call
from mountd.emulator.checksums import crc64, md5, verify_body
from mountd.emulator.content import Content
from mountd.emulator.failures import ServiceFailure
from mountd.emulator.messages import Address, Request, Response
from mountd.emulator.operations.listing import list_blobs
from mountd.emulator.state import Account

PIECES = st.lists(st.binary(max_size=20), max_size=8)


@given(PIECES, st.integers(0, 100), st.integers(0, 100))
def test_a_span_is_a_slice(pieces: list[bytes], start: int, end: int) -> None:
    content = Content().joined(*(Content.of(piece) for piece in pieces))
    whole = b"".join(pieces)
    assert content.bytes() == whole
    assert content.length == len(whole)
    assert content.span(start, end).bytes() == whole[start:end]


@given(PIECES, st.integers(0, 50), st.integers(0, 50))
def test_a_span_of_a_span(pieces: list[bytes], start: int, end: int) -> None:
    content = Content().joined(*(Content.of(piece) for piece in pieces))
    whole = b"".join(pieces)[start:]
    assert content.span(start, content.length).span(start, end).bytes() == whole[start:end]


def test_the_crc_is_the_service_s() -> None:
    # The check value of CRC-64/NVME, and the service's byte order.
    assert crc64([b"123456789"]) == b64encode((0xAE8B14860A799888).to_bytes(8, "little")).decode()
    assert crc64([b"1234", b"", b"56789"]) == crc64([b"123456789"])
    assert crc64([]) == "AAAAAAAAAAA="


@given(PIECES)
def test_md5_of_pieces_is_md5_of_all(pieces: list[bytes]) -> None:
    assert md5(pieces) == b64encode(hashlib.md5(b"".join(pieces)).digest()).decode()


def body(data: bytes, **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("PUT", "/", {}, named, memoryview(data))


def test_checksums_of_a_body_are_compared_and_acknowledged() -> None:
    data = b"0123456789"
    assert verify_body(body(data)) == {"x-ms-content-crc64": crc64([data])}
    assert verify_body(body(data, content_md5=md5([data]))) == {"Content-MD5": md5([data])}
    assert verify_body(body(data, x_ms_content_crc64=crc64([data]))) == {"x-ms-content-crc64": crc64([data])}


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"content_md5": md5([b"other"])}, "Md5Mismatch"),
        ({"content_md5": "short"}, "InvalidMd5"),
        ({"x_ms_content_crc64": crc64([b"other"])}, "Crc64Mismatch"),
        ({"x_ms_content_crc64": "short"}, "InvalidHeaderValue"),
    ],
)
def test_wrong_checksums_are_refused(headers: dict[str, str], code: str) -> None:
    with pytest.raises(ServiceFailure) as caught:
        verify_body(body(b"0123456789", **headers))
    assert caught.value.code == code


def refuse(request: Request) -> Response:
    raise AssertionError(request)


def listed(account: Account, prefix: str, delimiter: str, size: int) -> list[str]:
    """What a client sees that reads page by page."""
    found: list[str] = []
    marker = ""
    while True:
        query = {"prefix": prefix, "delimiter": delimiter, "maxresults": str(size), "marker": marker}
        request = Request("GET", "/", {name: value for name, value in query.items() if value}, {})
        call = Call(request, account, Address(account.name, "c", ""), 0.0, "2024-11-04", "http://x", refuse)
        root = ElementTree.fromstring(b"".join(list_blobs(call).body).decode("utf-8-sig"))
        names = [entry.findtext("Name") or "" for entry in root.find("Blobs") or ()]
        assert len(names) <= size
        found += names
        marker = root.findtext("NextMarker") or ""
        if not marker:
            return found


KEYS = st.sets(st.text("ab/é.😀", min_size=1, max_size=6), max_size=20)


@given(KEYS, st.sampled_from(["", "a", "a/", "/", "é"]), st.sampled_from(["", "/", "b"]), st.integers(1, 5))
def test_a_listing_in_pages_is_the_whole_listing(keys: set[str], prefix: str, delimiter: str, size: int) -> None:
    account = Account("acc", "")
    container = account.create_container("c")
    for key in keys:
        account.create_blob(container, key, Content())
    expected: list[str] = []
    for key in sorted(keys):
        if not key.startswith(prefix):
            continue
        head, mark, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        name = prefix + head + mark if mark else key
        if name not in expected[-1:] or not mark:
            expected.append(name)
    assert listed(account, prefix, delimiter, size) == expected

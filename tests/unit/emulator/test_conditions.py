"""Every If-* header and their pairs, as tables: the service's answers to a read and to a write."""

import pytest

from mountd.emulator.conditions import check
from mountd.emulator.content import Content
from mountd.emulator.failures import ServiceFailure
from mountd.emulator.messages import http_date
from mountd.emulator.state import Blob

NOW = 1_700_000_000
BLOB = Blob("x", "BlockBlob", Content(), '"0x1"', NOW, NOW, tags={"kind": "a", "n": "5"})
BEFORE, SAME, AFTER = (http_date(NOW + delta) for delta in (-60, 0, 60))

READS = [
    ({}, None),
    ({"if-match": '"0x1"'}, None),
    ({"if-match": "0x1"}, None),
    ({"if-match": '"0x2"'}, 412),
    ({"if-match": '"0x2", "0x1"'}, None),
    ({"if-match": "*"}, None),
    ({"if-none-match": '"0x1"'}, 304),
    ({"if-none-match": '"0x2"'}, None),
    ({"if-none-match": "*"}, 400),
    ({"if-modified-since": BEFORE}, None),
    ({"if-modified-since": SAME}, 304),
    ({"if-modified-since": AFTER}, 304),
    ({"if-unmodified-since": BEFORE}, 412),
    ({"if-unmodified-since": SAME}, None),
    ({"if-unmodified-since": AFTER}, None),
    ({"if-match": '"0x1"', "if-unmodified-since": BEFORE}, 412),
    ({"if-none-match": '"0x1"', "if-modified-since": BEFORE}, None),
    ({"if-none-match": '"0x2"', "if-modified-since": AFTER}, None),
    ({"if-none-match": '"0x1"', "if-modified-since": AFTER}, 304),
    ({"if-match": '"0x2"', "if-none-match": '"0x1"'}, 412),
    ({"if-modified-since": "yesterday"}, 400),
    ({"x-ms-if-tags": "\"kind\" = 'a'"}, None),
    ({"x-ms-if-tags": "\"kind\" = 'a' AND \"n\" > '4'"}, None),
    ({"x-ms-if-tags": "\"kind\" = 'a' AND \"n\" >= '6'"}, 412),
    ({"x-ms-if-tags": "\"absent\" = 'a'"}, 412),
    ({"x-ms-if-tags": "nonsense"}, 400),
]
WRITES = [
    ({"if-match": '"0x1"'}, None),
    ({"if-match": '"0x2"'}, 412),
    ({"if-none-match": "*"}, 409),
    ({"if-none-match": '"0x1"'}, 412),
    ({"if-modified-since": AFTER}, 412),
    ({"if-unmodified-since": BEFORE}, 412),
]
CREATES = [({}, None), ({"if-none-match": "*"}, None), ({"if-match": '"0x1"'}, 412), ({"if-match": "*"}, 412)]


def status(headers: dict[str, str], blob: Blob | None, *, reading: bool, prefix: str = "") -> int | None:
    try:
        check(headers, blob, reading=reading, prefix=prefix)
    except ServiceFailure as failure:
        return failure.status
    return None


@pytest.mark.parametrize(("headers", "expected"), READS)
def test_reads(headers: dict[str, str], expected: int | None) -> None:
    assert status(headers, BLOB, reading=True) == expected


@pytest.mark.parametrize(("headers", "expected"), WRITES)
def test_writes(headers: dict[str, str], expected: int | None) -> None:
    assert status(headers, BLOB, reading=False) == expected


@pytest.mark.parametrize(("headers", "expected"), CREATES)
def test_creates(headers: dict[str, str], expected: int | None) -> None:
    assert status(headers, None, reading=False) == expected


def test_a_copy_s_source_has_conditions_of_its_own() -> None:
    headers = {"x-ms-source-if-none-match": '"0x1"', "if-match": '"0x2"'}
    with pytest.raises(ServiceFailure) as caught:
        check(headers, BLOB, reading=False, prefix="x-ms-source-")
    assert (caught.value.code, caught.value.status) == ("SourceConditionNotMet", 412)

"""The file format: what is written is found and read back, and nothing else is."""

import os
from dataclasses import replace

import pytest

from mountd.content.extents import MAGIC, digest, encode, encode_drop, read_into, records, tag
from mountd.rules.blocks import GRAIN
from mountd.types import StoreIdentity, Version

BOX = StoreIdentity("blob", "https://a.example", "a", "box")
VERSION = Version("ü/a\udc80 b", "0x8D", 10 * GRAIN + 5, 0)


@pytest.fixture
def extent(tmp_path):
    """An extent of three records: the grains 2 to 4 of VERSION, a dropped key, and VERSION's tail."""
    data = os.urandom(VERSION.size)
    file = tmp_path / "an.extent"
    parts = [MAGIC]
    for start, stop in ((2 * GRAIN, 5 * GRAIN), (9 * GRAIN, VERSION.size)):
        view = memoryview(data)[start:stop]
        parts += [encode(BOX, VERSION, start, view), bytes(view), encode_drop(digest(BOX, "gone"))]
    file.write_bytes(b"".join(parts))
    descriptor = os.open(file, os.O_RDONLY)
    yield descriptor, data
    os.close(descriptor)


def test_every_record_is_found(extent):
    found = list(records(extent[0]))
    assert [(record.start, record.stop, record.dropped) for record in found] == [
        (2 * GRAIN, 5 * GRAIN, False),
        (0, 0, True),
        (9 * GRAIN, VERSION.size, False),
        (0, 0, True),
    ]
    assert found[0].digest == digest(BOX, VERSION.key)
    assert found[0].tag == tag(VERSION)
    assert found[1].digest == digest(BOX, "gone")


@pytest.mark.parametrize(("start", "stop"), [(2, 5), (3, 4), (2, 3), (4, 5)])
def test_any_grains_of_a_record_are_read(extent, start, stop):
    file, data = extent
    record = next(records(file))
    target = bytearray((stop - start) * GRAIN)
    assert read_into(file, record.offset, BOX, VERSION, (start * GRAIN, memoryview(target)))
    assert target == data[start * GRAIN : stop * GRAIN]


@pytest.mark.parametrize(("start", "stop"), [(1, 3), (4, 6), (9, 10)])
def test_grains_that_a_record_does_not_hold_are_not(extent, start, stop):
    file, _ = extent
    target = memoryview(bytearray((stop - start) * GRAIN))
    assert not read_into(file, next(records(file)).offset, BOX, VERSION, (start * GRAIN, target))


@pytest.mark.parametrize("other", [{"key": "b"}, {"etag": "0x8E"}, {"size": 10 * GRAIN + 6}])
def test_another_version_is_never_read_whatever_the_index_says(extent, other):
    file, _ = extent
    target = memoryview(bytearray(GRAIN))
    assert not read_into(file, next(records(file)).offset, BOX, replace(VERSION, **other), (2 * GRAIN, target))


@pytest.mark.parametrize("field", ["kind", "endpoint", "account", "container"])
def test_another_storage_is_never_read(extent, field):
    file, _ = extent
    target = memoryview(bytearray(GRAIN))
    elsewhere = replace(BOX, **{field: "other"})
    assert not read_into(file, next(records(file)).offset, elsewhere, VERSION, (2 * GRAIN, target))
    assert digest(elsewhere, VERSION.key) != digest(BOX, VERSION.key)


@pytest.mark.parametrize("offset", [0, 7, 10**9])
def test_where_no_record_begins_nothing_is_read(extent, offset):
    target = memoryview(bytearray(GRAIN))
    assert not read_into(extent[0], offset, BOX, VERSION, (2 * GRAIN, target))

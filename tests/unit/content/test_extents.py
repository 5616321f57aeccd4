"""The file format: what is written is found and read back, by its table or by a walk, and nothing else is."""

import os
from dataclasses import replace

import pytest

from mountd.content.extents import (
    MAGIC,
    PAGE,
    Contents,
    Row,
    digest,
    encode,
    encode_drop,
    head_size,
    key_of,
    name_of,
    records,
    sum_of,
)
from mountd.rules.blocks import GRAIN
from mountd.types import StoreIdentity, Version

BOX = StoreIdentity("blob", "https://a.example", "a", "box")
VERSION = Version("ü/a\udc80 b\0c", "0x8D", 10 * GRAIN + 5, 0)
GONE = key_of(digest(BOX, "gone"))


def written(data, *, table):
    """An extent of three records: the grains 2 to 4 of VERSION, a dropped key, and VERSION's tail after a padding."""
    name = name_of(BOX, VERSION)
    whole, rows = bytearray(MAGIC), []
    for start, stop, padding in ((2 * GRAIN, 5 * GRAIN, 0), (9 * GRAIN, VERSION.size, 77)):
        sums = [sum_of(data[at : min(at + GRAIN, stop)], name.seed) for at in range(start, stop, GRAIN)]
        offset = len(whole)
        whole += encode(name, (start, stop), sums, padding)
        assert len(whole) - offset == head_size(name, len(sums)) + padding
        rows.append(Row(name.key, name.version, start // GRAIN, offset, len(whole), stop - start, tuple(sums)))
        whole += data[start:stop]
        offset = len(whole)
        whole += encode_drop(GONE)
        rows.append(Row(GONE, 0, 0, offset, len(whole), 0, ()))
    if table:
        contents = Contents()
        for row in rows:
            contents.add(row)
        encoded = contents.encoded(len(whole))
        assert len(encoded) <= contents.size
        whole += encoded
        assert len(whole) % PAGE == 0
    return bytes(whole), rows


@pytest.fixture
def reread(tmp_path):
    """What `records` finds in these bytes."""

    def found(data):
        file = tmp_path / "an.extent"
        file.write_bytes(data)
        descriptor = os.open(file, os.O_RDONLY)
        try:
            return records(descriptor)
        finally:
            os.close(descriptor)

    return found


@pytest.mark.parametrize("table", [True, False])
def test_every_record_is_found(reread, table):
    data = os.urandom(VERSION.size)
    whole, rows = written(data, table=table)
    assert reread(whole) == rows
    assert [row.dropped for row in rows] == [False, True, False, True]
    assert whole[rows[2].data : rows[2].data + rows[2].length] == data[9 * GRAIN :]


def test_the_table_spares_the_walk(reread):
    whole, rows = written(os.urandom(VERSION.size), table=True)
    assert reread(whole[:16] + bytes(100) + whole[116:]) == rows


@pytest.mark.parametrize("cut", [1, 10, 5000, 8192])
def test_a_torn_table_is_a_walk(reread, cut):
    whole, rows = written(os.urandom(VERSION.size), table=True)
    assert reread(whole[:-cut])[:2] == rows[:2]


@pytest.mark.parametrize("place", [20, 30, 40, 60, 80, -30, -60])
def test_damage_in_a_table_or_a_head_is_found_out(reread, place):
    whole, rows = written(os.urandom(VERSION.size), table=place < 0)
    broken = bytearray(whole)
    if place < 0:
        broken[rows[-1].data - place] ^= 4  # in the table, which begins where the last record ends
        assert reread(bytes(broken)) == rows  # the walk knows
    else:
        broken[place] ^= 4
        assert reread(bytes(broken)) == []


def test_what_is_no_extent_has_no_records(reread):
    assert reread(b"") == reread(b"mountd extent 1\n" + bytes(10_000)) == reread(bytes(PAGE)) == []


@pytest.mark.parametrize(
    "other", [{"key": "b"}, {"etag": "0x8E"}, {"size": 10 * GRAIN + 6}, {"key": VERSION.key + "\0", "etag": ""}]
)
def test_another_version_has_another_name_and_another_seed(other):
    mine, theirs = name_of(BOX, VERSION), name_of(BOX, replace(VERSION, **other))
    assert mine.version != theirs.version
    assert mine.seed != theirs.seed
    assert (mine.key == theirs.key) == ("key" not in other)


@pytest.mark.parametrize("field", ["kind", "endpoint", "account", "container"])
def test_another_storage_has_another_name(field):
    elsewhere = replace(BOX, **{field: "other"})
    assert name_of(elsewhere, VERSION).version != name_of(BOX, VERSION).version
    assert digest(elsewhere, VERSION.key) != digest(BOX, VERSION.key)


def test_a_key_has_one_name_whoever_asks():
    assert name_of(BOX, VERSION).key == key_of(digest(BOX, VERSION.key))


def test_the_same_bytes_of_another_version_do_not_add_up():
    data = os.urandom(GRAIN)
    assert sum_of(data, name_of(BOX, VERSION).seed) != sum_of(data, name_of(BOX, replace(VERSION, etag="2")).seed)

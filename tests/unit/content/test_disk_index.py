"""Where spans are on disk: found by place, whatever else a key has; bounded; nothing left of what went."""

import pytest

from mountd.content.config import CacheConfig
from mountd.content.disk_index import DiskIndex
from mountd.content.extent_writer import ExtentWriter
from mountd.content.extents import Record
from mountd.rules.blocks import GRAIN, RANGE
from mountd.types import GiB, MiB, StoreIdentity, Version

KEY, OTHER = b"k" * 16, b"o" * 16
TAG = 7


def record(start, stop, key=KEY, tag=TAG, offset=0):
    return Record(offset, offset + 100, start, stop, key, tag)


@pytest.fixture
def index():
    made = DiskIndex()
    made.open_extent(1)
    made.open_extent(2)
    return made


def test_a_look_up_does_not_grow_with_the_spans_of_its_key(index):
    for grain in range(20_000):
        index.add(1, record(grain * GRAIN, (grain + 1) * GRAIN))
    assert max(map(len, index._spans.values())) <= RANGE // GRAIN
    assert [span.start for span in index.find(KEY, TAG, 3 * GiB // 2, 3 * GiB // 2 + GRAIN)] == [3 * GiB // 2]
    assert index.held(KEY, TAG) == 20_000 * GRAIN


def test_spans_join_across_stretches_and_may_cross_their_edges(index):
    index.add(1, record(RANGE - 2 * GRAIN, RANGE - GRAIN))
    index.add(1, record(RANGE - GRAIN, RANGE + GRAIN))
    index.add(2, record(RANGE + GRAIN, 2 * RANGE))
    found = index.find(KEY, TAG, RANGE - 2 * GRAIN, 2 * RANGE)
    assert [(span.start, span.stop) for span in found] == [
        (RANGE - 2 * GRAIN, RANGE - GRAIN),
        (RANGE - GRAIN, RANGE + GRAIN),
        (RANGE + GRAIN, 2 * RANGE),
    ]
    assert [span.start for span in index.find(KEY, TAG, RANGE, RANGE + GRAIN)] == [RANGE - GRAIN]
    assert index.find(KEY, TAG, RANGE, 2 * RANGE + GRAIN) == []
    assert index.find(KEY, TAG + 1, RANGE, RANGE + GRAIN) == []


def test_nothing_is_left_of_what_went(index):
    for start in range(0, 5 * RANGE, GRAIN):
        index.add(1 if start < 2 * RANGE else 2, record(start, start + GRAIN))
        index.add(2, record(start, start + GRAIN, key=OTHER))
    assert index.count == 2 * 80
    index.drop_extent(1)
    assert index.find(KEY, TAG, 0, GRAIN) == []
    assert index.held(KEY, TAG) == 3 * RANGE
    assert index.count == 48 + 80
    assert index.keep_only({KEY}) == ([OTHER], [])
    assert index.count == 48
    assert index.drop(KEY)
    assert not index.drop(KEY)
    assert index.count == 0
    assert (index._spans, index._last) == ({}, {})


def test_a_key_that_left_with_its_extents_leaves_no_trace(index):
    for start in range(0, 3 * RANGE, GRAIN):
        index.add(1, record(start, start + GRAIN))
    index.drop_extent(1)
    assert (index._spans, index._last, index.count) == ({}, {}, 0)


def test_small_files_without_end_keep_the_index_within_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("mountd.content.extent_writer.FEWEST_SPANS", 100)
    index = DiskIndex()
    writer = ExtentWriter(CacheConfig(disk=4 * MiB, disk_free=0), tmp_path, index)
    identity = StoreIdentity("blob", "e", "a", "c")
    for number in range(20_000):
        writer.write(identity, Version(f"{number}", "e", 100, 0), 0, memoryview(bytes(100)))
    writer.close()
    of_one_extent = MiB // 250
    assert index.count <= 100 + 2 * of_one_extent
    assert index.count > 0

"""Where grains are on disk: found by name, whatever else a key has; bounded; nothing left of what went."""

import pytest

from mountd.content.config import CacheConfig
from mountd.content.disk_index import DiskIndex
from mountd.content.extent_files import ExtentFiles
from mountd.content.extent_writer import ExtentWriter
from mountd.content.extents import Name, Row, name_of
from mountd.rules.admission import Admission
from mountd.rules.blocks import GRAIN
from mountd.types import GiB, MiB, StoreIdentity, Version

NAME, OTHER = Name(1, 0x123456789ABCDEF0, 7), Name(2, 0xFEDCBA9876543210, 8)
HUGE = 1 << 50


def row(grain, count=1, name=NAME, data=1000):
    return Row(name.key, name.version, grain, data - 100, data, count * GRAIN, tuple(range(grain, grain + count)))


@pytest.fixture
def index():
    made = DiskIndex()
    for number in (1, 2):
        made.open_extent(number)
    return made


def test_what_was_written_on_end_is_read_at_once(index):
    index.add(1, [row(4, 3), row(7, 1, data=1000 + 3 * GRAIN), row(8, 2, data=5)])
    index.add(2, [row(10, 1)])
    found = index.find(NAME, HUGE, 4 * GRAIN, 11 * GRAIN)
    assert [(run.extent, run.offset, run.start // GRAIN, run.length // GRAIN, run.sums) for run in found] == [
        (1, 1000, 4, 4, [4, 5, 6, 7]),
        (1, 5, 8, 2, [8, 9]),
        (2, 1000, 10, 1, [10]),
    ]
    assert index.find(NAME, HUGE, 5 * GRAIN, 6 * GRAIN)[0].offset == 1000 + GRAIN


def test_a_missing_grain_is_a_miss(index):
    index.add(1, [row(0, 2), row(3)])
    assert index.find(NAME, HUGE, 0, 4 * GRAIN) == []
    assert index.find(OTHER, HUGE, 0, GRAIN) == []
    assert index.find(NAME, HUGE, 0, 2 * GRAIN) != []


def test_the_last_grain_of_a_version_is_short(index):
    index.add(1, [row(0, 2)])
    assert index.find(NAME, GRAIN + 5, 0, GRAIN + 5)[0].length == GRAIN + 5
    assert index.held(NAME, GRAIN + 5) == GRAIN + 5


def test_a_grain_written_again_counts_once_and_the_younger_counts(index):
    index.add(2, [row(0, 2, data=9)])
    index.add(1, [row(0, 2)])  # an older extent, read later
    assert index.find(NAME, HUGE, 0, GRAIN)[0].extent == 2
    index.add(2, [row(0, data=50)])
    assert index.find(NAME, HUGE, 0, GRAIN)[0].offset == 50
    assert index.count == 2


def test_an_extent_that_leaves_takes_its_grains_along(index):
    index.add(1, [row(0, 2)])
    index.add(2, [row(2, 2), row(0, name=OTHER)])
    index.drop_extent(1)
    assert index.count == 3
    assert index.held(NAME, 4 * GRAIN) == 2 * GRAIN
    assert index.find(NAME, HUGE, 0, GRAIN) == []
    index.add(1, [row(0)])  # late news of what left
    assert index.count == 3


def test_what_left_gives_its_memory_back(index):
    for number in range(10, 60):
        index.open_extent(number)
        index.add(number, [row(number * 5000 + at, data=at) for at in range(5000)])
        index.drop_extent(number)
    assert index.count == 0
    assert index.bytes < 5000 * 40 * 2


def test_lost_grains_are_forgotten(index):
    index.add(1, [row(0, 3)])
    index.lose(NAME, index.find(NAME, HUGE, GRAIN, 2 * GRAIN)[0])
    assert index.count == 2
    assert index.held(NAME, 3 * GRAIN) == 2 * GRAIN
    index.add(1, [row(1)])
    assert index.held(NAME, 3 * GRAIN) == 3 * GRAIN


def test_a_dropped_key_is_hidden_at_once_and_what_comes_later_counts(index):
    index.add(1, [row(0, 2), row(0, name=OTHER)])
    index.hide(NAME.key)
    index.add(1, [row(2, data=3 * GRAIN)])
    assert index.held(NAME, 3 * GRAIN) == 0
    index.drop(NAME.key, 1, 2 * GRAIN + 1000)
    assert index.held(NAME, 3 * GRAIN) == GRAIN
    assert index.held(OTHER, GRAIN) == GRAIN


def test_a_drop_that_is_read_from_an_extent_counts_for_what_stands_before(index):
    index.add(2, [Row(NAME.key, 0, 0, 5000, 5050, 0, ()), row(1, data=6000)])
    index.add(2, [row(2, data=4000)])
    index.add(1, [row(0, 1)])
    assert [
        index.held(NAME, HUGE) > 0,
        index.find(NAME, HUGE, 0, GRAIN),
        index.find(NAME, HUGE, 2 * GRAIN, 3 * GRAIN),
    ] == [
        False,
        [],
        [],
    ]
    assert index.find(NAME, HUGE, GRAIN, 2 * GRAIN) != []


def test_a_grain_takes_forty_bytes_at_most(index):
    for at in range(0, 300_000, 1000):
        index.add(1, [row(grain, name=OTHER) for grain in range(at, at + 1000)])
    assert 20 * index.count < index.bytes <= 40 * index.count


def test_the_part_of_a_very_large_version_is_estimated(index):
    size = 1 << 45
    index.add(1, [row(grain) for grain in range(0, size // GRAIN, size // GRAIN // (1 << 16))])
    assert index.held(NAME, size) == size


def test_small_files_without_end_keep_the_index_within_its_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("mountd.content.extent_files.FEWEST_GRAINS", 100)
    index = DiskIndex()
    config = CacheConfig(disk=4 * MiB, disk_free=0)
    files = ExtentFiles(config, tmp_path, index, Admission(GiB, 1000))
    writer = ExtentWriter(files, lambda: None)
    identity = StoreIdentity("blob", "e", "a", "c")
    for number in range(20_000):
        writer.write(name_of(identity, Version(f"{number}", "e", 100, 0)), 0, memoryview(bytes(100)))
    writer.close()
    of_one_extent = MiB // 150
    assert index.count <= 100 + 2 * of_one_extent
    assert index.count > 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == files.bytes <= 4 * MiB

"""Rows are found by number while more of them come, and no slice of the work is long."""

import random

from mountd.fs.index import SLICE, Index


def never(row: int, other: int) -> int:
    raise AssertionError("no two rows share a number")


def grown(index: Index) -> int:
    return sum(1 for _ in index.growing())


def numbers(count: int) -> list[int]:
    chance = random.Random(5)
    return [1 << 50 | chance.getrandbits(44) for _ in range(count)]


def test_rows_are_found_while_the_table_grows_slice_by_slice():
    index, wanted = Index(never), numbers(100_000)
    for start in range(0, len(wanted), 5000):
        index.numbers.extend(wanted[start : start + 5000])
        seen = start
        for _ in index.growing():
            assert all(index.row_of(wanted[row]) == row for row in range(0, seen, 997))
            seen = max(seen, index.rows if index.rows > start else start)
        assert index.rows == start + 5000
    assert [index.row_of(number) for number in wanted] == list(range(len(wanted)))
    assert index.row_of(7) == -1


def test_a_row_costs_at_most_twelve_bytes_and_growing_no_more_than_a_slice_at_once(monkeypatch):
    index, wanted = Index(never), numbers(100_000)
    index.numbers.extend(wanted[:60_000])
    grown(index)
    handled = []
    original = Index._fill
    monkeypatch.setattr(
        Index,
        "_fill",
        lambda self, table, start, stop: (handled.append(stop - start), original(self, table, start, stop)),
    )
    index.numbers.extend(wanted[60_000:])
    slices = grown(index)
    assert slices >= 100_000 // SLICE
    assert max(handled) <= SLICE
    assert len(index._table) * 4 / len(wanted) <= 12


def test_twins_are_parted_or_one_of_them_goes():
    asked = []

    def part(row: int, other: int) -> int:
        asked.append((row, other))
        return 0 if row == 2 else index.numbers[row] + 1

    index = Index(part)
    index.numbers.extend([9, 9, 9, 10])
    grown(index)
    assert list(index.numbers) == [9, 10, 0, 11]
    assert [index.row_of(number) for number in (9, 10, 11)] == [0, 1, 3]
    assert asked == [(1, 0), (2, 0), (3, 1)]


def test_a_row_whose_number_changed_is_found_by_the_new_one_alone():
    index = Index(never)
    index.numbers.extend([100, 101, 102])
    grown(index)
    index.numbers[1] = 1000
    index.put(1)
    assert (index.row_of(1000), index.row_of(101), index.row_of(102)) == (1, -1, 2)
    index.numbers.extend(range(200, 300))
    grown(index)
    assert index.row_of(1000) == 1
    assert index.row_of(101) == -1

"""How files are cut: aligned, disjoint, complete, and at a bounded cost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.rules.blocks import GRAIN, RANGE, SMALL_FILE, absent_runs, aligned, asked_span, cut, is_footer
from mountd.types import KiB, MiB


@st.composite
def reads(draw):
    size = draw(st.integers(1, 1 << 45))
    start = draw(st.integers(0, size - 1))
    return start, min(size, start + draw(st.integers(1, 4 * MiB))), size


@given(reads())
def test_a_span_holds_the_read_and_ends_on_grains(read):
    start, stop, size = read
    for first, last in (aligned(start, stop, size), asked_span(start, stop, size)):
        assert 0 <= first <= start < stop <= last <= size
        assert first % GRAIN == 0
        assert last % GRAIN == 0 or last == size


@given(reads())
def test_amplification_is_bounded(read):
    start, stop, size = read
    first, last = asked_span(start, stop, size)
    if size > SMALL_FILE:
        assert last - first <= (2 * (stop - start) if stop - start >= 2 * GRAIN else 3 * GRAIN)
        if stop - start <= 4096:
            assert last - first <= 2 * GRAIN


@given(st.integers(0, 100 * GRAIN), st.integers(0, 20 * MiB), st.sampled_from([GRAIN, 2 * GRAIN, MiB, RANGE]))
def test_pieces_are_complete_disjoint_and_cut_at_multiples(grain, length, piece):
    start, stop = grain * GRAIN, grain * GRAIN + length
    pieces = cut(start, stop, piece)
    assert sum(end - begin for begin, end in pieces) == length
    assert [begin for begin, _ in pieces[1:]] == [end for _, end in pieces[:-1]]
    assert all(0 < end - begin <= max(piece, 2 * GRAIN) for begin, end in pieces)
    if length > 2 * GRAIN:
        assert all(begin % piece == 0 for begin, _ in pieces[1:])


@given(st.integers(0, 50), st.integers(1, 60 * GRAIN), st.sets(st.integers(0, 120)))
def test_absent_runs_are_what_nobody_has(grain, length, present):
    start, stop = grain * GRAIN, grain * GRAIN + length
    runs = absent_runs(start, stop, present)
    asked = {at // GRAIN for begin, end in runs for at in range(begin, end, GRAIN)}
    wanted = set(range(start // GRAIN, -(-stop // GRAIN)))
    assert asked == wanted - present
    assert all(after[0] > before[1] for before, after in zip(runs, runs[1:], strict=False))
    assert all(end <= stop for _, end in runs)


@pytest.mark.parametrize(
    ("start", "length", "footer"),
    [(100 * MiB - 22, 22, True), (100 * MiB - 64 * KiB, 64 * KiB, True), (99 * MiB, MiB, False), (0, 22, False)],
)
def test_a_footer_is_a_read_of_the_last_bytes(start, length, footer):
    assert is_footer(start, start + length, 100 * MiB) is footer


def test_a_footer_in_a_last_grain_of_few_bytes_takes_the_one_before():
    size = 100 * MiB + 10
    assert asked_span(size - 5, size, size) == (100 * MiB - GRAIN, size)

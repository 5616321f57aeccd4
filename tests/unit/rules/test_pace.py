"""What is learnt from a storage's answers."""

import random

import pytest

from mountd.rules.blocks import KERNEL_REQUEST, RANGE
from mountd.rules.pace import FEWEST, MOST, SMALLEST_WINDOW, Pace
from mountd.types import KiB, MiB


def learnt(first_byte, bandwidth, sizes=(KERNEL_REQUEST, RANGE), noise=0.5):
    pace, chance = Pace(), random.Random(1)
    for place in range(300):
        size = sizes[place % len(sizes)]
        pace.note(size, (first_byte + size / bandwidth) * (1 + noise * chance.random()), place / 1000)
    return pace


@pytest.mark.parametrize(("first_byte", "bandwidth"), [(0.01, 60e6), (0.03, 100e6), (0.0003, 2e9), (0.1, 20e6)])
def test_time_and_bandwidth_are_found(first_byte, bandwidth):
    pace = learnt(first_byte, bandwidth)
    for size in (KERNEL_REQUEST, MiB, RANGE):
        assert pace.seconds(size) == pytest.approx(first_byte + size / bandwidth, rel=0.15)


def test_ten_milliseconds_away_many_requests_and_a_wide_window_are_worth_it():
    pace = learnt(0.01, 60e6)
    assert pace.concurrency(100 * KiB) >= 32
    assert pace.concurrency(RANGE) >= 32
    assert 64 * MiB <= pace.window() <= 128 * MiB
    assert pace.piece(MiB) <= 256 * KiB


def test_near_by_few_requests_do_and_reads_are_never_cut():
    pace = learnt(0.0003, 2e9)
    assert pace.concurrency(100 * KiB) == FEWEST
    assert pace.window() == SMALLEST_WINDOW
    assert pace.piece(MiB) == RANGE


def test_numbers_stay_in_bounds_whatever_is_seen():
    chance = random.Random(2)
    pace = Pace()
    for place in range(2000):
        size = chance.choice([1, 4096, KERNEL_REQUEST, KERNEL_REQUEST + 1, MiB, RANGE, 3 * RANGE])
        pace.note(size, chance.random() ** 8 * 10, place * chance.random())
        assert FEWEST <= pace.concurrency(size) <= MOST
        assert KERNEL_REQUEST <= pace.piece(max(size, KERNEL_REQUEST)) <= RANGE
        assert pace.seconds(size) > 0


def test_a_network_that_becomes_slower_is_noticed():
    pace = learnt(0.001, 1e9)
    for second in range(1, 400):
        pace.note(KERNEL_REQUEST, 0.05, float(second))
        pace.note(RANGE, 0.08, float(second))
    assert pace.seconds(KERNEL_REQUEST) > 0.04


def test_where_nothing_small_was_timed_a_long_read_is_cut_once_to_learn():
    pace = Pace()
    pace.note(MiB, 0.03, 0.0)
    assert pace.piece(MiB) == KERNEL_REQUEST
    pace.note(KERNEL_REQUEST, 0.029, 0.0)
    assert pace.piece(MiB) == RANGE


def test_an_idle_month_is_no_trouble():
    pace = learnt(0.001, 1e9)
    pace.note(KERNEL_REQUEST, 0.05, 3e6)
    assert pace.seconds(KERNEL_REQUEST) == pytest.approx(0.05, rel=0.1)


def test_one_slow_answer_does_not_have_all_cut_that_come_after():
    """Near by: the first large answer of all was slow. What is cut from then on is never timed whole, so it stayed cut:
    1 MiB reads came as 4 to 8 requests, 241 MB/s where whole ones give 385."""
    pace = Pace()
    pace.note(KERNEL_REQUEST, 0.0005, 0.0)
    pace.note(MiB, 0.008, 0.1)
    assert pace.piece(MiB) == RANGE
    pace.note(MiB, 0.001, 0.2)
    assert pace.piece(MiB) == RANGE
    pace.note(MiB, 0.001, 0.3)
    assert pace.piece(MiB) == RANGE


def test_far_away_three_whole_answers_are_enough_to_know():
    pace = Pace()
    for place in range(3):
        assert pace.piece(MiB) == RANGE
        pace.note(KERNEL_REQUEST, 0.012, place)
        pace.note(MiB, 0.027, place)
    assert pace.piece(MiB) <= 256 * KiB

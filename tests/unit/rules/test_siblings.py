"""Which small files are fetched ahead of a program that reads a folder."""

import random

import pytest

from mountd.rules.siblings import Order, Sweep


def opens(order, rows, *, listed=False, straying=False):
    """What each open asks for: rows, or "stray"."""
    asked = []
    for row in rows:
        run = order.opened(row, begins=listed and row == 0, rows=1000)
        asked.append("stray" if run is None else order.ahead_of(run, straying=straying))
    return asked


def test_from_the_second_open_in_order_sixteen_then_sixtyfour_then_a_quarter_of_the_run():
    asked = [found for found in opens(Order(16, 256), range(2000)) if found and found != "stray"]
    assert asked[0] == (2, 18)
    covered = [row for start, stop in asked for row in range(start, stop)]
    assert covered == list(range(2, asked[-1][1]))
    assert asked[1][1] - asked[1][0] <= 64
    assert len(asked) < 60


def test_what_is_asked_ahead_is_never_more_than_a_quarter_of_the_run_or_sixtyfour():
    order = Order(16, 256)
    for row in range(2000):
        run = order.opened(row, begins=False, rows=9999)
        if run is not None:
            order.ahead_of(run, straying=False)
            assert run.ahead - row - 1 <= max(64, min(run.length // 4, 256))


def test_from_the_first_open_where_the_folder_was_listed():
    assert opens(Order(16, 256), [0], listed=True) == [(1, 17)]
    assert opens(Order(16, 256), [0], listed=False) == ["stray"]


def test_every_file_is_asked_for_ahead_of_its_open():
    order = Order(16, 256)
    ahead = 0
    for row in range(500):
        run = order.opened(row, begins=True, rows=500)
        found = order.ahead_of(run, straying=False)
        if found:
            ahead = found[1]
        assert row == 0 or row < ahead
    assert ahead > 500  # the folder behind it


def test_what_was_refused_is_asked_for_again():
    order = Order(16, 256)
    order.opened(0, begins=True, rows=1000)
    run = order.opened(1, begins=True, rows=1000)
    start, _ = order.ahead_of(run, straying=False)
    run.refused(start + 3)
    run = order.opened(2, begins=True, rows=1000)
    assert order.ahead_of(run, straying=False)[0] == start + 3


@pytest.mark.parametrize("readers", [2, 8, 16])
def test_workers_that_share_a_folder_are_runs_of_their_own(readers):
    order = Order(16, 256)
    part = 1000 // readers
    asked = opens(order, [reader * part + step for step in range(part) for reader in range(readers)])
    assert asked.count("stray") == readers
    covered = {row for found in asked if found and found != "stray" for row in range(*found)}
    assert len(covered & set(range(1000))) >= 1000 - 2 * readers


def test_a_few_neighbours_among_opens_here_and_there_are_no_run():
    assert opens(Order(16, 256), [9501, 9502, 9503, 9504], straying=True) == ["stray", None, None, (9505, 9521)]


def test_in_a_small_folder_chance_makes_no_runs():
    order = Order(16, 256)
    for row in random.Random(3).sample(range(300), 300):
        order.opened(row, begins=False, rows=300)
        assert len(order.runs) <= 10
        assert max(run.length for run in order.runs) < 12


def test_a_jump_begins_anew():
    order = Order(16, 256)
    opens(order, range(5))
    assert opens(order, [500, 501]) == ["stray", (502, 518)]


def test_a_run_goes_on_in_the_next_folder():
    order = Order(16, 256)
    last = Order(16, 256)
    opens(last, range(100))
    order.goes_on(last.runs[-1], 40)
    run = order.opened(0, begins=True, rows=1000)
    assert (run.length, run.ahead) == (last.runs[-1].length + 1, 40)
    assert order.ahead_of(run, straying=False) == (40, 65)


def test_a_sweep_takes_more_while_it_is_given_more():
    sweep = Sweep(256)
    steps = []
    for _ in range(6):
        steps.append(sweep.step)
        sweep.taken(sweep.step)
    assert steps == [16, 32, 64, 128, 256, 256]
    for _ in range(10):
        sweep.taken(0)
    assert sweep.step == 4

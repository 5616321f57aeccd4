"""Which small files are fetched ahead of a program that reads a folder."""

from mountd.rules.siblings import Order


def opens(order, rows, *, listed=False, count=1000):
    return [order.opened(row, listed=listed, rows=count) for row in rows]


def test_from_the_second_open_in_order_sixteen_then_up_to_sixtyfour():
    order = Order(16, 64)
    asked = [found for found in opens(order, range(200)) if found]
    assert asked[0] == (2, 18)
    windows = [stop - start for start, stop in asked]
    assert max(windows) <= 64
    covered = [row for start, stop in asked for row in range(start, stop)]
    assert covered == list(range(2, asked[-1][1]))
    assert len(asked) < 16


def test_from_the_first_open_where_the_folder_was_listed():
    assert opens(Order(16, 64), [0], listed=True) == [(1, 17)]
    assert opens(Order(16, 64), [0], listed=False) == [None]


def test_every_file_is_asked_for_ahead_of_its_open():
    order = Order(16, 64)
    ahead = 0
    for row in range(500):
        found = order.opened(row, listed=True, rows=500)
        if found:
            ahead = found[1]
        assert row == 0 or row < ahead
    assert ahead == 500


def test_out_of_order_nothing_until_the_eighth_then_the_folder():
    order = Order(16, 64)
    rows = [900, 10, 500, 300, 700, 100, 800, 200]
    assert opens(order, rows) == [None] * 7 + [(0, 64)]
    assert opens(order, [50, 999], count=1000) == [(64, 128), (128, 192)]


def test_the_sweep_ends_with_the_folder():
    order = Order(16, 64)
    found = opens(order, [(row * 37) % 100 for row in range(100)], count=100)
    assert [part for part in found if part] == [(0, 64), (64, 100)]


def test_a_jump_begins_anew():
    order = Order(16, 64)
    opens(order, range(5))
    assert opens(order, [500, 501]) == [None, (502, 518)]

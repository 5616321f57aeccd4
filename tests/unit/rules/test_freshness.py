"""How long what was shown is believed."""

import math

from mountd.rules.freshness import NEVER, is_fresh, remaining, worth_listing


def test_fresh_until_the_ttl_is_over():
    assert is_fresh(5.0, 14.9, 10.0)
    assert not is_fresh(5.0, 15.0, 10.0)
    assert not is_fresh(5.0, 5.0, 0.0)


def test_immutable_is_always_fresh_but_for_what_was_never_shown():
    assert is_fresh(0.0, 1e12, math.inf)
    assert not is_fresh(NEVER, 0.0, math.inf)


def test_the_kernel_believes_no_longer_than_we_do():
    assert remaining(5.0, 14.0, 10.0, 100.0) == 1.0
    assert remaining(5.0, 20.0, 10.0, 100.0) == 0.0
    assert remaining(5.0, 20.0, math.inf, 100.0) == 100.0
    assert remaining(NEVER, 20.0, math.inf, 100.0) == 0.0


def test_a_folder_is_listed_when_it_was_asked_about_before():
    assert [worth_listing(asked, None, 100) for asked in range(3)] == [False, False, True]
    assert [worth_listing(asked, 100, 100) for asked in range(2)] == [False, True]
    assert [worth_listing(asked, 1000, 100) for asked in (1, 4, 5)] == [
        False,
        False,
        True,
    ]  # ten pages, two requests each

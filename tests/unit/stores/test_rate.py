"""The cap's arithmetic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.stores.rate import TokenBucket


def test_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(10, 5)
    assert [bucket.reserve(1, 100.0) for _ in range(5)] == [0.0] * 5
    assert [round(bucket.reserve(1, 100.0), 6) for _ in range(3)] == [0.1, 0.2, 0.3]


def test_what_is_larger_than_the_burst_waits_and_passes() -> None:
    bucket = TokenBucket(10, 5)
    assert bucket.reserve(25, 0.0) == pytest.approx(2.0)
    assert bucket.reserve(1, 2.0) == pytest.approx(0.1)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError):
        TokenBucket(0, 1)


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 20)), min_size=1, max_size=50))
def test_never_more_than_the_rate_and_one_burst(steps: list[tuple[float, float]]) -> None:
    bucket, now, granted = TokenBucket(10, 5), 0.0, []
    for pause, units in steps:
        now += pause
        granted.append((now + bucket.reserve(units, now), units))
    for first in range(len(granted)):
        total = sum(units for _, units in granted[first + 1 :])
        span = granted[-1][0] - granted[first][0]
        assert total <= 10 * span + 5 + 1e-6

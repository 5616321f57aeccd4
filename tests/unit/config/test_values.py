"""Words to values and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.config.values import boolean, duration, integer, mode, number, path, shown, size
from mountd.settings import Unit


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("4096", 4096),
        ("64KiB", 65536),
        ("64K", 65536),
        ("1.5MiB", 1572864),
        ("2 GiB", 2 << 30),
        ("1MB", 10**6),
    ],
)
def test_sizes(text: str, value: int) -> None:
    assert size(text) == value


@pytest.mark.parametrize("text", ["", "-1", "64 potatoes", "0.5", "1,5MiB", "MiB", "1e3", "0x10"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size: write 4096, 64KiB or 2GiB"):
        size(text)


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", 0.5), ("10s", 10), ("250ms", 0.25), ("5m", 300), ("2h", 7200), ("7d", 604800)]
)
def test_durations(text: str, value: float) -> None:
    assert duration(text) == value


@pytest.mark.parametrize("text", ["", "-1s", "3x", "1h30m", "forever", "inf", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration(text)


def test_modes_are_octal() -> None:
    assert mode("0644") == mode("644") == mode("0o644") == 0o644
    for text in ("0648", "rw-r--r--", "", "077777"):
        with pytest.raises(ValueError, match="octal"):
            mode(text)


def test_paths_are_absolute() -> None:
    assert path("/a") == "/a"
    assert path("") == ""
    with pytest.raises(ValueError, match="absolute"):
        path("a")


def test_numbers_are_not_negative() -> None:
    assert integer("1_000") == 1000
    assert number("0.5") == 0.5
    for text in ("-1", "1.5", "x"):
        with pytest.raises(ValueError, match="whole number"):
            integer(text)
    with pytest.raises(ValueError, match="0 or more"):
        number("-0.5")


def test_booleans() -> None:
    assert boolean("true")
    assert not boolean("off")
    with pytest.raises(ValueError, match="neither"):
        boolean("maybe")


@given(st.integers(0, 1 << 60))
def test_a_size_reads_as_it_is_shown(value: int) -> None:
    assert size(shown(value, Unit.SIZE)) == value or value > 1 << 53  # beyond that a person's fraction is a float


@given(st.integers(0, 10**7), st.sampled_from([1, 10, 1000]))
def test_a_duration_reads_as_it_is_shown(value: int, scale: int) -> None:
    assert duration(shown(value / scale, Unit.DURATION)) == pytest.approx(value / scale)


@given(st.integers(0, 0o7777))
def test_a_mode_reads_as_it_is_shown(value: int) -> None:
    assert mode(shown(value, Unit.MODE).strip('"')) == value


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused_with_a_sentence(text: str) -> None:
    for read in (size, duration, mode, path, boolean, integer, number):
        try:
            read(text)
        except ValueError as error:
            sentence = str(error)
        else:
            continue
        assert sentence.startswith(repr(text))

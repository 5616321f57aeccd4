"""Words to values and back: sizes, durations, modes, numbers, as people write them. Pure.

Each reader takes the text and gives the value, or raises ValueError with a sentence that says what is expected; the YAML
and `-o` share them. `shown` is the inverse: the text that reads as the value.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any

from mountd.settings import Unit

_SIZES = {"": 1, "B": 1} | {
    unit: 1 << (10 * power) for power, letter in enumerate("KMGT", 1) for unit in (f"{letter}iB", f"{letter}i", letter)
}
_DECIMAL_SIZES = {f"{letter}B": 1000**power for power, letter in enumerate("KMGT", 1)} | {"kB": 1000}
_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER_AND_UNIT = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def size(text: str) -> int:
    """Bytes."""
    number, unit = _split(text)
    scale = (_SIZES | _DECIMAL_SIZES).get(unit)
    if scale is None or (value := float(number) * scale) != int(value):
        raise ValueError(f"{text!r} is not a size: write 4096, 64KiB or 2GiB")
    return int(value)


def duration(text: str) -> float:
    """Seconds."""
    number, unit = _split(text)
    if unit not in _SECONDS:
        raise ValueError(f"{text!r} is not a duration: write 0.5, 10s, 5m, 2h or 7d")
    return float(number) * _SECONDS[unit]


def mode(text: str) -> int:
    digits = text.removeprefix("0o")
    if not re.fullmatch("[0-7]{1,4}", digits):
        raise ValueError(f'{text!r} is not an octal mode: write "0644"')
    return int(digits, 8)


def path(text: str) -> str:
    """Absolute, or "" for none."""
    if text and not text.startswith("/"):
        raise ValueError(f"{text!r} is not an absolute path")
    return text


def boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError(f"{text!r} is neither true nor false")


def integer(text: str) -> int:
    if not re.fullmatch("[0-9][0-9_]*", text):
        raise ValueError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def number(text: str) -> float:
    if not re.fullmatch(r"[0-9][0-9_]*(\.[0-9]+)?", text):
        raise ValueError(f"{text!r} is not a number of 0 or more")
    return float(text)


def words(text: str) -> str:
    return text


def choice(kind: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(text: str) -> StrEnum:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(kind)}") from None

    return read


_BY_UNIT: dict[Unit, Callable[[str], Any]] = {
    Unit.SIZE: size,
    Unit.RATE: size,
    Unit.DURATION: duration,
    Unit.MODE: mode,
    Unit.PATH: path,
}
_BY_TYPE: dict[type, Callable[[str], Any]] = {bool: boolean, int: integer, float: number, str: words}


def reader(kind: type, unit: Unit) -> Callable[[str], Any]:
    """How a setting of this type and unit is read."""
    if unit in _BY_UNIT:
        return _BY_UNIT[unit]
    if issubclass(kind, StrEnum):
        return choice(kind)
    return _BY_TYPE[kind]


def described(kind: type, unit: Unit) -> str:
    """What a person writes there, in a word or two."""
    by_unit = {
        Unit.SIZE: "size",
        Unit.RATE: "bytes a second",
        Unit.DURATION: "duration",
        Unit.MODE: "octal mode",
        Unit.PATH: "absolute path",
    }
    if unit in by_unit:
        return by_unit[unit]
    if issubclass(kind, StrEnum):
        return " or ".join(f"`{value}`" for value in kind)
    return {bool: "true or false", int: "number", float: "number", str: "text"}[kind]


def shown(value: Any, unit: Unit) -> str:  # noqa: ANN401  whatever a setting can hold
    """As YAML: reading it gives the value again."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if unit in (Unit.SIZE, Unit.RATE):
        return _shown_size(value)
    if unit is Unit.DURATION:
        return _shown_duration(value)
    if unit is Unit.MODE:
        return f'"{value:04o}"'
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, str):
        return value if re.fullmatch(r"[A-Za-z/][A-Za-z0-9_./-]*", value) else '"' + value.replace('"', '\\"') + '"'
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown_size(value: int) -> str:
    for power in (4, 3, 2, 1):
        if value and value % (1 << (10 * power)) == 0:
            return f"{value >> (10 * power)}{'KMGT'[power - 1]}iB"
    return str(value)


def _shown_duration(value: float) -> str:
    for unit, scale in (("d", 86400), ("h", 3600), ("m", 60)):
        if value and value % scale == 0:
            return f"{value / scale:g}{unit}"
    return f"{value!r}s".replace(".0s", "s")


def _split(text: str) -> tuple[str, str]:
    found = _NUMBER_AND_UNIT.fullmatch(text.strip())
    return (found[1], found[2]) if found else ("0", "?")

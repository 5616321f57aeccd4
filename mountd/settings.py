"""How a component declares a setting beside its code: default, unit and the reason, in one place.

config.py reads these to parse the YAML, and docs/CONFIGURATION.md and config.example.yaml are generated from them.
A config class is a frozen dataclass whose fields are all made by `setting()`.
"""

from dataclasses import field
from enum import Enum, auto
from typing import Any


class Unit(Enum):
    """How a person writes the value."""

    PLAIN = auto()
    SIZE = auto()  # bytes: 4096, 64KiB, 2GiB
    DURATION = auto()  # seconds: 0.5, 10s, 5m, 2h, 7d
    RATE = auto()  # bytes a second: 100MiB
    MODE = auto()  # octal file mode: "0644"
    PATH = auto()  # an absolute path


def setting(default: Any, why: str, *, unit: Unit = Unit.PLAIN, shown: str = "") -> Any:  # noqa: ANN401  the field's annotation types it
    """A dataclass field with its unit and the reason for its default (one line, shown to users). `shown` stands for a default
    that depends on the machine, in documents that must not."""
    return field(default=default, metadata={"why": why, "unit": unit, "shown": shown})

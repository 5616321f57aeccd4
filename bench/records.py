"""What the processes of a soak saw, a JSON line each in one file; many processes append to it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Records:
    """An append-only file: a record is one write, so that lines of several processes do not mix."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def add(self, what: str, **words: Any) -> None:
        line = json.dumps({"what": what, **words}).encode() + b"\n"
        if os.write(self._descriptor, line) != len(line):
            raise OSError("a record was cut short: is the disk full?")


def recorded(path: Path) -> Iterator[dict[str, Any]]:
    with open(path) as lines:
        for line in lines:
            yield json.loads(line)

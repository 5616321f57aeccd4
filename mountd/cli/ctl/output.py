"""How answers are shown: JSON for programs, tables for people. rich draws on a terminal only, and is imported only then."""

import json
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, TextIO

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Output:
    """Where a command writes. `json_wanted`: one JSON document (or line, in a stream) and nothing else."""

    def __init__(self, json_wanted: bool, stream: TextIO | None = None) -> None:
        self.json_wanted = json_wanted
        self._stream = stream or sys.stdout

    @property
    def interactive(self) -> bool:
        return not self.json_wanted and self._stream.isatty()

    def data(self, answer: object) -> None:
        """The answer as the API gives it."""
        self._write(json.dumps(_plain(answer), indent=2, ensure_ascii=False, default=str))

    def line(self, answer: object) -> None:
        self._write(json.dumps(_plain(answer), ensure_ascii=False, default=str))

    def say(self, sentence: str, answer: object = None) -> None:
        """A sentence for people; `answer` for programs, if there is one."""
        if not self.json_wanted:
            self._write(sentence)
        elif answer is not None:
            self.data(answer)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "") -> None:
        cells = [[str(cell) for cell in row] for row in rows]
        if not cells:
            if empty:
                self._write(empty)
        elif self._stream.isatty():
            self._drawn(columns, cells)
        else:
            self._aligned(columns, cells)

    def facts(self, rows: Iterable[tuple[str, object]]) -> None:
        """Names and values, one a line; empty values are left out."""
        shown = [(name, str(value)) for name, value in rows if value not in ("", None)]
        width = max((len(name) for name, _ in shown), default=0)
        for name, value in shown:
            self._write(f"{name:<{width}}  {value}")

    def _drawn(self, columns: Sequence[str], cells: list[list[str]]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        drawn = Table(box=None, header_style="bold", pad_edge=False)
        for column in columns:
            drawn.add_column(column, overflow="fold")
        for row in cells:
            drawn.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
        Console(file=self._stream).print(drawn)

    def _aligned(self, columns: Sequence[str], cells: list[list[str]]) -> None:
        table = [[column.upper() for column in columns], *cells]
        widths = [max(len(row[index]) for row in table) for index in range(len(columns))]
        for row in table:
            self._write("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())

    def _write(self, text: str) -> None:
        # A name may hold bytes that are not UTF-8: shown as they can be, rather than failing the command.
        encoding = self._stream.encoding or "utf-8"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=self._stream, flush=True)


STYLES = {
    "ok": "green",
    "unknown": "dim",
    "unreachable": "red",
    "refused": "red",
    "missing": "red",
    "broken": "red",
    "running": "cyan",
    "done": "green",
    "failed": "red",
    "cancelled": "yellow",
}


def size(count: int) -> str:
    value = float(count)
    for unit in UNITS:
        if value < 1024 or unit == UNITS[-1]:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{count} B"


def moment(nanoseconds: int) -> str:
    """Local time; "" for never."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(nanoseconds / 1e9)) if nanoseconds else ""


def yes(value: bool) -> str:
    return "yes" if value else ""


def _plain(answer: object) -> Any:  # noqa: ANN401  what json.dumps takes
    if is_dataclass(answer) and not isinstance(answer, type):
        return asdict(answer)
    if isinstance(answer, list):
        return [_plain(each) for each in answer]
    return answer

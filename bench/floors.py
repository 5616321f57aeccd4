"""The floors of floors.toml, and what falls below them. Pure, but for reading that one file.

A figure that is missing counts as below its floor, and so does every rate where rclone-full was not measured: a check that
cannot see must not pass.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bench.figures import OURS, WHOLE, Report
from bench.rows import CALIBRATION, ROWS

FILE = Path(__file__).with_name("floors.toml")
RCLONE_FULL = "rclone-full"


@dataclass(frozen=True, slots=True)
class Floor:
    """One bound of one figure of one row. Exactly one of `least`, `most` and `times_rclone_full` is given."""

    row: str
    figure: str
    least: float | None = None
    most: float | None = None
    times_rclone_full: float | None = None
    fixed: bool = False
    round_trips: bool = False

    def __post_init__(self) -> None:
        if sum(each is not None for each in (self.least, self.most, self.times_rclone_full)) != 1:
            raise ValueError(f"{self.row}.{self.figure} needs one of least, most and times_rclone_full")

    def bound(self, report: Report, scale: float) -> float | None:
        """What the figure is held against on a machine `scale` times as fast as the reference; None: not known."""
        if self.times_rclone_full is not None:
            theirs = report.median(self.row, RCLONE_FULL, "value")
            return None if theirs is None else theirs * self.times_rclone_full
        factor = 1.0 if self.fixed else min(scale, 1.0) if self.round_trips else scale
        if self.most is not None:
            return self.most / factor
        return None if self.least is None else self.least * factor

    def kept(self, figure: float, bound: float) -> bool:
        return figure <= bound if self.most is not None else figure >= bound


@dataclass(frozen=True, slots=True)
class Floors:
    """A set. `reference`: MB/s that rclone-full reads sequentially where they hold as they stand."""

    name: str
    title: str
    reference: float
    floors: tuple[Floor, ...]

    def scale(self, report: Report) -> float | None:
        """How many times as fast as the reference this machine was in this run; None where it was not measured."""
        measured = report.median(CALIBRATION, RCLONE_FULL, "value")
        return None if measured is None else measured / self.reference

    def of(self, row: str) -> Iterator[Floor]:
        return (floor for floor in self.floors if floor.row == row)

    def below(self, report: Report) -> list[str]:
        """A sentence for each figure of a measured row that is missing or below its floor."""
        scale = self.scale(report)
        if scale is None:
            return [f"{CALIBRATION}: {RCLONE_FULL} was not measured: nobody can say how fast this machine is"]
        return [
            sentence
            for floor in self.floors
            if floor.row in report.rows or floor.row == WHOLE
            for sentence in _below(floor, report, scale)
        ]


def _below(floor: Floor, report: Report, scale: float) -> Iterator[str]:
    figure, bound = report.median(floor.row, OURS, floor.figure), floor.bound(report, scale)
    name = floor.row if floor.figure == "value" else f"{floor.row} {floor.figure}"
    if figure is None or bound is None:
        yield f"{name}: no figure"
    elif not floor.kept(figure, bound):
        side = "above" if floor.most is not None else "below"
        unit = f" {ROWS[floor.row].unit}" if floor.figure == "value" else ""
        yield f"{name}: {figure:.4g}{unit} is {side} its floor of {bound:.4g}"


@cache
def sets(file: Path = FILE) -> Mapping[str, Floors]:
    """By name, as the file has them. ValueError names what is wrong with it."""
    with open(file, "rb") as opened:
        return {name: _set(name, words) for name, words in tomllib.load(opened).items()}


def _set(name: str, words: dict[str, Any]) -> Floors:
    title, reference = words.pop("title"), words.pop("reference")
    floors = [Floor(row, figure, **said) for row, figures in words.items() for figure, said in figures.items()]
    for floor in floors:
        if floor.times_rclone_full is not None and ROWS[floor.row].rival != RCLONE_FULL:
            raise ValueError(f"{name}.{floor.row}: its rival is not {RCLONE_FULL}")
    return Floors(name, title, reference, tuple(floors))

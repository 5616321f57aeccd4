"""What a run of the table found: figures of every round by row and peer, their medians, and the JSON they are kept in."""

import json
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

OURS = "mountd"
WHOLE = "all"
"""As a row: the whole table, where a figure is the largest of all rows."""


@dataclass(frozen=True, slots=True)
class Run:
    """One row on one peer, once. Sizes in bytes. `requests` and `sent` are None where the storage does not tell."""

    value: float
    useful: int
    cpu_seconds: float
    peak_memory: int
    requests: int | None = None
    sent: int | None = None
    extra: Mapping[str, float] = field(default_factory=dict)

    def figure(self, name: str) -> float | None:
        """By name, of FIGURES or of the row's own; None where this run has none."""
        return FIGURES[name](self) if name in FIGURES else self.extra.get(name)


FIGURES: Mapping[str, Callable[[Run], float | None]] = {
    "value": lambda run: run.value,
    "cpu_seconds": lambda run: run.cpu_seconds,
    "cpu_seconds_a_gb": lambda run: run.cpu_seconds / run.useful * 1e9 if run.useful else None,
    "peak_mib": lambda run: run.peak_memory / (1 << 20),
    "requests": lambda run: run.requests,
    "amplification": lambda run: run.sent / run.useful if run.sent is not None and run.useful else None,
}
"""Amplification: bytes from the storage for each that the reader asked for."""

Results = dict[str, dict[str, list[Run]]]
"""Row, peer, rounds."""


@dataclass(frozen=True, slots=True)
class Report:
    """`about` has the surroundings; `storage` says where the data was; `floors` names the set it is held against."""

    about: Mapping[str, Any]
    storage: Mapping[str, Any]
    floors: str
    rounds: int
    seconds: float
    rows: Results
    failures: list[str]

    def figures(self, row: str, peer: str, name: str) -> list[float]:
        """Of every round that has it. Of the whole table: of every run of every row."""
        runs = (run for each in self._rows(row) for run in each.get(peer, ()))
        return [figure for run in runs if (figure := run.figure(name)) is not None]

    def _rows(self, row: str) -> Iterator[Mapping[str, list[Run]]]:
        yield from self.rows.values() if row == WHOLE else [self.rows.get(row, {})]

    def median(self, row: str, peer: str, name: str) -> float | None:
        found = self.figures(row, peer, name)
        if not found:
            return None
        return max(found) if row == WHOLE else statistics.median(found)

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, file: Path) -> Self:
        words = json.loads(file.read_text())
        rows = {
            row: {peer: [Run(**run) for run in runs] for peer, runs in peers.items()}
            for row, peers in words.pop("rows").items()
        }
        return cls(rows=rows, **words)

"""What was measured, as the JSON report and as tables. Knows no peer and no workload, only their names."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Run:
    """One workload on one peer, once. `requests` and `sent` are None where the storage does not tell."""

    value: float
    unit: str
    more_is_better: bool
    useful: int
    cpu_seconds: float
    peak_memory: int
    requests: int | None
    operations: Mapping[str, int] | None
    sent: int | None

    @property
    def amplification(self) -> float | None:
        """Bytes from the storage for each that the reader asked for."""
        return self.sent / self.useful if self.sent is not None and self.useful else None


Results = dict[str, dict[str, list[Run]]]
"""Workload, peer, rounds."""


def surroundings() -> dict[str, Any]:
    """Commit, date and machine: without them a figure says nothing."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "uncommitted_changes": bool(_git("status", "--porcelain", "--untracked-files=no", "--", "mountd")),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "kernel": platform.release(),
            "python": platform.python_version(),
            "load": list(os.getloadavg()),
        },
    }


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def median(runs: Sequence[Run], of: Callable[[Run], float | None]) -> float | None:
    values = [value for run in runs if (value := of(run)) is not None]
    return statistics.median(values) if values else None


def ratio(mine: Sequence[Run], other: Sequence[Run]) -> float | None:
    """How many times better the first one is; None where one of them has nothing."""
    ours, theirs = median(mine, lambda run: run.value), median(other, lambda run: run.value)
    if not ours or not theirs:
        return None
    return ours / theirs if mine[0].more_is_better else theirs / ours


def speeds(results: Results, peers: Sequence[str]) -> list[list[str]]:
    """Medians, and the first peer's ratio to each of the others."""
    first, *others = peers
    rows = [["workload", "unit", *peers, *(f"{first} : {other}" for other in others)]]
    for workload, by_peer in results.items():
        unit = next((runs[0].unit for runs in by_peer.values() if runs), "")
        medians = [_shown(median(by_peer[peer], lambda run: run.value), "failed") for peer in peers]
        ratios = [_shown(ratio(by_peer[first], by_peer[other]), "–", "{:.2f}") for other in others]
        rows.append([workload, unit, *medians, *ratios])
    return rows


COSTS: Mapping[str, tuple[Callable[[Run], float | None], str]] = {
    "requests": (lambda run: run.requests, "{:.0f}"),
    "net÷useful": (lambda run: run.amplification, "{:.2f}"),
    "CPU s": (lambda run: run.cpu_seconds, "{:.2f}"),
    "peak MiB": (lambda run: run.peak_memory / (1 << 20), "{:.0f}"),
}


def costs(results: Results, peers: Sequence[str]) -> list[list[str]]:
    """What each workload cost: medians of requests, amplification, the daemon's CPU and memory, a column a peer."""
    rows = [["workload", *(f"{name} {peer}" for name in COSTS for peer in peers)]]
    for workload, by_peer in results.items():
        cells = [_shown(median(by_peer[peer], of), "–", form) for of, form in COSTS.values() for peer in peers]
        rows.append([workload, *cells])
    return rows


def _shown(value: float | None, missing: str, form: str = "{:.4g}") -> str:
    return missing if value is None else form.format(value)


def text(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, aligned for a terminal."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])

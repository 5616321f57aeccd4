"""Does a daemon grow while it is used? Samples of one life in, figures and sentences out. Pure.

The first part of a life is warming up; of what is looked at, the median of the first third is held against that of the last.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.node import Sample

SHORTEST = 45.0
"""Seconds: in less nobody can tell warming up from growing, so a run of seconds is not judged by it."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much more the last third may have than the first. Memory in bytes."""

    memory: int = 24 << 20
    open_files: int = 24
    threads: int = 8


def _shown_mib(value: float) -> str:
    return f"{value / 2**20:.0f} MiB"


def _shown(value: float) -> str:
    return f"{value:.0f}"


WATCHED: dict[str, tuple[Callable[[Sample], int], Callable[[float], str]]] = {
    "memory": (lambda sample: sample.memory, _shown_mib),
    "open_files": (lambda sample: sample.open_files, _shown),
    "threads": (lambda sample: sample.threads, _shown),
}


def growth(samples: Sequence[Sample], allowed: Allowed) -> tuple[dict[str, Any], list[str]]:
    """`samples` are the part of one life that is to be looked at, in order; at least one."""
    third = max(1, len(samples) // 3)
    seconds = samples[-1].at - samples[0].at
    figures: dict[str, Any] = {"minutes": round(seconds / 60, 2)}
    wrong = []
    for name, (of, shown) in WATCHED.items():
        early, late = (statistics.median(map(of, part)) for part in (samples[:third], samples[-third:]))
        figures[name] = [early, late]
        if seconds >= SHORTEST and late - early > getattr(allowed, name):
            wrong.append(f"{name.replace('_', ' ')} grew from {shown(early)} to {shown(late)} in one life")
    if len(samples) > 2:
        slope = statistics.linear_regression([s.at for s in samples], [s.memory for s in samples]).slope
        figures["memory_mib_a_minute"] = round(slope * 60 / 2**20, 2)
    return figures, wrong


def series(samples: Sequence[Sample], most: int = 120) -> list[list[float]]:
    """The course of it, for the report: seconds, life, MiB, open files, threads."""
    return [
        [round(s.at - samples[0].at, 1), s.life, s.memory >> 20, s.open_files, s.threads]
        for s in samples[:: max(1, len(samples) // most)]
    ]

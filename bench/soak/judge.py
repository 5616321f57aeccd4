"""What must hold of everything that was seen, given what was true. Pure: records and history in, sentences out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.growth import Allowed, growth, series
from bench.node import Sample
from bench.soak.truth import ABSENT, History, size_of

TTL = 10.0
"""SEMANTICS 4: an open may serve what the store showed at most that long ago."""
ANSWER = 5.0
"""How long an answer that showed it may have been on its way, under the faults of a soak."""
DEADLINE = 30.0
"""SEMANTICS 32, and a few seconds of a busy machine."""
MEMORY_BUDGET = 64 << 20
PROGRAM = 220 << 20
"""What the daemon holds beside its budget: Python, its libraries, pages being parsed. As the command tests have it."""
ERRORS_OF_AN_OUTAGE = frozenset({"ENOTCONN", "ECONNABORTED", "ENOENT", "SIGBUS", "EIO", "ESTALE"})
ERRORS_OF_A_REPLACED_FILE = frozenset({"ESTALE", "SIGBUS", "ENOENT"})
ERRORS_OF_FAULTS = frozenset({"EIO", "ETIMEDOUT", "EACCES", "SIGBUS"})
MOST_FAILED = 0.01
"""Of the handles: retries hide nearly every fault."""


@dataclass
class Verdict:
    """Counts, and a sentence for everything that must not be."""

    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    bytes_verified: int = 0
    longest_read_seconds: float = 0.0


class Judge:
    """Goes through the records once."""

    def __init__(self, history: History, outages: Sequence[tuple[float, float]]) -> None:
        self._history = history
        self._outages = outages
        self.verdict = Verdict()

    def all(self, records: Iterable[dict[str, Any]]) -> Verdict:
        for record in records:
            self.verdict.counts[record["what"]] += 1
            getattr(self, f"_{record['what']}")(record)
        handles, failed = self.verdict.counts["read"], self.verdict.counts["failed by a fault"]
        if failed > max(10, MOST_FAILED * handles):
            self.verdict.wrong.append(f"{failed} of {handles} handles failed where retries should have helped")
        return self.verdict

    def _during_outage(self, record: dict[str, Any]) -> bool:
        return any(record["since"] <= end and record["until"] >= start for start, end in self._outages)

    def _possible(self, key: str, record: dict[str, Any]) -> set[int]:
        return set(self._history.possible(key, record["since"] - TTL - ANSWER, record["until"]))

    def _wrong(self, record: dict[str, Any]) -> None:
        self.verdict.wrong.append(f"{record['job']}: {record['sentence']}")

    def _read(self, record: dict[str, Any]) -> None:
        self.verdict.counts[f"read by {record['job']}"] += 1
        self.verdict.bytes_verified += record["bytes"]
        self.verdict.longest_read_seconds = max(self.verdict.longest_read_seconds, record["longest"])
        possible = self._possible(record["key"], record)
        if record["generation"] not in possible:
            self.verdict.wrong.append(
                f"{record['job']}: {record['key']} was read as generation {record['generation']}, {sorted(possible)} may be"
            )
        if record["longest"] > DEADLINE + 5 and not self._during_outage(record):
            self.verdict.wrong.append(f"{record['job']}: a read of {record['key']} took {record['longest']:.1f} s")

    def _error(self, record: dict[str, Any]) -> None:
        key, name = record["key"], record["errno"]
        outage = self._during_outage(record)
        self.verdict.errors[f"{record['job']} {name}{' in an outage' if outage else ''}"] += 1
        if outage and name in ERRORS_OF_AN_OUTAGE:
            return
        changing = not self._history.never_changed(key)
        if name == "ENOENT" and not record["opened"] and changing and (
            record["job"] == "walk" or ABSENT in self._possible(key, record)
        ):  # fmt: skip
            return
        if name in ERRORS_OF_A_REPLACED_FILE and record["opened"] and changing:
            return
        if name in ERRORS_OF_FAULTS:
            self.verdict.counts["failed by a fault"] += 1
            return
        self.verdict.wrong.append(f"{record['job']}: {key}: {name}{' once open' if record['opened'] else ''}")

    def _walk(self, record: dict[str, Any]) -> None:
        outage = self._during_outage(record)
        entries: dict[str, int] = record["entries"]
        for key, size in entries.items():
            if size not in {size_of(key, generation) for generation in self._possible(key, record) if generation}:
                self.verdict.wrong.append(f"walk: {key} with {size} bytes, which it had not")
        if outage or not record["complete"]:
            return
        for key in self._history.keys:
            if key not in entries and ABSENT not in self._possible(key, record):
                self.verdict.wrong.append(f"walk: {key} is missing")


def of_memory(samples: Sequence[Sample], peaks: Sequence[int]) -> tuple[dict[str, Any], list[str]]:
    """Figures of the last, calm life, its first third left out, and what is wrong with them; bugs are counted in every life."""
    wrong = []
    peak = max(peaks)
    if peak > MEMORY_BUDGET + PROGRAM:
        wrong.append(f"peak memory {peak >> 20} MiB, {MEMORY_BUDGET + PROGRAM >> 20} MiB may be")
    last = [sample for sample in samples if sample.life == samples[-1].life]
    calm, grown = growth(last[len(last) // 3 :], Allowed())
    bugs = sum(max(sample.bugs for sample in samples if sample.life == life) for life in {s.life for s in samples})
    if bugs:
        wrong.append(f"mountd_bugs_total {bugs:g}")
    figures = {
        "peak_mib": round(peak / 2**20, 1),
        "peaks_of_lives_mib": [round(value / 2**20, 1) for value in peaks],
        "calm": calm,
        "most_open_files": max(sample.open_files for sample in samples),
        "bugs": bugs,
        "series": series(samples),
    }
    return figures, wrong + grown

"""Measuring: a row on a peer once, and all rows in rounds, mountd and rclone in turns, until the time is up."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.figures import OURS, Results, Run
from bench.peers import PEERS, Endpoint, mounted
from bench.resources import usage
from bench.rows import Row
from bench.server import ControlUrl
from bench.workloads import drop_kernel_caches


@dataclass(slots=True)
class Measured:
    """`rounds` is how many were whole; `failures` are sentences."""

    results: Results = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    rounds: int = 0
    seconds: float = 0.0


def once(row: Row, peer: str, endpoint: Endpoint) -> Run | str:
    """A run, or the sentence of what failed."""
    control = ControlUrl(endpoint.url)
    options = row.options if peer == OURS else ()
    try:
        with mounted(PEERS[peer], endpoint, options, control.requests) as mount:
            drop_kernel_caches()
            control.forget_traffic()
            before = usage(mount.pid)
            figure = row.read(mount)
            after, traffic = usage(mount.pid), control.traffic()
    except (OSError, RuntimeError) as error:
        return f"{row.name} {peer}: {type(error).__name__}: {error}"
    return Run(
        value=figure.value,
        useful=figure.useful,
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        peak_memory=after.peak_memory,
        requests=traffic.requests if traffic else None,
        sent=traffic.sent if traffic else None,
        extra=figure.extra,
    )


def rounds(endpoint: Endpoint, rows: Sequence[Row], rival: str | None, most: int, seconds: float) -> Measured:
    """At most so many rounds, and none is begun that would not end within the time; the first one is in any case."""
    found = Measured({row.name: {peer: [] for peer in _peers(row, rival)} for row in rows})
    begun = time.monotonic()
    longest = 0.0
    while found.rounds < most and (not found.rounds or found.seconds + longest < seconds):
        for row, peer in _turns(rows, rival, found.rounds):
            outcome = once(row, peer, endpoint)
            if isinstance(outcome, str):
                found.failures.append(outcome)
                print(outcome, file=sys.stderr)
            else:
                found.results[row.name][peer].append(outcome)
                print(
                    f"{time.monotonic() - begun:4.0f} s  round {found.rounds + 1}  {row.name:20}{peer:14}"
                    f"{outcome.value:.4g} {row.unit}",
                    file=sys.stderr,
                )
        found.rounds += 1
        now = time.monotonic() - begun
        longest, found.seconds = max(longest, now - found.seconds), now
    return found


def _peers(row: Row, rival: str | None) -> list[str]:
    """`rival` takes the place of every row's own."""
    other = rival if rival and row.rival else row.rival
    return [OURS, other] if other else [OURS]


def _turns(rows: Sequence[Row], rival: str | None, number: int) -> Iterator[tuple[Row, str]]:
    """Every round in the other order of peers, so that none always comes first."""
    for row in rows:
        peers = _peers(row, rival)
        yield from ((row, peer) for peer in (reversed(peers) if number % 2 else peers))

"""Reports of another harness: the one that compares mounts on a storage which rclone alone does not saturate, read as ours.

It writes {"net", "rounds", "results": {workload: {peer: [figures]}}}; its workloads are our rows, under the same names. Its data is
not ours in every size, so rows are compared within one report only. Rows that we do not have are left out.
"""

from collections.abc import Mapping
from typing import Any

from bench.figures import Report, Run
from bench.rows import ROWS

VALUES = {
    "MB/s": "mb_per_s",
    "reads/s": "ops_per_s",
    "files/s": "files_per_s",
    "entries/s": "entries_per_s",
    "s": "wall_s",
}
"""Where a row's figure stands, by its unit."""

NETWORKS = {"ttfb_ms=10&conn_mbps=60": "A", "": "B"}
"""Floors of a network, as the harness names it."""


def is_foreign(words: Mapping[str, Any]) -> bool:
    return "results" in words


def read(words: Mapping[str, Any], about: Mapping[str, Any]) -> Report:
    """`about` is what the harness does not say: machine, date and commit."""
    results = {row: peers for row, peers in words["results"].items() if row in ROWS}
    return Report(
        about=about,
        storage={"harness": "a storage that rclone alone does not saturate", "network": words["net"] or "none"},
        floors=NETWORKS.get(words["net"], ""),
        rounds=words["rounds"],
        seconds=0.0,
        rows={
            row: {peer: [_run(row, run) for run in runs if "error" not in run] for peer, runs in results[row].items()}
            for row in ROWS
            if row in results
        },
        failures=[
            f"{row} {peer}: {run['error']}" for row, peers in results.items() for peer, runs in peers.items() for run in runs
            if "error" in run
        ],
    )  # fmt: skip


def _run(row: str, run: Mapping[str, Any]) -> Run:
    return Run(
        value=run[VALUES[ROWS[row].unit]],
        useful=run.get("bytes", 0),
        cpu_seconds=run["daemon_cpu_s"],
        peak_memory=run["daemon_rss_mb"] << 20,
        requests=run["requests"],
        sent=int(run["server_mb_out"] * 1e6),
    )

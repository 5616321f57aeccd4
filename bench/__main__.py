"""`python -m bench`: workloads × peers, each on a fresh mount with an empty cache; medians, ratios, and what they cost."""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import report
from bench.dataset import FULL, QUICK, fill
from bench.peers import PEERS, Endpoint, mounted
from bench.report import Results, Run
from bench.resources import usage
from bench.server import CONTAINER, ControlUrl, emulator
from bench.workloads import WORKLOADS, drop_kernel_caches

KEY_VARIABLE = "AZURE_STORAGE_KEY"


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    found.add_argument(
        "--peers",
        default="mountd,rclone-off,rclone-full",
        help=f"of {', '.join(PEERS)} (default: %(default)s); the ratios are the first one's to the others",
    )
    found.add_argument("--workloads", default=",".join(WORKLOADS), help="of %(default)s")
    found.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    found.add_argument("--quick", action="store_true", help="a small dataset and one round: does it run, not how fast")
    found.add_argument("--json", type=Path, metavar="FILE", help="the report, with every figure")
    found.add_argument(
        "--endpoint", metavar="URL", help=f"a storage account instead of the emulator; its key in ${KEY_VARIABLE}"
    )
    found.add_argument("--account", help="its name, where the URL does not say it")
    found.add_argument(
        "--container",
        default="mountd-bench",
        help="at --endpoint; filled with 5 GB in 112,002 blobs if they are missing",
    )
    found.add_argument(
        "--latency-ms", type=float, default=0, help="the emulator waits this long before each answer (default: 0)"
    )
    found.add_argument(
        "--connection-mbps", type=float, default=0, help="the emulator's MB/s an answer; 0: no limit (default: 0)"
    )
    return found


def account_of(url: str) -> str:
    """https://ACCOUNT.blob.SUFFIX, or http://HOST:PORT/ACCOUNT as emulators have it."""
    parts = urlsplit(url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


def network(options: argparse.Namespace) -> list[dict[str, Any]]:
    """The emulator's rules for the network asked for."""
    rules: list[dict[str, Any]] = []
    if options.latency_ms:
        rules.append({"kind": "latency", "seconds": options.latency_ms / 1e3})
    if options.connection_mbps:
        rules.append({"kind": "bandwidth", "bytes_per_second": options.connection_mbps * 1e6})
    return rules


@contextlib.contextmanager
def storage(options: argparse.Namespace) -> Iterator[Endpoint]:
    """The endpoint given, filled if need be, or the emulator in a process of its own."""
    dataset = QUICK if options.quick else FULL
    if options.endpoint:
        url, key = options.endpoint.rstrip("/"), os.environ[KEY_VARIABLE]
        fill(url, key, options.container, dataset)
        yield Endpoint(url, options.account or account_of(url), key, options.container)
        return
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    with emulator(
        {"contents": "bench.dataset:Dataset", "arguments": asdict(dataset), "faults": network(options)}
    ) as url:
        yield Endpoint(url, DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER)


def measured(peer: str, workload: str, endpoint: Endpoint) -> Run | str:
    """A run, or the sentence of what failed."""
    control = ControlUrl(endpoint.url)
    try:
        with mounted(PEERS[peer], endpoint) as mount:
            drop_kernel_caches()
            control.forget_traffic()
            before = usage(mount.pid)
            figure = WORKLOADS[workload](mount.path)
            after, traffic = usage(mount.pid), control.traffic()
    except (OSError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return Run(
        value=figure.value,
        unit=figure.unit,
        more_is_better=figure.more_is_better,
        useful=figure.useful,
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        peak_memory=after.peak_memory,
        requests=traffic.requests if traffic else None,
        operations=dict(traffic.operations) if traffic else None,
        sent=traffic.sent if traffic else None,
    )


def run_all(
    endpoint: Endpoint, peers: Sequence[str], workloads: Sequence[str], rounds: int
) -> tuple[Results, list[str]]:
    """Every round in another order of peers, so that none always comes first. What failed is said."""
    results: Results = {work: {peer: [] for peer in peers} for work in workloads}
    failures: list[str] = []
    for number in range(rounds):
        for work in workloads:
            for peer in [*peers[number % len(peers) :], *peers[: number % len(peers)]]:
                outcome = measured(peer, work, endpoint)
                if isinstance(outcome, str):
                    failures.append(f"{work} {peer}: {outcome}")
                    print(failures[-1], file=sys.stderr)
                else:
                    results[work][peer].append(outcome)
                    print(f"round {number + 1} {work} {peer}: {outcome.value:.4g} {outcome.unit}", file=sys.stderr)
    return results, failures


def main(words: Sequence[str] | None = None) -> int:
    found = parser()
    options = found.parse_args(words)
    peers, workloads = options.peers.split(","), options.workloads.split(",")
    if unknown := [name for name in peers if name not in PEERS] + [name for name in workloads if name not in WORKLOADS]:
        found.error(f"there is no {', '.join(unknown)}")
    if options.endpoint and KEY_VARIABLE not in os.environ:
        found.error(f"the endpoint's key belongs into ${KEY_VARIABLE}")
    rounds = 1 if options.quick else options.rounds
    before = report.surroundings()
    with storage(options) as endpoint:
        results, failures = run_all(endpoint, peers, workloads, rounds)
    if options.json:
        dataset = asdict(QUICK if options.quick else FULL)
        settings = {
            "storage": endpoint.url if options.endpoint else "emulator",
            "latency_ms": options.latency_ms,
            "connection_mbps": options.connection_mbps,
        }
        figures = {
            work: {peer: [asdict(run) for run in runs] for peer, runs in row.items()} for work, row in results.items()
        }
        words_of = {**before, "dataset": dataset, "network": settings, "rounds": rounds, "failures": failures}
        options.json.write_text(json.dumps({**words_of, "figures": figures}, indent=1) + "\n")
    load = before["machine"]["load"][0]
    print(f"\nmedians of {rounds} rounds; a ratio above 1: {peers[0]} is better; load before the run {load:.1f}\n")
    print(report.text(report.speeds(results, peers)), report.text(report.costs(results, peers)), sep="\n\n")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())

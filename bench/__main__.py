"""`python -m bench`: peers × workloads, a table of medians and of ratios to the first peer."""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

from bench.dataset import Dataset, fill
from bench.peers import PEERS, Endpoint, mounted
from bench.server import CONTAINER
from bench.workloads import WORKLOADS, Figure, drop_kernel_caches

KEY_VARIABLE = "AZURE_STORAGE_KEY"


@contextlib.contextmanager
def storage(options: argparse.Namespace) -> Iterator[Endpoint]:
    """The endpoint given, filled if need be, or the emulator in a process of its own."""
    if options.endpoint:
        url = options.endpoint.rstrip("/")
        account = options.account or url.rpartition("/")[2]
        fill(url, os.environ[KEY_VARIABLE], options.container, Dataset())
        yield Endpoint(url, account, os.environ[KEY_VARIABLE], options.container)
        return
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    command = [sys.executable, "-m", "bench.server", *([str(options.latency_ms)] if options.latency_ms else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert server.stdin
        line = server.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError("the emulator did not start")
        try:
            yield Endpoint(line.split()[-1], DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER)
        finally:
            server.stdin.close()


def measured(peer: str, workload: str, endpoint: Endpoint) -> Figure | str:
    """A figure, or the sentence of what failed."""
    try:
        with mounted(PEERS[peer], endpoint) as mountpoint:
            drop_kernel_caches()
            return WORKLOADS[workload](mountpoint)
    except (OSError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"


def table(results: dict[str, dict[str, list[Figure]]], peers: list[str]) -> str:
    rows = [["workload", "unit", *peers, *(f"{peer} : {peers[0]}" for peer in peers[1:])]]
    for workload, by_peer in results.items():
        medians = {peer: statistics.median(f.value for f in by_peer[peer]) if by_peer[peer] else None for peer in peers}
        sample = next((figures[0] for figures in by_peer.values() if figures), None)
        row = [workload, sample.unit if sample else ""]
        row += [f"{medians[peer]:.4g}" if medians[peer] is not None else "failed" for peer in peers]
        first = medians[peers[0]]
        for peer in peers[1:]:
            mine = medians[peer]
            if mine is None or first is None or sample is None:
                row.append("–")
            else:
                row.append(f"{(mine / first if sample.more_is_better else first / mine):.2f}")
        rows.append(row)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--peers", default="rclone-off,rclone-full,mountd", help=f"of {', '.join(PEERS)}; the first is the measure"
    )
    parser.add_argument("--workloads", default=",".join(WORKLOADS), help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--endpoint", help=f"a storage account's URL instead of the emulator; its key in ${KEY_VARIABLE}"
    )
    parser.add_argument("--account", help="its name, where it is not the URL's last part")
    parser.add_argument(
        "--container", default="mountd-bench", help="at --endpoint; filled with 0.7 GB, 112,000 blobs if empty"
    )
    parser.add_argument("--latency-ms", type=float, default=0, help="the emulator waits this long before each answer")
    options = parser.parse_args()
    peers, workloads = options.peers.split(","), options.workloads.split(",")
    results: dict[str, dict[str, list[Figure]]] = {work: {peer: [] for peer in peers} for work in workloads}
    failed = False
    with storage(options) as endpoint:
        for number in range(options.rounds):
            for work in workloads:
                for peer in peers[number % len(peers) :] + peers[: number % len(peers)]:
                    outcome = measured(peer, work, endpoint)
                    if isinstance(outcome, str):
                        failed = True
                        print(f"{work} {peer}: {outcome}", file=sys.stderr)
                    else:
                        results[work][peer].append(outcome)
                        print(f"round {number + 1} {work} {peer}: {outcome.value:.4g} {outcome.unit}", file=sys.stderr)
    print(f"\nmedians of {options.rounds} rounds; a ratio above 1 is better than {peers[0]}\n")
    print(table(results, peers))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench`: the table. Each row on a fresh mount with an empty cache, mountd and rclone in turns: figures and costs."""

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import measure, report
from bench.dataset import FULL, QUICK, fill
from bench.figures import Report
from bench.floors import sets
from bench.peers import PEERS, Endpoint
from bench.rows import CALIBRATION, ROWS
from bench.server import CONTAINER, emulator
from bench.surroundings import surroundings

KEY_VARIABLE = "AZURE_STORAGE_KEY"


@dataclass(frozen=True, slots=True)
class Network:
    """What lies between node and storage."""

    latency_ms: float = 0
    connection_mbps: float = 0

    def faults(self) -> list[dict[str, Any]]:
        """The emulator's rules for it."""
        rules: list[dict[str, Any]] = []
        if self.latency_ms:
            rules.append({"kind": "latency", "seconds": self.latency_ms / 1e3})
        if self.connection_mbps:
            rules.append({"kind": "bandwidth", "bytes_per_second": self.connection_mbps * 1e6})
        return rules


NETWORKS = {"A": Network(10, 60), "B": Network(), "C": Network(30, 30)}


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    found.add_argument("--rows", default=",".join(ROWS), help="of %(default)s")
    found.add_argument("--rounds", type=int, default=3, help="at most (default: %(default)s)")
    found.add_argument(
        "--minutes", type=float, default=9, help="no round is begun that would end later (default: %(default)s)"
    )
    found.add_argument(
        "--network",
        choices=NETWORKS,
        default="A",
        help="A: 10 ms to the first byte, 60 MB/s a connection; B: neither; C: 30 ms, 30 MB/s (default: A). The emulator is set "
        "to it; an endpoint has the network it has, and this only says which floors are for it",
    )
    found.add_argument("--latency-ms", type=float, help="the emulator's, instead of the network's")
    found.add_argument(
        "--connection-mbps", type=float, help="the emulator's MB/s a connection, instead of the network's"
    )
    found.add_argument(
        "--rival", choices=[name for name in PEERS if name != "mountd"], help="instead of each row's own"
    )
    found.add_argument("--quick", action="store_true", help="a small dataset and one round: does it run, not how fast")
    found.add_argument(
        "--json", type=Path, metavar="FILE", help="the report, with every figure; `bench.report` reads it"
    )
    found.add_argument("--plot", type=Path, metavar="PNG")
    found.add_argument("--check", action="store_true", help="exit status 1 when a figure falls below its floor")
    found.add_argument(
        "--floors",
        choices=sets(),
        help="held against these (default: the network's; with the emulator, those that are bounded by the emulator)",
    )
    found.add_argument(
        "--endpoint", metavar="URL", help=f"a storage account instead of the emulator; its key in ${KEY_VARIABLE}"
    )
    found.add_argument("--account", help="its name, where the URL does not say it")
    found.add_argument(
        "--container",
        default="mountd-bench",
        help=f"at --endpoint; filled with 7.5 GB in {FULL.blobs:,} blobs where they are missing or smaller",
    )
    return found


def account_of(url: str) -> str:
    """https://ACCOUNT.blob.SUFFIX, or http://HOST:PORT/ACCOUNT as emulators have it."""
    parts = urlsplit(url)
    return parts.path.strip("/") or (parts.hostname or "").partition(".")[0]


def network(options: argparse.Namespace) -> Network:
    """The emulator's: the one named, and what is said beside it."""
    named = NETWORKS[options.network]
    latency, mbps = options.latency_ms, options.connection_mbps
    return Network(named.latency_ms if latency is None else latency, named.connection_mbps if mbps is None else mbps)


def floors_for(options: argparse.Namespace) -> str:
    """The name of the set this run is held against; "" where there is none."""
    if options.floors:
        return str(options.floors)
    name = options.network if options.endpoint else f"emulator-{options.network}"
    own = network(options) != NETWORKS[options.network]
    return name if name in sets() and not own else ""


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

    words = {"contents": "bench.dataset:Dataset", "arguments": asdict(dataset), "faults": network(options).faults()}
    with emulator(words) as url:
        yield Endpoint(url, DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER)


def chosen(options: argparse.Namespace) -> list[str]:
    """Rows in the order of the table. A check needs to know how fast the machine is."""
    wanted = set(options.rows.split(",")) | ({CALIBRATION} if options.check else set())
    if unknown := wanted - set(ROWS):
        raise ValueError(f"there is no row {', '.join(sorted(unknown))}")
    return [name for name in ROWS if name in wanted]


def main(words: Sequence[str] | None = None) -> int:
    found = parser()
    options = found.parse_args(words)
    try:
        rows = [ROWS[name] for name in chosen(options)]
    except ValueError as error:
        found.error(str(error))
    if options.endpoint and KEY_VARIABLE not in os.environ:
        found.error(f"the endpoint's key belongs into ${KEY_VARIABLE}")
    if options.check and not floors_for(options):
        found.error("no floors are known for this network; name them with --floors")
    about = surroundings()
    with storage(options) as endpoint:
        measured = measure.rounds(
            endpoint, rows, options.rival, 1 if options.quick else options.rounds, options.minutes * 60
        )
    where = (
        {"endpoint": endpoint.url} if options.endpoint else {"emulator": "bounded by it", **asdict(network(options))}
    )
    dataset = asdict(QUICK if options.quick else FULL)
    result = Report(
        about,
        {**where, "network": options.network, "dataset": dataset},
        floors_for(options),
        measured.rounds,
        measured.seconds,
        measured.results,
        measured.failures,
    )
    return _tell(result, options)


def _tell(result: Report, options: argparse.Namespace) -> int:
    """Keeps and shows it; the exit status."""
    floors = sets().get(result.floors)
    if options.json:
        result.write(options.json)
    if options.plot:
        from bench.plot import plot

        plot(result, floors, options.plot)
    print(report.text(result, floors))
    if options.check:
        return report.verdict(result, floors)
    return 1 if result.failures else 0


if __name__ == "__main__":
    sys.exit(main())

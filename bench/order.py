"""A shuffled epoch in a known order: `mountctl prefetch`, then open, whole read and close of each file, timed in the client.

`python -m bench.order` does it on the emulator or on any endpoint and prints JSON: the times from the 100th file on, and the bytes
fetched for each byte read. `--no-order` reads the same without having said so. Exits with 1 where a median is above
`--median-ms` or the bytes above `--amplification`.
"""

import argparse
import contextlib
import json
import os
import random
import re
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.peers import PEERS, Endpoint, mounted
from bench.resources import usage
from bench.server import CONTAINER, emulator
from bench.workloads import drop_kernel_caches
from mountd.sdk.client import Client

WARMING_UP = 100
"""Files before the first that counts."""

KEY_VARIABLE = "AZURE_STORAGE_KEY"


@dataclass(frozen=True, slots=True)
class Files:
    """What is read, on the emulator: folders of as many files as make up `count`."""

    count: int = 20_000
    size: int = 100_000
    folders: int = 20

    def names(self) -> list[str]:
        return [f"order/{number % self.folders:04d}/{number:06d}.bin" for number in range(self.count)]

    def into(self, container: Any) -> None:
        pattern = random.Random(0).randbytes(1 << 20)
        for key in self.names():
            container.fill(key, pattern, self.size)


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(prog="python -m bench.order", description=__doc__)
    found.add_argument(
        "--endpoint", metavar="URL", help=f"an account instead of the emulator; its key in ${KEY_VARIABLE}"
    )
    found.add_argument("--account", help="its name, where the URL does not say it")
    found.add_argument("--container", default=CONTAINER, help="at --endpoint (default: %(default)s)")
    found.add_argument("--folder", default="order", help="whose files are read, at --endpoint (default: %(default)s)")
    found.add_argument("--latency-ms", type=float, default=0, help="of the emulator (default: 0)")
    found.add_argument("--connection-mbps", type=float, default=0, help="of the emulator; 0: no limit (default: 0)")
    found.add_argument("--files", type=int, default=20_000, help="read at most (default: %(default)s)")
    found.add_argument("--size", type=int, default=100_000, help="on the emulator (default: %(default)s)")
    found.add_argument("--workers", type=int, default=1, help="readers side by side, a batch of 32 each (default: 1)")
    found.add_argument("--think-ms", type=float, default=0, help="between two files of a reader (default: 0)")
    found.add_argument("--walk", action="store_true", help="list the folders through the mount first, as loaders do")
    found.add_argument("--no-order", action="store_true", help="without handing the order over")
    found.add_argument("--median-ms", type=float, help="the most that passes")
    found.add_argument("--amplification", type=float, help="bytes fetched a byte read: the most that passes")
    found.add_argument("--seed", type=int, default=1)
    return found


@contextlib.contextmanager
def storage(options: argparse.Namespace) -> Iterator[Endpoint]:
    if options.endpoint:
        url = options.endpoint.rstrip("/")
        account = options.account or urlsplit(url).path.strip("/") or (urlsplit(url).hostname or "").partition(".")[0]
        yield Endpoint(url, account, os.environ[KEY_VARIABLE], options.container)
        return
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    files = Files(options.files, options.size)
    faults: list[dict[str, Any]] = []
    if options.latency_ms:
        faults.append({"kind": "latency", "seconds": options.latency_ms / 1e3})
    if options.connection_mbps:
        faults.append({"kind": "bandwidth", "bytes_per_second": options.connection_mbps * 1e6})
    words = {"contents": "bench.order:Files", "arguments": asdict(files), "faults": faults}
    with emulator(words) as url:
        yield Endpoint(url, DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER)


def paths_of(top: Path, most: int, seed: int) -> list[str]:
    """The files below a folder, shuffled."""
    found = sorted(os.path.join(folder, name) for folder, _, names in os.walk(top) for name in names)
    random.Random(seed).shuffle(found)
    return found[:most]


class Readers:
    """Workers that read batches of an order side by side, as a loader's do. State: the times, by line."""

    def __init__(self, paths: Sequence[str], workers: int, think: float) -> None:
        self._paths = paths
        self._workers = workers
        self._think = think
        self.times = [0.0] * len(paths)
        self.bytes = 0

    def run(self) -> float:
        """Seconds in all."""
        began = time.perf_counter()
        threads = [threading.Thread(target=self._read, args=(number,)) for number in range(self._workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.perf_counter() - began

    def _read(self, worker: int) -> None:
        batch, total = 32 if self._workers > 1 else len(self._paths), 0
        buffer = bytearray(1 << 20)
        for start in range(worker * batch, len(self._paths), self._workers * batch):
            for line in range(start, min(start + batch, len(self._paths))):
                began = time.perf_counter()
                descriptor = os.open(self._paths[line], os.O_RDONLY)
                while count := os.readv(descriptor, [buffer]):
                    total += count
                os.close(descriptor)
                self.times[line] = time.perf_counter() - began
                if self._think:
                    time.sleep(self._think)
        self.bytes += total


def fetched(client: Client) -> float:
    """Body bytes that came from the storage so far."""
    found = re.findall(r'^mountd_store_bytes_total\{[^}]*direction="in"[^}]*\} (\S+)$', client.metrics(), re.MULTILINE)
    return sum(map(float, found))


def measured(options: argparse.Namespace, endpoint: Endpoint) -> dict[str, float]:
    with mounted(PEERS["mountd"], endpoint) as mount:
        client = Client(str(mount.path.parent / "socket"))
        if options.endpoint or options.walk:
            paths = paths_of(
                mount.path / (options.folder if options.endpoint else "order"), options.files, options.seed
            )
        else:
            paths = [str(mount.path / key) for key in Files(options.files, options.size).names()]
            random.Random(options.seed).shuffle(paths)
        drop_kernel_caches()
        readers = Readers(paths, options.workers, options.think_ms / 1e3)
        before, used = fetched(client), usage(mount.pid)
        handed_over = time.perf_counter()
        task = None if options.no_order else client.prefetch(paths)
        handed_over = time.perf_counter() - handed_over
        seconds = readers.run()
        if task is not None:
            *_, task = client.follow(task.id)
            if task.state != "done":
                raise RuntimeError(f"the prefetch ended {task.state}: {task.error}")
        after = usage(mount.pid)
        times = sorted(readers.times[WARMING_UP:])
        return {
            "files": len(paths),
            "seconds": round(seconds, 3),
            "files_per_s": round(len(paths) / seconds, 1),
            "handed_over_s": round(handed_over, 3),
            "median_ms": round(statistics.median(times) * 1e3, 3),
            "p90_ms": round(times[len(times) * 9 // 10] * 1e3, 3),
            "p99_ms": round(times[len(times) * 99 // 100] * 1e3, 3),
            "max_ms": round(times[-1] * 1e3, 3),
            "first_ms": round(readers.times[0] * 1e3, 3),
            "amplification": round((fetched(client) - before) / readers.bytes, 4),
            "cpu_s": round(after.cpu_seconds - used.cpu_seconds, 2),
            "peak_mib": round(after.peak_memory / (1 << 20), 1),
        }


def main(words: Sequence[str] | None = None) -> int:
    options = parser().parse_args(words)
    with storage(options) as endpoint:
        found = measured(options, endpoint)
    print(json.dumps(found))
    late = options.median_ms is not None and found["median_ms"] > options.median_ms
    much = options.amplification is not None and found["amplification"] > options.amplification
    return int(late or much)


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench.fairness`: what one reader costs the others. Times of a known directory beside streams and random readers, and
of a healthy datastore beside one that does not answer; milliseconds, p99 first.

With a mountpoint (`python -m bench.fairness MOUNTPOINT`) the first of the two, on whatever is mounted there; otherwise both on the
emulator. Readers are processes of their own, so that they cannot hold up the clock.
"""

import argparse
import json
import multiprocessing
import os
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from functools import partial
from multiprocessing.synchronize import Event
from pathlib import Path

from bench.dataset import BIG, PARALLEL, QUICK, STREAMS, Dataset
from bench.node import Node
from bench.peers import PEERS, Endpoint, Mount, mounted
from bench.server import CONTAINER, ControlUrl, emulator
from bench.workloads import Figure, drop_kernel_caches, read_in_order

SECONDS = 8.0
WARM_UP = 1.0
PAUSE = 0.02
HANDLES = 200
STUCK = 64

Read = Callable[[Event], object]


@contextmanager
def beside(readers: Sequence[Read]) -> Iterator[None]:
    """Meanwhile each of these reads in a process of its own, until it is told to end."""
    fork = multiprocessing.get_context("fork")
    over = fork.Event()
    working = [fork.Process(target=read, args=(over,), daemon=True) for read in readers]
    for process in working:
        process.start()
    try:
        yield
    finally:
        over.set()
        for process in working:
            process.join(10)
            process.kill()  # one that is stuck in a storage that does not answer
            process.join()


def _stream(path: Path, over: Event) -> None:
    while not over.is_set():
        drop = os.open(path, os.O_RDONLY)
        os.posix_fadvise(drop, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(drop)
        read_in_order(path, 64 << 20)


def _many_handles(path: Path, over: Event) -> None:
    """So many open files, each read at random by a thread of its own."""
    length = path.stat().st_size

    def read(seed: int) -> None:
        choose = random.Random(seed)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            while not over.is_set():
                os.pread(descriptor, 4096, choose.randrange(length >> 12) << 12)
        finally:
            os.close(descriptor)

    threads = [threading.Thread(target=read, args=(seed,), daemon=True) for seed in range(HANDLES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _stuck(folder: Path, over: Event) -> None:
    """Everybody who wants something of a storage that does not answer."""

    def read(number: int) -> None:
        while not over.is_set():
            try:
                (folder / f"nobody-knows-{number}").read_bytes()
            except OSError:
                continue

    for number in range(STUCK):
        threading.Thread(target=read, args=(number,), daemon=True).start()
    over.wait()


def _times(act: Callable[[], object], seconds: float) -> list[float]:
    """Milliseconds of each, with a pause in between."""
    found, end = [], time.perf_counter() + seconds
    while (start := time.perf_counter()) < end:
        act()
        found.append((time.perf_counter() - start) * 1e3)
        time.sleep(PAUSE)
    return sorted(found)


def _figure(times: Sequence[float], **extra: float) -> Figure:
    return Figure(times[len(times) * 99 // 100], 0, {"p50": times[len(times) // 2], "most": times[-1], **extra})


def _listed(folder: Path) -> None:
    """`ls -l`."""
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat(follow_symlinks=False)


def listing_beside_readers(mount: Mount) -> Figure:
    """p99 of listing a known directory beside 4 streams and 200 handles read at random."""
    ls = partial(_listed, mount.path / "tree" / "00" / "00")
    ls()
    alone = _times(ls, WARM_UP)
    streams = [partial(_stream, mount.path / (PARALLEL % number)) for number in range(STREAMS)]
    with beside([*streams, partial(_many_handles, mount.path / BIG)]):
        time.sleep(WARM_UP)
        return _figure(_times(ls, SECONDS), alone=alone[len(alone) * 99 // 100])


def beside_an_outage(healthy: Path, dead: Path, break_it: Callable[[], None]) -> Figure:
    """p99 of opening and reading a file nobody has read before, beside 64 threads stuck in another datastore."""
    names = sorted(entry.path for entry in os.scandir(healthy))
    random.Random(1).shuffle(names)
    unread = iter(names)

    def read() -> None:
        Path(next(unread)).read_bytes()

    before = _times(read, SECONDS / 2)
    break_it()
    with beside([partial(_stuck, dead)]):
        time.sleep(WARM_UP)
        return _figure(_times(read, SECONDS / 2), before=before[len(before) * 99 // 100])


def _datastore(name: str, endpoint: Endpoint) -> str:
    return (
        f"  {name}: {{kind: blob, endpoint: '{endpoint.url}', account: {endpoint.account}, container: {endpoint.container}, "
        f"allow_http: true, account_key: '{endpoint.key}'}}\n"
    )


def on_the_emulator() -> dict[str, Figure]:
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    with ExitStack() as both:
        urls = [
            both.enter_context(emulator({"contents": "bench.dataset:Dataset", "arguments": asdict(content)}))
            for content in (Dataset(flat_files=0), QUICK)
        ]
        healthy, dead = (Endpoint(url, DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER) for url in urls)
        with mounted(PEERS["mountd"], healthy) as mount:
            drop_kernel_caches()
            found = {"listing_beside_readers": listing_beside_readers(mount)}
        configuration = f"datastores:\n{_datastore('second', dead)}mappings:\n  /second: {{datastore: second}}\n"
        with tempfile.TemporaryDirectory(prefix="mountd-bench-") as folder:
            node = Node(Path(folder), healthy, configuration)
            try:
                node.start()
                control = ControlUrl(dead.url)
                found["beside_an_outage"] = beside_an_outage(
                    node.mountpoint / "small",
                    node.mountpoint / "second",
                    lambda: control.set_faults([{"kind": "latency", "seconds": 600.0}]),
                )
            finally:
                node.clean()
        return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("mountpoint", nargs="?", type=Path, help="measure on what is mounted here")
    options = parser.parse_args()
    if options.mountpoint:
        found = {"listing_beside_readers": listing_beside_readers(Mount(options.mountpoint, os.getpid(), lambda: None))}
    else:
        found = on_the_emulator()
    print(json.dumps({name: {"p99": figure.value, **figure.extra} for name, figure in found.items()}, indent=1))


if __name__ == "__main__":
    main()

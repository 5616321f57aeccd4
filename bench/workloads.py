"""What is timed on a mounted folder: each workload takes its root and gives a figure.

Wall time by `time.perf_counter`; the kernel's caches are dropped before each where permitted. Bytes are checked for length
here and for content by the test suite.
"""

import multiprocessing
import os
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.dataset import LARGE, RANDOM

MiB = 1 << 20
BYTES_A_RANDOM_SECOND = 1 << 30
"""Random reads last a second for so much of the file: 4 s on the full dataset, a moment on the quick one."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One result. `unit` is what `value` counts; more is better unless it is seconds. `useful`: bytes the reader asked for."""

    value: float
    unit: str
    useful: int = 0

    @property
    def more_is_better(self) -> bool:
        return self.unit != "s"


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    start = time.perf_counter()
    end: list[float] = []
    yield lambda: (end[0] if end else time.perf_counter()) - start
    end.append(time.perf_counter())


def drop_kernel_caches() -> bool:
    """False where not permitted: then figures of second passes include the kernel's page cache, for every peer alike."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3\n")
    except PermissionError:
        return False
    return True


def _read_whole(path: str) -> int:
    total = 0
    with open(path, "rb", buffering=0) as file:
        while block := file.read(MiB):
            total += len(block)
    return total


def sequential(root: Path) -> Figure:
    """One reader, the large file from end to end, 1 MiB reads."""
    with stopwatch() as passed:
        total = _read_whole(str(root / LARGE))
    if total != (root / LARGE).stat().st_size:
        raise RuntimeError(f"short read: {total}")
    return Figure(total / passed() / 1e6, "MB/s", total)


def _random_reads(root: Path, size: int) -> Figure:
    path = root / RANDOM
    length = path.stat().st_size
    blocks, seconds = length // size, length / BYTES_A_RANDOM_SECOND
    descriptor = os.open(path, os.O_RDONLY)

    def reader(seed: int) -> int:
        choose, count, end = random.Random(seed), 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            if len(os.pread(descriptor, size, choose.randrange(blocks) * size)) != size:
                raise RuntimeError("short read")
            count += 1
        return count

    try:
        with stopwatch() as passed, ThreadPoolExecutor(4) as pool:
            reads = sum(pool.map(reader, range(4)))
        return Figure(reads / passed(), "reads/s", reads * size)
    finally:
        os.close(descriptor)


def random_128k(root: Path) -> Figure:
    """Four threads, 128 KiB at random places of the huge file, 4 s."""
    return _random_reads(root, 128 << 10)


def random_4k(root: Path) -> Figure:
    """Four threads, 4 KiB at random places of the huge file, 4 s."""
    return _random_reads(root, 4 << 10)


def _small(root: Path) -> Figure:
    names = sorted(entry.path for entry in os.scandir(root / "small"))
    with stopwatch() as passed:
        total = sum(_read_whole(name) for name in names)
    return Figure(len(names) / passed(), "files/s", total)


def small_cold(root: Path) -> Figure:
    """The folder of small files, each opened, read and closed once, in order."""
    return _small(root)


def small_warm(root: Path) -> Figure:
    """The same a second time, the kernel's caches dropped in between."""
    first = _small(root)
    drop_kernel_caches()
    second = _small(root)
    return Figure(second.value, second.unit, first.useful + second.useful)


def _read_some(names: list[str]) -> int:
    return sum(_read_whole(name) for name in names)


def small_by_eight(root: Path) -> Figure:
    """The same, shuffled, by eight processes."""
    names = sorted(entry.path for entry in os.scandir(root / "small"))
    random.Random(1).shuffle(names)
    with multiprocessing.get_context("fork").Pool(8) as pool, stopwatch() as passed:
        read = sum(pool.map(_read_some, [names[i::8] for i in range(8)], chunksize=1))
    if read != sum(os.stat(name).st_size for name in names):
        raise RuntimeError(f"short read: {read}")
    return Figure(len(names) / passed(), "files/s", read)


def find(root: Path) -> Figure:
    """Every entry of the deep tree with its attributes."""
    count = 0
    with stopwatch() as passed:
        for folder, folders, files in os.walk(root / "tree"):
            for name in folders + files:
                os.lstat(os.path.join(folder, name))
                count += 1
    return Figure(count / passed(), "entries/s")


def ls_flat(root: Path) -> Figure:
    """The names of the flat folder."""
    with stopwatch() as passed:
        names = os.listdir(root / "flat")
    if not names:
        raise RuntimeError("nothing listed")
    return Figure(passed(), "s")


WORKLOADS: dict[str, Callable[[Path], Figure]] = {
    work.__name__.replace("_", "-"): work
    for work in (sequential, random_128k, random_4k, small_cold, small_warm, small_by_eight, find, ls_flat)
}

"""What is timed on a mounted folder. Each workload gives its figures; `better` says which direction is good.

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

MiB = 1 << 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One result. `unit` is what `value` counts; more is better unless it is seconds."""

    value: float
    unit: str

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
        total = _read_whole(str(root / "large.bin"))
    if total != (root / "large.bin").stat().st_size:
        raise RuntimeError(f"short read: {total}")
    return Figure(total / passed() / 1e6, "MB/s")


def _random_reads(root: Path, size: int, seconds: float) -> Figure:
    path = root / "large.bin"
    blocks = path.stat().st_size // size
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
        return Figure(reads / passed(), "reads/s")
    finally:
        os.close(descriptor)


def random_128k(root: Path) -> Figure:
    """Four threads, 128 KiB at random places of the large file, 4 s."""
    return _random_reads(root, 128 << 10, 4)


def random_4k(root: Path) -> Figure:
    """Four threads, 4 KiB at random places of the large file, 4 s."""
    return _random_reads(root, 4 << 10, 4)


def _small(root: Path) -> Figure:
    names = sorted(entry.path for entry in os.scandir(root / "small"))
    with stopwatch() as passed:
        for name in names:
            _read_whole(name)
    return Figure(len(names) / passed(), "files/s")


def small_cold(root: Path) -> Figure:
    """The folder of small files, each opened, read and closed once, in order."""
    return _small(root)


def small_warm(root: Path) -> Figure:
    """The same a second time, the kernel's caches dropped in between."""
    _small(root)
    drop_kernel_caches()
    return _small(root)


def _read_some(names: list[str]) -> int:
    return sum(1 for name in names if _read_whole(name))


def small_by_eight(root: Path) -> Figure:
    """The same, shuffled, by eight processes."""
    names = sorted(entry.path for entry in os.scandir(root / "small"))
    random.Random(1).shuffle(names)
    with multiprocessing.get_context("fork").Pool(8) as pool, stopwatch() as passed:
        read = sum(pool.map(_read_some, [names[i::8] for i in range(8)], chunksize=1))
    if read != len(names):
        raise RuntimeError(f"read {read} of {len(names)}")
    return Figure(len(names) / passed(), "files/s")


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

"""What is timed on a mount: each workload takes it and gives a figure. Which rows they make, rows.py says.

Wall time by `time.perf_counter`; the kernel's caches are dropped before each where permitted. Bytes are checked for length
here and for content by the test suite.
"""

import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.dataset import BIG, PARALLEL, PARQUET, PARQUET_FILES, STREAMS
from bench.peers import Mount

MiB = 1 << 20
SEQUENTIAL_BYTES = 1 << 30
RANDOM_THREADS = 4
RANDOM_SECONDS = 3.0
SECONDS_A_BYTE = 1 / (512 * MiB)
"""Of a small file less long: reads that come to it again find it cached."""
FOOTER = 64 << 10
GROUPS = 16
"""Reads of 1 MiB in each Parquet-like file."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One result. `useful`: bytes the reader asked for; `extra`: other figures by name, for floors and the report."""

    value: float
    useful: int = 0
    extra: dict[str, float] = field(default_factory=dict)


class ShortRead(RuntimeError):
    """A peer gave fewer bytes than the file has: no figure."""


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


def read_in_order(path: Path, most: int) -> int:
    """1 MiB reads from the beginning, at most so many bytes of it."""
    wanted, got, buffer = min(most, path.stat().st_size), 0, memoryview(bytearray(MiB))
    with open(path, "rb", buffering=0) as file:
        while got < wanted and (read := file.readinto(buffer[: wanted - got])):
            got += read
    if got != wanted:
        raise ShortRead(f"{path.name}: {got} of {wanted} bytes")
    return got


def _whole(path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        total = 0
        while block := os.read(descriptor, MiB):
            total += len(block)
        return total
    finally:
        os.close(descriptor)


def _in_processes(count: int, read: Callable[[int], int]) -> tuple[float, int]:
    """Seconds and bytes of so many processes that begin together."""
    fork = multiprocessing.get_context("fork")
    gate, read_bytes = fork.Barrier(count + 1), fork.Queue()

    def one(number: int) -> None:
        gate.wait()
        read_bytes.put(read(number))

    working = [fork.Process(target=one, args=(number,), daemon=True) for number in range(count)]
    for process in working:
        process.start()
    gate.wait()
    with stopwatch() as passed:
        for process in working:
            process.join()
    if any(process.exitcode for process in working):
        raise ShortRead("a reading process failed")
    return passed(), sum(read_bytes.get() for _ in working)


def sequential(mount: Mount) -> Figure:
    with stopwatch() as passed:
        total = read_in_order(mount.path / BIG, SEQUENTIAL_BYTES)
    return Figure(total / passed() / 1e6, total)


def parallel(mount: Mount) -> Figure:
    most = SEQUENTIAL_BYTES // STREAMS
    seconds, total = _in_processes(STREAMS, lambda number: read_in_order(mount.path / (PARALLEL % number), most))
    return Figure(total / seconds / 1e6, total)


def random_reads(mount: Mount, *, size: int) -> Figure:
    path = mount.path / BIG
    length = path.stat().st_size
    seconds = min(RANDOM_SECONDS, length * SECONDS_A_BYTE)
    descriptor = os.open(path, os.O_RDONLY)

    def reader(seed: int) -> int:
        choose, count, end = random.Random(seed), 0, time.perf_counter() + seconds
        while time.perf_counter() < end:
            if len(os.pread(descriptor, size, choose.randrange(length // size) * size)) != size:
                raise ShortRead(path.name)
            count += 1
        return count

    try:
        with stopwatch() as passed, ThreadPoolExecutor(RANDOM_THREADS) as pool:
            reads = sum(pool.map(reader, range(RANDOM_THREADS)))
        return Figure(reads / passed(), reads * size)
    finally:
        os.close(descriptor)


def _names(folder: Path, most: int | None = None) -> list[str]:
    return sorted(entry.path for entry in os.scandir(folder))[:most]


def _one_after_another(names: Sequence[str]) -> Figure:
    with stopwatch() as passed:
        total = sum(_whole(name) for name in names)
    return Figure(len(names) / passed(), total)


def small_in_order(mount: Mount, *, files: int) -> Figure:
    return _one_after_another(_names(mount.path / "small", files))


def small_again(mount: Mount, *, files: int, drop: bool) -> Figure:
    """A second pass. `useful` counts both, as the requests do."""
    names = _names(mount.path / "small", files)
    first = _one_after_another(names)
    if drop:
        drop_kernel_caches()
    asked = mount.requests()
    second = _one_after_another(names)
    extra = {} if asked is None else {"requests_an_open": ((mount.requests() or 0) - asked) / len(names)}
    return Figure(second.value, first.useful + second.useful, extra)


def small_shuffled(mount: Mount, *, processes: int) -> Figure:
    names = _names(mount.path / "small")
    random.Random(1).shuffle(names)
    seconds, total = _in_processes(processes, lambda number: sum(map(_whole, names[number::processes])))
    if total != sum(os.stat(name).st_size for name in names):
        raise ShortRead(f"{total} bytes")
    return Figure(len(names) / seconds, total)


def walk(mount: Mount) -> Figure:
    count = 0
    with stopwatch() as passed:
        for folder, folders, files in os.walk(mount.path / "tree"):
            for name in folders + files:
                os.lstat(os.path.join(folder, name))
                count += 1
    return Figure(count / passed())


def list_flat(mount: Mount) -> Figure:
    with stopwatch() as passed:
        names = os.listdir(mount.path / "flat")
    if not names:
        raise ShortRead("nothing listed")
    return Figure(passed())


def parquet_like(mount: Mount, *, files: int, threads: int) -> Figure:
    """A footer, then 1 MiB reads at ascending random places, file after file."""
    names = [mount.path / (PARQUET % number) for number in range(min(files, PARQUET_FILES))]

    def reader(number: int) -> int:
        choose, total = random.Random(number), 0
        for name in names[number::threads]:
            total += _row_groups(name, choose)
        return total

    with stopwatch() as passed, ThreadPoolExecutor(threads) as pool:
        total = sum(pool.map(reader, range(threads)))
    return Figure(total / passed() / 1e6, total)


def _row_groups(path: Path, choose: random.Random) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        total = len(os.pread(descriptor, FOOTER, size - FOOTER))
        places = (size - FOOTER) // MiB
        for place in sorted(choose.sample(range(places), min(GROUPS, places))):
            got = 0
            while got < MiB:
                part = os.pread(descriptor, MiB - got, place * MiB + got)
                if not part:
                    raise ShortRead(path.name)
                got += len(part)
            total += got
        return total
    finally:
        os.close(descriptor)


def known_order(mount: Mount, *, skip: int) -> Figure:
    """An epoch whose order the daemon was told: the median of open + whole read + close behind the first files."""
    names = _names(mount.path / "epoch")
    random.Random(2).shuffle(names)
    times, total = [], 0
    with mount.ordered(names):
        for name in names:
            begun = time.perf_counter()
            total += _whole(name)
            times.append(time.perf_counter() - begun)
    return Figure(statistics.median(times[skip:] or times) * 1e3, total, {"files_a_second": len(names) / sum(times)})

"""Who reads: processes with one habit each. Whatever they see is compared with what must be there; an error is a finding.

Retries hide the storage's faults from every reader, so nothing is forgiven here: no errno, no short read, no name missing.
"""

import errno
import mmap
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.mixed.content import Content
from bench.records import Records

MiB = 1 << 20
REPORT_SECONDS = 2.0
RANDOM_THREADS = 4


class Wrong(Exception):
    """What must never happen. The sentence says what was seen."""


class Mounted:
    """The mount as one process uses it. State: counts since the last report, under `_lock`, as a habit may use threads."""

    def __init__(self, root: Path, content: Content, records: Records, habit: str) -> None:
        self.root = root
        self.content = content
        self._records = records
        self._habit = habit
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {"bytes": 0, "reads": 0, "opens": 0, "entries": 0, "longest": 0.0}
        self._reported = time.monotonic()

    def count(self, longest: float = 0.0, **more: int) -> None:
        with self._lock:
            for name, value in more.items():
                self._seen[name] += value
            self._seen["longest"] = max(self._seen["longest"], longest)
            if time.monotonic() - self._reported > REPORT_SECONDS:
                self._report()

    def report(self) -> None:
        with self._lock:
            self._report()

    def _report(self) -> None:
        self._records.add("seen", habit=self._habit, **self._seen)
        self._seen = dict.fromkeys(self._seen, 0)
        self._reported = time.monotonic()

    def wrong(self, sentence: str) -> None:
        self._records.add("wrong", habit=self._habit, sentence=sentence)

    def open(self, key: str) -> int:
        self.count(opens=1)
        descriptor = os.open(self.root / key, os.O_RDONLY)
        if (size := os.fstat(descriptor).st_size) != self.content.sizes[key]:
            os.close(descriptor)
            raise Wrong(f"{key}: size {size}, {self.content.sizes[key]} it has")
        return descriptor

    def close(self, descriptor: int) -> None:
        """The kernel forgets its pages, so that whoever reads them next asks the daemon again."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)

    def read(self, descriptor: int, key: str, offset: int, length: int) -> None:
        """A short read is continued, as a program would."""
        got, begun = bytearray(), time.monotonic()
        while len(got) < length and (part := os.pread(descriptor, length - len(got), offset + len(got))):
            got += part
        self.check(key, offset, length, got)
        self.count(longest=time.monotonic() - begun, bytes=len(got), reads=1)

    def check(self, key: str, offset: int, length: int, got: bytes | bytearray) -> None:
        expected = self.content.expected(key, offset, length)
        if got != expected:
            at = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), None)
            raise Wrong(
                f"{key}: {length} bytes at {offset}: {len(got)} read, {len(expected)} expected, differing at {at}"
            )

    def whole(self, key: str, step: int) -> None:
        descriptor = self.open(key)
        try:
            for offset in range(0, self.content.sizes[key] + 1, step):  # and once at the end, which must be there
                self.read(descriptor, key, offset, step)
        finally:
            self.close(descriptor)


Habit = Callable[[Mounted, random.Random, float], None]


def streaming(mounted: Mounted, choose: random.Random, until: float) -> None:
    """Large files in order, in pieces of any size; sometimes two places of one file in turns."""
    while time.monotonic() < until:
        key = choose.choice([key for key in mounted.content.large if key.startswith("stream/")])
        size, step = mounted.content.sizes[key], choose.choice((64 << 10, 128 << 10, MiB, 4 * MiB))
        places = [0] if choose.random() < 0.6 else [0, size // 2]
        descriptor = mounted.open(key)
        try:
            for offset in range(0, size // len(places), step):
                for place in places:
                    mounted.read(descriptor, key, place + offset, step)
                if time.monotonic() > until:
                    return
        finally:
            mounted.close(descriptor)


def here_and_there(mounted: Mounted, choose: random.Random, until: float) -> None:
    """Four threads on one descriptor of the huge file; every tenth place is a page fault of a mapping."""
    key = "random/big.bin"
    size = mounted.content.sizes[key]
    descriptor = mounted.open(key)

    def reader(seed: float) -> None:
        pick = random.Random(seed)
        while time.monotonic() < until:
            length = pick.choice((4096, 4096, 128 << 10, 300_001))
            offset = pick.randrange(size)
            if pick.random() < 0.1:
                mounted.check(key, offset, length, view[offset : offset + length])
                mounted.count(bytes=min(length, size - offset), reads=1)
            else:
                mounted.read(descriptor, key, offset, length)
                os.posix_fadvise(descriptor, offset, length, os.POSIX_FADV_DONTNEED)

    try:
        with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as view, ThreadPoolExecutor(RANDOM_THREADS) as pool:
            list(pool.map(reader, [choose.random() for _ in range(RANDOM_THREADS)]))
    finally:
        mounted.close(descriptor)


def small_files(mounted: Mounted, choose: random.Random, until: float) -> None:
    """A folder in order; a folder shuffled; a sample of all folders, as an image folder's epoch takes them."""
    folders = list(mounted.content.small.values())
    while time.monotonic() < until:
        kind = choose.randrange(3)
        keys = (
            list(choose.choice(folders))
            if kind < 2
            else [key for folder in folders for key in choose.sample(folder, 5)]
        )
        if kind:
            choose.shuffle(keys)
        for key in keys:
            mounted.whole(key, MiB)
            if time.monotonic() > until:
                return


def walking(mounted: Mounted, choose: random.Random, until: float) -> None:
    """`find` with sizes over everything, or `ls -l` of one folder: exactly what is there; and names that are not."""
    while time.monotonic() < until:
        below = "" if choose.random() < 0.3 else choose.choice(list(mounted.content.folders_of_tree()))
        found: dict[str, int] = {}
        for folder, _, names in os.walk(mounted.root / below, onerror=_raised):
            for name in names:
                path = os.path.join(folder, name)
                found[os.path.relpath(path, mounted.root)] = os.lstat(path).st_size
        there = {key: size for key, size in mounted.content.sizes.items() if key.startswith(below)}
        if found != there:
            odd = sorted(set(found.items()) ^ set(there.items()))
            raise Wrong(
                f"find {below or '/'}: {len(found)} entries, {len(there)} are there; first difference: {odd[0]}"
            )
        mounted.count(entries=len(found))
        if os.path.lexists(mounted.root / below / "is not there"):
            raise Wrong(f"{below}: a name that is not there was found")
        time.sleep(choose.uniform(0, 1))


def _raised(error: OSError) -> None:
    raise error


HABITS: dict[str, Habit] = {
    "streams": streaming,
    "random": here_and_there,
    "small files": small_files,
    "walks": walking,
}


def read(habit: str, root: Path, content: Content, log: Path, plan: tuple[int, float]) -> None:
    """One process's life: `plan` is its seed and the moment it ends. After a finding it goes on, to find more."""
    seed, until = plan
    mounted, choose = Mounted(root, content, Records(log), habit), random.Random(seed)
    while time.monotonic() < until:
        try:
            HABITS[habit](mounted, choose, until)
        except Wrong as wrong:
            mounted.wrong(str(wrong))
        except OSError as error:
            mounted.wrong(f"{errno.errorcode.get(error.errno or 0, error.errno)}: {error}")
            time.sleep(0.2)
    mounted.report()

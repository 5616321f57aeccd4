"""The reading processes: each does at random what programs do, compares every byte, and records what it saw.

A handle is pinned to a version: whatever is read through it must be of one generation, entirely. Which generations it
may be is judged afterwards, when the history is complete.
"""

import errno
import mmap
import os
import random
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.records import Records
from bench.soak.changer import COMING_AND_GOING, REPLACED, STABLE
from bench.soak.truth import body, generation_in, size_of

MiB = 1 << 20
PAUSE_AFTER_ERROR = 0.2
FEWEST = 48
"""The shortest read: it holds a whole word wherever it begins."""


class WrongBytes(Exception):
    """What must never happen. The sentence says what was read."""


class OpenFile:
    """One handle and what was read through it."""

    def __init__(self, root: Path, key: str) -> None:
        self.key = key
        self.opened = time.monotonic()
        self.generation: int | None = None
        self.bytes = 0
        self.longest = 0.0
        self.descriptor = os.open(root / key, os.O_RDONLY)
        self.size = os.fstat(self.descriptor).st_size

    def read(self, offset: int, length: int) -> None:
        """Exactly what the file has there; a short read is continued, as a program would."""
        parts: list[bytes] = []
        got = 0
        while got < length:
            begun = time.monotonic()
            part = os.pread(self.descriptor, length - got, offset + got)
            self.longest = max(self.longest, time.monotonic() - begun)
            if not part:
                break
            parts.append(part)
            got += len(part)
        self.check(offset, length, b"".join(parts))

    def check(self, offset: int, length: int, data: bytes) -> None:
        generation = generation_in(self.key, offset, data) or self.generation
        if generation is None:
            raise WrongBytes(f"{self.key}: {len(data)} bytes at {offset} are of no version of it: {data[:32].hex()}")
        if self.generation not in (None, generation):
            raise WrongBytes(
                f"{self.key}: generations {self.generation} and {generation} through one handle, at {offset}"
            )
        self.generation = generation
        if self.size != size_of(self.key, generation):
            raise WrongBytes(
                f"{self.key}: size {self.size}, generation {generation} has {size_of(self.key, generation)}"
            )
        expected = body(self.key, generation, offset, offset + length)
        if data != expected:
            at = next(
                (i for i, (a, b) in enumerate(zip(data, expected, strict=False)) if a != b),
                min(len(data), len(expected)),
            )
            raise WrongBytes(
                f"{self.key}: generation {generation}, {length} bytes at {offset}: {len(data)} read, {len(expected)} expected, "
                f"differing at {at}: {data[at : at + 32].hex()}"
            )
        self.bytes += len(data)

    def close(self) -> None:
        os.close(self.descriptor)


class Reader:
    """One process. `root` is the mountpoint; everything it does follows from the seed and what the mount answers."""

    def __init__(self, root: Path, records: Records, seed: int) -> None:
        self.root = root
        self.records = records
        self.choose = random.Random(seed)
        self.jobs: dict[str, Callable[[], None]] = {
            "sequential": self.sequential,
            "random": self.here_and_there,
            "mmap": self.mapped,
            "small": self.small_files,
            "walk": self.walk,
            "reopen": self.reopen,
            "hold": self.hold,
        }

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            name = self.choose.choices(list(self.jobs), weights=(3, 4, 2, 4, 1, 3, 2))[0]
            begun = time.monotonic()
            try:
                self.jobs[name]()
            except WrongBytes as wrong:
                self.records.add("wrong", job=name, sentence=str(wrong), since=begun, until=time.monotonic())

    def key(self) -> str:
        return self.choose.choice(self.choose.choice((STABLE[:1], STABLE, REPLACED[:4], REPLACED, COMING_AND_GOING)))

    @contextmanager
    def opened(self, key: str, job: str) -> Iterator[OpenFile | None]:
        """None, and recorded, where it cannot be opened. An OSError while it is open is recorded too."""
        begun, file = time.monotonic(), None
        try:
            file = OpenFile(self.root, key)
            yield file
        except OSError as error:
            self._failed(job, key, error, begun, opened=file is not None)
            if file is None:
                yield None
        finally:
            if file is not None:
                self._saw(file, job)
                self._close(file, job)

    def _close(self, file: OpenFile, job: str) -> None:
        try:
            file.close()
        except OSError as error:
            self._failed(job, file.key, error, file.opened, opened=True)

    def _failed(self, job: str, key: str, error: OSError, since: float, *, opened: bool) -> None:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        self.records.add("error", job=job, key=key, errno=name, since=since, until=time.monotonic(), opened=opened)
        time.sleep(PAUSE_AFTER_ERROR)

    def _saw(self, file: OpenFile, job: str) -> None:
        if file.generation is not None:
            self.records.add(
                "read", job=job, key=file.key, generation=file.generation, bytes=file.bytes, longest=file.longest,
                since=file.opened, until=time.monotonic(),
            )  # fmt: skip

    def sequential(self) -> None:
        with self.opened(self.key(), "sequential") as file:
            if file is not None:
                self._all_of(file, self.choose.choice((64 << 10, 128 << 10, MiB)))

    def _all_of(self, file: OpenFile, step: int) -> None:
        for offset in range(0, max(1, file.size - FEWEST), step):
            last = offset + step >= file.size - FEWEST
            file.read(offset, step + FEWEST if last else step)  # beyond the end too: it must be where it is

    def here_and_there(self) -> None:
        with self.opened(self.key(), "random") as file:
            if file is not None:
                for _ in range(self.choose.randrange(5, 80)):
                    self._anywhere(file)

    def _anywhere(self, file: OpenFile) -> None:
        offset = self.choose.randrange(max(1, file.size - FEWEST))
        file.read(offset, self.choose.choice((FEWEST, 4096, 4096, 100_000, 128 << 10, 300_001)))

    def small_files(self) -> None:
        folder = self.choose.choice(("stable/small", "replaced"))
        keys = [key for key in STABLE + REPLACED if key.startswith(f"{folder}/")]
        start = self.choose.randrange(len(keys))
        for key in keys[start : start + self.choose.randrange(5, 60)]:
            with self.opened(key, "small") as file:
                if file is not None:
                    file.read(0, file.size + 1)

    def reopen(self) -> None:
        key = self.key()
        for _ in range(self.choose.randrange(2, 8)):
            with self.opened(key, "reopen") as file:
                if file is not None:
                    file.read(0, min(file.size, 4096))
            time.sleep(self.choose.uniform(0, 0.3))

    def hold(self) -> None:
        """A handle that stays open while others replace the file."""
        with self.opened(self.choose.choice(REPLACED + COMING_AND_GOING), "hold") as file:
            if file is not None:
                for _ in range(self.choose.randrange(2, 6)):
                    self._anywhere(file)
                    time.sleep(self.choose.uniform(0, 2))

    def walk(self) -> None:
        """`find`: names and sizes of everything."""
        begun, entries, complete = time.monotonic(), dict[str, int](), True

        def failed(error: OSError) -> None:
            nonlocal complete
            complete = False
            place = os.path.relpath(error.filename or self.root, self.root)
            self._failed("walk", place, error, begun, opened=False)

        for folder, _, names in os.walk(self.root, onerror=failed):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    entries[os.path.relpath(path, self.root)] = os.lstat(path).st_size
                except FileNotFoundError:
                    continue  # judged as absent, like a name that was not listed
                except OSError as error:
                    failed(error)
                    return
        self.records.add("walk", entries=entries, complete=complete, since=begun, until=time.monotonic())

    def mapped(self) -> None:
        """In a child, because a page that cannot be had is SIGBUS."""
        key, begun, seed = self.key(), time.monotonic(), self.choose.random()
        child = os.fork()
        if child == 0:
            self._in_child(key, random.Random(seed))
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            name = signal.Signals(os.WTERMSIG(status)).name
            self.records.add("error", job="mmap", key=key, errno=name, since=begun, until=time.monotonic(), opened=True)
            time.sleep(PAUSE_AFTER_ERROR)
        elif status:
            raise RuntimeError(f"the child that maps {key} failed with {os.WEXITSTATUS(status)}")

    def _in_child(self, key: str, choose: random.Random) -> None:
        begun, status = time.monotonic(), 1
        try:
            with self.opened(key, "mmap") as file:
                if file is not None:
                    with mmap.mmap(file.descriptor, 0, prot=mmap.PROT_READ) as view:
                        for _ in range(choose.randrange(3, 40)):
                            offset = choose.randrange(max(1, file.size - FEWEST))
                            length = choose.choice((FEWEST, 4096, 200_000))
                            file.check(offset, length, view[offset : offset + length])
            status = 0
        except WrongBytes as wrong:
            self.records.add("wrong", job="mmap", sentence=str(wrong), since=begun, until=time.monotonic())
            status = 0
        finally:
            if status:
                traceback.print_exc()
            os._exit(status)


def read(root: str, log: Path, seed: int, until: float) -> None:
    Reader(Path(root), Records(log), seed).run(until)

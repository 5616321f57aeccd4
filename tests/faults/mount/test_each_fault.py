"""Each fault that the emulator can make, under a real mount, while a tree is walked, small files are read, and a large
one is read in order and at random: bytes exact or a clean errno (never ENOENT, never an empty folder), in bounded time."""

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mountd.emulator import Emulator, Fault
from tests.faults.mount.arranged import DEADLINE, MIXED, Program, serving, state_of, until
from tests.fixtures.daemons import Node

pytestmark = pytest.mark.fuse

LARGE = 32 << 20
SMALL = 300
FOLDERS = 12
BOUND = 2 * DEADLINE + 1
"""Seconds: a read that failed inside the kernel's read-ahead is asked once more by the kernel before a program is told."""

FAULTS = {
    "latency": Fault("latency", probability=0.5, seconds=0.02, jitter=0.05),
    "bandwidth": Fault("bandwidth", bytes_per_second=6e6),
    "busy": Fault("busy", probability=0.3, retry_after=0.1),
    "busy-lasting": Fault("busy", retry_after=1),
    "internal-error": Fault("busy", probability=0.3, code="InternalError"),
    "reset-before": Fault("reset_before", probability=0.3),
    "reset-after": Fault("reset_after", probability=0.3),
    "reset-lasting": Fault("reset_before"),
    "truncate": Fault("truncate", probability=0.4, after_bytes=50_000),
    "truncate-small": Fault("truncate", probability=0.3, after_bytes=100),
    "stall": Fault("stall", probability=0.02, after_bytes=3_000),
    "stall-lasting": Fault("stall"),
    "expired": Fault("expired", probability=0.2),
    "expired-lasting": Fault("expired"),
}
CORRUPTING = {
    "corrupt": Fault("corrupt", ("GetBlob",), probability=0.3, after_bytes=77),
    "corrupt-lasting": Fault("corrupt", ("GetBlob",), after_bytes=77),
}
UNNOTICED = {
    "latency",
    "bandwidth",
    "busy",
    "internal-error",
    "reset-before",
    "reset-after",
    "truncate",
    "truncate-small",
}
"""What retries hide altogether."""


def body(name: str, number: int) -> bytes:
    return random.Random(f"{name} {number}").randbytes(200 + 37 * number)


def large(offset: int, size: int) -> bytes:
    """What the large file has there."""
    start = offset % len(MIXED)
    whole = MIXED * (2 + (start + size) // len(MIXED))
    return whole[start : start + min(size, LARGE - offset)]


def fill(emulator: Emulator, names: list[str]) -> None:
    container = emulator.container("data")
    for name in names:
        for number in range(SMALL):
            container.put(f"{name}/small/{number:03d}", body(name, number))
            container.put(f"{name}/tree/folder{number % FOLDERS:02d}/é {number:03d}", b"x" * number)
        container.fill(f"{name}/large", MIXED, LARGE)
        container.fill(f"{name}/random", MIXED, LARGE)


def served(tmp_path_factory: pytest.TempPathFactory, names: list[str], **stores: object):
    folder = tmp_path_factory.mktemp("node")
    (folder / "mnt").mkdir()
    node = Node(folder)
    with Emulator() as emulator:
        fill(emulator, names)
        try:
            yield emulator, serving(node, stores=stores, box=emulator)
        finally:
            node.clean()


@pytest.fixture(scope="module")
def service(_fuse, tmp_path_factory):
    yield from served(tmp_path_factory, list(FAULTS))


@pytest.fixture(scope="module")
def checking(_fuse, tmp_path_factory):
    """A service that asks for a checksum of each range."""
    yield from served(tmp_path_factory, list(CORRUPTING), block_checksums="true")


def walk(program: Program, top: Path, name: str) -> bool:
    """Whether all was seen."""
    truth = {f"folder{number % FOLDERS:02d}/é {number:03d}": number for number in range(SMALL)}
    seen = program.walk(top / "tree")
    unlisted = {path for path, size in seen.items() if size < 0}
    for path in {path for path, size in seen.items() if size >= 0}:
        assert seen[path] == truth[path]
    if not program.told:
        assert seen == truth
    assert unlisted or program.told or len(seen) == SMALL
    return len(seen) == SMALL and not unlisted


def small_files(program: Program, top: Path, name: str) -> bool:
    exact = 0
    for number in range(SMALL):
        data = program.read(top / "small" / f"{number:03d}") if program.patient else None
        if data is not None:
            assert data == body(name, number)
            exact += 1
    return exact == SMALL


def in_order(program: Program, top: Path, name: str) -> bool:
    data = program.read(top / "large")
    if data is not None:
        assert data == large(0, LARGE)
    return data is not None


def at_random(program: Program, top: Path, name: str) -> bool:
    places = random.Random(name)
    file = program.call(os.open, top / "random", os.O_RDONLY)
    if file is None:
        return False
    exact = 0
    try:
        for _ in range(40):
            offset, size = places.randrange(LARGE), places.choice([1, 4096, 100_000])
            data = program.call(os.pread, file, size, offset) if program.patient else None
            if data is not None:
                # The kernel gives what came before a failure: a part is no less exact, and never empty.
                true = large(offset, size)
                assert data == true[: len(data) or size]
                exact += data == true
    finally:
        os.close(file)
    return exact == 40


WORK = {"walk": walk, "small-files": small_files, "in-order": in_order, "at-random": at_random}


CASES = [(name, work) for name in FAULTS for work in WORK if not (name.endswith("lasting") and work == "in-order")]
"""A large file that nobody answers for is one read at random more."""


@pytest.mark.parametrize(("name", "work"), CASES)
def test_exact_or_a_clean_errno_in_bounded_time(service, name, work):
    emulator, node = service
    top = node.path / "box" / name
    program = Program()
    fault = FAULTS[name]
    if work == "walk" and fault.probability < 1:
        fault = replace(fault, probability=0.5)  # it takes a handful of requests only
    emulator.faults.set(fault, seed=len(name))
    try:
        whole = WORK[work](program, top, name)
        assert emulator.faults.happened()[0] > 0
    finally:
        emulator.faults.clear()
    assert program.slowest < BOUND, program.told
    assert whole or program.told
    if name in UNNOTICED:
        assert whole, program.told
    # and it comes back by itself
    until(lambda: WORK[work](Program(), top, name), 5, "everything is read once the fault is gone")
    if name.endswith("lasting"):
        assert state_of(node, "box") == "ok"


@pytest.mark.parametrize("name", CORRUPTING)
@pytest.mark.parametrize("work", ["small-files", "in-order", "at-random"])
def test_changed_bytes_are_found_by_checksums(checking, work, name):
    """Without `block_checksums` nothing would find them but TLS, which the emulator's plain HTTP lacks."""
    emulator, node = checking
    top = node.path / "box" / name
    program = Program(patience=3)
    emulator.faults.set(CORRUPTING[name], seed=1)
    try:
        whole = WORK[work](program, top, name)
        assert emulator.faults.happened()[0] > 0
    finally:
        emulator.faults.clear()
    assert program.slowest < BOUND
    assert whole == (name == "corrupt"), program.told
    until(lambda: WORK[work](Program(), top, name), 5, "everything is read once the fault is gone")

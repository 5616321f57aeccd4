"""A node with little memory: the daemon keeps to what its cgroup has, whatever is asked of it, and every byte is right."""

import os
import random
import threading
from collections.abc import Iterator

import pytest

from mountd.emulator import Emulator
from mountd.types import KiB, MiB
from tests.fixtures.cgroups import MemoryGroup, memory_group
from tests.fixtures.daemons import Node

LIMIT = 320 * MiB
PEAK = 300 * MiB
HANDLES = 500
READS = 8  # by each
FILE = 64 * MiB
FILES = 20
SIZES = (1, 4 * KiB, 4 * KiB, 100_000, 128 * KiB, 300 * KiB, MiB)
PATTERN = random.Random(4).randbytes(9 * MiB + 4099)  # its period is no multiple of anything that is read


@pytest.fixture
def group() -> Iterator[MemoryGroup | None]:
    with memory_group(LIMIT) as made:
        yield made


@pytest.fixture
def storage() -> Iterator[Emulator]:
    with Emulator() as emulator:
        container = emulator.container("data")
        for number in range(FILES):
            container.fill(f"{number:02}.bin", PATTERN, FILE)
        yield emulator


def expected(offset: int, size: int) -> bytes:
    start = offset % len(PATTERN)
    return (PATTERN[start:] + PATTERN)[:size] if start + size > len(PATTERN) else PATTERN[start : start + size]


class Readers:
    """500 handles, a thread each, all at once; what went wrong, by anyone."""

    def __init__(self, root: os.PathLike[str]) -> None:
        self.wrong: list[str] = []
        self.bytes = 0
        self._root = root
        self._lock = threading.Lock()

    def run(self) -> None:
        threads = [threading.Thread(target=self._read, args=(number,)) for number in range(HANDLES)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _read(self, number: int) -> None:
        chance = random.Random(number)
        handle = os.open(os.path.join(self._root, f"{number % FILES:02}.bin"), os.O_RDONLY)
        try:
            for _ in range(READS):
                offset, size = chance.randrange(FILE), chance.choice(SIZES)
                found = os.pread(handle, size, offset)
                if found != expected(offset, min(size, FILE - offset)):
                    self.wrong.append(f"{size} bytes at {offset} of {number}")
                with self._lock:
                    self.bytes += len(found)
        except OSError as error:
            self.wrong.append(f"{number}: {error}")
        finally:
            os.close(handle)


@pytest.mark.fuse
def test_500_handles_reading_at_random_in_320_mib(group: MemoryGroup | None, storage: Emulator, node: Node) -> None:
    """Where no cgroup can be made, the same daemon with the budget that it would choose there: only the kill cannot happen."""
    config = node.folder / "memory.yaml"
    config.write_text("" if group is not None else f"cache: {{memory: {LIMIT // 8}}}\n")
    node.wrapper = group.wrapper if group is not None else []
    node.mount(f"{storage.endpoint}/data", "--config", config, AZURE_STORAGE_KEY=storage.key)
    assert node.asked("cache", "usage")["memory_limit"] == LIMIT // 8
    readers = Readers(node.path)
    readers.run()
    assert readers.wrong == []
    assert readers.bytes > 500 * MiB
    assert node.process is not None
    assert node.process.poll() is None
    assert group is None or group.kills() == 0
    assert node.peak_memory() <= PEAK
    shown = figures(node)
    assert shown['mountd_memory_budget_bytes{state="limit"}'] == LIMIT // 8
    assert 0 < shown['mountd_memory_budget_bytes{state="used"}'] <= LIMIT // 8
    assert shown['mountd_disk_budget_bytes{state="used"}'] <= shown['mountd_disk_budget_bytes{state="limit"}']
    assert shown["mountd_resident_bytes"] <= PEAK
    assert 0 < shown["mountd_threads"] < 120
    assert set(limits(shown, "mountd_store_in_flight_limit")) == {64}
    assert node.stop() == 0


def figures(node: Node) -> dict[str, float]:
    """What /metrics says now, by name and labels."""
    lines = node.control("metrics").stdout.splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def limits(shown: dict[str, float], name: str) -> list[float]:
    return [value for key, value in shown.items() if key.startswith(name + "{")]

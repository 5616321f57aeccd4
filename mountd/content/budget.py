"""The one memory budget: every byte in flight and every byte cached was reserved here first.

Promises: reserved never exceeds the limit; what is cached is given up before a wanted reservation fails; requests in flight for one
storage leave half of what the others left, so that one that stalls cannot take the memory of all. Knows nothing of
blocks: whoever caches tells it how to make room.
"""

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mountd.content.config import SMALLEST_MEMORY
from mountd.types import MiB

LARGEST_DEFAULT = 160 * MiB
DEFAULT_PART = 8
LARGEST_QUEUE = 8 * MiB


@dataclass(frozen=True, slots=True)
class Parts:
    """What `cache.memory` is spent on: `blocks` in flight and cached, `idle` buffers between two uses, `queue` of what waits to be
    written to the disk tier, and the rest, a sixteenth, on holes in the heap."""

    blocks: int
    idle: int
    queue: int

    @classmethod
    def of(cls, memory: int, *, disk: bool) -> "Parts":
        queue = min(LARGEST_QUEUE, memory // 8) if disk else 0
        idle = holes = memory // 16
        return cls(memory - queue - idle - holes, idle, queue)


class Flight:
    """The bytes in flight for one storage."""

    __slots__ = ("bytes",)

    def __init__(self) -> None:
        self.bytes = 0


class MemoryBudget:
    """Mutable state: `reserved` (all), `in_flight` (the part of it that cannot be given up)."""

    def __init__(self, limit: int, give_up: Callable[[int], int]) -> None:
        self.limit = limit
        self.reserved = 0
        self.in_flight = 0
        self._give_up = give_up

    def launch(self, flight: Flight, size: int, *, wanted: bool) -> bool:
        """Reserves `size` for a fetch; False: not now. A fetch ahead (not `wanted`) leaves half of the budget to readers."""
        room = self.limit if wanted else self.limit // 2
        if self.in_flight + size > room:
            return False
        if flight.bytes and flight.bytes + size > (self.limit - (self.in_flight - flight.bytes)) // 2:
            return False
        if not self.reserve(size):
            return False
        self.in_flight += size
        flight.bytes += size
        return True

    def land(self, flight: Flight, size: int, *, kept: bool) -> None:
        """A fetch ended. Kept bytes stay reserved, and can be given up from now on."""
        self.in_flight -= size
        flight.bytes -= size
        if not kept:
            self.reserved -= size

    def reserve(self, size: int) -> bool:
        """Reserves, giving up cached bytes if need be; False if what is left cannot be given up."""
        missing = self.reserved + size - self.limit
        if missing > 0 and self._give_up(missing) < missing:
            return False
        self.reserved += size
        return True

    def release(self, size: int) -> None:
        self.reserved -= size


def default_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """An eighth of what this process may use: the machine's memory or the tightest of its cgroups' limits (v1 or v2)."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        found = re.search(r"^MemTotal:\s+(\d+) kB", (proc / "meminfo").read_text(), re.MULTILINE)
        limits = [int(found[1]) * 1024] if found else limits
    limits += _cgroup_limits(proc, cgroups)
    return max(min(min(limits) // DEFAULT_PART, LARGEST_DEFAULT), SMALLEST_MEMORY)


def _cgroup_limits(proc: Path, cgroups: Path) -> list[int]:
    """Every limit on the way from this process's memory cgroup to the root. In a container the path may not be visible;
    then the root shown there is the container's own."""
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            roots, name = [cgroups, cgroups / "unified"], "memory.max"
        elif "memory" in controllers.split(","):
            roots, name = [cgroups / "memory"], "memory.limit_in_bytes"
        else:
            continue
        for root in roots:
            folder = root / path.lstrip("/")
            while folder != root and root in folder.parents:
                limits += _limit(folder / name)
                folder = folder.parent
            limits += _limit(root / name)
    return limits


def _limit(file: Path) -> list[int]:
    """The number in a limit's file; none for "max", and for what cannot be read (the cgroup is not ours to see)."""
    try:
        text = file.read_text().strip()
    except OSError:
        return []
    return [int(text)] if text.isdecimal() and int(text) > 0 else []

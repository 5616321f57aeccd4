"""The cache's settings, each with the reason for its default."""

from dataclasses import dataclass

from mountd.settings import Unit, setting
from mountd.types import GiB, MiB

SMALLEST_MEMORY = 16 * MiB


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """How many bytes may be held where. Sizes in bytes; 0 means: worked out from the machine."""

    memory: int = setting(
        0,
        "Everything in flight and cached, with what keeping it takes; beside it the daemon itself takes 80 MiB, listings theirs."
        " 0: an eighth of the cgroup's or machine's memory, at most 160 MiB, because the kernel's page cache is the big one and the"
        " job needs the rest. Never less than 16 MiB: a few requests in flight.",
        unit=Unit.SIZE,
    )
    disk: int = setting(
        10 * GiB,
        "The disk tier, where there is a cache directory: as much as a node's system disk can spare unasked.",
        unit=Unit.SIZE,
    )
    disk_free: int = setting(
        2 * GiB,
        "Free space the disk tier leaves to others: it gives up its oldest bytes before the file system falls below this.",
        unit=Unit.SIZE,
    )
    disk_write_rate: int = setting(
        0,
        "Bytes a second written to the disk tier, at most; what comes faster is kept later, if it is still in memory, or not. 0:"
        " what a tenth of the processors can write while the daemon has little else to do, and three hundredths while it is busy,"
        " by what writing costs here (0.14 s of one a GB in large pieces, 0.4 in pieces of 128 KiB).",
        unit=Unit.RATE,
    )
    prefetch: bool = setting(
        True, "Fetch ahead of sequential readers and of folders read file by file; a mapping can decline."
    )

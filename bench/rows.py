"""The table: a row is one declaration of what is read, what the figure counts, and who is measured beside mountd.

Floors of the rows stand in floors.toml. rclone is measured as somebody who knows it would set it up for that row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from bench import workloads
from bench.peers import Mount
from bench.workloads import Figure

STREAMING, RANDOM = "rclone-full", "rclone-random"
NOBODY = ""
"""rclone has nothing like it."""


@dataclass(frozen=True, slots=True)
class Row:
    """`unit` is what the value counts; more is better unless it is a time. `options` are mountd's."""

    name: str
    what: str
    unit: str
    read: Callable[[Mount], Figure]
    rival: str = STREAMING
    options: tuple[str, ...] = ()

    @property
    def more_is_better(self) -> bool:
        return self.unit not in {"s", "ms"}


ROWS: Mapping[str, Row] = {
    row.name: row
    for row in (
        Row("seq", "1 GiB of one file in order, 1 MiB reads", "MB/s", workloads.sequential),
        Row("seq-par4", "four processes, 256 MiB of a file each", "MB/s", workloads.parallel),
        Row(
            "rand-128K", "four threads, 128 KiB anywhere in 4 GiB",
            "reads/s", partial(workloads.random_reads, size=128 << 10), RANDOM,
        ),
        Row(
            "rand-4K", "four threads, 4 KiB anywhere in 4 GiB",
            "reads/s", partial(workloads.random_reads, size=4 << 10), RANDOM,
        ),
        Row(
            "small-cold", "300 files of 100 kB, one after another",
            "files/s", partial(workloads.small_in_order, files=300),
        ),
        Row(
            "small-cold-8p", "1,000 files of 100 kB, shuffled, eight processes",
            "files/s", partial(workloads.small_shuffled, processes=8),
        ),
        Row(
            "small-warm", "the 300 again, the kernel's caches dropped in between",
            "files/s", partial(workloads.small_again, files=300, drop=True),
        ),
        Row(
            "small-hot", "the 300 again, the kernel's caches kept",
            "files/s", partial(workloads.small_again, files=300, drop=False),
        ),
        Row(
            "small-close-to-open", "the 300 again, every open asking the storage whether they changed",
            "files/s", partial(workloads.small_again, files=300, drop=False), NOBODY, ("-o", "freshness=close-to-open"),
        ),
        Row("find", "10,000 files in 220 folders, each with its attributes", "entries/s", workloads.walk),
        Row("ls-big", "the names of a folder of 100,000", "s", workloads.list_flat),
        Row(
            "parquet-like", "8 files: 64 KiB at the end, then 16 × 1 MiB here and there",
            "MB/s", partial(workloads.parquet_like, files=8, threads=1), RANDOM,
        ),
        Row(
            "parquet-like-4t", "16 such files, four threads",
            "MB/s", partial(workloads.parquet_like, files=16, threads=4), RANDOM,
        ),
        Row(
            "known-order", "a shuffled epoch over 4,000 files whose order mountd was told: median of open, read, close",
            "ms", partial(workloads.known_order, skip=100), NOBODY,
        ),
    )
}  # fmt: skip

CALIBRATION = "seq"
"""What rclone-full does in this row says how fast the machine is at that moment."""

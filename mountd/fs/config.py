"""Settings of the tree: how much of it is remembered, and how far names and small files are asked for ahead."""

from dataclasses import dataclass

from mountd.settings import Unit, setting
from mountd.types import MiB


@dataclass(frozen=True, slots=True)
class TreeConfig:
    cached_entries: int = setting(
        1_000_000, "Entries of listings kept in memory, about 80 bytes each; the folders used longest ago go first."
    )
    known_inodes: int = setting(
        2_000_000,
        "Inodes the kernel may remember, about 50 bytes each; above it the kernel is asked to forget folders used longest ago.",
    )
    small_file: int = setting(
        1 * MiB, "Files of at most this size are fetched ahead with their siblings.", unit=Unit.SIZE
    )
    siblings_at_first: int = setting(
        16, "Small files fetched ahead when a folder is first seen being read file by file."
    )
    siblings_at_most: int = setting(
        256,
        "Small files fetched ahead while it goes on being read so, a quarter of those read in a row: an answer that takes a tenth"
        " of a second is then there in time.",
    )
    walk: bool = setting(
        True, "When folders are listed one after the other, the tree below is listed flat: a request for 5,000 entries."
    )
    walk_repeats: int = setting(
        10_000, "Entries already listed that a flat listing may list again; beyond it folders are listed one by one."
    )
    block_size: int = setting(4096, "The block size that stat and statfs show.", unit=Unit.SIZE)

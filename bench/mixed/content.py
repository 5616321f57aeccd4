"""What the mixed load reads: every key's size, and what every byte of it must be.

A large file repeats a pattern of its own, whose length no block divides; a small one is a piece of shared noise at a place
that follows from its name. So bytes of another file, or from another place, show.
"""

import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

MiB = 1 << 20
PERIOD = 4 * MiB + 4099
NOISE = 8 * MiB


@dataclass(frozen=True)
class Content:
    """How much of each. Sizes in bytes. The same in each run and in each process."""

    streams: int = 4
    stream_size: int = 512 * MiB
    big_size: int = 4096 * MiB
    folders: int = 40
    files_a_folder: int = 75
    largest_small: int = 120_000
    tree_folders: int = 200
    tree_files: int = 20

    @cached_property
    def large(self) -> dict[str, int]:
        """Size by key."""
        return {f"stream/{n}.bin": self.stream_size + n for n in range(self.streams)} | {
            "random/big.bin": self.big_size
        }

    @cached_property
    def small(self) -> dict[str, list[str]]:
        """Keys by folder."""
        return {
            f"small/{folder:03d}": [f"small/{folder:03d}/{n:04d}.bin" for n in range(self.files_a_folder)]
            for folder in range(self.folders)
        }

    @cached_property
    def tree(self) -> list[str]:
        return [
            f"tree/{folder // 20:02d}/{folder:04d}/{n:03d}.txt"
            for folder in range(self.tree_folders)
            for n in range(self.tree_files)
        ]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Of every key."""
        small = (key for keys in self.small.values() for key in keys)
        return {**self.large, **{key: self._small_size(key) for key in small}, **dict.fromkeys(self.tree, 7)}

    def _small_size(self, key: str) -> int:
        return random.Random(key).randrange(self.largest_small)

    @cached_property
    def _patterns(self) -> dict[str, bytes]:
        return {key: random.Random(key).randbytes(PERIOD) * 2 for key in self.large}

    @cached_property
    def _noise(self) -> bytes:
        return random.Random("noise").randbytes(NOISE + self.largest_small)

    def expected(self, key: str, offset: int, length: int) -> memoryview:
        """The bytes there: fewer at the end of the file. At most PERIOD of a large file at once."""
        length = max(0, min(length, self.sizes[key] - offset))
        if key in self.large:
            start, whole = offset % PERIOD, self._patterns[key]
        elif key.startswith("small/"):
            start, whole = zlib.crc32(key.encode()) % NOISE + offset, self._noise
        else:
            start, whole = offset, b"a leaf\n"
        return memoryview(whole)[start : start + length]

    def into(self, container: Any) -> None:
        """All of it, into a container of the emulator."""
        for key, size in self.large.items():
            container.fill(key, self._patterns[key][:PERIOD], size)
        for key, size in self.sizes.items():
            if key not in self.large:
                container.put(key, bytes(self.expected(key, 0, size)))

    def folders_of_tree(self) -> Iterator[str]:
        yield from sorted({key.rpartition("/")[0] for key in self.tree})

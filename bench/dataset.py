"""The data every peer reads: large files, many small ones, a tree of folders, 100,000 names in one folder.

The emulator's own process takes it in directly (server.py); `fill` puts it into any container through
azure-storage-blob. A blob that is there and large enough is left as it is, whatever it holds.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

PATTERN = (16 << 20) + 4096
"""The large files repeat so many random bytes: no multiple of a block, so that a block in the wrong place shows."""

BIG = "big.bin"
PARALLEL = "par/%d.bin"
PARQUET = "parquet/part-%05d.parquet"
STREAMS = 4
PARQUET_FILES = 16


@dataclass(frozen=True, slots=True)
class Dataset:
    """How much of each. Sizes in bytes."""

    big_size: int = (
        4 << 30
    )  # random reads take a fraction of it: else the peer that fetches all of it answers from its disk
    stream_size: int = 256 << 20
    parquet_size: int = 128 << 20
    small_files: int = 1_000
    small_size: int = 100 << 10
    tree_folders: tuple[int, int] = (20, 10)
    tree_files: int = 50
    flat_files: int = 100_000
    epoch_files: int = 4_000
    epoch_size: int = 50 << 10

    @property
    def blobs(self) -> int:
        """How many there are."""
        outer, inner = self.tree_folders
        tree = outer * inner * self.tree_files
        return len(self.large_files()) + self.small_files + self.epoch_files + tree + self.flat_files

    def pattern(self) -> bytes:
        """What the large files repeat, the same in each run."""
        return random.Random(0).randbytes(min(PATTERN, self.big_size))

    def large_files(self) -> dict[str, int]:
        """Their sizes by key."""
        streams = {PARALLEL % number: self.stream_size for number in range(STREAMS)}
        return {BIG: self.big_size, **streams, **{PARQUET % n: self.parquet_size for n in range(PARQUET_FILES)}}

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Every other (key, bytes), the same in each run."""
        choose = random.Random(1)
        noise = choose.randbytes(max(self.small_size, self.epoch_size) * 2)
        for pattern, files, size in (
            ("small/%05d.bin", self.small_files, self.small_size),
            ("epoch/%05d.bin", self.epoch_files, self.epoch_size),
        ):
            for number in range(files):
                at = choose.randrange(size)
                yield pattern % number, noise[at : at + size]
        for outer in range(self.tree_folders[0]):
            for inner in range(self.tree_folders[1]):
                for number in range(self.tree_files):
                    yield f"tree/{outer:02d}/{inner:02d}/{number:03d}.dat", b"leaf"
        for number in range(self.flat_files):
            yield f"flat/{number:06d}", b""

    def into(self, container: Any) -> None:
        """All of it, into a container of the emulator."""
        pattern = self.pattern()
        for key, size in self.large_files().items():
            container.fill(key, pattern, size)
        for key, data in self.objects():
            container.put(key, data)


FULL = Dataset()
QUICK = Dataset(
    big_size=32 << 20, stream_size=4 << 20, parquet_size=4 << 20, small_files=320, small_size=20_000, tree_folders=(5, 4),
    tree_files=10, flat_files=2_000, epoch_files=150, epoch_size=5_000,
)  # fmt: skip


def fill(endpoint: str, key: str, container: str, dataset: Dataset) -> None:
    """Uploads what is missing or too small, with sixteen threads."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    with ContainerClient(endpoint, container, credential=key) as client:
        try:
            client.create_container()
        except ResourceExistsError:
            pass  # somebody's: filled up below
        have = {blob.name: blob.size for blob in client.list_blobs()}
        missing = [item for item in dataset.objects() if have.get(item[0], -1) < len(item[1])]
        with ThreadPoolExecutor(16) as pool:
            for done in pool.map(lambda item: client.upload_blob(*item, overwrite=True), missing):
                done.close()
        pattern = dataset.pattern()
        for key, size in dataset.large_files().items():
            if have.get(key, -1) < size:
                whole, rest = divmod(size, len(pattern))
                parts = chain(repeat(pattern, whole), (pattern[:rest],))
                client.upload_blob(key, parts, length=size, overwrite=True).close()

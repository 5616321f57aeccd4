"""The data every peer reads: a large file, a huge one for random reads, small ones, a deep tree, 100,000 names in a folder.

The emulator's own process takes it in directly (server.py); `fill` puts it into any container through
azure-storage-blob, and leaves what is there with the right size.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

PATTERN = (16 << 20) + 4096
"""The large files repeat so many random bytes: no multiple of a block, so that a block in the wrong place shows."""

LARGE = "large.bin"
RANDOM = "random.bin"


@dataclass(frozen=True, slots=True)
class Dataset:
    """How much of each. Sizes in bytes."""

    large_size: int = 512 << 20
    random_size: int = 4 << 30  # more than is read in a run: else the peer that fetches all of it answers from its disk
    small_files: int = 2_000
    small_size: int = 100_000
    tree_folders: int = 500
    tree_files: int = 20
    flat_files: int = 100_000

    @property
    def blobs(self) -> int:
        return 2 + self.small_files + self.tree_folders * self.tree_files + self.flat_files

    def pattern(self) -> bytes:
        """What the large files repeat, the same in each run."""
        return random.Random(0).randbytes(min(PATTERN, self.large_size))

    def large_files(self) -> dict[str, int]:
        """Their sizes by key."""
        return {LARGE: self.large_size, RANDOM: self.random_size}

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Every other (key, bytes), the same in each run."""
        choose = random.Random(1)
        noise = choose.randbytes(self.small_size * 2)
        for number in range(self.small_files):
            at = choose.randrange(self.small_size)
            yield f"small/{number:05d}.bin", noise[at : at + self.small_size]
        for folder in range(self.tree_folders):
            for number in range(self.tree_files):
                yield f"tree/{folder // 25:02d}/{folder:04d}/{number:03d}.txt", b"leaf"
        for number in range(self.flat_files):
            yield f"flat/{number:06d}", b""

    def into(self, container: Any) -> None:
        """All of it, into a container of the emulator."""
        for key, size in self.large_files().items():
            container.fill(key, self.pattern(), size)
        for key, data in self.objects():
            container.put(key, data)


FULL = Dataset()
QUICK = Dataset(
    large_size=16 << 20, small_files=100, small_size=20_000, tree_folders=50, tree_files=4, flat_files=2_000
)


def fill(endpoint: str, key: str, container: str, dataset: Dataset) -> None:
    """Uploads what is missing, with sixteen threads."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    with ContainerClient(endpoint, container, credential=key) as client:
        try:
            client.create_container()
        except ResourceExistsError:
            pass  # somebody's: filled up below
        have = {blob.name: blob.size for blob in client.list_blobs()}
        missing = [item for item in dataset.objects() if have.get(item[0]) != len(item[1])]
        with ThreadPoolExecutor(16) as pool:
            for done in pool.map(lambda item: client.upload_blob(*item, overwrite=True), missing):
                done.close()
        pattern = dataset.pattern()
        for key, size in dataset.large_files().items():
            if have.get(key) != size:
                whole, rest = divmod(size, len(pattern))
                parts = chain(repeat(pattern, whole), (pattern[:rest],))
                client.upload_blob(key, parts, length=size, overwrite=True).close()

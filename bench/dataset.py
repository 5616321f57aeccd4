"""The data every peer reads: one large file, a folder of small ones, a deep tree, a flat folder of 100,000 names.

The emulator's own process takes it in directly (server.py); `fill` puts it into any container through
azure-storage-blob, and leaves what is there with the right size.
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

PATTERN = (16 << 20) + 4096
"""The large file repeats so many random bytes: no multiple of a block, so that a block in the wrong place shows."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """How much of each. Sizes in bytes."""

    large_size: int = 512 << 20
    small_files: int = 2_000
    small_size: int = 100_000
    tree_folders: int = 500
    tree_files: int = 20
    flat_files: int = 100_000

    @property
    def blobs(self) -> int:
        return 1 + self.small_files + self.tree_folders * self.tree_files + self.flat_files

    def pattern(self) -> bytes:
        """What the large file repeats, the same in each run."""
        return random.Random(0).randbytes(min(PATTERN, self.large_size))

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


LARGE = "large.bin"
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
        if have.get(LARGE) != dataset.large_size:
            pattern = dataset.pattern()
            whole = pattern * -(-dataset.large_size // len(pattern))
            client.upload_blob(LARGE, whole[: dataset.large_size], overwrite=True, max_concurrency=8).close()

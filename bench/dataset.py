"""The data every peer reads: one large file, a folder of small ones, a deep tree, a flat folder of 100,000 names.

`fill` puts it into any container through azure-storage-blob; the emulator's own process takes it in directly (server.py).
"""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dataset:
    """How much of each. Sizes in bytes."""

    large_size: int = 512 << 20
    small_files: int = 2_000
    small_size: int = 100_000
    tree_folders: int = 500
    tree_files: int = 20
    flat_files: int = 100_000

    def objects(self, seed: int = 1) -> Iterator[tuple[str, bytes]]:
        """Every (key, bytes), the same in each run."""
        choose = random.Random(seed)
        yield "large.bin", choose.randbytes(self.large_size)
        noise = choose.randbytes(self.small_size * 2)
        for number in range(self.small_files):
            at = choose.randrange(self.small_size)
            yield f"small/{number:05d}.bin", noise[at : at + self.small_size]
        for folder in range(self.tree_folders):
            for number in range(self.tree_files):
                yield f"tree/{folder // 25:02d}/{folder:04d}/{number:03d}.txt", b"leaf"
        for number in range(self.flat_files):
            yield f"flat/{number:06d}", b""


def fill(endpoint: str, key: str, container: str, dataset: Dataset) -> None:
    """Uploads the dataset; what is there with the right size already is left."""
    from azure.core.exceptions import ResourceExistsError
    from azure.storage.blob import ContainerClient

    client = ContainerClient(endpoint, container, credential=key)
    try:
        client.create_container()
    except ResourceExistsError:
        print(f"using the container {container} as it is")
    have = {blob.name: blob.size for blob in client.list_blobs()}
    missing = ((name, body) for name, body in dataset.objects() if have.get(name) != len(body))
    with ThreadPoolExecutor(16) as pool:
        for done in pool.map(lambda item: client.upload_blob(item[0], item[1], overwrite=True), missing):
            done.close()

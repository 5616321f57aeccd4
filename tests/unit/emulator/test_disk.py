"""On disk: what was acknowledged is there after a restart, whatever it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import BlobServiceClient, BlobType

from mountd.emulator import Emulator
from mountd.emulator.disk import DirectoryInUse


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    data = os.urandom(300_000)
    with (
        Emulator(directory=tmp_path) as emulator,
        BlobServiceClient(emulator.endpoint, credential=emulator.key) as service,
    ):
        container = service.create_container("data", metadata={"team": "a"}, public_access="blob")
        blob = container.upload_blob("ü//%", data, metadata={"m": "1"}, tags={"t": "2"})
        blob.create_snapshot()
        before = blob.get_blob_properties()
        staged = container.get_blob_client("staged")
        staged.stage_block("MDE=", b"one")
        staged.stage_block("MDI=", b"two")
        log = container.get_blob_client("log")
        log.upload_blob(b"a", blob_type=BlobType.APPENDBLOB)
        log.append_block(b"b")
        page = container.get_blob_client("page")
        page.create_page_blob(1024)
        page.upload_page(b"p" * 512, 512, 512)
        leased = container.upload_blob("leased", b"")
        leased.acquire_lease(-1)
        container.upload_blob("gone", b"").delete_blob()
        emulator.container("helped").put("x", b"y")
    with (
        Emulator(directory=tmp_path) as emulator,
        BlobServiceClient(emulator.endpoint, credential=emulator.key) as service,
    ):
        container = service.get_container_client("data")
        properties = container.get_container_properties()
        assert (properties.metadata, properties.public_access) == ({"team": "a"}, "blob")
        blob = container.get_blob_client("ü//%")
        after = blob.get_blob_properties()
        assert (after.etag, after.metadata, after.last_modified) == (before.etag, before.metadata, before.last_modified)
        assert blob.download_blob().readall() == data
        assert blob.get_blob_tags() == {"t": "2"}
        assert len(list(container.list_blobs(include=["snapshots"]))) == 5
        container.get_blob_client("staged").commit_block_list(["MDI=", "MDE="])
        assert container.get_blob_client("staged").download_blob().readall() == b"twoone"
        assert container.get_blob_client("log").download_blob().readall() == b"ab"
        assert container.get_blob_client("page").download_blob().readall() == bytes(512) + b"p" * 512
        with pytest.raises(HttpResponseError):
            container.delete_blob("leased")
        assert not container.get_blob_client("gone").exists()
        assert emulator.container("helped").get("x") == b"y"
        blob.upload_blob(b"new", overwrite=True)
        assert blob.get_blob_properties().etag != before.etag
    with Emulator(directory=tmp_path) as emulator:
        assert emulator.container("data").get("ü//%") == b"new"
        assert emulator.container("data").get("staged") == b"twoone"


def test_a_killed_emulator_loses_nothing_acknowledged(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "mountd.emulator",
        "--port",
        "0",
        "--directory",
        str(tmp_path),
        "--container",
        "data",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            endpoint = process.stdout.readline().split()[-1]
            with BlobServiceClient(endpoint, credential=Emulator.__init__.__defaults__[1]) as service:
                service.get_blob_client("data", "x").upload_blob(b"kept" * 1000)
        finally:
            process.kill()
    with Emulator(directory=tmp_path) as emulator:
        assert emulator.container("data").get("x") == b"kept" * 1000


def test_a_directory_has_one_emulator(tmp_path: Path) -> None:
    with Emulator(directory=tmp_path), pytest.raises(DirectoryInUse, match="Another emulator"):
        Emulator(directory=tmp_path)


def test_regions_that_hold_nothing_are_deleted(tmp_path: Path) -> None:
    with Emulator(directory=tmp_path) as emulator:
        container = emulator.container("data")
        container.put("x", b"1")
        container.delete("x")
        assert list(tmp_path.glob("region-*"))
    Emulator(directory=tmp_path).close()
    assert not list(tmp_path.glob("region-*"))

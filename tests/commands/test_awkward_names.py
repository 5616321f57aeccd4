"""Names and kinds of blobs as they come, through real mounts on the emulator and on Azurite: every awkward name once, under its
documented spelling, with its bytes; `find`, `ls` and `tar` as on any folder."""

import errno
import os
import subprocess
import tarfile
from dataclasses import dataclass

import pytest
import trio
from azure.storage.blob import BlobServiceClient, BlobType, StandardBlobTier

from mountd.definitions import AccountKey, DatastoreDefinition, DatastoreKind, Secret
from mountd.emulator import Emulator
from mountd.stores.config import StoreConfig
from mountd.stores.opening import open_store

pytestmark = pytest.mark.fuse

DEEP = "/".join(["d" * 101] * 10) + "/" + "e" * 4
LONG = {"k" * 1024: "", "s" * 300 + "/t": "/t", "é" * 255: "", "😀" * 512: "", "n" * 256: ""}
"""Keys with a segment over 255 bytes, and what follows that segment."""

SPELLED = {
    **{
        name: name
        for name in (
            *(
                "plain/x.txt",
                "a b",
                " lead",
                "trail ",
                "a%20b",
                "%",
                "%2F",
                "%zz",
                "a?b",
                "a#b",
                "a+b",
                "a&b=c;d,e",
                "...",
            ),
            *("dot.", "d./e.", "café", "cafe\u0301", "😀", "\u200b", "\u202ertl", "日本語/深い/ファイル.txt"),
            *(".hidden", "~t", "e:f@g!$'()*[]{}|^`\"<>", "tab\tx", "line\nx", "&amp;", "]]>", "-rf", "con", "nul.txt"),
            *("AbC", "abc", "n" * 255, DEEP, "plain ~~ tilde", "both/in"),
        )
    },
    "a//b": "a/~~empty/b",
    "/lead": "~~empty/lead",
    "//": "~~empty/~~empty/~~blob~",
    "dots/./x": "dots/~~dot/x",
    "dots/../y": "dots/~~dotdot/y",
    ".": "~~dot",
    "..": "~~blob~..",
    "../../etc/passwd": "~~dotdot/~~dotdot/etc/passwd",
    "both": "~~blob~both",
    "full/": "full/~~blob~",
    "full/z": "full/z",
    "~~dot": "~~~dot",
    "~~~": "~~~~",
}
NOT_ON_AZURITE = {name: name for name in ("back\\slash", "x\x01y", "x\x7fy", "cr\rx")}
"""Azurite makes a slash of a backslash, and fails a listing that holds a character that XML cannot."""


@dataclass
class Account:
    kind: str
    endpoint: str
    name: str
    key: str
    container: str

    def put(self, *keys: str) -> None:
        """Each with its own key as content. By our own client: Microsoft's resolves `..` before it sends."""
        definition = DatastoreDefinition(
            "awkward",
            DatastoreKind.BLOB,
            account=self.name,
            container=self.container,
            endpoint=self.endpoint,
            allow_http=True,
            credential=AccountKey(Secret(self.key)),
        )

        async def put() -> None:
            store = open_store(definition, StoreConfig())
            for key in keys:
                await store.put(key, key.encode())
            await store.aclose()

        trio.run(put)

    def client(self) -> BlobServiceClient:
        return BlobServiceClient(self.endpoint, credential=self.key)

    def mounted(self, node, *options: object):
        return node.mount(f"{self.endpoint}/{self.container}", *options, AZURE_STORAGE_KEY=self.key)


@pytest.fixture(params=["emulator", "azurite"])
def account(request):
    if request.param == "azurite":
        azurite = request.getfixturevalue("azurite")
        yield Account("azurite", azurite.endpoint, azurite.account, azurite.key, azurite.container())
        return
    with Emulator() as emulator:
        emulator.container("data")
        yield Account("emulator", emulator.endpoint, emulator.account, emulator.key, "data")


def found(top) -> list[str]:
    listed = subprocess.run(["find", ".", "-type", "f", "-print0"], cwd=top, capture_output=True, check=True)
    return sorted(os.fsdecode(path).removeprefix("./") for path in listed.stdout.split(b"\0") if path)


def test_every_awkward_name_is_there_once_with_its_bytes(node, account, tmp_path):
    spelled = SPELLED | ({} if account.kind == "azurite" else NOT_ON_AZURITE)
    account.put(*spelled, *LONG)
    account.mounted(node)
    everything = found(node.path)
    long = {path for path in everything if path.startswith("~~long~")}
    assert sorted(set(everything) - long) == sorted(spelled.values())
    assert len(everything) == len(spelled) + len(LONG)
    for key, path in spelled.items():
        assert (node.path / path).read_bytes() == key.encode(), key
    assert {(node.path / path).read_text() for path in long} == set(LONG)
    for path in long:
        assert len(os.fsencode(path.partition("/")[0])) <= 255
        key = (node.path / path).read_text()
        assert path.endswith(LONG[key])
        assert path.split("~")[4][:20] == key[:20]  # how the segment begins
    listed = subprocess.run(["ls", "-laR", node.path], capture_output=True, check=False)
    assert (listed.returncode, listed.stderr) == (0, b"")
    subprocess.run(["tar", "cf", tmp_path / "all.tar", "-C", node.path, "."], check=True)
    with tarfile.open(tmp_path / "all.tar") as archive:
        packed = {
            member.name.removeprefix("./"): archive.extractfile(member).read() for member in archive if member.isfile()
        }
    assert sorted(packed) == everything
    assert all(packed[path] == key.encode() for key, path in spelled.items())


def test_awkward_names_are_found_without_a_listing(node, account):
    """Each by its path, on a mount that has listed nothing yet."""
    spelled = SPELLED | ({} if account.kind == "azurite" else NOT_ON_AZURITE)
    account.put(*spelled)
    account.mounted(node)
    for key, path in reversed(spelled.items()):
        assert (node.path / path).read_bytes() == key.encode(), key
    for path in ("~~empty/nothing", "a/b", "etc/passwd", "~~blob~plain", "~~hex~00", "~~long~0~kkk", "ABC", "cafe"):
        assert not (node.path / path).exists(), path


def test_the_doctor_counts_them(node, account):
    account.put("a//b", "/lead", "k" * 1024, "both", "both/in", "plain")
    account.mounted(node)
    (name,) = [found["name"] for found in node.asked("datastore", "list") if found["kind"] == "blob"]
    awkward = {found["key"]: found["path"] for found in node.asked("datastore", "doctor", name)["awkward"]}
    assert set(awkward) == {"a//b", "/lead", "k" * 1024, "both"}
    assert {key: (node.path / path).read_text() for key, path in awkward.items()} == {key: key for key in awkward}


def arranged(account: Account) -> None:
    """One blob of each kind, by Microsoft's client."""
    with account.client() as client, client.get_container_client(account.container) as container:
        container.upload_blob("block", b"block " * 1000, metadata={"owner": "me", "Year": "2024"})
        container.upload_blob("append", b"append " * 1000, blob_type=BlobType.APPENDBLOB)
        container.upload_blob("page", b"page" * 1024, blob_type=BlobType.PAGEBLOB)
        container.upload_blob("empty", b"")
        container.upload_blob("cold", b"cold")
        with container.get_blob_client("cold") as blob:
            blob.set_standard_blob_tier(StandardBlobTier.ARCHIVE)
        with container.get_blob_client("block") as blob:
            blob.create_snapshot()
            blob.upload_blob(b"newer " * 1000, overwrite=True, metadata={"owner": "me", "Year": "2024"})
        container.upload_blob("link", b"block", metadata={"is_symlink": "true"})
        container.upload_blob("folder/link", b"../append", metadata={"is_symlink": "true"})
        container.upload_blob("marked1/", b"")
        container.upload_blob("marked2", b"", metadata={"hdi_isfolder": "true"})
        container.upload_blob("full1/", b"")
        container.upload_blob("full1/in", b"in")
        container.upload_blob("full2", b"", metadata={"hdi_isfolder": "true"})
        container.upload_blob("full2/in", b"in")


def test_every_kind_of_blob(node, account):
    arranged(account)
    account.mounted(node)
    assert sorted(os.listdir(node.path)) == [
        *("append", "block", "cold", "empty", "folder", "full1", "full2", "link", "marked1", "marked2", "page")
    ]
    # Snapshots do not appear, and what is read is the newest.
    assert (node.path / "block").read_bytes() == b"newer " * 1000
    assert (node.path / "append").read_bytes() == b"append " * 1000
    assert (node.path / "page").read_bytes() == b"page" * 1024
    assert (node.path / "empty").read_bytes() == b""
    # Both kinds of folder markers.
    assert [sorted(os.listdir(node.path / f"marked{number}")) for number in (1, 2)] == [[], []]
    assert [sorted(os.listdir(node.path / f"full{number}")) for number in (1, 2)] == [["in"], ["in"]]
    # Links.
    assert os.readlink(node.path / "link") == "block"
    assert (node.path / "link").read_bytes() == b"newer " * 1000
    assert (node.path / "folder" / "link").read_bytes() == b"append " * 1000
    # An archived blob is listed, and fails with a sentence.
    assert (node.path / "cold").stat().st_size == 4
    with pytest.raises(OSError) as refused:
        (node.path / "cold").read_bytes()
    assert refused.value.errno == errno.EOPNOTSUPP
    assert "archive" in node.log
    assert "Rehydrate" in node.log
    assert node.asked("stat", "/cold")["tier"] == "Archive"
    # What stands beside the bytes.
    block = node.path / "block"
    beside = sorted(os.listxattr(block))
    year = "Year" if account.kind == "azurite" else "year"  # the emulator keeps header names in lower case
    names = ("content_type", "etag", f"metadata.{year}", "metadata.owner", "tier")
    assert set(beside) == {f"user.{name}" for name in names}
    with account.client() as client, client.get_blob_client(account.container, "block") as blob:
        properties = blob.get_blob_properties()
    assert os.getxattr(block, "user.etag").decode() == properties.etag.strip('"')
    assert os.getxattr(block, "user.content_type") == b"application/octet-stream"
    assert os.getxattr(block, "user.tier").decode() == properties.blob_tier == "Hot"
    assert os.getxattr(block, f"user.metadata.{year}") == b"2024"
    assert os.getxattr(node.path / "cold", "user.tier") == b"Archive"
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(block, "user.nothing")
    numbers = {path: path.lstat().st_ino for path in node.path.rglob("*")}
    times = {path: path.lstat().st_mtime_ns for path in node.path.rglob("*")}
    assert len(set(numbers.values())) == len(numbers)
    assert node.stop() == 0
    account.mounted(node)
    assert sorted(os.listxattr(block)) == beside  # nothing is listed yet: the blob itself was asked
    assert {path: path.lstat().st_ino for path in node.path.rglob("*")} == numbers
    assert {path: path.lstat().st_mtime_ns for path in node.path.rglob("*")} == times

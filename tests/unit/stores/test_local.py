"""What is particular to a folder on a disk: it never leaves it, and serves what others put there."""

import errno
import os
import socket
from pathlib import Path

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mountd.errors import AccessDenied, NoContainer, NotFound, PreconditionFailed, StoreError, Unavailable, Unsupported
from mountd.stores.interface import IF_ABSENT, Properties
from mountd.stores.local import LocalStore
from mountd.stores.local.names import NAME_BYTES, is_plain, meaning, spelled
from mountd.types import Version
from tests.fixtures.stores import whole


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("not yours")
    path = tmp_path / "store"
    path.mkdir()
    return path


@pytest.fixture
def store(folder: Path) -> LocalStore:
    return LocalStore(str(folder))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_ordinary_keys_are_ordinary_files(store: LocalStore, folder: Path) -> None:
    await store.put("run 1/metrics.csv", b"a,b\n")
    assert (folder / "run 1/metrics.csv").read_bytes() == b"a,b\n"
    (folder / "by-hand").mkdir()
    (folder / "by-hand/x.txt").write_text("hello")
    version = (await store.stat("by-hand/x.txt")).version
    assert await store.read(version, 0, 5) == b"hello"
    assert (await whole(store, recursive=True)).keys == ["by-hand/x.txt", "run 1/metrics.csv"]


@pytest.mark.parametrize("key", ["../secret", "a/../../secret", "/etc/passwd", "//etc/passwd", "link/secret", "."])
async def test_no_key_leads_out(store: LocalStore, folder: Path, key: str) -> None:
    (folder / "link").symlink_to("..")
    with pytest.raises(NotFound):
        await store.stat(key)
    with pytest.raises(NotFound):
        await store.read(Version(key, "x", 1, 0), 0, 1)
    with pytest.raises(NotFound):
        await store.delete(key)
    try:
        await store.put(key, b"mine")
    except StoreError:
        pass  # behind a link there is no folder to put it in
    assert (folder.parent / "secret").read_text() == "not yours"
    assert sorted(os.listdir(folder.parent)) == ["secret", "store"]


async def test_a_symbolic_link_is_its_target_as_content(store: LocalStore, folder: Path) -> None:
    """SEMANTICS 11; it is never followed."""
    (folder / "link").symlink_to("../secret")
    listed = await whole(store)
    assert listed.keys == ["link"]
    assert listed.traits[0].metadata == {"is_symlink": "true"}
    found = await store.stat("link")
    assert found == listed.info(0)
    assert await store.read(found.version, 0, found.version.size) == b"../secret"
    copy = await store.copy(found.version, "copy")
    assert (await store.stat("copy")).traits.metadata == {"is_symlink": "true"}
    assert await store.read(copy, 0, copy.size) == b"../secret"
    await store.put("link", b"a file now")
    assert not (folder / "link").is_symlink()
    assert (folder.parent / "secret").read_text() == "not yours"


async def test_what_is_no_file_is_no_part_of_it(store: LocalStore, folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        (folder / ".~mountd-x").write_text("spells nothing")
        (folder / ".~mountd-lhalf").mkdir()
        (folder / ".~mountd-bplain").write_text("a spelling that is shadowed")
        (folder / "plain").write_text("x")
        (folder / os.fsdecode(b"not-utf-8-\xff")).write_text("x")
        assert (await whole(store, recursive=True)).keys == ["plain"]
        assert (await whole(store)).folders == []
        for key in ("pipe", "socket"):
            with pytest.raises(NotFound):
                await store.stat(key)


async def test_an_empty_folder_is_its_own_marker(store: LocalStore, folder: Path) -> None:
    (folder / "empty").mkdir()
    assert (await whole(store)).folders == ["empty/"]
    assert (await whole(store, "empty/")).keys == ["empty/"]
    assert (await whole(store, recursive=True)).keys == ["empty/"]
    found = (await store.stat("empty/")).version
    assert found.size == 0
    assert found == (await whole(store, "empty/")).info(0).version
    await store.delete("empty/")
    assert os.listdir(folder) == []


async def test_an_edit_in_place_is_another_version(store: LocalStore, folder: Path) -> None:
    version = await store.put("file", b"one")
    with (folder / "file").open("r+b") as file:
        file.write(b"two")
    with pytest.raises(PreconditionFailed):
        await store.read(version, 0, 3)


async def test_a_write_during_a_read_is_noticed(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = await store.put("file", b"one")
    real = os.pread

    def interrupted(descriptor: int, size: int, offset: int) -> bytes:
        (folder / "file").write_bytes(b"two")
        return real(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", interrupted)
    with pytest.raises(PreconditionFailed):
        await store.read(version, 0, 3)


async def test_a_page_that_failed_is_asked_again_and_repeats_nothing(
    store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"{folder}/{name}" for folder in "abc" for name in "123"]
    for key in keys:
        await store.put(key, b"")
    real, calls = os.getxattr, iter(range(1000))

    def unsteady(*args: object, **options: object) -> bytes:
        if next(calls) % 4 == 3:
            raise OSError(errno.EIO, "bad sector")
        return real(*args, **options)

    monkeypatch.setattr(os, "getxattr", unsteady)
    pages, seen, failures = store.list("", recursive=True, page_size=2), [], 0
    while True:
        try:
            seen += (await anext(pages)).keys
        except StopAsyncIteration:
            break
        except Unavailable:
            failures += 1
    assert seen == keys
    assert failures


async def test_no_two_contents_share_an_etag_whatever_the_clock_does(folder: Path) -> None:
    store = LocalStore(str(folder), wall_clock=lambda: 1_700_000_000_000_000_000)
    etags = set()
    for number in range(50):
        etags.add((await store.put("file", b"%02d" % number)).etag)
        await store.delete("file")
    assert len(etags) == 50


async def test_properties_lie_in_one_extended_attribute(store: LocalStore, folder: Path) -> None:
    await store.put("file", b"x", properties=Properties(content_type="text/csv", metadata={"a": "b"}))
    assert os.listxattr(folder / "file") == ["user.mountd.properties.1"]
    os.setxattr(folder / "file", "user.mountd.properties.1", b"{broken")
    with pytest.raises(StoreError, match="damaged"):
        await store.stat("file")


async def test_properties_that_would_be_lost_are_refused(store: LocalStore, folder: Path) -> None:
    with pytest.raises(Unsupported):
        await store.put("file", b"x", properties=Properties(tier="Cool"))
    with pytest.raises(Unsupported):
        await store.put("file", b"x", properties=Properties(metadata={"long": "x" * 9000}))
    assert files(folder) == []


async def test_a_failed_write_leaves_nothing(store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StoreError, match="No space left"):
        await store.put("file", b"x")
    monkeypatch.undo()
    assert files(folder) == []
    assert (await whole(store)).folders == []


async def test_unfinished_files_of_a_crash_are_swept_once_old(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = folder / ".~mountd-t"
    left.mkdir()
    (left / "young").write_text("another process may be writing it")
    await store.put("file", b"x")
    assert files(folder) == [".~mountd-t/young", "file"]
    monkeypatch.setattr("mountd.stores.local.unfinished.OLD_SECONDS", -3600)
    await LocalStore(str(folder)).put("file", b"x")  # as a later process does
    assert files(folder) == ["file"]


async def test_if_absent_holds_between_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two stores on one folder share no lock, and neither sees the other's file in time: the disk itself decides."""
    monkeypatch.setattr("mountd.stores.local.store._check", lambda *_: None)
    one, two = LocalStore(str(folder)), LocalStore(str(folder))
    await one.put("file", b"one", condition=IF_ABSENT)
    with pytest.raises(StoreError) as caught:
        await two.put("file", b"two", condition=IF_ABSENT)
    assert caught.value.code == "already_exists"
    assert (folder / "file").read_bytes() == b"one"


async def test_a_folder_that_may_not_be_read_is_refused_and_not_empty(
    store: LocalStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "closed").mkdir()
    (folder / "closed/file").write_text("x")
    opened = os.open

    def refusing(path, flags, *args, **options):
        if path == "closed":
            raise PermissionError(errno.EACCES, "no")
        return opened(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", refusing)
    for call in (
        lambda: whole(store, "closed/"),
        lambda: whole(store, recursive=True),
        lambda: store.stat("closed/file"),
    ):
        with pytest.raises(AccessDenied):
            await call()


async def test_a_disk_that_went_away_is_no_empty_folder(store: LocalStore, folder: Path) -> None:
    await store.put("file", b"x")
    os.rename(folder, folder.parent / "elsewhere")
    with pytest.raises(NoContainer):
        await whole(store)
    with pytest.raises(NoContainer):
        await store.stat("file")


async def test_no_descriptor_is_left_open(store: LocalStore, folder: Path) -> None:
    async def everything() -> None:
        version = await store.put("a/b/c", b"x")
        await store.read(version, 0, 1)
        await store.copy(version, "s" * 300 + "/x//y")
        await whole(store, recursive=True, page_size=1)
        for key in ("a/b/c/d", "nothing", "a/b/c/"):
            with pytest.raises(NotFound):
                await store.stat(key)
        await store.delete("a/b/c")

    await everything()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        await everything()
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_file_removed_between_two_pages_hurts_nobody(store: LocalStore, folder: Path) -> None:
    for name in ("a/1", "b/1", "c/1", "d"):
        await store.put(name, b"")
    seen: list[str] = []
    async for page in store.list("", recursive=True, page_size=1):
        seen += page.keys
        if seen == ["a/1"]:
            await store.delete("b/1")
            await store.delete("c/1")
    assert seen == ["a/1", "d"]


@given(st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=300))
@settings(max_examples=300)
def test_every_segment_has_one_reversible_spelling(segment: str) -> None:
    for is_folder in (True, False):
        names = spelled(segment, folder=is_folder)
        assert all(0 < len(name.encode()) <= NAME_BYTES and not is_plain(name) for name in names)
        letters, pieces = zip(*map(meaning, names), strict=True)
        assert "".join(pieces) == segment
        assert letters == ("l",) * (len(names) - 1) + ("f" if is_folder else "b",)
    if is_plain(segment):
        assert meaning(segment) == ("", segment)


segments = st.sampled_from(["", ".", "..", "a", "b", "a!", ".~mountd-bx", "s" * 260, "\u00e9" * 130])
keys = st.lists(segments, min_size=1, max_size=4).map("/".join).filter(bool)


@given(st.lists(st.tuples(keys, st.booleans()), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_holds_what_a_dictionary_holds(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, bool]]
) -> None:
    """Files and folders of one name come and go in any order."""

    async def play() -> None:
        path = tmp_path_factory.mktemp("model")
        store, model = LocalStore(str(path)), {}
        for number, (key, is_put) in enumerate(changes):
            if is_put:
                model[key] = await store.put(key, b"%d" % number)
            elif model.pop(key, None):
                await store.delete(key)
            else:
                with pytest.raises(NotFound):
                    await store.delete(key)
        listed = await whole(store, recursive=True, page_size=2)
        assert [listed.info(row).version for row in range(len(listed.keys))] == [model[key] for key in sorted(model)]
        if not model:
            assert [name for name in os.listdir(path) if name != ".~mountd-t"] == []

    trio.run(play)

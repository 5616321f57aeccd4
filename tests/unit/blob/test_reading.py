"""Listing and reading one container, on Azurite and on the emulator."""

import pytest

from mountd.definitions import DatastoreDefinition
from mountd.emulator import Emulator
from mountd.errors import Archived, NoContainer, NotFound, PreconditionFailed, StoreError
from mountd.stores.blob import BlobStore
from mountd.stores.interface import Reader
from mountd.types import BlobKind, ListPage, ObjectInfo, Version
from tests.fixtures.azurite import Azurite
from tests.unit.blob.conftest import on_emulator, opened

AWKWARD = [
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
        "dot.",
        "...",
    ),
    *(
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f600",
        "\u200b",
        "a//b",
        "/x",
        "//",
        "x/",
        "x",
        "x/y",
        "./a",
        "a/./b",
        "a/../b",
        "..",
    ),
    *(
        "a/.../b",
        ".hidden",
        "~t",
        "e:f@g!$'()*[]{}|^`\"<>",
        "tab\tx",
        "line\nx",
        "k" * 1024,
        "s" * 300 + "/t",
        "&amp;",
        "]]>",
    ),
]
# Azurite makes a slash of a backslash, and fails a listing that holds a character XML cannot.
EMULATOR_ONLY = ["a\\b", "x\x01y", "x\x7fy", "\ufffe", "cr\rx", "\x85", "%41\x02"]


async def whole(store: Reader, prefix: str = "", **options: object) -> ListPage:
    """Every page of a listing as one."""
    result = ListPage()
    async for page in store.list(prefix, **options):
        first = len(result.keys)
        result.keys += page.keys
        result.etags += page.etags
        result.sizes += page.sizes
        result.modified_ns += page.modified_ns
        result.folders += page.folders
        result.traits |= {first + row: traits for row, traits in page.traits.items()}
    return result


async def reads_all(store: BlobStore, names: list[str]) -> None:
    for name in names:
        await store.put(name, name.encode() * 2)
    listed = await whole(store, recursive=True, page_size=7)
    assert sorted(listed.keys) == sorted(names)
    for row, name in enumerate(listed.keys):
        version = listed.info(row).version
        assert version.size == 2 * len(name.encode())
        assert (await store.stat(name)).version == version
        assert bytes(await store.read(version, 0, version.size)) == name.encode() * 2


async def test_awkward_names_are_listed_and_read_as_they_are(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        await reads_all(store, AWKWARD)


async def test_names_that_only_the_emulator_holds(emulator: Emulator) -> None:
    emulator.container("data")
    async with opened(on_emulator(emulator)) as store:
        await reads_all(store, EMULATOR_ONLY)


async def test_nfc_and_nfd_are_two_names(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        await store.put("caf\u00e9", b"composed")
        await store.put("cafe\u0301", b"decomposed")
        for name, content in (("caf\u00e9", b"composed"), ("cafe\u0301", b"decomposed")):
            version = (await store.stat(name)).version
            assert bytes(await store.read(version, 0, version.size)) == content


async def test_one_level_folds_what_is_below(definition: DatastoreDefinition) -> None:
    async with opened(definition) as store:
        for name in ("top", "d/a", "d/b/c", "d/b/e", "d//x", "e/f"):
            await store.put(name, b"1")
        top = await whole(store, page_size=2)
        assert (top.keys, top.folders) == (["top"], ["d/", "e/"])
        below = await whole(store, "d/")
        assert (below.keys, below.folders) == (["d/a"], ["d//", "d/b/"])
        assert (await whole(store, "nothing/")).keys == []
        assert (await whole(store, "d/b/", recursive=True)).keys == ["d/b/c", "d/b/e"]


async def test_an_empty_container_is_an_empty_listing_and_a_missing_one_an_error(
    definition: DatastoreDefinition,
) -> None:
    async with opened(definition) as store:
        assert (await whole(store, recursive=True)).keys == []
    missing = DatastoreDefinition(
        **{name: getattr(definition, name) for name in definition.__slots__} | {"container": "no-such"}
    )
    async with opened(missing) as store:
        with pytest.raises(NoContainer) as caught:
            await whole(store)
        assert caught.value.request_id
        with pytest.raises(NoContainer):
            await store.stat("x")
        with pytest.raises(NoContainer):
            await store.read(Version("x", "e", 1, 0), 0, 1)


async def test_ranges_are_exact(definition: DatastoreDefinition) -> None:
    content = bytes(range(256)) * 4000
    async with opened(definition) as store:
        for name in ("plain", "a//b"):  # through obstore, and through REST
            version = await store.put(name, content)
            assert version.size == len(content)
            for start, stop in ((0, 1), (0, len(content)), (len(content) - 1, len(content)), (77777, 888888)):
                assert bytes(await store.read(version, start, stop)) == content[start:stop]


@pytest.mark.parametrize("key", ["plain", "a//b"])
async def test_another_version_is_never_read(definition: DatastoreDefinition, key: str) -> None:
    async with opened(definition) as store:
        old = await store.put(key, b"old")
        new = await store.put(key, b"new")
        assert new.etag != old.etag
        with pytest.raises(PreconditionFailed) as caught:
            await store.read(old, 0, 3)
        assert caught.value.request_id
        await store.delete(key)
        with pytest.raises((NotFound, PreconditionFailed)):
            await store.read(new, 0, 3)
        with pytest.raises(NotFound) as gone:
            await store.stat(key)
        assert gone.value.request_id


async def test_traits_are_there_for_what_is_not_plain(azurite: Azurite) -> None:
    definition = azurite.definition()
    with azurite.client() as client, client.get_container_client(definition.container) as container:
        container.get_blob_client("plain").upload_blob(b"p")
        container.get_blob_client("dir").upload_blob(b"", metadata={"hdi_isfolder": "true"})
        container.get_blob_client("link").upload_blob(b"to", metadata={"is_symlink": "true"})
        container.get_blob_client("append").upload_blob(b"log", blob_type="AppendBlob")
        container.get_blob_client("page").upload_blob(b"\0" * 512, blob_type="PageBlob")
        container.get_blob_client("plain").create_snapshot()
    async with opened(definition) as store:
        listed = await whole(store)
        found = {key: listed.traits.get(row) for row, key in enumerate(listed.keys)}
        assert set(found) == {"plain", "dir", "link", "append", "page"}, "snapshots do not appear"
        assert found["plain"] is None
        assert found["dir"].metadata == {"hdi_isfolder": "true"}
        assert found["link"].metadata == {"is_symlink": "true"}
        assert (found["append"].kind, found["page"].kind) == (BlobKind.APPEND, BlobKind.PAGE)
        for row, key in enumerate(listed.keys):
            version = listed.info(row).version
            if version.size:
                assert len(await store.read(version, 0, version.size)) == version.size, key
        assert (await store.stat("append")).traits.kind is BlobKind.APPEND
        assert (await store.stat("dir")).traits.metadata == {"hdi_isfolder": "true"}


async def test_an_archived_blob_fails_with_a_sentence(emulator: Emulator) -> None:
    emulator.container("data").put("cold/x", b"frozen", tier="Archive")
    async with opened(on_emulator(emulator)) as store:
        listed = await whole(store, recursive=True)
        assert listed.traits[0].archived
        with pytest.raises(Archived, match="archive tier"):
            await store.read(listed.info(0).version, 0, 6)


async def test_content_encoding_is_never_decoded(definition: DatastoreDefinition) -> None:
    from mountd.stores.interface import Properties

    stored = b"\x1f\x8b not really gzip"
    async with opened(definition) as store:
        for key in ("plain", "a//b"):
            await store.put(key, stored, properties=Properties(content_encoding="gzip", content_type="text/x"))
            info: ObjectInfo = await store.stat(key)
            assert (info.traits.content_encoding, info.traits.content_type) == ("gzip", "text/x")
            assert bytes(await store.read(info.version, 0, info.version.size)) == stored


async def test_a_listing_left_half_way_leaves_nothing(emulator: Emulator) -> None:
    container = emulator.container("data")
    for number in range(30):
        container.put(f"{number:03}")
    async with opened(on_emulator(emulator)) as store:
        pages = store.list("", recursive=True, page_size=10)
        first = await pages.__anext__()
        assert first.keys == [f"{number:03}" for number in range(10)]
        assert (await whole(store, recursive=True)).keys[-1] == "029"


async def test_a_page_that_failed_is_asked_again(emulator: Emulator) -> None:
    from mountd.emulator.faults import Fault

    container = emulator.container("data")
    for number in range(30):
        container.put(f"{number:03}")
    async with opened(on_emulator(emulator)) as store:
        pages = store.list("", recursive=True, page_size=10)
        keys = (await pages.__anext__()).keys
        emulator.faults.set(Fault("busy", count=1))
        seen = 0
        while len(keys) < 30:
            try:
                keys += (await pages.__anext__()).keys
            except StoreError:
                seen += 1
        assert (keys, seen) in (
            ([f"{number:03}" for number in range(30)], 1),
            ([f"{number:03}" for number in range(30)], 0),
        )

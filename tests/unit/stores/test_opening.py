"""From a definition to a store that works, and the precise reason where it does not."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mountd.definitions import (
    AccountKey,
    Anonymous,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    SasToken,
    Secret,
)
from mountd.emulator import Emulator, Fault
from mountd.errors import (
    AccessDenied,
    CannotTell,
    CredentialExpired,
    InvalidDefinition,
    MissingExtra,
    NoContainer,
    StoreError,
    Throttled,
    Unavailable,
    UnknownAccount,
)
from mountd.stores.config import StoreConfig
from mountd.stores.opening import create_container, open_store
from mountd.stores.probe import probe
from tests.fixtures.stores import whole

CONFIG = StoreConfig(connect_timeout=1.0, stall_timeout=2.0, deadline=5.0)


def blob(emulator: Emulator, container: str = "data", credential: Credential | None = None) -> DatastoreDefinition:
    return DatastoreDefinition(
        "box",
        DatastoreKind.BLOB,
        account=emulator.account,
        container=container,
        endpoint=emulator.endpoint,
        allow_http=True,
        credential=credential or AccountKey(Secret(emulator.key)),
    )


async def test_every_kind_opens(emulator: Emulator, tmp_path: Path) -> None:
    emulator.container("data")
    for definition in (
        DatastoreDefinition("m", DatastoreKind.MEMORY, container="m"),
        DatastoreDefinition("l", DatastoreKind.LOCAL, folder=str(tmp_path)),
        blob(emulator),
    ):
        await probe(definition, CONFIG)
        store = open_store(definition, CONFIG)
        version = await store.put("a/b", b"content")
        assert bytes(await store.read(version, 0, 7)) == b"content"
        await store.rotate(definition)
        assert (await whole(store, recursive=True)).keys == ["a/b"]
        await store.aclose()


async def test_a_memory_store_keeps_its_contents_when_it_is_rotated() -> None:
    definition = DatastoreDefinition("m", DatastoreKind.MEMORY)
    store = open_store(definition, CONFIG)
    await store.put("a", b"x")
    await store.rotate(replace(definition, note="changed"))
    assert (await whole(store)).keys == ["a"]


async def test_a_missing_library_is_named(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("mountd.stores.blob")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(MissingExtra, match="obstore") as caught:
        open_store(blob(emulator), CONFIG)
    assert "mountd[daemon]" in caught.value.remedy


def test_a_local_folder_is_absolute() -> None:
    with pytest.raises(InvalidDefinition, match="absolute"):
        open_store(DatastoreDefinition("l", DatastoreKind.LOCAL, folder="here"), CONFIG)


async def test_a_container_or_folder_is_made_if_there_is_none(emulator: Emulator, tmp_path: Path) -> None:
    folder = DatastoreDefinition("l", DatastoreKind.LOCAL, folder=str(tmp_path / "new"))
    for definition in (blob(emulator, "fresh"), folder, DatastoreDefinition("m", DatastoreKind.MEMORY)):
        for _ in range(2):
            await create_container(definition, CONFIG)
        await probe(definition, CONFIG)
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


async def test_each_reason_has_its_name(emulator: Emulator, tmp_path: Path) -> None:
    emulator.container("data")
    wrong = AccountKey(Secret("d3Jvbmc="))
    ended = SasToken(Secret(emulator.sas("data", expiry=1_600_000_000)))
    nowhere = DatastoreDefinition("n", DatastoreKind.BLOB, "nosuchaccount", "c", endpoint_suffix="invalid")
    reasons: list[tuple[DatastoreDefinition, type[StoreError], str]] = [
        (blob(emulator, "missing"), NoContainer, "missing"),
        (blob(emulator, credential=wrong), AccessDenied, "refused"),
        (blob(emulator, credential=ended), CredentialExpired, "2020-09-13"),
        (blob(emulator, credential=Anonymous()), CannotTell, "private or does not exist"),
        (replace(blob(emulator), endpoint="http://127.0.0.1:9/x"), Unavailable, "127.0.0.1:9"),
        (DatastoreDefinition("l", DatastoreKind.LOCAL, folder=str(tmp_path / "gone")), NoContainer, "gone"),
        (nowhere, (UnknownAccount, Unavailable), "nosuchaccount.blob.invalid"),
    ]
    for definition, reason, words in reasons:
        with pytest.raises(reason, match=words) as caught:
            await probe(definition, CONFIG)
        assert caught.value.remedy, caught.value


async def test_a_lost_connection_gets_a_second_chance_and_an_outage_a_remedy(emulator: Emulator) -> None:
    emulator.container("data")
    emulator.faults.set(Fault("reset_before", count=2))
    await probe(blob(emulator), CONFIG)
    emulator.faults.set(Fault("busy", retry_after=60.0))
    with pytest.raises(Throttled):
        await probe(blob(emulator), CONFIG)
    emulator.faults.set(Fault("stall"))
    with pytest.raises(StoreError) as caught:
        await probe(blob(emulator), StoreConfig(stall_timeout=0.3, deadline=1.0))
    assert "network" in caught.value.remedy

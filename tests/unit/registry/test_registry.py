"""The registry: what is kept, what is refused, and that nothing of a secret or of a damaged file is lost or shown."""

import os
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.definitions import (
    AccountKey,
    Anonymous,
    AzureCli,
    ClientCertificate,
    ClientSecret,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    DefaultChain,
    Freshness,
    ManagedIdentity,
    MappingDefinition,
    MappingOptions,
    Origin,
    SasToken,
    Secret,
    WorkloadIdentity,
)
from mountd.errors import (
    DirectoryUnsafe,
    InvalidDefinition,
    RegistryDamaged,
    RegistryUnavailable,
    TooNew,
    UnknownDatastore,
    UnknownMapping,
    WrongKey,
)
from mountd.registry import database
from mountd.registry.credentials import MODES, from_json, mode_of, secrets_of, to_json
from mountd.registry.records import datastore_from_json, datastore_to_json, mapping_from_json, mapping_to_json
from mountd.registry.registry import Registry
from mountd.registry.secrets import Cipher

KEY = "c2VjcmV0IGFjY291bnQga2V5IG9mIHRoZSB0ZXN0"
PEM = (
    "-----BEGIN CERTIFICATE-----\npublic\n-----END CERTIFICATE-----\n"
    "-----BEGIN PRIVATE KEY-----\nprivate9\n-----END PRIVATE KEY-----"
)
CREDENTIALS: tuple[Credential, ...] = (
    Anonymous(),
    AccountKey(Secret(KEY)),
    SasToken(Secret("sv=2024-11-04&se=2099-01-01&sig=signature9")),
    ManagedIdentity("client"),
    ClientSecret("tenant", "client", Secret("password9")),
    ClientCertificate("tenant", "client", Secret(PEM), Secret("passphrase9")),
    ClientCertificate("tenant", "client", Secret(PEM)),
    WorkloadIdentity("tenant", "client", "/run/token", "https://login.example"),
    AzureCli("tenant"),
    DefaultChain(),
)


def blob(name: str = "images", credential: Credential = CREDENTIALS[1]) -> DatastoreDefinition:
    return DatastoreDefinition(name, DatastoreKind.BLOB, account="acct", container="cont", credential=credential)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def registry(state: Path):
    opened = Registry.open(state)
    yield opened
    opened.close()


# What is kept ------------------------------------------------------------------------------------------------------


def test_at_the_first_start_two_local_datastores_exist_and_say_so(registry: Registry, state: Path) -> None:
    blobs, files = registry.datastores()
    assert (blobs.name, files.name) == ("workspaceblobstore", "workspacefilestore")
    assert registry.default() == "workspaceblobstore"
    for definition in (blobs, files):
        assert definition.origin is Origin.BUILT_IN
        assert definition.kind is DatastoreKind.LOCAL
        assert Path(definition.folder).is_dir()
        assert definition.folder.startswith(str(state))
        assert "local folder in the state directory" in definition.note


def test_a_built_in_that_was_removed_does_not_come_back(registry: Registry, state: Path) -> None:
    registry.remove("workspaceblobstore")
    registry.close()
    again = Registry.open(state)
    assert [definition.name for definition in again.datastores()] == ["workspacefilestore"]
    assert again.default() == ""
    again.close()


def test_every_mode_has_a_name_and_survives_a_restart(registry: Registry, state: Path) -> None:
    assert {mode_of(credential) for credential in CREDENTIALS} == set(MODES)
    for number, credential in enumerate(CREDENTIALS):
        registry.save(blob(f"store{number}", credential))
    registry.close()
    again = Registry.open(state)
    for number, credential in enumerate(CREDENTIALS):
        assert again.get(f"STORE{number}") == blob(f"store{number}", credential)
    again.close()


def test_no_secret_is_in_clear_in_any_file(registry: Registry, state: Path) -> None:
    for number, credential in enumerate(CREDENTIALS):
        registry.save(blob(f"store{number}", credential))
    registry.save(blob("store1", AccountKey(Secret("bmV3IGtleQ=="))))  # and the replaced one is gone too
    found = {path.name: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert {"registry.db", "registry.db-wal", "registry.key"} <= set(found)
    for name, content in found.items():
        for credential in CREDENTIALS:
            for secret in secrets_of(credential):
                assert secret.reveal().encode() not in content, name
        for part in (b"signature9", b"password9", b"passphrase9", b"private9", KEY.encode()[:16]):
            assert part not in content, name


def test_files_are_for_their_owner_alone(registry: Registry, state: Path) -> None:
    registry.save(blob())
    for path in (state, *state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_saving_replaces_and_removing_forgets(registry: Registry) -> None:
    registry.save(blob())
    registry.save(replace(blob(), container="other", credential=DefaultChain()))
    assert registry.get("images").container == "other"
    registry.remove("images")
    with pytest.raises(UnknownDatastore, match="'images'"):
        registry.get("images")
    with pytest.raises(UnknownDatastore):
        registry.remove("images")


def test_removing_takes_its_mappings_and_its_being_default_along(registry: Registry) -> None:
    registry.save(blob())
    registry.set_default("images")
    registry.save_mapping(MappingDefinition("/a", "images"))
    registry.save_mapping(MappingDefinition("/b", "workspaceblobstore"))
    registry.remove("images")
    assert registry.default() == ""
    assert [mapping.path for mapping in registry.mappings()] == ["/b"]


def test_mappings_survive_a_restart(registry: Registry, state: Path) -> None:
    options = MappingOptions(
        read_only=False, uid=7, file_mode=0o600, freshness=Freshness.IMMUTABLE, ttl=0.5, preset="x"
    )
    mapping = MappingDefinition("/train/data", "images", "2024/", options)
    registry.save_mapping(mapping)
    registry.close()
    again = Registry.open(state)
    assert again.mappings() == [mapping]
    again.remove_mapping("/train/data")
    with pytest.raises(UnknownMapping, match="/train/data"):
        again.remove_mapping("/train/data")
    again.close()


def test_what_cannot_be_is_not_kept(registry: Registry) -> None:
    before = registry.datastores()
    with pytest.raises(InvalidDefinition, match="name"):
        registry.save(blob("with-dash"))
    with pytest.raises(InvalidDefinition, match="configuration file"):
        registry.save(replace(blob(), origin=Origin.FILE))
    registry.save_mapping(MappingDefinition("/a", "images"))
    with pytest.raises(InvalidDefinition, match="/a already shows images"):
        registry.save_mapping(MappingDefinition("/a", "other"))
    with pytest.raises(InvalidDefinition, match="absolute"):
        registry.save_mapping(MappingDefinition("a", "images"))
    assert registry.datastores() == before


def test_a_second_process_reads_what_the_first_has_committed(registry: Registry, state: Path) -> None:
    second = Registry.open(state)
    registry.save(blob())
    assert second.get("images") == blob()
    second.close()


def test_many_threads_at_once(registry: Registry) -> None:
    def work(number: int) -> None:
        registry.save(blob(f"store{number}"))
        registry.save_mapping(MappingDefinition(f"/m{number}", f"store{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry.datastores()) == 10
    assert len(registry.mappings()) == 8


# What is refused, and left as it is --------------------------------------------------------------------------------


def frozen(state: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes() for path in state.iterdir() if path.is_file() and not path.name.endswith("-shm")
    }


def refused(state: Path, error: type[Exception], says: str) -> None:
    before = frozen(state)
    with pytest.raises(error, match=says):
        Registry.open(state)
    assert frozen(state) == before


@pytest.fixture
def closed(state: Path) -> Path:
    registry = Registry.open(state)
    registry.save(blob())
    registry.close()
    return state


def test_a_wrong_key(closed: Path) -> None:
    (closed / "registry.key").write_bytes(os.urandom(32))
    refused(closed, WrongKey, "is not the one that the registry")


def test_a_missing_key_is_not_made_anew(closed: Path) -> None:
    (closed / "registry.key").unlink()
    refused(closed, WrongKey, "cannot be read")
    assert not (closed / "registry.key").exists()


def test_a_key_file_that_is_none(closed: Path) -> None:
    (closed / "registry.key").write_text("hello")
    refused(closed, WrongKey, "is not a registry key")


def test_a_key_others_can_read(closed: Path) -> None:
    (closed / "registry.key").chmod(0o640)
    refused(closed, DirectoryUnsafe, "mode 0640")


def test_a_newer_registry(closed: Path) -> None:
    connection = sqlite3.connect(closed / "registry.db")
    connection.execute(f"PRAGMA user_version = {database.VERSION + 1}")
    connection.close()
    refused(closed, TooNew, f"version {database.VERSION + 1}")


def test_a_file_that_is_no_database(closed: Path) -> None:
    (closed / "registry.db").write_bytes(b"not a database at all")
    refused(closed, RegistryDamaged, "not an SQLite file")


def test_an_emptied_file(closed: Path) -> None:
    (closed / "registry.db").write_bytes(b"")
    refused(closed, RegistryDamaged, "not an SQLite file")


def test_a_database_of_something_else(closed: Path) -> None:
    (closed / "registry.db").unlink()
    connection = sqlite3.connect(closed / "registry.db")
    connection.execute("CREATE TABLE x (y)")
    connection.close()
    refused(closed, RegistryDamaged, "not a registry of mountd")


@pytest.mark.parametrize("offset", range(4096, 7 * 4096, 4096))
def test_a_page_overwritten(closed: Path, offset: int) -> None:
    path = closed / "registry.db"
    content = bytearray(path.read_bytes())
    if offset + 4096 > len(content):
        offset = len(content) - 4096
    content[offset : offset + 4096] = b"\xa5" * 4096
    path.write_bytes(content)
    refused(closed, RegistryDamaged, "is damaged")


def test_a_file_cut_short(closed: Path) -> None:
    path = closed / "registry.db"
    path.write_bytes(path.read_bytes()[: -4096 * 2 + 100])
    refused(closed, RegistryDamaged, "is damaged")


def test_a_row_that_cannot_be_read_is_named_and_its_credential_is_not(closed: Path) -> None:
    connection = sqlite3.connect(closed / "registry.db")
    connection.execute("UPDATE datastores SET definition = '{}' WHERE name = 'images'")
    connection.commit()
    connection.close()
    with pytest.raises(RegistryDamaged, match="datastore images") as raised:
        Registry.open(closed)
    assert raised.value.__cause__ is None


def test_a_credential_moved_to_another_row_does_not_open(closed: Path) -> None:
    connection = sqlite3.connect(closed / "registry.db")
    connection.execute("UPDATE datastores SET credential = (SELECT credential FROM datastores WHERE name = 'images')")
    connection.commit()
    connection.close()
    with pytest.raises(WrongKey, match="credential of 'workspaceblobstore'"):
        Registry.open(closed)


def test_a_journal_without_its_database_is_not_replayed_into_a_new_one(registry: Registry, state: Path) -> None:
    registry.save(blob())
    journal = (state / "registry.db-wal").read_bytes()
    registry.close()
    (state / "registry.db").unlink()
    (state / "registry.db-wal").write_bytes(journal)
    refused(state, RegistryDamaged, "is gone, but its journal")


def test_what_cannot_be_written_is_not_called_damaged(registry: Registry) -> None:
    with registry._database._turn:
        registry._database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(RegistryUnavailable, match="SQLITE_READONLY"):
        registry.save(blob())


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o711])
def test_a_state_directory_others_can_reach(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(DirectoryUnsafe, match=f"{mode:04o}"):
        Registry.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_key_of_systemd(tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "credentials").mkdir()
    key = tmp_path / "credentials" / "mountd-registry-key"
    key.write_bytes(os.urandom(32))
    key.chmod(0o440)  # as systemd shows it
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    Registry.open(state).close()
    assert not (state / "registry.key").exists()
    Registry.open(state).close()
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    refused(state, WrongKey, "cannot be read")


def test_a_named_key_file_that_is_missing_is_not_made(tmp_path: Path, state: Path) -> None:
    with pytest.raises(WrongKey, match="cannot be read"):
        Registry.open(state, tmp_path / "elsewhere.key")
    assert not (state / "registry.db").exists()


# Round trips -------------------------------------------------------------------------------------------------------

words = st.text(max_size=20)
secrets = st.builds(Secret, words)
credentials = st.one_of(
    st.builds(AccountKey, secrets),
    st.builds(SasToken, secrets),
    st.builds(ManagedIdentity, words),
    st.builds(ClientSecret, words, words, secrets, words),
    st.builds(ClientCertificate, words, words, secrets, st.none() | secrets, words),
    st.builds(WorkloadIdentity, words, words, words, words),
)


@given(credentials)
def test_any_credential_comes_back(credential: Credential) -> None:
    assert from_json(to_json(credential)) == credential


@given(st.builds(DatastoreDefinition, words, st.sampled_from(DatastoreKind), note=words, allow_http=st.booleans()))
def test_any_definition_comes_back_without_its_credential(definition: DatastoreDefinition) -> None:
    text = datastore_to_json(replace(definition, credential=AccountKey(Secret("hidden9"))))
    assert "hidden9" not in text
    assert datastore_from_json(definition.name, text, definition.credential) == definition


@given(
    st.builds(MappingDefinition, words, words, words, st.builds(MappingOptions, freshness=st.sampled_from(Freshness)))
)
def test_any_mapping_comes_back(mapping: MappingDefinition) -> None:
    assert mapping_from_json(mapping_to_json(mapping)) == mapping


@given(words, st.text(), st.binary(min_size=32, max_size=32))
def test_a_sealed_value_opens_only_as_it_was_sealed(name: str, text: str, key: bytes) -> None:
    cipher = Cipher(key)
    sealed = cipher.seal("credential", name, text)
    assert cipher.open("credential", name, sealed) == text
    changed = bytearray(sealed)
    changed[-1] ^= 1
    for purpose, other, value in (
        ("other", name, sealed),
        ("credential", name + "x", sealed),
        ("credential", name, bytes(changed)),
    ):
        with pytest.raises(WrongKey):
            cipher.open(purpose, other, value)

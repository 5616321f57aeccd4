"""The registry: what is kept, what is refused, and that nothing of a secret or of a damaged file is lost or shown."""

import os
import sqlite3
import threading
from collections.abc import Callable
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
    AccessDenied,
    CredentialExpired,
    DatastoreExists,
    DatastoreInUse,
    DirectoryUnsafe,
    InvalidDefinition,
    OwnedByFile,
    RegistryDamaged,
    RegistryUnavailable,
    StoreError,
    TooNew,
    UnknownDatastore,
    UnknownMapping,
    WrongKey,
)
from mountd.registry import database
from mountd.registry.credentials import MODES, from_json, mode_of, secrets_of, to_json
from mountd.registry.records import datastore_from_json, datastore_to_json, mapping_from_json, mapping_to_json
from mountd.registry.registry import NOTHING_DECLARED, Declared, Registry
from mountd.registry.secrets import Cipher
from mountd.rules.azure_names import sas_expiry

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


class FakeProbe:
    """A storage that answers as told, and remembers what it was asked."""

    def __init__(self, error: StoreError | None = None, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.asked: list[str] = []
        self.error = error
        self.meanwhile = meanwhile

    def check(self, definition: DatastoreDefinition) -> None:
        self.asked.append(f"check {definition.name}")
        self.meanwhile()
        if self.error:
            raise self.error

    def create(self, definition: DatastoreDefinition) -> None:
        self.asked.append(f"create {definition.name}")


def nobody(name: str) -> str | None:
    return None


def reopened(state: Path, declared: Declared = NOTHING_DECLARED) -> Registry:
    return Registry.open(state, declared=declared)


# What is kept ------------------------------------------------------------------------------------------------------


def test_at_the_first_start_two_local_datastores_exist_and_say_so(registry: Registry, state: Path) -> None:
    blobs, files = registry.list()
    assert (blobs.name, files.name) == ("workspaceblobstore", "workspacefilestore")
    assert (blobs.default, files.default) == (True, False)
    assert registry.default().name == "workspaceblobstore"
    for listed in (blobs, files):
        assert listed.origin is Origin.BUILT_IN
        assert listed.kind is DatastoreKind.LOCAL
        assert Path(listed.folder).is_dir()
        assert listed.folder.startswith(str(state))
        assert "local folder in the state directory" in listed.note


def test_a_built_in_that_was_removed_does_not_come_back(registry: Registry, state: Path) -> None:
    registry.unregister("workspaceblobstore", nobody, force=True)
    assert registry.default_name() == ""
    with pytest.raises(UnknownDatastore, match="No default"):
        registry.default()
    registry.close()
    again = reopened(state)
    assert [listed.name for listed in again.list()] == ["workspacefilestore"]
    again.close()


def test_every_mode_has_a_name_and_survives_a_restart(registry: Registry, state: Path) -> None:
    assert {mode_of(credential) for credential in CREDENTIALS} == set(MODES)
    for number, credential in enumerate(CREDENTIALS):
        registry.register(blob(f"store{number}", credential), FakeProbe())
    registry.close()
    again = reopened(state)
    for number, credential in enumerate(CREDENTIALS):
        assert again.get(f"STORE{number}") == blob(f"store{number}", credential)
    again.close()


def test_no_secret_is_in_clear_in_any_file_or_listing(registry: Registry, state: Path) -> None:
    for number, credential in enumerate(CREDENTIALS):
        registry.register(blob(f"store{number}", credential), FakeProbe())
    registry.rotate("store1", AccountKey(Secret("bmV3IGtleQ==")), FakeProbe())  # and the replaced one is gone too
    found = {path.name: path.read_bytes() for path in state.rglob("*") if path.is_file()}
    assert {"registry.db", "registry.db-wal", "registry.key"} <= set(found)
    found["listing"] = repr(registry.list()).encode() + repr(registry.definitions()).encode()
    for name, content in found.items():
        for credential in CREDENTIALS:
            for secret in secrets_of(credential):
                assert secret.reveal().encode() not in content, name
        for part in (b"signature9", b"password9", b"passphrase9", b"private9", KEY.encode()[:16], b"bmV3IGtleQ"):
            assert part not in content, name


def test_files_are_for_their_owner_alone(registry: Registry, state: Path) -> None:
    registry.register(blob(), FakeProbe())
    for path in (state, *state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def test_mappings_survive_a_restart(registry: Registry, state: Path) -> None:
    registry.register(blob(), FakeProbe())
    options = MappingOptions(
        read_only=False, uid=7, file_mode=0o600, freshness=Freshness.IMMUTABLE, ttl=0.5, preset="x"
    )
    mapping = registry.add_mapping(MappingDefinition("/train/data", "Images", "2024/", options))
    assert mapping.datastore == "images"
    registry.close()
    again = reopened(state)
    assert list(again.mappings()) == [mapping]
    assert again.remove_mapping("/train/data") == mapping
    with pytest.raises(UnknownMapping, match="/train/data"):
        again.remove_mapping("/train/data")
    again.close()


# The rules of changing ---------------------------------------------------------------------------------------------


def test_registering_asks_the_storage_first_and_keeps_nothing_it_refuses(registry: Registry) -> None:
    probe = FakeProbe(AccessDenied("The key is refused."))
    with pytest.raises(AccessDenied):
        registry.register(blob(), probe)
    assert "images" not in registry.definitions()
    registry.register(blob(), probe, skip_validation=True)
    assert probe.asked == ["check images"]
    asked = FakeProbe()
    registry.register(blob("other"), asked, create_if_not_exists=True)
    assert asked.asked == ["create other", "check other"]


def test_names_are_lowered_with_a_warning(registry: Registry) -> None:
    result = registry.register(blob("IMAGES"), FakeProbe())
    assert result.definition.name == "images"
    assert "converted to lowercase" in result.warnings[0]
    assert registry.get("Images").name == "images"


def test_a_taken_name_needs_overwrite(registry: Registry) -> None:
    registry.register(blob(), FakeProbe())
    with pytest.raises(DatastoreExists, match="'images'"):
        registry.register(replace(blob(), container="other"), FakeProbe())
    registry.register(replace(blob(), container="other"), FakeProbe(), overwrite=True)
    assert registry.get("images").container == "other"
    assert registry.register(blob("new"), FakeProbe(), overwrite=True).definition.name == "new"


def test_a_name_taken_while_the_storage_was_asked(registry: Registry) -> None:
    slow = FakeProbe(meanwhile=lambda: registry.register(blob(), FakeProbe()) and None)
    with pytest.raises(DatastoreExists):
        registry.register(replace(blob(), container="slower"), slow)
    assert registry.get("images").container == "cont"


def test_rotation_changes_the_credential_alone_to_any_mode(registry: Registry) -> None:
    registry.register(blob(), FakeProbe())
    for credential in CREDENTIALS:
        registry.rotate("images", credential, FakeProbe())
        assert registry.get("images") == blob(credential=credential)
    with pytest.raises(AccessDenied):
        registry.rotate("images", AccountKey(Secret("eA==")), FakeProbe(AccessDenied("No.")))
    assert registry.get("images") == blob(credential=CREDENTIALS[-1])
    with pytest.raises(InvalidDefinition, match="account_key"):
        registry.rotate("workspaceblobstore", AccountKey(Secret("eA==")), FakeProbe())


def test_rotation_does_not_undo_a_change_that_came_between(registry: Registry) -> None:
    registry.register(blob(), FakeProbe())
    moved = replace(blob(), container="moved")
    slow = FakeProbe(meanwhile=lambda: registry.register(moved, FakeProbe(), overwrite=True) and None)
    with pytest.raises(InvalidDefinition, match="was changed while"):
        registry.rotate("images", AccountKey(Secret("eA==")), slow)
    assert registry.get("images") == moved


def test_what_is_used_is_unregistered_only_by_force(registry: Registry, state: Path) -> None:
    registry.register(blob(), FakeProbe())
    registry.add_mapping(MappingDefinition("/a", "images"))
    with pytest.raises(DatastoreInUse, match="is mapped at /a"):
        registry.unregister("images", nobody)
    registry.remove_mapping("/a")
    with pytest.raises(DatastoreInUse, match="has 3 open files"):
        registry.unregister("images", lambda name: "has 3 open files")
    registry.set_default("images")
    with pytest.raises(DatastoreInUse, match="is the default"):
        registry.unregister("images", nobody)
    registry.add_mapping(MappingDefinition("/a", "images"))
    registry.unregister("images", lambda name: "has 3 open files", force=True)
    second = reopened(state)  # the same on disk
    for each in (registry, second):
        assert "images" not in each.definitions()
        assert list(each.mappings()) == []
        assert each.default_name() == ""
    second.close()


def test_mappings_of_the_socket(registry: Registry) -> None:
    registry.register(blob(), FakeProbe())
    registry.add_mapping(MappingDefinition("/a", "images"))
    with pytest.raises(InvalidDefinition, match="/a already shows images"):
        registry.add_mapping(MappingDefinition("/a", "workspaceblobstore"))
    with pytest.raises(InvalidDefinition, match="absolute"):
        registry.add_mapping(MappingDefinition("a", "images"))
    with pytest.raises(UnknownDatastore):
        registry.add_mapping(MappingDefinition("/b", "nothing"))


FILES = replace(blob("images", CREDENTIALS[2]), container="files", origin=Origin.FILE)
DECLARED = Declared((FILES,), (MappingDefinition("/m", "images", origin=Origin.FILE),), "images")


def test_the_file_owns_what_it_declares(state: Path) -> None:
    registry = reopened(state, DECLARED)
    probe = FakeProbe()
    for change in (
        lambda: registry.register(blob(), probe, overwrite=True),
        lambda: registry.rotate("images", CREDENTIALS[1], probe),
        lambda: registry.unregister("images", nobody, force=True),
        lambda: registry.set_default("workspaceblobstore"),
        lambda: registry.remove_mapping("/m"),
    ):
        with pytest.raises(OwnedByFile):
            change()
    assert probe.asked == []
    with pytest.raises(InvalidDefinition, match="origin: file"):
        registry.add_mapping(MappingDefinition("/m", "workspaceblobstore"))
    assert [(listed.name, listed.origin.value) for listed in registry.list()] == [
        ("images", "file"),
        ("workspaceblobstore", "built-in"),
        ("workspacefilestore", "built-in"),
    ]
    assert registry.default_name() == "images"
    registry.close()


def test_the_files_name_hides_the_sockets_until_the_file_drops_it(
    registry: Registry, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry.register(blob(), FakeProbe())
    registry.add_mapping(MappingDefinition("/m", "workspaceblobstore"))
    registry.close()
    with_file = reopened(state, DECLARED)
    assert with_file.get("images") == FILES
    assert [mapping.datastore for mapping in with_file.mappings()] == ["images"]
    assert "datastore images hides" in caplog.text
    assert "mapping at /m hides" in caplog.text
    with_file.close()
    without = reopened(state)
    assert without.get("images") == blob()
    assert [mapping.datastore for mapping in without.mappings()] == ["workspaceblobstore"]
    without.close()


def test_nothing_of_the_file_is_stored(state: Path) -> None:
    reopened(state, DECLARED).close()
    without = reopened(state)
    assert "images" not in without.definitions()
    assert list(without.mappings()) == []
    assert without.default_name() == "workspaceblobstore"
    without.close()


def test_a_sas_that_ends_soon_warns_in_every_listing(state: Path) -> None:
    registry = reopened(state)
    registry.register(blob(credential=SasToken(Secret("sig=x&se=2099-01-08"))), FakeProbe())
    registry._clock = lambda: sas_expiry("se=2099-01-02") or 0.0
    listed = next(each for each in registry.list() if each.name == "images")
    assert listed.warnings == ("images: the SAS ends at 2099-01-08 00:00:00 UTC; rotate it before.",)
    with pytest.raises(CredentialExpired, match="ended at 2001-01-01 00:00:00 UTC"):
        registry.rotate("images", SasToken(Secret("sig=x&se=2001-01-01")), FakeProbe())
    registry.close()


def test_listeners_hear_every_change_in_order_until_they_end(registry: Registry) -> None:
    heard: list[tuple[str, str]] = []
    end = registry.listen(lambda change: heard.append((change.event.value, change.name)))
    registry.register(blob(), FakeProbe())
    registry.register(blob(), FakeProbe(), overwrite=True)
    registry.rotate("images", DefaultChain(), FakeProbe())
    registry.add_mapping(MappingDefinition("/a", "images"))
    registry.set_default("images")
    registry.unregister("images", nobody, force=True)
    end()
    registry.set_default("workspacefilestore")
    assert heard == [
        ("registered", "images"),
        ("updated", "images"),
        ("rotated", "images"),
        ("mapped", "/a"),
        ("default", "images"),
        ("unmapped", "/a"),
        ("unregistered", "images"),
    ]


def test_many_threads_at_once(registry: Registry, state: Path) -> None:
    def work(number: int) -> None:
        registry.register(blob(f"store{number}"), FakeProbe())
        registry.add_mapping(MappingDefinition(f"/m{number}", f"store{number}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    registry.close()
    again = reopened(state)
    assert len(again.definitions()) == 10
    assert len(again.mappings()) == 8
    again.close()


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
    registry.register(blob(), FakeProbe())
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


def test_damage_that_only_the_integrity_check_finds(closed: Path) -> None:
    path = closed / "registry.db"
    content = bytearray(path.read_bytes())
    content[36:40] = (5).to_bytes(4, "big")  # the header's count of free pages: no query looks at it
    path.write_bytes(content)
    refused(closed, RegistryDamaged, "is damaged: .*[Ff]reelist")


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
    registry.register(blob(), FakeProbe())
    journal = (state / "registry.db-wal").read_bytes()
    registry.close()
    (state / "registry.db").unlink()
    (state / "registry.db-wal").write_bytes(journal)
    refused(state, RegistryDamaged, "is gone, but its journal")


def test_what_cannot_be_written_is_not_called_damaged(registry: Registry) -> None:
    with registry._stored._database._turn:
        registry._stored._database._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(RegistryUnavailable, match="SQLITE_READONLY"):
        registry.register(blob(), FakeProbe())


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

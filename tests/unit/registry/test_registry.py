"""The registry: what is kept, what is refused, and that nothing of a secret is shown."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from mountd.definitions import (
    AccountKey,
    DatastoreKind,
    DefaultChain,
    Freshness,
    MappingDefinition,
    MappingOptions,
    Origin,
    SasToken,
    Secret,
)
from mountd.errors import (
    AccessDenied,
    CredentialExpired,
    DatastoreExists,
    DatastoreInUse,
    InvalidDefinition,
    OwnedByFile,
    UnknownDatastore,
    UnknownMapping,
)
from mountd.registry.credentials import MODES, mode_of, secrets_of
from mountd.registry.registry import Declared, Registry
from mountd.rules.azure_names import sas_expiry
from tests.fixtures.registries import CREDENTIALS, KEY, FakeProbe, blob, nobody, reopened


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

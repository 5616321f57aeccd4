"""A registry that is damaged, newer, or under another key: refused with a sentence, and left as it is."""

import errno
import os
import sqlite3
from pathlib import Path

import pytest

from mountd.errors import (
    DirectoryUnsafe,
    RegistryDamaged,
    RegistryUnavailable,
    TooNew,
    WrongKey,
)
from mountd.registry import database
from mountd.registry.registry import Registry
from tests.fixtures.registries import FakeProbe, blob


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


@pytest.mark.parametrize("name", ["registry.key", "registry.db"])
def test_a_first_start_on_a_full_disk_is_a_sentence(state: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    opened = os.open

    def full(path: Path, *arguments: int, **named: int) -> int:
        if Path(path).name.startswith(name + "."):
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(RegistryUnavailable, match="No space left"):
        Registry.open(state)

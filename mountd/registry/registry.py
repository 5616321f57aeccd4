"""The registry of one state directory: definitions and mappings that outlive the daemon, with their secrets sealed.

Promises: what a call has accepted is on disk when it returns, all of it or nothing; only what obeys validation.py's rules
is kept; no secret is ever in clear in a file. Synchronous and thread-safe: call it through `trio.to_thread`. It holds what
the socket defined; the configuration file's definitions never enter it, and who may change what, and when, is
control.workspace's to decide. It knows no storage and no tree.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mountd.definitions import DatastoreDefinition, MappingDefinition, Origin
from mountd.errors import InvalidDefinition, RegistryDamaged, UnknownDatastore, UnknownMapping
from mountd.registry.credentials import from_json, to_json
from mountd.registry.database import Database, private_directory
from mountd.registry.opening import BLOB_STORE, built_ins, open_files
from mountd.registry.records import datastore_from_json, datastore_to_json, mapping_from_json, mapping_to_json
from mountd.registry.secrets import Cipher
from mountd.registry.validation import datastore_name, problems, refusal
from mountd.rules.mount_table import check_path, check_prefix

_PURPOSE = "credential"
_DEFAULT = "default_datastore"
_DATASTORES = "SELECT name, definition, credential FROM datastores"


class Registry:
    """No state of its own: each answer is what was last committed, whoever committed it."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    def __repr__(self) -> str:
        return f"Registry({self._database.path})"

    @classmethod
    def open(cls, directory: Path, key_file: Path | None = None) -> "Registry":
        """The registry in a state directory, made at the first start with two local datastores. `key_file`: else the
        systemd credential, else registry.key in the directory. DirectoryUnsafe, RegistryDamaged, RegistryUnavailable, TooNew
        or WrongKey: nothing was changed."""
        registry = cls(*open_files(directory, key_file))
        try:
            if registry._fact(_DEFAULT) is None:
                registry._first_start(directory)
            registry.datastores()  # a credential that does not open is said now, not when a job needs it
        except BaseException:
            registry.close()
            raise
        return registry

    def close(self) -> None:
        self._database.close()

    # Datastores ------------------------------------------------------------------------------------------------

    def datastores(self) -> Sequence[DatastoreDefinition]:
        """All of them with their credentials, by name. WrongKey or RegistryDamaged if one cannot be read."""
        return [self._definition(*row) for row in self._database.rows(f"{_DATASTORES} ORDER BY name")]

    def get(self, name: str) -> DatastoreDefinition:
        """One with its credential, its name in whatever case. UnknownDatastore."""
        name, _ = datastore_name(name)
        for row in self._database.rows(f"{_DATASTORES} WHERE name = ?", (name,)):
            return self._definition(*row)
        raise UnknownDatastore(f"There is no datastore {name!r}.", remedy="List them with `mountctl datastore list`.")

    def save(self, definition: DatastoreDefinition) -> None:
        """Keeps a definition, in place of one of its name. InvalidDefinition with every problem."""
        if found := problems(definition):
            raise refusal(found)
        if definition.origin is Origin.FILE:
            raise InvalidDefinition(f"The datastore {definition.name!r} is the configuration file's: it is kept there.")
        with self._database.change() as connection:
            self._put(connection, definition)

    def remove(self, name: str) -> None:
        """Forgets a definition, the mappings of it, and that it was the default. UnknownDatastore. The storage is not touched."""
        with self._database.change() as connection:
            if not connection.execute("DELETE FROM datastores WHERE name = ?", (name,)).rowcount:
                raise UnknownDatastore(f"There is no registered datastore {name!r}.")
            connection.execute("DELETE FROM mappings WHERE datastore = ?", (name,))
            connection.execute("UPDATE facts SET value = x'' WHERE name = ? AND value = ?", (_DEFAULT, name.encode()))

    def default(self) -> str:
        """The default datastore's name; "" if none is set."""
        return self._fact(_DEFAULT) or ""

    def set_default(self, name: str) -> None:
        """It may be one of the configuration file's: whether it exists is for the caller to know."""
        with self._database.change() as connection:
            _put_fact(connection, _DEFAULT, name)

    # Mappings --------------------------------------------------------------------------------------------------

    def mappings(self) -> Sequence[MappingDefinition]:
        """By path."""
        rows = self._database.rows("SELECT path, definition FROM mappings ORDER BY path")
        return [self._mapping(*row) for row in rows]

    def save_mapping(self, mapping: MappingDefinition) -> None:
        """InvalidDefinition: its path or prefix cannot be, or the path is taken."""
        check_path(mapping.path)
        check_prefix(mapping.prefix)
        with self._database.change() as connection:
            for (taken,) in connection.execute("SELECT datastore FROM mappings WHERE path = ?", (mapping.path,)):
                raise InvalidDefinition(
                    f"path {mapping.path} already shows {taken}.", remedy="Remove that mapping first."
                )
            row = (mapping.path, mapping.datastore, mapping_to_json(mapping))
            connection.execute("INSERT INTO mappings VALUES (?, ?, ?)", row)

    def remove_mapping(self, path: str) -> None:
        """UnknownMapping."""
        with self._database.change() as connection:
            if not connection.execute("DELETE FROM mappings WHERE path = ?", (path,)).rowcount:
                raise UnknownMapping(f"Nobody mapped anything at {path}.")

    # Inside ----------------------------------------------------------------------------------------------------

    def _first_start(self, directory: Path) -> None:
        with self._database.change() as connection:
            for definition in built_ins(directory.absolute()):
                folder = Path(definition.folder)
                private_directory(folder.parent)
                private_directory(folder)
                self._put(connection, definition)
            _put_fact(connection, _DEFAULT, BLOB_STORE)

    def _put(self, connection: sqlite3.Connection, definition: DatastoreDefinition) -> None:
        sealed = self._cipher.seal(_PURPOSE, definition.name, to_json(definition.credential))
        now = time.time_ns()
        connection.execute(
            "INSERT INTO datastores VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " definition = excluded.definition, credential = excluded.credential, changed_ns = excluded.changed_ns",
            (definition.name, datastore_to_json(definition), sealed, now, now),
        )

    def _fact(self, name: str) -> str | None:
        rows: list[tuple[bytes]] = self._database.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0].decode() if rows else None

    def _definition(self, name: str, text: str, sealed: bytes) -> DatastoreDefinition:
        opened = self._cipher.open(_PURPOSE, name, sealed)
        with self._legible(f"datastore {name}"):
            return datastore_from_json(name, text, from_json(opened))

    def _mapping(self, path: str, text: str) -> MappingDefinition:
        with self._legible(f"mapping {path}"):
            return mapping_from_json(text)

    @contextmanager
    def _legible(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError) as error:
            # No cause is kept: these errors can quote the row, and with it an opened credential.
            raise RegistryDamaged(
                f"The registry {self._database.path} is damaged: the {what} cannot be read ({type(error).__name__}).",
                remedy="Nothing was changed. Put back a copy.",
            ) from None


def _put_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute(
        "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value.encode()),
    )

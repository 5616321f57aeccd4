"""The socket's definitions as they are on disk: typed reading and writing of the database's rows, credentials sealed.

It knows rows and the cipher; who may change what is registry.py's.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mountd.definitions import DatastoreDefinition, MappingDefinition
from mountd.errors import RegistryDamaged
from mountd.registry.credentials import from_json, to_json
from mountd.registry.database import Database
from mountd.registry.records import datastore_from_json, datastore_to_json, mapping_from_json, mapping_to_json
from mountd.registry.secrets import Cipher

_PURPOSE = "credential"


class Stored:
    """Everything in the database. What it reads is what was last committed."""

    def __init__(self, database: Database, cipher: Cipher) -> None:
        self._database = database
        self._cipher = cipher

    def close(self) -> None:
        self._database.close()

    def datastores(self) -> dict[str, DatastoreDefinition]:
        """By name. WrongKey if a credential was sealed with another key or for another name; RegistryDamaged if a row
        cannot be read."""
        found = {}
        for name, text, sealed in self._database.rows(
            "SELECT name, definition, credential FROM datastores ORDER BY name"
        ):
            with self._read(f"datastore {name}"):
                credential = from_json(self._cipher.open(_PURPOSE, name, sealed))
                found[name] = datastore_from_json(name, text, credential)
        return found

    def mappings(self) -> dict[str, MappingDefinition]:
        found = {}
        for path, text in self._database.rows("SELECT path, definition FROM mappings ORDER BY path"):
            with self._read(f"mapping {path}"):
                found[path] = mapping_from_json(text)
        return found

    def fact(self, name: str) -> str | None:
        rows: list[tuple[bytes]] = self._database.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return rows[0][0].decode() if rows else None

    @contextmanager
    def change(self) -> Iterator["Writing"]:
        """One transaction."""
        with self._database.change() as connection:
            yield Writing(connection, self._cipher)

    @contextmanager
    def _read(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError) as error:
            # The row's text may stand in these errors, and with it what was sealed: no cause is kept.
            raise RegistryDamaged(
                f"The registry {self._database.path} is damaged: the {what} cannot be read ({type(error).__name__}).",
                remedy="Nothing was changed. Put back a copy.",
            ) from None


class Writing:
    """Changes inside one transaction."""

    def __init__(self, connection: sqlite3.Connection, cipher: Cipher) -> None:
        self._connection = connection
        self._cipher = cipher

    def put_datastore(self, definition: DatastoreDefinition) -> None:
        sealed = self._cipher.seal(_PURPOSE, definition.name, to_json(definition.credential))
        now = time.time_ns()
        self._connection.execute(
            "INSERT INTO datastores VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET"
            " definition = excluded.definition, credential = excluded.credential, changed_ns = excluded.changed_ns",
            (definition.name, datastore_to_json(definition), sealed, now, now),
        )

    def remove_datastore(self, name: str) -> None:
        self._connection.execute("DELETE FROM datastores WHERE name = ?", (name,))

    def put_mapping(self, mapping: MappingDefinition) -> None:
        self._connection.execute(
            "INSERT INTO mappings VALUES (?, ?, ?)", (mapping.path, mapping.datastore, mapping_to_json(mapping))
        )

    def remove_mapping(self, path: str) -> None:
        self._connection.execute("DELETE FROM mappings WHERE path = ?", (path,))

    def put_fact(self, name: str, value: str) -> None:
        self._connection.execute(
            "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value.encode()),
        )

"""The registry's SQLite file: opening it safely, its versions, and the rows as they are stored.

Promises: a file that is damaged, from a newer mountd, or not a registry at all is refused and left as it is; a new one
appears whole or not at all; each `change` is on disk when it returns. It must not know what a secret or a rule is.
"""

import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from mountd.errors import MountdError, RegistryDamaged, RegistryUnavailable, TooNew
from mountd.registry.secrets import sync_directory

APPLICATION_ID = 0x6D6E7464  # "mntd", in the file's header: tells a registry from any other SQLite file
FILE_NAME = "registry.db"

Value: TypeAlias = str | bytes | int | float | None
Row: TypeAlias = tuple[Any, ...]

# Step n takes a file from version n to n + 1. Steps are never changed once released, only added.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE datastores (name TEXT PRIMARY KEY, definition TEXT NOT NULL, credential BLOB NOT NULL,"
        " created_ns INTEGER NOT NULL, changed_ns INTEGER NOT NULL) STRICT, WITHOUT ROWID",
        "CREATE TABLE mappings (path TEXT PRIMARY KEY, datastore TEXT NOT NULL, definition TEXT NOT NULL)"
        " STRICT, WITHOUT ROWID",
    ),
)
VERSION = len(MIGRATIONS)


class Database:
    """One connection, used by one thread at a time (`_turn`)."""

    def __init__(self, path: Path) -> None:
        """Opens an existing registry and brings it to this version; refuses what it does not know."""
        self.path = path
        self._turn = threading.RLock()
        with _translated(path):
            _inspect(path)
            self._connection = _connected(path, "rw")
            try:
                _migrate(self._connection)
            except BaseException:
                self._connection.close()
                raise

    def close(self) -> None:
        with self._turn, _translated(self.path):
            self._connection.close()

    def rows(self, query: str, values: Sequence[Value] = ()) -> list[Row]:
        with self._turn, _translated(self.path):
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is stored when this ends well, nothing of it otherwise."""
        with self._turn, _translated(self.path), _transaction(self._connection):
            yield self._connection


def create(path: Path, facts: dict[str, bytes]) -> None:
    """A new registry holding these facts. It is built under another name and linked into place, so that a crash or a
    second process leaves either no registry or a whole one; an existing one is kept."""
    draft = path.with_name(f"{path.name}.new-{secrets.token_hex(8)}")
    with _translated(path):
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            with closing(_connected(draft, "rw")) as connection:
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                _migrate(connection)
                with _transaction(connection):
                    connection.executemany("INSERT INTO facts VALUES (?, ?)", list(facts.items()))
            try:
                os.link(draft, path)
            except FileExistsError:
                pass  # made by a second process meanwhile: that one is the registry
        finally:
            for leftover in (draft, *(draft.with_name(draft.name + suffix) for suffix in ("-wal", "-shm"))):
                leftover.unlink(missing_ok=True)
        sync_directory(path.parent)


def _connected(path: Path, mode: str) -> sqlite3.Connection:
    # isolation_level=None: transactions are ours to begin and end, so that a migration can hold its own DDL.
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False, timeout=5
    )
    if mode == "rw":
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # a replaced credential is overwritten, sealed as it was
    return connection


def _inspect(path: Path) -> None:
    """Everything that can be wrong with the file, found out without writing to it."""
    with path.open("rb") as file:
        if file.read(16) != b"SQLite format 3\0":
            raise RegistryDamaged(_damaged(path, "it is not an SQLite file"), remedy=_RESTORE)
    journal = path.with_name(path.name + "-wal")
    # Without a journal nobody else is in the file, and SQLite need not make one to read it.
    quiet = not journal.exists() or not journal.stat().st_size
    with closing(_connected(path, "ro&immutable=1" if quiet else "ro")) as connection:
        if _pragma(connection, "application_id") != APPLICATION_ID:
            raise RegistryDamaged(_damaged(path, "it is not a registry of mountd"), remedy=_RESTORE)
        version = _pragma(connection, "user_version")
        if version > VERSION:
            raise TooNew(
                f"The registry {path} has version {version}; this mountd knows versions up to {VERSION}.",
                remedy="Start the newer mountd, or give this one a state directory of its own.",
            )
        rows = connection.execute("PRAGMA integrity_check(5)").fetchall()
        findings = [" ".join(str(row[0]).replace("*** in database main ***", "").split()) for row in rows]
        if findings != ["ok"]:
            raise RegistryDamaged(_damaged(path, "; ".join(findings)), remedy=_RESTORE)


def _migrate(connection: sqlite3.Connection) -> None:
    for version in range(_pragma(connection, "user_version"), VERSION):
        with _transaction(connection):
            if _pragma(connection, "user_version") != version:
                continue  # a second process was quicker
            for statement in MIGRATIONS[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:  # SQLite ends it by itself when the disk is full
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's and the system's errors as ours, by their codes."""
    try:
        yield
    except MountdError:
        raise
    except sqlite3.Error as error:
        # The low byte is the primary code; extended codes (a corrupt index, say) stand above it.
        primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        if primary in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise RegistryDamaged(_damaged(path, f"SQLite says {name}: {error}"), remedy=_RESTORE) from error
        raise RegistryUnavailable(
            f"The registry {path} cannot be used now: SQLite says {name}: {error}.",
            remedy="Check the disk and its free space.",
        ) from error
    except OSError as error:
        raise RegistryUnavailable(
            f"The registry {path} cannot be used now: {error.strerror}.",
            remedy="Check the disk and the file's permissions.",
        ) from error


_RESTORE = (
    "Nothing was changed. Put back a copy, or move the file away to begin anew and register the datastores again."
)


def _damaged(path: Path, finding: str) -> str:
    return f"The registry {path} is damaged: {finding}."

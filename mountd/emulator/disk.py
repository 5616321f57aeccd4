"""The emulator on disk: what it holds survives its process.

Bytes lie in region files, mapped whole and appended to, so that a hundred thousand blobs need no hundred thousand maps; the rest
is JSON rows in SQLite. A killed emulator loses nothing it acknowledged (the kernel has it); a power cut may. Regions that hold
nothing any more are deleted at the next start. One process at a time, by a lock on the directory.
"""

import fcntl
import json
import mmap
import os
import sqlite3
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .content import Content, Segment
from .state import Account, Blob, Block, Container, Copy, Described, Lease, Policy

REGION = 1 << 30  # bytes of a region file, sparse; a segment larger than this has a region of its own
FORMAT = 1
SCHEMA = """
create table if not exists container (name text primary key, words text not null);
create table if not exists blob (container text, key text, words text not null, primary key (container, key));
create table if not exists staged (container text, key text, id text, words text not null, primary key (container, key, id));
"""
PLAIN = (
    "key", "kind", "etag", "modified", "created", "metadata", "tags", "tier", "tier_changed", "rehydrating", "legal_hold",
    "retained_until", "sequence", "sealed", "snapshot",
)  # fmt: skip

Words = dict[str, Any]


class DirectoryInUse(OSError):
    """Another emulator has the directory, or a newer one wrote it."""


class Disk:
    """The keeper of one account. State: `_regions` maps, `_number` and `_used` say where the next bytes go."""

    def __init__(self, directory: Path, account: Account) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._directory = directory
        self._account = account
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise DirectoryInUse(f"Another emulator uses {directory}.") from error
        self._database = sqlite3.connect(directory / "state.sqlite", check_same_thread=False, isolation_level=None)
        self._database.execute("pragma journal_mode = wal")
        self._database.execute("pragma synchronous = off")
        (version,) = self._database.execute("pragma user_version").fetchone()
        if version not in {0, FORMAT}:
            self.close()
            raise DirectoryInUse(f"{directory} was written by another version of the emulator (format {version}).")
        self._database.executescript(SCHEMA)
        self._database.execute(f"pragma user_version = {FORMAT}")
        self._regions: dict[int, memoryview] = {}
        self._number, self._used = -1, REGION
        self._load()

    def close(self) -> None:
        self._database.close()
        os.close(self._lock)

    # Bytes --------------------------------------------------------------------------------------------------------

    def _region(self, number: int, size: int = 0) -> memoryview:
        found = self._regions.get(number)
        if found is None:
            path = self._directory / f"region-{number:06d}"
            with open(path, "a+b") as file:
                if size and file.seek(0, os.SEEK_END) < size:
                    file.truncate(size)
                found = self._regions[number] = memoryview(mmap.mmap(file.fileno(), 0))
            path.chmod(0o600)
        return found

    def _stored(self, view: memoryview) -> Segment:
        """Copies the bytes into a region."""
        size = len(view)
        if self._used + size > len(self._regions.get(self._number, b"")):
            self._number, self._used = self._number + 1, 0
            self._region(self._number, max(REGION, size))
        start = self._used
        self._used += size
        region = self._region(self._number)
        region[start : start + size] = view
        return Segment(region[start : start + size].toreadonly(), (self._number, start))

    def _kept(self, content: Content, known: dict[int, Segment]) -> Content:
        """The same content with every segment on disk. `known`: what was stored in this change already, by view."""
        if all(segment.place is not None for segment in content.segments):
            return content
        segments = []
        for segment in content.segments:
            if segment.place is None:
                found = known.get(id(segment.view))
                segment = known[id(segment.view)] = found or self._stored(segment.view)
            segments.append(segment)
        return Content(segments)

    # Saving -------------------------------------------------------------------------------------------------------

    def changed(self, container: str, key: str) -> None:
        """Writes what is now at that name; called after each change, under the account's lock."""
        found = self._account.containers.get(container)
        if found is None:
            for table, column in (("container", "name"), ("blob", "container"), ("staged", "container")):
                self._database.execute(f"delete from {table} where {column} = ?", (container,))
            return
        if not key:
            self._database.execute("replace into container values (?, ?)", (container, json.dumps(_container(found))))
            return
        blob = found.blobs.get(key)
        if blob is None:
            self._database.execute("delete from blob where container = ? and key = ?", (container, key))
        else:
            self._keep(blob)
            words = json.dumps(_blob(blob))
            self._database.execute("replace into blob values (?, ?, ?)", (container, key, words))
        self._staged(found, key)

    def _keep(self, blob: Blob) -> None:
        known: dict[int, Segment] = {}
        for version in (*blob.snapshots.values(), blob):
            version.blocks = tuple(
                Block(block.identifier, self._kept(block.content, known)) for block in version.blocks
            )
            version.content = self._kept(version.content, known)

    def _staged(self, container: Container, key: str) -> None:
        """Newly staged blocks are written; when a commit took them all, their rows go."""
        staged = container.staged.get(key)
        if not staged:
            self._database.execute("delete from staged where container = ? and key = ?", (container.name, key))
            return
        last = next(reversed(staged))  # only the last is new: blocks are staged one by one
        block = staged[last] = Block(last, self._kept(staged[last].content, {}))
        row = (container.name, key, last, json.dumps(_places(block.content)))
        self._database.execute("replace into staged values (?, ?, ?, ?)", row)

    # Loading ------------------------------------------------------------------------------------------------------

    def _load(self) -> None:
        for name, text in self._database.execute("select name, words from container"):
            self._account.containers[name] = self._container(json.loads(text))
        for container, text in self._database.execute("select container, words from blob"):
            blob = self._blob(json.loads(text))
            self._account.containers[container].put(blob)
        for container, key, identifier, text in self._database.execute("select * from staged"):
            staged = self._account.containers[container].staged.setdefault(key, {})
            staged[identifier] = Block(identifier, self._content(json.loads(text)))
        if self._regions:
            # Behind everything that is used; what lies between was dropped and is not used again.
            self._number, self._used = max(self._regions), len(self._regions[max(self._regions)])
        for path in self._directory.glob("region-*"):
            if int(path.name.partition("-")[2]) not in self._regions:
                path.unlink()

    def _content(self, places: list[list[int]]) -> Content:
        return Content(
            Segment(self._region(number)[start : start + size].toreadonly(), (number, start))
            for number, start, size in places
        )

    def _container(self, words: Words) -> Container:
        words["lease"] = Lease(**words["lease"])
        words["policies"] = {name: Policy(**policy) for name, policy in words["policies"].items()}
        return Container(**words)

    def _blob(self, words: Words) -> Blob:
        return Blob(
            **{name: words[name] for name in PLAIN},
            content=self._content(words["content"]),
            described=Described(**words["described"]),
            blocks=tuple(Block(name, self._content(places)) for name, places in words["blocks"]),
            copy=Copy(**words["copy"]) if words["copy"] else None,
            lease=Lease(**words["lease"]),
            snapshots={name: self._blob(taken) for name, taken in words["snapshots"].items()},
            pages=tuple((start, end) for start, end in words["pages"]),
        )


def _places(content: Content) -> list[tuple[int, int, int]]:
    return [(*segment.place, len(segment.view)) for segment in content.segments if segment.place is not None]


def _container(container: Container) -> Words:
    words = {name: getattr(container, name) for name in ("name", "etag", "modified", "metadata", "public")}
    words["lease"] = asdict(container.lease)
    words["policies"] = {name: asdict(policy) for name, policy in container.policies.items()}
    return words


def _blob(blob: Blob) -> Words:
    words = {name: getattr(blob, name) for name in PLAIN}
    words["content"] = _places(blob.content)
    words["described"] = asdict(blob.described)
    words["blocks"] = [(block.identifier, _places(block.content)) for block in blob.blocks]
    words["copy"] = asdict(blob.copy) if blob.copy else None
    words["lease"] = asdict(blob.lease)
    words["snapshots"] = {name: _blob(taken) for name, taken in blob.snapshots.items()}
    words["pages"] = blob.pages
    return words

"""Datastores in the file: where each is, and where its secrets are read from.

A secret is `{file: PATH}`, `{env: NAME}` or `{credential: NAME}` (of systemd), or stands in the file itself, which warns when
others can read the file. Problems name the key and never show the secret.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from mountd.config.document import Node, unknown_key
from mountd.config.values import boolean
from mountd.definitions import DatastoreDefinition, DatastoreKind, Origin
from mountd.registry.arguments import (
    CREDENTIAL_ARGUMENTS,
    SECRET_ARGUMENTS,
    completed,
    disagreements,
    read_credential,
)
from mountd.registry.opening import BLOB_STORE
from mountd.registry.validation import credential_warnings, datastore_name, problems, tidied

ADDRESS: Mapping[str, str] = {
    "kind": "blob (Azure Blob Storage), local (a folder of this machine), or memory (lost with the daemon)",
    "account": "the storage account's name",
    "container": "the container's name",
    "endpoint_suffix": "of a sovereign cloud, such as core.chinacloudapi.cn; otherwise core.windows.net",
    "endpoint": "instead of the suffix, a whole URL before the container: private endpoints, emulators",
    "allow_http": "true permits an http endpoint: emulators only",
    "folder": "of kind local: the folder's absolute path",
    "note": "shown in listings",
}
STORAGE = tuple(name for name in (*ADDRESS, *CREDENTIAL_ARGUMENTS) if name not in ("kind", "folder", "note"))
SOURCES: Mapping[str, str] = {
    "file": "a file that holds it alone, by absolute path; a final line break is dropped",
    "env": "an environment variable of the daemon",
    "credential": "a systemd credential (LoadCredential=), by name",
}
DEFAULT_SUFFIX = "core.windows.net"
Warn = Callable[[str], None]


class DatastoreReader:
    """Reads the datastores of one file. `warn` hears what is unwise; `now` is seconds since the epoch."""

    def __init__(self, file: Path, now: float, warn: Warn, elsewhere: Mapping[str, str]) -> None:
        self._exposed = _readable_by_others(file)
        self._now = now
        self._warn = warn
        self._elsewhere = elsewhere

    def read_all(self, node: Node | None) -> tuple[DatastoreDefinition, ...]:
        """`datastores:`, name → definition."""
        found: dict[str, DatastoreDefinition] = {}
        for written, child in (node.children() if node else {}).items():
            name, warning = datastore_name(written)
            if warning:
                self._warn(f"{child.problems.file}:{child.line}: {child.path}: {warning}")
            if name in found:
                child.problem(f"is the same name as another datastore's: {name}.")
                continue
            definition = self._read(name, child, (*ADDRESS, *CREDENTIAL_ARGUMENTS))
            if definition is not None:
                found[name] = definition
        return tuple(found.values())

    def read_storage(self, node: Node | None) -> DatastoreDefinition | None:
        """`storage:`, the workspace's own account and container: the datastore workspaceblobstore."""
        if node is None or node.empty:
            return None
        definition = self._read(BLOB_STORE, node, STORAGE)
        return replace(definition, note="the workspace's storage, from the configuration file") if definition else None

    def _read(self, name: str, node: Node, known: tuple[str, ...]) -> DatastoreDefinition | None:
        children = node.children()
        words = {}
        for key, child in children.items():
            if key not in known:
                child.problem(unknown_key(key, known, self._elsewhere))
            elif key in SECRET_ARGUMENTS:
                words[key] = self._secret(child)
            elif not child.empty:
                words[key] = child.scalar()
        if None in words.values() or not set(children) <= set(known):
            return None
        return self._checked(name, node, children, {key: word for key, word in words.items() if word is not None})

    def _checked(
        self, name: str, node: Node, children: Mapping[str, Node], words: Mapping[str, str]
    ) -> DatastoreDefinition | None:
        definition = _addressed(name, children, words)
        read = read_credential({key: words[key] for key in CREDENTIAL_ARGUMENTS if key in words})
        found = list(read.problems)
        if read.connection is not None:
            found += disagreements(definition, read.connection)
            definition = completed(definition, read.connection)
        if read.credential is not None:
            definition = tidied(replace(definition, credential=read.credential))
        found += problems(definition)
        # An expired SAS does not keep the daemon from starting: status shows it, and the other datastores are served.
        for warning in () if found else credential_warnings(definition, self._now):
            self._warn(f"{node.problems.file}:{node.line}: {node.path}: {warning}")
        for problem in found:
            place = children.get(problem.argument, node)
            place.problem(f"{'' if place is not node else problem.argument + ' '}{problem.sentence} {problem.remedy}")
        return None if found else definition

    def _secret(self, node: Node) -> str | None:
        if not node.is_mapping:
            text = node.scalar()
            if text and self._exposed:
                self._warn(
                    f"{node.problems.file}:{node.line}: {node.path}: a secret stands in a file that others can read: "
                    f"chmod 0600 it, or write {{file: PATH}}."
                )
            return text
        sources = node.children()
        if len(sources) != 1 or not set(sources) <= set(SOURCES):
            node.problem("is not one of {file: PATH}, {env: NAME} and {credential: NAME}.")
            return None
        (kind, source), *_ = sources.items()
        place = source.scalar()
        if place is None:
            return None
        text = self._from_source(kind, place, source)
        if text == "":
            source.problem(f"the {kind} {place} is empty.")
        return text or None

    @staticmethod
    def _from_source(kind: str, place: str, node: Node) -> str | None:
        if kind == "env":
            if place not in os.environ:
                node.problem(f"the environment variable {place} is not set.")
            return os.environ.get(place)
        directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
        if kind == "credential" and not directory:
            node.problem("there are no systemd credentials: $CREDENTIALS_DIRECTORY is not set.")
            return None
        path = Path(directory, place) if kind == "credential" else Path(place)
        if not path.is_absolute() or (kind == "credential" and "/" in place):
            node.problem(f"{place!r} is not {'an absolute path' if kind == 'file' else 'the name of a credential'}.")
            return None
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            node.problem(f"{path} cannot be read: {error.strerror}.")
        except UnicodeDecodeError:
            node.problem(f"{path} is not text in UTF-8.")
        return None


def _addressed(name: str, children: Mapping[str, Node], words: Mapping[str, str]) -> DatastoreDefinition:
    """What is wrong is said, and something possible stands for it, so that the rest is looked at too."""
    kind = words.get("kind", "blob")
    if kind not in list(DatastoreKind):
        children["kind"].problem(f"{kind!r} is none of {', '.join(DatastoreKind)}.")
        kind = "blob"
    try:
        allow_http = boolean(words.get("allow_http", "false"))
    except ValueError as error:
        children["allow_http"].problem(f"{error}.")
        allow_http = False
    return DatastoreDefinition(
        name=name,
        kind=DatastoreKind(kind),
        account=words.get("account", ""),
        container=words.get("container", ""),
        endpoint_suffix=words.get("endpoint_suffix", DEFAULT_SUFFIX),
        endpoint=words.get("endpoint", "").rstrip("/"),
        allow_http=allow_http,
        folder=words.get("folder", ""),
        origin=Origin.FILE,
        note=words.get("note", ""),
    )


def _readable_by_others(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False

"""The registered datastores and mappings of one daemon: the file's and the socket's side by side, secrets sealed at rest.

Promises: what a call has accepted is on disk when it returns; what is refused changes nothing; what the configuration
file owns the socket does not change; a name in both is the file's, and the socket's comes back when the file drops it.
Synchronous and thread-safe: call it through `trio.to_thread`. A storage is probed without a lock held, so that a dead one
delays nobody. It knows no storage and no tree: who uses a datastore is asked of the caller (`InUse`).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mountd.definitions import Credential, DatastoreDefinition, DatastoreKind, MappingDefinition, Origin
from mountd.errors import (
    DatastoreExists,
    DatastoreInUse,
    InvalidDefinition,
    OwnedByFile,
    UnknownDatastore,
    UnknownMapping,
)
from mountd.ownership import private_directory
from mountd.registry.credentials import mode_of
from mountd.registry.interface import Change, Event, InUse, Listed, Listener, Probe
from mountd.registry.opening import BLOB_STORE, built_ins, open_files
from mountd.registry.stored import Stored
from mountd.registry.validation import Checked, checked, credential_warnings, datastore_name, expiry
from mountd.rules.mount_table import check_path, check_prefix

log = logging.getLogger(__name__)

_DEFAULT = "default_datastore"


@dataclass(frozen=True, slots=True)
class Declared:
    """What the configuration file says: already validated, origin `file`. `default` is "" where it names none."""

    datastores: tuple[DatastoreDefinition, ...] = ()
    mappings: tuple[MappingDefinition, ...] = ()
    default: str = ""


NOTHING_DECLARED = Declared()


class Registry:
    """Mutable state, guarded by `_lock`: `_socket` and `_mapped` (as on disk), `_default` (the socket's choice),
    `_declared` (the file's, replaced whole), `_listeners`. `_turn` keeps changes, and the telling of them, in order."""

    def __init__(self, stored: Stored, declared: Declared, clock: Callable[[], float] = time.time) -> None:
        self._stored = stored
        self._clock = clock
        self._turn = threading.RLock()
        self._lock = threading.Lock()
        self._listeners: list[Listener] = []
        self._declared = declared
        self._socket = stored.datastores()
        self._mapped = stored.mappings()
        self._default = stored.fact(_DEFAULT) or ""
        self._say_hidden()

    @classmethod
    def open(
        cls, directory: Path, key_file: Path | None = None, *, declared: Declared = NOTHING_DECLARED
    ) -> "Registry":
        """The registry in a state directory, made at the first start with two local datastores. DirectoryUnsafe,
        RegistryDamaged, RegistryUnavailable, TooNew or WrongKey: nothing was changed."""
        database, cipher = open_files(directory, key_file)
        stored = Stored(database, cipher)
        try:
            if stored.fact(_DEFAULT) is None:
                _first_start(stored, directory)
            return cls(stored, declared)
        except BaseException:
            stored.close()
            raise

    def close(self) -> None:
        with self._turn:
            self._stored.close()

    # Reading ---------------------------------------------------------------------------------------------------

    def get(self, name: str) -> DatastoreDefinition:
        """With its credential. UnknownDatastore."""
        name, _ = datastore_name(name)
        found = self.definitions().get(name)
        if found is None:
            raise UnknownDatastore(
                f"There is no datastore {name!r}.", remedy="List them with `mountctl datastore list`."
            )
        return found

    def definitions(self) -> dict[str, DatastoreDefinition]:
        """All of them with their credentials, for those who open them."""
        with self._lock:
            return self._socket | {definition.name: definition for definition in self._declared.datastores}

    def list(self) -> Sequence[Listed]:
        """All of them without secrets, by name."""
        default, now = self.default_name(), self._clock()
        return [
            _listed(definition, definition.name == default, now) for _, definition in sorted(self.definitions().items())
        ]

    def mappings(self) -> Sequence[MappingDefinition]:
        """The file's and the socket's, by path; the socket's that the file hides are left out."""
        with self._lock:
            shown = self._mapped | {mapping.path: mapping for mapping in self._declared.mappings}
        return [shown[path] for path in sorted(shown)]

    def default_name(self) -> str:
        """ "" if there is none."""
        with self._lock:
            return self._declared.default or self._default

    def default(self) -> DatastoreDefinition:
        """UnknownDatastore if none is set, or the one that was is gone."""
        name = self.default_name()
        if not name:
            raise UnknownDatastore(
                "No default datastore is set.", remedy="Set one with `mountctl datastore default NAME`."
            )
        return self.get(name)

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Every change from now on; the result ends it."""
        with self._lock:
            self._listeners.append(listener)

        def end() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return end

    # Changing --------------------------------------------------------------------------------------------------

    def register(
        self,
        definition: DatastoreDefinition,
        probe: Probe,
        *,
        overwrite: bool = False,
        create_if_not_exists: bool = False,
        skip_validation: bool = False,
    ) -> Checked:
        """Keeps a datastore for the socket. InvalidDefinition, CredentialExpired, DatastoreExists, OwnedByFile, or what
        the storage answered the probe. The result has the definition as it is kept, and warnings."""
        result = checked(replace(definition, origin=Origin.SOCKET), self._clock())
        kept = result.definition
        self._refuse_taken(kept.name, overwrite)
        if create_if_not_exists:
            probe.create(kept)
        if not skip_validation:
            probe.check(kept)
        with self._turn:
            self._refuse_taken(kept.name, overwrite)  # somebody may have been quicker while the storage was asked
            event = Event.UPDATED if kept.name in self._socket else Event.REGISTERED
            self._keep(kept)
            self._tell(Change(event, kept.name, datastore=kept))
        return result

    def rotate(self, name: str, credential: Credential, probe: Probe, *, skip_validation: bool = False) -> Checked:
        """Another credential, of whatever mode, for the same storage; open files go on."""
        before = self._owned_by_socket(name)
        result = checked(replace(before, credential=credential), self._clock())
        if not skip_validation:
            probe.check(result.definition)
        with self._turn:
            current = self._owned_by_socket(name)
            if replace(current, credential=before.credential) != before:
                raise InvalidDefinition(
                    f"The datastore {current.name!r} was changed while the new credential was tried.",
                    remedy="Rotate again.",
                )
            kept = result.definition
            self._keep(kept)
            self._tell(Change(Event.ROTATED, kept.name, datastore=kept))
        return result

    def unregister(self, name: str, in_use: InUse, *, force: bool = False) -> None:
        """Forgets a datastore; its storage is never touched. DatastoreInUse unless forced; then the socket's mappings of it
        go too."""
        with self._turn:
            gone = self._owned_by_socket(name)
            mapped = [mapping for mapping in self._mapped.values() if mapping.datastore == gone.name]
            if not force:
                self._refuse_used(gone.name, mapped, in_use)
            was_default = gone.name == self._default
            with self._stored.change() as change:
                change.remove_datastore(gone.name)
                for mapping in mapped:
                    change.remove_mapping(mapping.path)
                if was_default:
                    change.put_fact(_DEFAULT, "")
            with self._lock:
                del self._socket[gone.name]
                for mapping in mapped:
                    del self._mapped[mapping.path]
                if was_default:
                    self._default = ""
            for mapping in mapped:
                self._tell(Change(Event.UNMAPPED, mapping.path, mapping=mapping))
            self._tell(Change(Event.UNREGISTERED, gone.name, datastore=gone))

    def set_default(self, name: str) -> None:
        with self._turn:
            found = self.get(name)
            if self._declared.default and self._declared.default != found.name:
                raise OwnedByFile(
                    f"The configuration file says that {self._declared.default!r} is the default datastore.",
                    remedy="Change default_datastore there.",
                )
            with self._stored.change() as change:
                change.put_fact(_DEFAULT, found.name)
            with self._lock:
                self._default = found.name
            self._tell(Change(Event.DEFAULT, found.name, datastore=found))

    def add_mapping(self, mapping: MappingDefinition) -> MappingDefinition:
        """Keeps a mapping for the socket. InvalidDefinition: its path or prefix cannot be, or the path is taken."""
        check_path(mapping.path)
        check_prefix(mapping.prefix)
        with self._turn:
            kept = replace(mapping, datastore=self.get(mapping.datastore).name, origin=Origin.SOCKET)
            taken = next((other for other in self.mappings() if other.path == kept.path), None)
            if taken is not None:
                raise InvalidDefinition(
                    f"path {kept.path} already shows {taken.datastore}/{taken.prefix} (origin: {taken.origin}).",
                    remedy="Remove that mapping first, or choose another path.",
                )
            with self._stored.change() as change:
                change.put_mapping(kept)
            with self._lock:
                self._mapped[kept.path] = kept
            self._tell(Change(Event.MAPPED, kept.path, mapping=kept))
        return kept

    def remove_mapping(self, path: str) -> MappingDefinition:
        """Forgets a mapping of the socket; what it was."""
        with self._turn:
            if any(mapping.path == path for mapping in self._declared.mappings):
                raise OwnedByFile(f"The mapping at {path} is in the configuration file.", remedy="Remove it there.")
            gone = self._mapped.get(path)
            if gone is None:
                raise UnknownMapping(
                    f"Nobody mapped anything at {path}.", remedy="List the mappings with `mountctl mapping list`."
                )
            with self._stored.change() as change:
                change.remove_mapping(path)
            with self._lock:
                del self._mapped[path]
            self._tell(Change(Event.UNMAPPED, path, mapping=gone))
        return gone

    # Inside ----------------------------------------------------------------------------------------------------

    def _keep(self, definition: DatastoreDefinition) -> None:
        with self._stored.change() as change:
            change.put_datastore(definition)
        with self._lock:
            self._socket[definition.name] = definition

    def _owned_by_socket(self, name: str) -> DatastoreDefinition:
        found = self.get(name)
        self._refuse_files(found.name)
        return found

    def _refuse_files(self, name: str) -> None:
        if any(definition.name == name for definition in self._declared.datastores):
            raise OwnedByFile(f"The datastore {name!r} is in the configuration file.", remedy="Change it there.")

    def _refuse_taken(self, name: str, overwrite: bool) -> None:
        self._refuse_files(name)
        if name in self._socket and not overwrite:
            raise DatastoreExists(
                f"There is already a datastore {name!r}.", remedy="Choose another name, or overwrite it by saying so."
            )

    def _refuse_used(self, name: str, mapped: Iterable[MappingDefinition], in_use: InUse) -> None:
        reasons = [
            f"is mapped at {mapping.path}"
            for mapping in (*mapped, *self._declared.mappings)
            if mapping.datastore == name
        ]
        if not reasons and (reason := in_use(name)):
            reasons = [reason]
        if not reasons and name == self.default_name():
            reasons = ["is the default datastore"]
        if reasons:
            raise DatastoreInUse(
                f"The datastore {name!r} {' and '.join(reasons)}.", remedy="Undo that first, or force it."
            )

    def _tell(self, change: Change) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(change)

    def _say_hidden(self) -> None:
        for definition in self._declared.datastores:
            if definition.name in self._socket:
                log.warning(
                    "The configuration file's datastore %s hides a registered one of that name.", definition.name
                )
        for mapping in self._declared.mappings:
            if mapping.path in self._mapped:
                log.warning("The configuration file's mapping at %s hides one added over the socket.", mapping.path)


def _first_start(stored: Stored, directory: Path) -> None:
    with stored.change() as change:
        for definition in built_ins(directory.absolute()):
            folder = Path(definition.folder)
            private_directory(folder.parent, "state")
            private_directory(folder, "state")
            change.put_datastore(definition)
        change.put_fact(_DEFAULT, BLOB_STORE)


def _listed(definition: DatastoreDefinition, default: bool, now: float) -> Listed:
    azure = definition.kind is DatastoreKind.BLOB
    return Listed(
        name=definition.name,
        kind=definition.kind,
        account=definition.account,
        container=definition.container,
        endpoint=definition.endpoint,
        endpoint_suffix=definition.endpoint_suffix if azure and not definition.endpoint else "",
        allow_http=definition.allow_http,
        folder=definition.folder,
        credential=mode_of(definition.credential),
        origin=definition.origin,
        default=default,
        note=definition.note,
        warnings=credential_warnings(definition, now),
        expires=expiry(definition.credential),
    )

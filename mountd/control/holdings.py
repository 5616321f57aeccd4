"""What the workspace holds open, and what of it the tree shows.

State: `opened`, `broken`, `_mappings` and `_shown`. `follow` brings all of it in line with what the registry says now: each
datastore at /NAME by itself, people's mappings over that; a mapping whose datastore is missing waits until it comes. Paths
that did not change are not touched, and a datastore whose credential alone changed stays open. It must not know how a
definition came to be.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from mountd.content.interface import Source
from mountd.control.interface import OpenedStore, Parts
from mountd.definitions import DatastoreDefinition, MappingDefinition, MappingOptions
from mountd.errors import MountdError, UnknownDatastore
from mountd.rules.mount_table import MountTable, automatic

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Showing:
    """How datastores appear. `own_folders`: each at /NAME by itself, with `options`. `presets`: mapping options by name."""

    own_folders: bool = True
    options: MappingOptions = field(default_factory=MappingOptions)
    presets: Mapping[str, MappingOptions] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Opened:
    """A datastore in use. The store stays the same object while its credential rotates."""

    definition: DatastoreDefinition
    store: OpenedStore


class Holdings:
    """The live state of one workspace."""

    def __init__(self, parts: Parts, showing: Showing) -> None:
        self.opened: dict[str, Opened] = {}
        self.broken: dict[str, MountdError] = {}
        self._open_store = parts.open_store
        self._tree = parts.tree
        self._showing = showing
        self._mappings: tuple[MappingDefinition, ...] = ()
        self._shown: dict[str, tuple[MappingDefinition, Opened]] = {}

    async def follow(
        self, definitions: Mapping[str, DatastoreDefinition], mappings: Iterable[MappingDefinition]
    ) -> None:
        """Opens, rotates and closes datastores, and maps them, as these say."""
        left = [self._let_go(name) for name in list(self.opened) if self._is_gone(name, definitions)]
        self.broken = {}
        rotated: list[Opened] = []
        for name, definition in definitions.items():
            held = self.opened.get(name)
            if held is None:
                self._open(definition)
            elif held.definition != definition:
                held.definition = definition
                rotated.append(held)
        self._mappings = tuple(mappings)
        self._refresh()
        for held in rotated:
            await held.store.rotate(held.definition)
        for held in left:
            await held.store.aclose()

    def store(self, name: str) -> OpenedStore:
        """The opened store; the error it could not be opened with, if so."""
        if name in self.broken:
            raise self.broken[name]
        if name not in self.opened:
            raise UnknownDatastore(f"There is no datastore {name!r}.")
        return self.opened[name].store

    def shown(self) -> list[MappingDefinition]:
        return [self._shown[path][0] for path in sorted(self._shown)]

    def waiting(self) -> list[MappingDefinition]:
        """Mappings that are not shown because their datastore is not there."""
        return [mapping for mapping in self._mappings if mapping.datastore not in self.opened]

    def paths_of(self, name: str) -> list[str]:
        return [mapping.path for mapping in self.shown() if mapping.datastore == name]

    def mapped_elsewhere(self, name: str) -> list[str]:
        """Where people mapped a datastore beside its own folder."""
        return [each.path for each in self._mappings if each.datastore == name and each.path != f"/{name}"]

    def open_files(self, name: str) -> list[str]:
        """Paths of open files that this datastore shows."""
        table = self._table()
        places = ((file.path, table.resolve(file.path)) for file in self._tree.open_files())
        return [path for path, place in places if place and place.mapping and place.mapping.datastore == name]

    async def aclose(self) -> None:
        for held in self.opened.values():
            await held.store.aclose()

    def _is_gone(self, name: str, definitions: Mapping[str, DatastoreDefinition]) -> bool:
        return name not in definitions or not same_place(self.opened[name].definition, definitions[name])

    def _let_go(self, name: str) -> Opened:
        return self.opened.pop(name)

    def _open(self, definition: DatastoreDefinition) -> None:
        """One that cannot be opened is kept with its error, and the others are not disturbed."""
        try:
            self.opened[definition.name] = Opened(definition, self._open_store(definition))
        except MountdError as error:
            log.error("datastore %s cannot be opened: %s", definition.name, error)
            self.broken[definition.name] = error

    def _table(self) -> MountTable:
        table = MountTable()
        if self._showing.own_folders:
            for name in sorted(self.opened):
                table = table.add(automatic(name, self._showing.options))
        for mapping in self._mappings:
            if mapping.datastore in self.opened:
                table = table.add(mapping)
        return table

    def _refresh(self) -> None:
        """Makes the tree show what it should, outer paths first."""
        wanted = {mapping.path: (mapping, self.opened[mapping.datastore]) for mapping in self._table().shown()}
        for path in sorted(self._shown, reverse=True):
            if wanted.get(path) != self._shown[path]:
                self._tree.detach(path)
                del self._shown[path]
        for path in sorted(wanted):
            if path not in self._shown:
                mapping, held = wanted[path]
                self._tree.attach(mapping, _source(mapping, held))
                self._shown[path] = wanted[path]


def same_place(one: DatastoreDefinition, other: DatastoreDefinition) -> bool:
    """Whether both name the same storage, whatever the credential and the note."""
    return replace(one, credential=other.credential, note=other.note, origin=other.origin) == other


def _source(mapping: MappingDefinition, held: Opened) -> Source:
    options = mapping.options
    return Source(mapping.datastore, held.store, prefetch=options.prefetch, cache_share=options.cache_share)

"""What control/ asks of the rooms it may not import; wired in daemon.py.

The tree is fs.filesystem.Filesystem; an opened store is a stores.live.LiveStore.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mountd.content.interface import Content, Source
from mountd.control.events import EventLog
from mountd.control.tasks import Tasks
from mountd.definitions import DatastoreDefinition, MappingDefinition
from mountd.fs.interface import Inspector, Teller
from mountd.registry.interface import Probe
from mountd.registry.registry import Registry
from mountd.rules.lines import Lines
from mountd.stores.interface import Reader, StoreHealth


class OpenedStore(Reader, Protocol):
    """A store in use: reads go on while its credential is changed under it."""

    async def rotate(self, definition: DatastoreDefinition) -> None: ...

    def health(self) -> StoreHealth: ...


class Tree(Inspector, Protocol):
    """The tree as control/ changes it and looks into it."""

    def attach(self, mapping: MappingDefinition, source: Source) -> None: ...

    def detach(self, path: str) -> None: ...

    def mappings(self) -> Sequence[MappingDefinition]: ...

    async def follow(self, lines: Lines, teller: Teller) -> None: ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a workspace is made of. `open_store` asks no storage, so that a daemon starts whatever the network is, and raises
    a MountdError where a definition cannot be opened at all."""

    registry: Registry
    probe: Probe
    open_store: Callable[[DatastoreDefinition], OpenedStore]
    tree: Tree
    content: Content
    tasks: Tasks
    events: EventLog

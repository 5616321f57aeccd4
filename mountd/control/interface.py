"""What control/ asks of the rooms it may not import; wired in daemon.py.

The tree is fs.filesystem.Filesystem; the opened stores and their probe are stores.live and stores.probe.
"""

from collections.abc import Sequence
from typing import Protocol

from mountd.content.interface import Source
from mountd.definitions import DatastoreDefinition, MappingDefinition
from mountd.fs.interface import Inspector
from mountd.stores.interface import Reader, StoreHealth


class OpenedStore(Reader, Protocol):
    """A store in use: reads go on while its credential is changed under it."""

    def rotate(self, definition: DatastoreDefinition) -> None: ...

    def health(self) -> StoreHealth: ...


class StoreOpener(Protocol):
    """Opens stores. `open` never touches the network, so that a daemon starts whatever the network is."""

    def open(self, definition: DatastoreDefinition) -> OpenedStore: ...

    async def probe(self, definition: DatastoreDefinition) -> None:
        """Tries the credential by a listing of one entry; raises the precise StoreError."""
        ...

    async def create(self, definition: DatastoreDefinition) -> None:
        """Makes the container or folder where there is none."""
        ...


class Tree(Inspector, Protocol):
    """The tree as control/ changes it and looks into it."""

    def attach(self, mapping: MappingDefinition, source: Source) -> None: ...

    def detach(self, path: str) -> None: ...

    def mappings(self) -> Sequence[MappingDefinition]: ...

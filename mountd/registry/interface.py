"""What the registry asks of the rooms above it, and the values it tells them."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from mountd.definitions import DatastoreDefinition, DatastoreKind, MappingDefinition, Origin


class Probe(Protocol):
    """Tries a definition against its storage (implemented in daemon.py on stores.probe). Called in a worker thread."""

    def check(self, definition: DatastoreDefinition) -> None:
        """A listing of one entry; raises the precise StoreError."""
        ...

    def create(self, definition: DatastoreDefinition) -> None:
        """Makes the container or folder if there is none; raises the precise StoreError."""
        ...


class Event(StrEnum):
    REGISTERED = "registered"
    UPDATED = "updated"
    ROTATED = "rotated"
    UNREGISTERED = "unregistered"
    DEFAULT = "default"
    MAPPED = "mapped"
    UNMAPPED = "unmapped"


@dataclass(frozen=True, slots=True)
class Change:
    """What happened, told after it is stored. `datastore`: as it is now, or as it was if it went. `mapping` likewise."""

    event: Event
    name: str
    datastore: DatastoreDefinition | None = None
    mapping: MappingDefinition | None = None


Listener: TypeAlias = Callable[[Change], None]
"""Called in the thread of the change, one change after the other. It may read the registry, and must not change it."""

InUse: TypeAlias = Callable[[str], str | None]
"""Datastore's name → who uses it, as "is mapped at /x" or "has 3 open files"; None if nobody does."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A datastore without its secrets. `credential` is the mode's name; `warnings` say what its owner should know."""

    name: str
    kind: DatastoreKind
    account: str
    container: str
    endpoint: str
    endpoint_suffix: str
    allow_http: bool
    folder: str
    credential: str
    origin: Origin
    default: bool
    note: str
    warnings: tuple[str, ...]
    expires: float | None

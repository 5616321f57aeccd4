"""From a definition to a datastore that can be asked. The one place that knows which class is which kind.

A kind's libraries are imported when the first datastore of that kind is opened: a node that uses none does not pay.
"""

from typing import TYPE_CHECKING

import trio

from mountd.definitions import DatastoreDefinition, DatastoreKind
from mountd.errors import InvalidDefinition, MissingExtra
from mountd.stores.config import StoreConfig
from mountd.stores.interface import Reader
from mountd.stores.live import LiveStore
from mountd.stores.local import LocalStore
from mountd.stores.memory import MemoryStore

if TYPE_CHECKING:
    from mountd.stores.blob import BlobStore


def open_store(definition: DatastoreDefinition, config: StoreConfig) -> LiveStore:
    """Asks nothing of the storage: that is `probe`'s. InvalidDefinition or MissingExtra where it cannot be opened."""
    if definition.kind is DatastoreKind.BLOB:
        return LiveStore(definition, config, lambda current: raw_store(current, config))
    # The other kinds have no credential that could change: a rotation keeps them, and a memory store its contents.
    raw = raw_store(definition, config)
    return LiveStore(definition, config, lambda _: raw)


def raw_store(definition: DatastoreDefinition, config: StoreConfig) -> Reader:
    """The kind itself, without protection."""
    match definition.kind:
        case DatastoreKind.MEMORY:
            return MemoryStore(definition.container or definition.name)
        case DatastoreKind.LOCAL:
            return _local(definition)
        case DatastoreKind.BLOB:
            return _blob(definition, config)


async def create_container(definition: DatastoreDefinition, config: StoreConfig) -> None:
    """Makes the container or folder if there is none. Raises the precise StoreError."""
    match definition.kind:
        case DatastoreKind.MEMORY:
            return
        case DatastoreKind.LOCAL:
            await _local(definition).create_container()
        case DatastoreKind.BLOB:
            raw = _blob(definition, config)
            try:
                await raw.create_container()
            finally:
                with trio.CancelScope(shield=True):
                    await raw.aclose()


def _local(definition: DatastoreDefinition) -> LocalStore:
    if not definition.folder.startswith("/"):
        raise InvalidDefinition(f"Datastore '{definition.name}': folder must be an absolute path.")
    return LocalStore(definition.folder)


def _blob(definition: DatastoreDefinition, config: StoreConfig) -> "BlobStore":
    try:
        from mountd.stores.blob import BlobStore
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.startswith("mountd"):
            raise
        raise MissingExtra(
            f"Datastore '{definition.name}' is a blob container, and the library {missing.name} is not installed.",
            remedy="Install mountd[daemon].",
        ) from missing
    return BlobStore(definition, config)

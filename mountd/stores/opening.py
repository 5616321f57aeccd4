"""From a definition to a datastore that can be asked. The one place that knows which class is which kind.

A kind's libraries are imported when the first datastore of that kind is opened: a node that uses none does not pay.
"""

from mountd.definitions import DatastoreDefinition, DatastoreKind
from mountd.errors import InvalidDefinition, MissingExtra
from mountd.stores.config import StoreConfig
from mountd.stores.interface import Reader
from mountd.stores.live import LiveStore
from mountd.stores.local import LocalStore
from mountd.stores.memory import MemoryStore


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
            if not definition.folder.startswith("/"):
                raise InvalidDefinition(f"Datastore '{definition.name}': folder must be an absolute path.")
            return LocalStore(definition.folder)
        case DatastoreKind.BLOB:
            return _blob(definition, config)


def _blob(definition: DatastoreDefinition, config: StoreConfig) -> Reader:
    try:
        from mountd.stores.blob import BlobStore
    except ModuleNotFoundError as missing:
        if missing.name and missing.name.startswith("mountd"):
            raise
        raise MissingExtra(
            f"Datastore '{definition.name}' is a blob container, and the library {missing.name} is not installed.",
            remedy="Install mountd[daemon].",
        ) from missing
    return BlobStore(definition, config, config.concurrency)

"""A folder on a local disk as a datastore: `LocalStore`."""

from mountd.stores.local.store import LocalStore

__all__ = ["LocalStore"]

"""The workspace as programs know it: the datastores of one daemon, with a default."""

import os
from collections.abc import Iterable

from mountd.api import Task
from mountd.sdk.client import Client
from mountd.sdk.datastore import AbstractDatastore, Datastore, typed


class Workspace:
    """What one daemon serves. `socket_path` None: $MOUNTD_SOCKET, else the default place."""

    def __init__(self, socket_path: str | None = None) -> None:
        self.client = Client(socket_path)

    @staticmethod
    def from_config() -> "Workspace":
        """The workspace of this node's daemon: its socket is the configuration."""
        return Workspace()

    def __repr__(self) -> str:
        return f"Workspace({self.client.socket_path!r})"

    @property
    def datastores(self) -> dict[str, AbstractDatastore]:
        """Name → datastore, without credentials."""
        return {words.name: typed(self, words) for words in self.client.datastores()}

    def prefetch(self, paths: Iterable[str | os.PathLike[str]]) -> Task:
        """Hands over the order in which files will be read, and returns at once: they are fetched just ahead of their readers."""
        return self.client.prefetch(paths)

    def get_default_datastore(self) -> AbstractDatastore:
        return Datastore.get_default(self)

    def set_default_datastore(self, name: str) -> None:
        self.client.set_default(name)

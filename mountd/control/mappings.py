"""The operations on mappings: list, add, remove. The registry decides and stores; what the tree shows follows it."""

import trio

from mountd import api
from mountd.control.holdings import Holdings, Showing
from mountd.control.interface import Parts
from mountd.control.words import mapped_path, mapping_of
from mountd.definitions import Origin
from mountd.errors import BadRequest
from mountd.rules.mount_table import tree_path


class Mappings:
    """The mappings of a workspace. `changing` is held by whoever changes the registry."""

    def __init__(self, holdings: Holdings, parts: Parts, showing: Showing, changing: trio.Lock) -> None:
        self._holdings = holdings
        self._registry = parts.registry
        self._events = parts.events
        self._showing = showing
        self._changing = changing

    def list(self) -> list[api.MappedPath]:
        return [mapped_path(mapping) for mapping in self._holdings.shown()]

    async def add(self, words: api.AddMapping) -> api.MappedPath:
        """A mapping at a datastore's own folder takes the place of the automatic one while it is there."""
        mapping = mapping_of(words, self._showing.options, self._showing.presets)
        async with self._changing:
            self._holdings.store(self._registry.get(mapping.datastore).name)
            mapping = await trio.to_thread.run_sync(self._registry.add_mapping, mapping)
            await self._follow()
        self._events.emit("mapping.added", mapping.path, f"{mapping.path} shows {mapping.datastore}/{mapping.prefix}.")
        return mapped_path(mapping)

    async def remove(self, path: str) -> None:
        """Open files below it fail from then on; those elsewhere go on."""
        path = tree_path(path)
        async with self._changing:
            for mapping in self._holdings.shown():
                if mapping.path == path and mapping.origin is Origin.BUILT_IN:
                    raise BadRequest(
                        f"{path} is datastore {mapping.datastore}'s own folder.",
                        remedy="It goes when the datastore is unregistered.",
                    )
            await trio.to_thread.run_sync(self._registry.remove_mapping, path)
            await self._follow()
        self._events.emit("mapping.removed", path, f"The mapping at {path} is removed.")

    async def _follow(self) -> None:
        with trio.CancelScope(shield=True):
            await self._holdings.follow(self._registry.definitions(), self._registry.mappings())

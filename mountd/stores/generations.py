"""One raw store of a datastore, and the calls on it: a rotation puts another in its place while they go on.

Promises: it is closed once it was replaced and the last call has left it, and not before.
"""

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import trio

from mountd.stores.interface import Reader
from mountd.stores.progress import Listener
from mountd.types import Buffer, Version


class Leavable(Protocol):
    """A request under way at a raw kind."""

    def leave(self) -> None:
        """Its answer is not wanted any more."""
        ...


Landed = Callable[[Buffer | None, BaseException | None], None]


@runtime_checkable
class DirectRaw(Protocol):
    """A raw kind that reads without a task. `landed` is called on trio's thread, once, unless it was left before; and before
    `begin` returns only with an error."""

    def begin(self, version: Version, start: int, stop: int, landed: Landed, listener: Listener) -> Leavable: ...


class Generation:
    """`accepted`: the storage has taken its credential; `refused_at`: when calls began to wait for another; `direct`: the raw
    store, where it is one that reads without a task (found out once: to ask costs more than to read)."""

    __slots__ = ("accepted", "calls", "direct", "raw", "refused_at", "replaced")

    def __init__(self, raw: Reader) -> None:
        self.raw = raw
        self.direct = raw if isinstance(raw, DirectRaw) else None
        self.calls = 0
        self.replaced = False
        self.accepted = False
        self.refused_at = -math.inf

    def leave(self) -> None:
        """A call without a task has ended. Where it was the last one, closing takes one of trio's own: who could wait for it?"""
        self.calls -= 1
        if self.replaced and self.calls == 0:
            trio.lowlevel.spawn_system_task(self.close_if_left, name="closing a replaced store")

    async def close_if_left(self) -> None:
        if self.replaced and self.calls == 0:
            # Closing ends threads and sockets: a reader cancelled just now must not leak them.
            with trio.CancelScope(shield=True):
                await self.raw.aclose()

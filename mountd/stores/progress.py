"""How a raw kind says that a call is getting somewhere, so that its deadline counts from there (SEMANTICS 32).

A kind that sees bytes arrive calls `made()` on trio's thread; outside a protected call that does nothing.
"""

from contextvars import ContextVar
from typing import Protocol


class Listener(Protocol):
    def progress_made(self) -> None: ...


LISTENER: ContextVar[Listener | None] = ContextVar("mountd_store_progress", default=None)


def made() -> None:
    """A byte or an answer came."""
    listener = LISTENER.get()
    if listener is not None:
        listener.progress_made()

"""How a raw kind says that a call is getting somewhere, so that its deadline counts from there (SEMANTICS 32).

A kind that sees bytes arrive calls `made()` on trio's thread; outside a protected call that does nothing.
"""

from contextvars import ContextVar
from typing import Protocol


class Listener(Protocol):
    def progress_made(self) -> None: ...

    def progress_kept(self) -> None: ...


class _Nobody:
    def progress_made(self) -> None:
        """Nobody has a deadline to move on."""

    def progress_kept(self) -> None:
        """As above."""


NOBODY: Listener = _Nobody()
LISTENER: ContextVar[Listener | None] = ContextVar("mountd_store_progress", default=None)


def made() -> None:
    """A byte or an answer came: the deadline counts from now."""
    listener = LISTENER.get()
    if listener is not None:
        listener.progress_made()


def kept() -> None:
    """What came need not be asked for again: the number of retries, too, counts from here."""
    listener = LISTENER.get()
    if listener is not None:
        listener.progress_kept()

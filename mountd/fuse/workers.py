"""How pyfuse3's request tasks wait for the kernel, and how one that is stuck is ended.

pyfuse3 takes its event loop's words from its module-level name `trio`, which its own asyncio mode replaces; so does
this, with less work behind the same words. One task takes request after request and answers them, without a pass through
the scheduler, until a call has to wait: only then is that call a row in a table, with a limit, and only then does another task
go on in its place. Also mended: the kernel takes back a request whose caller was killed, and pyfuse3's read
would then hold the whole process until the next one came; so the descriptor is asked again right before it.
"""

import logging
import types
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager
from functools import partial
from time import perf_counter
from types import TracebackType
from typing import Any

import pyfuse3
import trio
from trio.lowlevel import Abort, Task

from mountd.fuse.awaiting import Descriptor

log = logging.getLogger(__name__)

Serve = Callable[..., Awaitable[None]]


class Calls:
    """Which request task waits inside which handler since when; ends those that take longer than `limit` seconds.

    State: `running`, the calls that wait; `expired`, tasks that were told to stop and have not ended yet.
    """

    def __init__(self, limit: float) -> None:
        self.running: dict[Task, tuple[str, float]] = {}
        self.expired: set[Task] = set()
        self.pass_on: Callable[[], None] = _nobody
        self._limit = limit
        self._scopes: dict[Task, trio.CancelScope] = {}

    async def serve(self, serving: Serve, *arguments: object) -> None:
        """Runs one request task, so that it can be ended alone."""
        task = trio.lowlevel.current_task()
        with trio.CancelScope() as scope:
            self._scopes[task] = scope
            try:
                await serving(*arguments)
            finally:
                del self._scopes[task]
                self.expired.discard(task)
                self.pass_on()

    async def wait(self, name: str, call: Coroutine[Any, Any, Any], trap: object) -> Any:  # noqa: ANN401  each has its own
        """The answer of a call that asked the loop to wait (`trap`); meanwhile another task takes the kernel's requests."""
        task = trio.lowlevel.current_task()
        self.running[task] = (name, trio.current_time())
        self.pass_on()
        try:
            return await _resumed(call, trap)
        finally:
            del self.running[task]

    async def watch(self) -> None:
        """Until cancelled. A call ends at most an eighth of the limit late."""
        while True:
            await trio.sleep(self._limit / 8)
            oldest = trio.current_time() - self._limit
            for task, (name, since) in list(self.running.items()):
                if since <= oldest and task in self._scopes:
                    log.warning("%s was not answered within %g s: ETIMEDOUT", name, self._limit)
                    self.expired.add(task)
                    self._scopes[task].cancel()


def _nobody() -> None:
    """Before there is a lock, no task waits for it."""


@types.coroutine
def _resumed(call: Coroutine[Any, Any, Any], trap: object) -> Generator[object, object, Any]:
    """Goes on with a coroutine that was begun by hand and yielded `trap`."""
    try:
        while True:
            try:
                value = yield trap
            except BaseException as error:  # noqa: BLE001  whatever the loop throws is the call's
                trap = call.throw(error)
            else:
                trap = call.send(value)
    except StopIteration as done:
        return done.value


class ReaderLock:
    """Who may wait for the kernel's next request. Taken without a checkpoint where it is free, and nobody is woken when it is let
    go: whoever let it go will take it again, unless its call has to wait (`pass_on`).

    State: `_held`; `_idle`, the tasks that wait for it; `_woken`, the one that was told and has not run yet.
    """

    def __init__(self, calls: Calls, replace: Callable[[], None]) -> None:
        self._calls = calls
        self._replace = replace
        self._held = False
        self._idle: deque[Task] = deque()
        self._woken: Task | None = None
        calls.pass_on = self.pass_on

    async def __aenter__(self) -> None:
        if self._calls.expired and (task := trio.lowlevel.current_task()) in self._calls.expired:
            if not (self._held or self._idle or self._woken):
                self._replace()  # it was the last one: without another the mount would end with it
            raise trio.ClosedResourceError  # its scope is cancelled for good; this ends a request task in good order
        while self._held:
            task = trio.lowlevel.current_task()
            self._idle.append(task)
            await trio.lowlevel.wait_task_rescheduled(partial(self._give_up, task))
            if self._woken is task:
                self._woken = None
        self._held = True

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, frames: TracebackType | None
    ) -> None:
        self._held = False
        if kind is not None:
            self.pass_on()

    def pass_on(self) -> None:
        """Whoever let it go last will be busy for a while."""
        if self._idle and not self._held and self._woken is None:
            self._woken = self._idle.popleft()
            trio.lowlevel.reschedule(self._woken)

    def _give_up(self, task: Task, raise_cancel: object) -> Abort:
        self._idle.remove(task)
        return Abort.SUCCEEDED


class RequestTasks:
    """What pyfuse3 is given for `trio`: all the names it uses, of this and of its submodule `lowlevel`.

    State: `_descriptor`, `_closing` once its end was said; `_nursery` and `_start`, where request tasks run and what they do.
    """

    ClosedResourceError = trio.ClosedResourceError

    def __init__(self, calls: Calls, looking: float = 0.0, clock: Callable[[], float] = perf_counter) -> None:
        self.lowlevel = self
        self._calls = calls
        self._looking = looking
        self._clock = clock
        self._nursery: trio.Nursery
        self._start: Callable[[], Awaitable[None]]
        self._descriptor: Descriptor | None = None
        self._closing = False

    def install(self) -> None:
        vars(pyfuse3)["trio"] = self

    current_task = staticmethod(trio.lowlevel.current_task)
    current_trio_token = staticmethod(trio.lowlevel.current_trio_token)

    def Lock(self) -> ReaderLock:
        return ReaderLock(self._calls, self._start_another)

    @asynccontextmanager
    async def open_nursery(self) -> AsyncIterator["RequestTasks"]:
        async with trio.open_nursery() as watching:
            watching.start_soon(self._calls.watch)
            async with trio.open_nursery() as self._nursery:
                yield self
            watching.cancel_scope.cancel()

    def start_soon(self, serving: Serve, *arguments: object, name: str | None = None) -> None:
        self._start = partial(self._calls.serve, serving, *arguments)
        self._start_another()

    def _start_another(self) -> None:
        self._nursery.start_soon(self._start)

    async def wait_readable(self, number: int) -> None:
        """Returns when a request is there, without a pass through the scheduler while others have had their turn."""
        descriptor = self._descriptor
        if descriptor is None:
            descriptor = self._descriptor = Descriptor(number, self._looking, self._clock)
        while True:
            if descriptor.turn_is_over():
                await trio.lowlevel.checkpoint()
                descriptor.begin_turn()
            if descriptor.is_readable():
                return
            # While a call waits, the loop may be what it waits for.
            if self._looking and not self._calls.running and descriptor.becomes_readable():
                return
            if self._closing:  # who was woken just before for a request that is gone again: trio tells only who waits
                raise trio.ClosedResourceError
            await trio.lowlevel.wait_readable(number)
            descriptor.begin_turn()

    def notify_closing(self, number: int) -> None:
        self._closing = True
        trio.lowlevel.notify_closing(number)

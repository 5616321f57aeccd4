"""One range of one version, read to its end: in a task, or begun without one.

Promises: exactly the bytes asked for, or an error; a body that was cut short is resumed behind its last byte, as it is the same
version. A direct read is the first attempt only, and costs no task, scope or context; whatever goes wrong with it goes on
in a task, with the same call: its deadline and its retries have begun.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from mountd.errors import Corrupt, StoreError
from mountd.stores.calls import Call
from mountd.stores.generations import DirectRaw, Generation, Leavable
from mountd.stores.interface import Landing, Reader
from mountd.stores.progress import kept
from mountd.stores.protection import Protection
from mountd.types import Buffer, Version


class Range:
    """Bytes [start, stop) of a version. State: `start`, moved on by what came, and that in `_received`."""

    __slots__ = ("_received", "start", "stop", "version")

    def __init__(self, version: Version, start: int, stop: int) -> None:
        self.version = version
        self.start = start
        self.stop = stop
        self._received: list[Buffer] = []

    async def attempt(self, raw: Reader) -> Buffer:
        try:
            return self.checked(await raw.read(self.version, self.start, self.stop))
        except StoreError as error:
            if self.keep(error):
                kept()
            raise

    def checked(self, data: Buffer | None) -> Buffer:
        wanted = self.stop - self.start
        if data is None or len(data) != wanted:
            came = len(data) if data is not None else 0
            raise Corrupt(f"The storage sent {came} bytes of '{self.version.key}' where {wanted} were asked for.")
        return data

    def keep(self, error: StoreError) -> bool:
        """Keeps the first bytes of a body that was cut short."""
        if not 0 < len(error.received) < self.stop - self.start:
            return False
        self._received.append(error.received)
        self.start += len(error.received)
        return True

    def whole(self, data: Buffer) -> Buffer:
        return b"".join([*self._received, data]) if self._received else data


class DirectRead:
    """interface.BegunRead. `go_on` gives the bytes after all, or raises, where this attempt has failed with `error`."""

    __slots__ = ("_asked", "_go_on", "_landing", "_protection", "call", "error", "generation", "span")

    def __init__(
        self,
        span: Range,
        call: Call,
        protection: Protection,
        landing: Landing,
        go_on: Callable[["DirectRead"], Awaitable[Buffer]],
    ) -> None:
        self.span = span
        self.call = call
        self.error: BaseException | None = None
        self.generation: Generation
        self._asked: Leavable | None = None
        self._protection = protection
        self._landing = landing
        self._go_on = go_on

    @property
    def deadline(self) -> float:
        return self.call.deadline

    def ask(self, raw: DirectRaw, generation: Generation) -> None:
        self.generation = generation
        generation.calls += 1
        span = self.span
        try:
            asked = raw.begin(span.version, span.start, span.stop, self._landed, self.call)
        except Exception as bug:
            if self.error is not None:
                raise
            self._landed(None, bug)  # else who reads would wait for ever, and its place be held
            return
        if self.error is None:  # else it has failed at once
            self._asked = asked

    def expire(self) -> None:
        if self._asked is not None:
            self._asked.leave()
            self._landed(None, self._protection.stalled(self.call))

    def leave(self) -> None:
        if self._asked is not None:
            self._asked.leave()
            self._end()
            self._protection.let_go(self.call)

    def _landed(self, data: Buffer | None, error: BaseException | None) -> None:
        self._end()
        if error is None:
            try:
                data = self.span.checked(data)
            except Corrupt as wrong:
                error = wrong
            else:
                self.generation.accepted = True
                self._protection.succeeded(self.call)
                self._protection.meters.bytes_in(len(data))
                self._landing.arrived(data)
                return
        self.error = error
        if isinstance(error, StoreError):
            if self.span.keep(error):
                self.call.progress_kept()
            self._protection.failed(self.call, error)
        else:
            self._protection.let_go(self.call)
        self._landing.failed(partial(self._go_on, self))

    def _end(self) -> None:
        self._asked = None
        self.generation.leave()

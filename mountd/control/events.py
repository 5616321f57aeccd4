"""What happened, for whoever listens: a bounded history and a stream per listener.

State: `EventLog._history` (the last events) and `_listeners`. Emitting never waits and never fails: a listener that
reads too slowly loses events, and sees it by a gap in the numbers. It must not know who emits or why.
"""

from collections import deque
from types import TracebackType

import trio

from mountd.api import Event
from mountd.types import WallClock

LISTENER_BUFFER = 256


class EventLog:
    """The daemon's events. `emit` may be handed to any room that has something to tell a person."""

    def __init__(self, clock: WallClock, history: int) -> None:
        self._clock = clock
        self._history: deque[Event] = deque(maxlen=history)
        self._listeners: set[Listener] = set()
        self._number = 0
        self._closed = False

    def emit(self, kind: str, subject: str, message: str) -> None:
        """`kind` is a dotted word (datastore.registered), `subject` the thing's name, `message` a sentence."""
        self._number += 1
        event = Event(self._number, self._clock(), kind, subject, message)
        self._history.append(event)
        for listener in self._listeners:
            listener.offer(event)

    def recent(self, limit: int | None = None) -> list[Event]:
        events = list(self._history)
        return events if limit is None else events[max(0, len(events) - limit) :]

    def listen(self, recent: int = 0, *, follow: bool = True) -> "Listener":
        """`recent` past events, then, to `follow`, each new one until `close`. To be used as a context manager."""
        listener = Listener(self, self.recent(recent))
        if self._closed or not follow:
            listener.end()
        else:
            self._listeners.add(listener)
        return listener

    def forget(self, listener: "Listener") -> None:
        self._listeners.discard(listener)

    def close(self) -> None:
        """Ends every stream, so that a listener does not hold up the daemon's stop."""
        self._closed = True
        for listener in self._listeners:
            listener.end()
        self._listeners.clear()


class Listener:
    """One reader of the events: an asynchronous iterator."""

    def __init__(self, log: EventLog, past: list[Event]) -> None:
        self._log = log
        self._waiting: deque[Event] = deque(past)
        self._ended = False
        self._arrived = trio.Event()

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._log.forget(self)

    def __aiter__(self) -> "Listener":
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._ended:
                raise StopAsyncIteration
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._waiting.popleft()

    def offer(self, event: Event) -> None:
        if len(self._waiting) < LISTENER_BUFFER:
            self._waiting.append(event)
        self._arrived.set()

    def end(self) -> None:
        self._ended = True
        self._arrived.set()

"""Questions in flight, so that nobody asks what another is asking just now.

The first caller asks, the others wait for its answer or its error. When the first is cancelled, one of the waiting
asks instead: no task outlives its caller, and a cancelled reader fails nobody.
"""

import copy
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import trio

from mountd.errors import MountdError

Answer = TypeVar("Answer")


class _Flight(Generic[Answer]):
    __slots__ = ("answers", "done", "error")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.answers: list[Answer] = []
        self.error: MountdError | None = None


class Flights(Generic[Answer]):
    """State: the flights by what is asked."""

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[Answer]] = {}

    def __contains__(self, question: Hashable) -> bool:
        return question in self._flights

    async def join(self, question: Hashable, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        while (flight := self._flights.get(question)) is not None:
            await flight.done.wait()
            if flight.error is not None:
                raise copy.copy(flight.error)  # its own traceback for each
            if flight.answers:
                return flight.answers[0]
        flight = self._flights[question] = _Flight()
        try:
            answer = await ask()
        except MountdError as error:
            flight.error = error
            raise
        else:
            flight.answers.append(answer)
            return answer
        finally:
            del self._flights[question]
            flight.done.set()

"""What was asked of the emulator: the last requests and totals, for tests that count. Thread-safe; holds no secret."""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from typing import NamedTuple

KEPT = 100_000


class Served(NamedTuple):
    """One request as it was answered. `sent` counts body bytes of the answer before any fault."""

    method: str
    operation: str
    key: str
    status: int
    container: str
    sent: int
    received: int


class RequestLog:
    """The last 100,000 requests, oldest first."""

    def __init__(self) -> None:
        self._served: deque[Served] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def add(self, served: Served) -> None:
        self._served.append(served)  # deque.append is atomic; the lock is for readers

    def clear(self) -> None:
        self._served.clear()

    def all(self) -> list[Served]:
        with self._lock:
            return list(self._served.copy())

    def __iter__(self) -> Iterator[Served]:
        return iter(self.all())

    def __len__(self) -> int:
        return len(self._served)

    def count(self, operation: str | None = None) -> int:
        """Requests of one operation, or all."""
        return len(self) if operation is None else sum(served.operation == operation for served in self.all())

    def operations(self) -> dict[str, int]:
        return dict(Counter(served.operation for served in self.all()))

    def sent(self) -> int:
        """Body bytes answered."""
        return sum(served.sent for served in self.all())

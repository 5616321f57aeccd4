"""Faults on request: what a network or a service in trouble does, per operation and probability, seeded.

Owns the rules and the dice. The same seed and the same sequence of requests give the same faults. A rule can be set at
start and changed while the emulator runs. Knows no storage.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

from .failures import FAILURES, ServiceFailure
from .wire import PLAIN, Delivery, Ending

ENDINGS = {
    "reset_before": Ending.RESET_BEFORE,
    "reset_after": Ending.RESET_AFTER,
    "truncate": Ending.TRUNCATED,
    "stall": Ending.STALLED,
}
KINDS = frozenset({"latency", "bandwidth", "busy", "expired", "corrupt", *ENDINGS})


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. `operations` are names as dispatch.py has them, or Token; none means all. `key` is a prefix of blob names.

    A black hole, where not even a header comes, is a latency longer than anybody waits. Rules add up: a slow answer can be
    cut short too.
    """

    kind: str
    operations: tuple[str, ...] = ()
    probability: float = 1.0
    count: int = 0  # it happens this often; 0: without end
    skip: int = 0  # matching requests that pass before it starts
    container: str = ""
    key: str = ""
    seconds: float = 0.0  # latency; how long a stalled connection stays open (0: until the client leaves)
    jitter: float = 0.0  # up to this much more latency
    bytes_per_second: float = 0.0
    after_bytes: int = 0  # of the body, before it is cut or stalls; the byte that is corrupted
    code: str = "ServerBusy"
    status: int = 0  # where it is not the code's own
    retry_after: float | None = None  # seconds

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"No fault is called {self.kind!r}; there are {', '.join(sorted(KINDS))}.")
        if not 0 <= self.probability <= 1:
            raise ValueError(f"A probability lies between 0 and 1, not {self.probability}.")
        if self.code not in FAILURES:
            raise ValueError(f"The service has no error code {self.code!r}.")

    def concerns(self, operation: str, container: str, key: str) -> bool:
        return (
            (not self.operations or operation in self.operations)
            and (not self.container or container == self.container)
            and key.startswith(self.key)
        )


@dataclass(frozen=True, slots=True)
class Drawn:
    """What happens to one request."""

    delivery: Delivery = PLAIN
    failure: ServiceFailure | None = None
    corrupt: int | None = None


NOTHING = Drawn()


class Faults:
    """The rules in force. State: `_rules`, `_seen` (matching requests) and `_happened` a rule, `_dice`; under `_lock`."""

    def __init__(self, *rules: Fault, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self.set(*rules, seed=seed)

    def set(self, *rules: Fault, seed: int = 0) -> None:
        """Replaces all rules and starts the dice anew."""
        with self._lock:
            self._rules = rules
            self._seen = [0] * len(rules)
            self._happened = [0] * len(rules)
            self._dice = Random(seed)

    def clear(self) -> None:
        self.set()

    def __bool__(self) -> bool:
        return bool(self._rules)

    def happened(self) -> list[int]:
        """How often each rule has struck, in their order."""
        with self._lock:
            return list(self._happened)

    def rules(self) -> list[dict[str, Any]]:
        """The rules in words, as the control URL shows them."""
        with self._lock:
            return [
                {field.name: getattr(rule, field.name) for field in fields(rule)} | {"happened": happened}
                for rule, happened in zip(self._rules, self._happened, strict=True)
            ]

    def draw(self, operation: str, container: str, key: str) -> Drawn:
        """Throws the dice for one request."""
        drawn = NOTHING
        with self._lock:
            for index, rule in enumerate(self._rules):
                if not rule.concerns(operation, container, key):
                    continue
                self._seen[index] += 1
                if self._seen[index] <= rule.skip or (rule.count and self._happened[index] >= rule.count):
                    continue
                if rule.probability < 1 and self._dice.random() >= rule.probability:
                    continue
                self._happened[index] += 1
                drawn = self._struck(drawn, rule)
        return drawn

    def _struck(self, drawn: Drawn, rule: Fault) -> Drawn:
        delivery = drawn.delivery
        if rule.kind == "latency":
            more = rule.seconds + (self._dice.random() * rule.jitter if rule.jitter else 0.0)
            return replace(drawn, delivery=replace(delivery, latency=delivery.latency + more))
        if rule.kind == "bandwidth":
            return replace(drawn, delivery=replace(delivery, bandwidth=rule.bytes_per_second))
        if rule.kind == "busy":
            extra = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
            return replace(drawn, failure=ServiceFailure(rule.code, status=rule.status or None, extra=extra))
        if rule.kind == "expired":
            return replace(drawn, failure=ServiceFailure("AuthenticationFailed", detail=EXPIRED))
        if rule.kind == "corrupt":
            return replace(drawn, corrupt=rule.after_bytes)
        ending = replace(delivery, ending=ENDINGS[rule.kind], limit=rule.after_bytes, hold=rule.seconds)
        return replace(drawn, delivery=ending)


EXPIRED = (
    "Signature not valid in the specified time frame: Start [Thu, 01 Jan 1970 00:00:00 GMT] - "
    "Expiry [Thu, 01 Jan 1970 00:00:01 GMT] - Current [Thu, 01 Jan 1970 00:00:02 GMT]"
)


def fault(words: Mapping[str, Any]) -> Fault:
    """A rule from JSON or from a command line's words. ValueError says what is wrong."""
    known = {field.name: field.type for field in fields(Fault)}
    values: dict[str, Any] = {}
    for name, value in words.items():
        if name not in known:
            raise ValueError(f"A fault has no {name!r}; it has {', '.join(known)}.")
        if name == "operations":
            values[name] = tuple(value.split("+")) if isinstance(value, str) else tuple(value)
        elif name in {"count", "skip", "after_bytes", "status"}:
            values[name] = int(value)
        elif name in {"probability", "seconds", "jitter", "bytes_per_second", "retry_after"}:
            values[name] = float(value)
        else:
            values[name] = str(value)
    if "kind" not in values:
        raise ValueError("A fault needs a kind.")
    return Fault(**values)

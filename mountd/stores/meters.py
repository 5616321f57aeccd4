"""What one datastore's requests are counted as. Labels are bound once: a request that succeeds costs two increments.

The operations and their billing classes stand here, as the storage's price list has them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from mountd import metrics


class Operation(Enum):
    """Name and billing class: read, write, list or other."""

    READ = ("read", "read")
    STAT = ("stat", "read")
    LIST = ("list", "list")
    PUT = ("put", "write")
    COPY = ("copy", "write")
    DELETE = ("delete", "other")
    SET_METADATA = ("set_metadata", "write")
    STAGE_BLOCK = ("stage_block", "write")
    COMMIT_BLOCKS = ("commit_blocks", "write")
    BLOCK_LIST = ("block_list", "read")
    LEASE = ("lease", "other")

    def __init__(self, label: str, billing: str) -> None:
        self.label = label
        self.billing = billing
        self.mutates = billing in ("write", "other")


@dataclass(frozen=True, slots=True)
class OperationMeter:
    succeeded: Callable[[], None]
    took: Callable[[float], None]


_in_force: dict[str, "Meters"] = {}
"""Whose gauges a datastore's name shows: the last opened under it, so that closing an older one leaves them alone."""


class Meters:
    """One datastore's."""

    def __init__(self, datastore: str, in_flight: Callable[[], int], limit: int) -> None:
        self._datastore = datastore
        self.of = {operation: self._meter(operation) for operation in Operation}
        self.bytes_in = metrics.STORE_BYTES.labels(datastore, "in").inc
        self.bytes_out = metrics.STORE_BYTES.labels(datastore, "out").inc
        self.breaker_open = metrics.BREAKER_OPEN.labels(datastore).set
        self.breaker_open(0)
        _in_force[datastore] = self
        metrics.IN_FLIGHT.labels(datastore).set_function(in_flight)
        metrics.IN_FLIGHT_LIMIT.labels(datastore).set(limit)

    def _meter(self, operation: Operation) -> OperationMeter:
        requests = metrics.STORE_REQUESTS.labels(self._datastore, operation.label, operation.billing, "ok")
        seconds = metrics.STORE_SECONDS.labels(self._datastore, operation.label)
        return OperationMeter(requests.inc, seconds.observe)

    def failed(self, operation: Operation, code: str) -> None:
        metrics.STORE_REQUESTS.labels(self._datastore, operation.label, operation.billing, code).inc()

    def repeated(self, reason: str) -> None:
        metrics.STORE_RETRIES.labels(self._datastore, reason).inc()

    def close(self) -> None:
        """The gauges end with the datastore; counters stay, as dashboards expect of counters."""
        if _in_force.get(self._datastore) is not self:
            return
        del _in_force[self._datastore]
        metrics.BREAKER_OPEN.remove(self._datastore)
        metrics.IN_FLIGHT.remove(self._datastore)
        metrics.IN_FLIGHT_LIMIT.remove(self._datastore)

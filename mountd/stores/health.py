"""What one datastore's last requests showed, kept for `mountctl status`. Timestamps only: decides nothing."""

from mountd.errors import AccessDenied, CannotTell, NoContainer, StoreError, UnknownAccount
from mountd.stores.interface import HealthState, StoreHealth
from mountd.stores.retrying import OUTAGE
from mountd.types import WallClock


class HealthRecord:
    """Changed by succeeded(), failed() and reset() alone."""

    __slots__ = (
        "_clock",
        "_code",
        "_error",
        "_error_ns",
        "_remedy",
        "_request_id",
        "_since_ns",
        "_success_ns",
        "state",
    )

    def __init__(self, clock: WallClock) -> None:
        self._clock = clock
        self.state = HealthState.UNKNOWN
        self._since_ns = clock()
        self._success_ns = 0
        # Texts, not the exception: that would hold the frames of the failed call, and their buffers.
        self._error = self._remedy = self._code = self._request_id = ""
        self._error_ns = 0

    def succeeded(self) -> None:
        self._success_ns = self._clock()
        if self.state is not HealthState.OK:
            self._become(HealthState.OK)

    def failed(self, error: StoreError) -> None:
        """`error` is one that says something about the datastore, rather than about one key of it."""
        self._error, self._remedy = error.sentence, error.remedy
        self._code, self._request_id = error.code, error.request_id or ""
        self._error_ns = self._clock()
        self._become(_state_of(error))

    def reset(self) -> None:
        self._become(HealthState.UNKNOWN)

    def report(self, *, retry_in: float | None, in_flight: int, in_flight_limit: int = 0) -> StoreHealth:
        return StoreHealth(
            state=self.state,
            since_ns=self._since_ns,
            last_success_ns=self._success_ns,
            last_error=self._error,
            last_remedy=self._remedy,
            last_error_code=self._code,
            last_error_ns=self._error_ns,
            request_id=self._request_id,
            retry_at_ns=0 if retry_in is None else self._clock() + int(retry_in * 1e9),
            in_flight=in_flight,
            in_flight_limit=in_flight_limit,
        )

    def _become(self, state: HealthState) -> None:
        if state is not self.state:
            self.state = state
            self._since_ns = self._clock()


def _state_of(error: StoreError) -> HealthState:
    if isinstance(error, AccessDenied | CannotTell):
        return HealthState.REFUSED
    if isinstance(error, NoContainer | UnknownAccount):
        return HealthState.MISSING
    if isinstance(error, OUTAGE):
        return HealthState.UNREACHABLE
    return HealthState.OK


def concerns_datastore(error: StoreError) -> bool:
    """Whether an error tells about the datastore as a whole, rather than about one key of it."""
    return _state_of(error) is not HealthState.OK

"""Leases of blobs and containers: acquire, renew, change, release, break, and every answer that a wrong one gets.

Source: "Lease Blob", its table of outcomes by lease state. Leases change neither ETag nor Last-Modified of a blob.
"""

import uuid
from collections.abc import Callable

from ..call import Call, version_headers
from ..conditions import check
from ..failures import ServiceFailure
from ..messages import Response
from ..state import Blob, Container, Lease

BREAK_LIMIT = 60


def lease_blob(call: Call) -> Response:
    blob = call.existing()
    if blob is None:
        raise ServiceFailure("BlobNotFound")
    return _act(call, blob)


def lease_container(call: Call) -> Response:
    return _act(call, call.container())


def _act(call: Call, thing: Blob | Container) -> Response:
    check(call.request.headers, thing, reading=False)
    run = ACTIONS.get(call.required("x-ms-lease-action").lower())
    if run is None:
        raise ServiceFailure("InvalidHeaderValue")
    status, headers = run(call, thing.lease, thing.lease.state(call.now))
    return Response(status, version_headers(thing) | headers)


def _given(call: Call, name: str = "x-ms-lease-id") -> str:
    """A lease id, which is a UUID in any of its spellings."""
    try:
        return str(uuid.UUID(call.required(name)))
    except ValueError as error:
        raise ServiceFailure("InvalidHeaderValue") from error


def _acquire(call: Call, lease: Lease, state: str) -> tuple[int, dict[str, str]]:
    text = call.required("x-ms-lease-duration")
    if text != "-1" and not (text.isascii() and text.isdigit() and 15 <= int(text) <= 60):
        raise ServiceFailure("InvalidHeaderValue")
    proposed = _given(call, "x-ms-proposed-lease-id") if call.header("x-ms-proposed-lease-id") else ""
    if state == "leased" and (not proposed or proposed != lease.identifier):
        raise ServiceFailure("LeaseAlreadyPresent")
    if state == "breaking":
        same = proposed and proposed == lease.identifier
        raise ServiceFailure("LeaseIsBreakingAndCannotBeAcquired" if same else "LeaseAlreadyPresent")
    lease.identifier = proposed or str(uuid.uuid4())
    lease.duration = int(text)
    lease.until = None if lease.duration < 0 else call.now + lease.duration
    lease.broken = lease.breaking = lease.released = False
    return 201, {"x-ms-lease-id": lease.identifier}


def _same(call: Call, lease: Lease, state: str) -> None:
    if state == "available" or _given(call) != lease.identifier:
        raise ServiceFailure("LeaseIdMismatchWithLeaseOperation")


def _renew(call: Call, lease: Lease, state: str) -> tuple[int, dict[str, str]]:
    _same(call, lease, state)
    if state in {"broken", "breaking"}:
        raise ServiceFailure("LeaseIsBrokenAndCannotBeRenewed")
    lease.until = None if lease.duration < 0 else call.now + lease.duration
    return 200, {"x-ms-lease-id": lease.identifier}


def _change(call: Call, lease: Lease, state: str) -> tuple[int, dict[str, str]]:
    given, proposed = _given(call), _given(call, "x-ms-proposed-lease-id")
    if state in {"available", "expired", "broken"}:
        raise ServiceFailure("LeaseNotPresentWithLeaseOperation")
    if state == "breaking":
        same = given == lease.identifier
        raise ServiceFailure("LeaseIsBreakingAndCannotBeChanged" if same else "LeaseIdMismatchWithLeaseOperation")
    if lease.identifier not in {given, proposed}:
        raise ServiceFailure("LeaseIdMismatchWithLeaseOperation")
    lease.identifier = proposed
    return 200, {"x-ms-lease-id": proposed}


def _release(call: Call, lease: Lease, state: str) -> tuple[int, dict[str, str]]:
    _same(call, lease, state)
    lease.released = True
    return 200, {}


def _break(call: Call, lease: Lease, state: str) -> tuple[int, dict[str, str]]:
    if state == "available":
        raise ServiceFailure("LeaseNotPresentWithLeaseOperation")
    asked = call.header("x-ms-lease-break-period")
    period = call.number("x-ms-lease-break-period", 0)
    if period > BREAK_LIMIT:
        raise ServiceFailure("InvalidHeaderValue")
    left = 0.0 if lease.until is None else max(0.0, lease.until - call.now)
    if state in {"broken", "expired"}:
        lease.broken = True
        return 202, {"x-ms-lease-time": "0"}
    wait = min(float(period), left) if asked and lease.until is not None else float(period) if asked else left
    if wait <= 0:
        lease.broken = True
        return 202, {"x-ms-lease-time": "0"}
    lease.breaking, lease.until = True, call.now + wait
    return 202, {"x-ms-lease-time": str(round(wait))}


ACTIONS: dict[str, Callable[[Call, Lease, str], tuple[int, dict[str, str]]]] = {
    "acquire": _acquire,
    "renew": _renew,
    "change": _change,
    "release": _release,
    "break": _break,
}

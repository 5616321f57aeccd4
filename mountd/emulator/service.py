"""The emulator's front: every request passes here once, is planned (faults), authorised, run, logged and answered.

Promises an answer for every request, whatever an operation does: a failure of ours is the service's InternalError.
"""

import logging
import uuid
from typing import Protocol

from . import dispatch
from .call import Call
from .failures import ServiceFailure
from .faults import Faults
from .messages import Address, Request, Response, Undecodable, address, http_date
from .requestlog import RequestLog, Served
from .state import Account
from .wire import PLAIN, Delivery

SERVER = "mountd-emulator/1.0 (not a cloud)"
DEFAULT_VERSION = "2024-11-04"
READING = frozenset({"GET", "HEAD", "POST"})  # POST: batches and keys, whose parts come here again
CONTROL = "/__emulator/"
TOKEN, UNKNOWN = "Token", "Unknown"  # operations that are no row of the table: token endpoints, and what is none
NOWHERE = Address("", "", "")

log = logging.getLogger(__name__)


class Guard(Protocol):
    """Decides who a request comes from and whether it may."""

    def authorise(self, call: Call, operation: "dispatch.Operation") -> None: ...


class Door(Protocol):
    """Answers paths that are not the storage's (control, tokens); None where it has nothing there."""

    def answer(self, request: Request) -> Response | None: ...


class Service:
    """One account's storage and the doors beside it."""

    def __init__(self, account: Account, guard: Guard, faults: Faults, requests: RequestLog) -> None:
        self.account = account
        self.guard = guard
        self.faults = faults
        self.requests = requests
        self.doors: list[Door] = []

    def plan(self, request: Request) -> Delivery:
        if not self.faults or request.path.startswith(CONTROL):
            return PLAIN
        try:
            operation, where, _ = self._named(request)
        except Undecodable:
            return PLAIN
        drawn = self.faults.draw(operation, where.container, where.key)
        request.failure, request.corrupt = drawn.failure, drawn.corrupt
        return drawn.delivery

    def act(self, request: Request) -> Response:
        """Answers. Common headers are added here, and nowhere else; what steers the emulator is not in the log."""
        request_id = str(uuid.uuid4())
        operation, where = UNKNOWN, NOWHERE
        try:
            operation, where, row = self._named(request)
            response = self._beside(request) if operation == TOKEN else self._run(request, where, row)
        except ServiceFailure as failure:
            response = failure.response(request_id, request.method)
        except Undecodable:
            response = ServiceFailure("InvalidUri").response(request_id, request.method)
        except Exception:
            log.exception("%s %s failed inside the emulator", request.method, operation)
            response = ServiceFailure("InternalError").response(request_id, request.method)
        self._finish(request, response, request_id)
        if not request.path.startswith(CONTROL):
            sizes = response.size(), len(request.body)
            self.requests.add(Served(request.method, operation, where.key, response.status, where.container, *sizes))
        return response

    def _named(self, request: Request) -> "tuple[str, Address, dispatch.Operation | None]":
        """The operation's name, where it is, and its row; what is not of this account is asked at the doors."""
        where = address(request.path, request.headers.get("host", ""))
        if where.account != self.account.name:
            return TOKEN, NOWHERE, None
        row = dispatch.find(request, where)
        if row is not None and row.level == "blob" and not where.key:
            where = Address(where.account, "$root", where.container)
        return row.name if row else UNKNOWN, where, row

    def _beside(self, request: Request) -> Response:
        if isinstance(request.failure, ServiceFailure):
            raise request.failure
        for door in self.doors:
            answer = door.answer(request)
            if answer is not None:
                return answer
        raise ServiceFailure("AuthenticationFailed", detail="The account name is unknown.")

    def _run(self, request: Request, where: Address, row: "dispatch.Operation | None") -> Response:
        if isinstance(request.failure, ServiceFailure):
            raise request.failure
        if row is None:
            raise ServiceFailure("InvalidQueryParameterValue" if request.query.get("comp") else "UnsupportedHttpVerb")
        dispatch.check_supported(request)
        scheme = "https" if request.secure else "http"
        host = request.headers.get("host", "")
        url = f"{scheme}://{host}" if ".blob." in host else f"{scheme}://{host}/{where.account}"
        version = request.headers.get("x-ms-version", DEFAULT_VERSION)
        with self.account.lock:
            call = Call(request, self.account, where, self.account.clock(), version, url, self.act)
            self.guard.authorise(call, row)
            response = row.run(call)
            response.headers |= call.overrides
            if row.method not in READING:
                self.account.changed(where.container, where.key)
            return response

    def _finish(self, request: Request, response: Response, request_id: str) -> None:
        headers = response.headers
        headers["Server"] = SERVER
        headers["x-ms-request-id"] = request_id
        headers["x-ms-version"] = request.headers.get("x-ms-version", DEFAULT_VERSION)
        headers["Date"] = http_date(int(self.account.clock()))
        client = request.headers.get("x-ms-client-request-id")
        if client:
            headers["x-ms-client-request-id"] = client
        if request.corrupt is not None and response.body:
            response.body = (_changed(b"".join(response.body), request.corrupt),)


def _changed(data: bytes, at: int) -> bytes:
    """The same bytes but one."""
    at %= max(1, len(data))
    return data[:at] + bytes((data[at] ^ 0xFF,)) + data[at + 1 :] if data else data

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
            where = address(request.path, request.headers.get("host", ""))
        except Undecodable:
            return PLAIN
        operation = dispatch.find(request, where)
        drawn = self.faults.draw(operation.name if operation else "Unknown", where.container, where.key)
        request.failure, request.corrupt = drawn.failure, drawn.corrupt
        return drawn.delivery

    def act(self, request: Request) -> Response:
        """Answers. Common headers are added here, and nowhere else."""
        request_id = str(uuid.uuid4())
        operation, where = "Unknown", Address("", "", "")
        try:
            for door in self.doors:
                answer = door.answer(request)
                if answer is not None:
                    answer.headers.setdefault("Server", SERVER)
                    return answer
            where = address(request.path, request.headers.get("host", ""))
            row = dispatch.find(request, where)
            operation = row.name if row else operation
            response = self._run(request, where, row)
        except ServiceFailure as failure:
            response = failure.response(request_id, request.method)
        except Undecodable:
            response = ServiceFailure("InvalidUri").response(request_id, request.method)
        except Exception:
            log.exception("%s %s failed inside the emulator", request.method, operation)
            response = ServiceFailure("InternalError").response(request_id, request.method)
        self._finish(request, response, request_id)
        sent = response.size()
        self.requests.add(
            Served(request.method, operation, where.key, response.status, where.container, sent, len(request.body))
        )
        return response

    def _run(self, request: Request, where: Address, row: "dispatch.Operation | None") -> Response:
        if isinstance(request.failure, ServiceFailure):
            raise request.failure
        if where.account != self.account.name:
            raise ServiceFailure("AuthenticationFailed", detail="The account name is unknown.")
        if row is None:
            raise ServiceFailure("InvalidQueryParameterValue" if request.query.get("comp") else "UnsupportedHttpVerb")
        if row.level == "blob" and not where.key:
            where = Address(where.account, "$root", where.container)
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

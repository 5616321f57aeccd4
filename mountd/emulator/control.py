"""The emulator's own URLs, `/__emulator/…`: faults and the request log, as JSON, while it runs.

GET | PUT | DELETE /__emulator/faults      {"seed": 1, "faults": [{"kind": "busy", "operations": ["GetBlob"], …}]}
GET | DELETE       /__emulator/requests    totals by operation, and the last requests
POST               /__emulator/revoke      every access token issued so far stops working
GET                /__emulator/identity    where tokens are had, and the managed identity's words
"""

import json
from collections.abc import Callable
from typing import Any

from .faults import Faults, fault
from .identity import Identity
from .messages import Request, Response
from .requestlog import RequestLog
from .service import CONTROL

Words = dict[str, Any]
SHOWN = 1000  # requests in one answer


class Control:
    """The door for whoever steers the emulator."""

    def __init__(self, faults: Faults, requests: RequestLog, identity: Identity) -> None:
        self._faults = faults
        self._requests = requests
        self._identity = identity
        self._table: dict[tuple[str, str], Callable[[Request], Words]] = {
            ("GET", "faults"): self._show_faults,
            ("PUT", "faults"): self._set_faults,
            ("POST", "faults"): self._set_faults,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "requests"): self._show_requests,
            ("DELETE", "requests"): self._clear_requests,
            ("POST", "revoke"): self._revoke,
            ("GET", "identity"): self._show_identity,
        }

    def answer(self, request: Request) -> Response | None:
        if not request.path.startswith(CONTROL):
            return None
        run = self._table.get((request.method, request.path.removeprefix(CONTROL)))
        if run is None:
            return _answer(404, {"error": "There is nothing here.", "paths": sorted({path for _, path in self._table})})
        try:
            return _answer(200, run(request))
        except (ValueError, TypeError) as error:
            return _answer(400, {"error": str(error)})

    def _show_faults(self, request: Request) -> Words:
        return {"faults": self._faults.rules()}

    def _set_faults(self, request: Request) -> Words:
        words = json.loads(bytes(request.body))
        self._faults.set(*(fault(rule) for rule in words.get("faults", ())), seed=int(words.get("seed", 0)))
        return self._show_faults(request)

    def _clear_faults(self, request: Request) -> Words:
        self._faults.clear()
        return self._show_faults(request)

    def _show_requests(self, request: Request) -> Words:
        served = self._requests.all()
        last = [entry._asdict() for entry in served[-SHOWN:]]
        return {
            "total": len(served),
            "operations": self._requests.operations(),
            "sent": self._requests.sent(),
            "last": last,
        }

    def _clear_requests(self, request: Request) -> Words:
        self._requests.clear()
        return {"total": 0}

    def _revoke(self, request: Request) -> Words:
        self._identity.authority.revoke()
        return {"generation": self._identity.authority.generation}

    def _show_identity(self, request: Request) -> Words:
        return {"tenant": self._identity.authority.tenant, "managed_client": self._identity.managed}


def _answer(status: int, words: Words) -> Response:
    return Response(status, {"Content-Type": "application/json"}, (json.dumps(words).encode(),))

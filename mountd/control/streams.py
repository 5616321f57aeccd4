"""An answer that goes on: one JSON object a line (application/x-ndjson), until the source ends or the client leaves."""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from dataclasses import asdict
from json import dumps
from typing import Any

import trio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MEDIA_TYPE = "application/x-ndjson"


class Lines(Response):
    """`source` is entered for as long as the answer lasts; each row is a dataclass of the API's words."""

    media_type = MEDIA_TYPE

    def __init__(self, source: AbstractContextManager[AsyncIterator[Any]]) -> None:
        super().__init__(headers={"cache-control": "no-store"})
        self._source = source
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_until_gone, receive, nursery.cancel_scope)
            with self._source as rows:
                # The head goes out at once: a client of a quiet stream should know that it is heard.
                await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
                await send({"type": "http.response.body", "body": b"", "more_body": True})
                async for row in rows:
                    line = dumps(asdict(row), ensure_ascii=False).encode("utf-8", "surrogateescape") + b"\n"
                    await send({"type": "http.response.body", "body": line, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            nursery.cancel_scope.cancel()


async def _until_gone(receive: Receive, scope: trio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
    scope.cancel()

"""Known order, over HTTP."""

import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from fastapi import APIRouter, Request
from starlette.requests import ClientDisconnect

from mountd import api
from mountd.control.access import ADMINISTRATOR, Served
from mountd.control.bodies import allow
from mountd.errors import BadRequest

router = APIRouter(prefix="/v1", tags=["cache"], dependencies=ADMINISTRATOR)

BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {"schema": {"type": "string"}, "example": "/data/img/0042.jpg\n/data/img/0007.jpg\n"},
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {"paths": {"type": "array", "items": {"type": "string"}}},
                    "required": ["paths"],
                }
            },
        },
    }
}


@router.post("/prefetch", status_code=202, openapi_extra=BODY)
async def prefetch(workspace: Served, request: Request, null: bool = False) -> api.Task:
    """Fetches files just ahead of a reader that takes them in this order: a task. The body is text, a path of the tree or below
    the mountpoint a line (`null`: each ends with a NUL instead, as file names may hold a newline), however long; or, where it
    is short, JSON. Readers are followed by what they open; several at a time, lines left out and repeated are understood."""
    if request.headers.get("content-type", "").partition(";")[0].strip() == "application/json":
        async with aclosing(_from_json(request)) as paths:
            return await workspace.orders.begin(paths, b"\0")
    allow(request.scope, workspace.order_limit)
    try:
        async with aclosing(request.stream()) as body:
            return await workspace.orders.begin(body, b"\0" if null else b"\n")
    except ClientDisconnect:
        raise BadRequest("The order was cut short.") from None


async def _from_json(request: Request) -> AsyncGenerator[bytes, None]:
    try:
        words = json.loads(await request.body())
    except ValueError:
        words = None
    paths = words.get("paths") if isinstance(words, dict) else None
    if not isinstance(paths, list) or not all(isinstance(path, str) and "\0" not in path for path in paths):
        raise BadRequest('The body is no JSON object with "paths", an array of strings.')
    for path in paths:
        yield path.encode("utf-8", "surrogateescape") + b"\0"

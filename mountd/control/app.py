"""The control API as an ASGI application: the routes, one error shape, and a total error boundary around them.

/openapi.json describes it. Whatever fails, the answer is api.Failure: a validation error tells where and what, never what
was sent, since that may be a secret.
"""

import logging
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mountd import __version__, metrics
from mountd.api import Failure
from mountd.control.failures import ANSWERS, failure_of, status_of
from mountd.control.roles import Policy
from mountd.control.routes import cache, datastores, host, mappings, prefetch, tasks
from mountd.control.workspace import Workspace
from mountd.errors import BadRequest, MountdError

log = logging.getLogger(__name__)

DESCRIPTION = """Administration of one mountd daemon over its Unix socket (`curl --unix-socket SOCKET http://mountd/v1/status`).

Who may ask is decided by the peer's credentials. Every error is an object of code, message, remedy and request_id."""


def create_app(workspace: Workspace, policy: Policy) -> ASGIApp:
    """The application for `control.server.Server`; or for a test, which puts a roles.Peer into the scope."""
    app = FastAPI(
        title="mountd",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"default": {"model": Failure, "description": "What failed, and what to do."}},
    )
    app.state.workspace = workspace
    app.state.policy = policy
    for topic in (host, datastores, mappings, cache, prefetch, tasks):
        app.include_router(topic.router)
    app.add_exception_handler(MountdError, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unroutable)
    app.add_middleware(Boundary)
    return app


class Boundary:
    """Answers what nobody foresaw with `internal`, logs it once and counts it. A middleware, because Starlette's outermost
    layer would answer in its own words before anything around it sees the exception."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if not isinstance(error, MountdError):
                metrics.BUGS.labels("control").inc()
                log.exception("%s %s failed", scope.get("method"), scope.get("path"))
            if begun:
                raise
            await _answer(error)(scope, receive, send)


def _answer(error: Exception) -> JSONResponse:
    return JSONResponse(asdict(failure_of(error)), status_code=status_of(error))


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return _answer(error)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    problems: list[Any] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    sentence = "; ".join(f"{_place(problem['loc'])}: {problem['msg']}" for problem in problems)
    return _answer(BadRequest(sentence or "The request cannot be understood."))


async def _unroutable(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error.__cause__, MountdError):  # raised while the body was read
        return _answer(error.__cause__)
    status, detail = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, str(error))
    sentence = f"There is no {request.method} {request.url.path}." if status in (404, 405) else f"{detail}."
    return JSONResponse(asdict(Failure(BadRequest.code, sentence, ANSWERS[BadRequest][1])), status_code=status)


def _place(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location[1:]) or str(location[0])

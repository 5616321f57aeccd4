"""What every route takes from its request: the workspace it serves, and a peer that may ask.

A role is required by dependency, so that a route's line says who may use it; a test finds routes without one.
"""

from typing import Annotated

from fastapi import Depends, Request

from mountd.control.roles import Peer, Policy, Role, require
from mountd.control.workspace import Workspace
from mountd.errors import BadRequest


async def _workspace(request: Request) -> Workspace:
    workspace: Workspace = request.app.state.workspace
    return workspace


async def reader(request: Request) -> Peer:
    return require(request.scope, _policy(request), Role.READER)


async def administrator(request: Request) -> Peer:
    return require(request.scope, _policy(request), Role.ADMINISTRATOR)


async def owner(request: Request) -> Peer:
    return require(request.scope, _policy(request), Role.OWNER)


def _policy(request: Request) -> Policy:
    policy: Policy = request.app.state.policy
    return policy


def tree_path(workspace: Workspace, path: str) -> str:
    """A path of the tree from what a client said: one below the mountpoint is translated."""
    mountpoint = workspace.host.mountpoint
    if not path.startswith("/"):
        raise BadRequest(f"path {path!r} is not absolute.", remedy='Begin it with "/", the root of the tree.')
    if mountpoint and (path == mountpoint or path.startswith(mountpoint.rstrip("/") + "/")):
        path = path[len(mountpoint.rstrip("/")) :] or "/"
    return path.rstrip("/") or "/"


Served = Annotated[Workspace, Depends(_workspace)]
READER = [Depends(reader)]
ADMINISTRATOR = [Depends(administrator)]
OWNER = [Depends(owner)]

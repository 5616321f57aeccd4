"""Datastores over HTTP."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from mountd import api
from mountd.control.access import ADMINISTRATOR, OWNER, Served

router = APIRouter(prefix="/v1", tags=["datastores"])


@router.get("/datastores", dependencies=ADMINISTRATOR)
async def list_datastores(workspace: Served) -> list[api.Datastore]:
    """Every datastore, who owns it, and how it fares."""
    return workspace.datastores.list()


@router.post("/datastores", dependencies=ADMINISTRATOR, status_code=201)
async def register_datastore(workspace: Served, words: api.RegisterDatastore) -> api.Datastore:
    """Registers a storage; it appears at /NAME in the tree. Tried first, unless skip_validation."""
    return await workspace.datastores.register(words)


@router.get("/datastores/{name}", dependencies=ADMINISTRATOR)
async def get_datastore(workspace: Served, name: str) -> api.Datastore:
    """One datastore."""
    return workspace.datastores.get(name)


@router.delete("/datastores/{name}", dependencies=ADMINISTRATOR, status_code=204)
async def unregister_datastore(workspace: Served, name: str, force: bool = False) -> Response:
    """Forgets a datastore; its storage is not touched. `force`: its mappings go too, and its open files fail."""
    await workspace.datastores.unregister(name, force=force)
    return Response(status_code=204)


@router.put("/datastores/{name}/credential", dependencies=ADMINISTRATOR)
async def rotate_credential(
    workspace: Served, name: str, words: api.CredentialWords, skip_validation: bool = False
) -> api.Datastore:
    """Another credential for the same storage; reads go on."""
    return await workspace.datastores.rotate(name, words, skip_validation=skip_validation)


@router.get("/datastores/{name}/credential", dependencies=OWNER)
async def reveal_credential(workspace: Served, name: str, response: Response) -> api.RegisterDatastore:
    """All that is needed to open the datastore elsewhere, its secret included; for the daemon's user and root only."""
    response.headers["cache-control"] = "no-store"
    return workspace.datastores.access(name)


@router.get("/datastores/{name}/diagnosis", dependencies=ADMINISTRATOR)
async def diagnose_datastore(
    workspace: Served, name: str, most_keys: Annotated[int, Query(ge=1)] = 1_000_000
) -> api.Diagnosis:
    """Lists the storage flat, and reports keys that the tree cannot show under their own spelling."""
    return await workspace.diagnose(name, most_keys)


@router.get("/default", dependencies=ADMINISTRATOR)
async def get_default(workspace: Served) -> api.DefaultDatastore:
    """The default datastore's name; empty when there is none."""
    return api.DefaultDatastore(workspace.datastores.default())


@router.put("/default", dependencies=ADMINISTRATOR)
async def set_default(workspace: Served, words: api.DefaultDatastore) -> api.DefaultDatastore:
    """Makes a datastore the default."""
    await workspace.datastores.set_default(words.name)
    return api.DefaultDatastore(workspace.datastores.default())

"""Mappings over HTTP."""

from fastapi import APIRouter, Response

from mountd import api
from mountd.control.access import ADMINISTRATOR, Served

router = APIRouter(prefix="/v1/mappings", tags=["mappings"], dependencies=ADMINISTRATOR)


@router.get("")
async def list_mappings(workspace: Served) -> list[api.MappedPath]:
    """What the tree shows where."""
    return workspace.mappings.list()


@router.post("", status_code=201)
async def add_mapping(workspace: Served, words: api.AddMapping) -> api.MappedPath:
    """Shows a datastore's prefix at a path of the tree."""
    return await workspace.mappings.add(words)


@router.delete("", status_code=204)
async def remove_mapping(workspace: Served, path: str) -> Response:
    """Takes a mapping away; the storage is not touched."""
    await workspace.mappings.remove(path)
    return Response(status_code=204)

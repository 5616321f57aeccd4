"""The cache, and paths of the tree, over HTTP."""

from fastapi import APIRouter

from mountd import api
from mountd.control.access import ADMINISTRATOR, Served, tree_path

router = APIRouter(prefix="/v1", tags=["cache"], dependencies=ADMINISTRATOR)


@router.get("/cache")
async def cache_usage(workspace: Served) -> api.CacheUsage:
    """How much is cached where, and the limits."""
    return workspace.cached.usage()


@router.delete("/cache")
async def clear_cache(workspace: Served) -> api.Freed:
    """Forgets every cached byte that no open file is using now."""
    return await workspace.cached.clear()


@router.post("/cache/invalidate")
async def invalidate_path(workspace: Served, words: api.PathRequest) -> api.Invalidated:
    """Asks the storage anew from now on, for a path and all below it."""
    return await workspace.cached.invalidate(tree_path(workspace, words.path))


@router.post("/cache/warm", status_code=202)
async def warm_path(workspace: Served, words: api.PathRequest) -> api.Task:
    """Fetches a file, or all files below a folder, into the cache: a task."""
    return await workspace.cached.warm(tree_path(workspace, words.path))


@router.get("/cache/held")
async def is_cached(workspace: Served, path: str) -> api.Held:
    """Is a path in the cache?"""
    return await workspace.cached.held(tree_path(workspace, path))


@router.get("/path")
async def stat_path(workspace: Served, path: str) -> api.PathStatus:
    """A path's version, and where its bytes are."""
    return await workspace.cached.stat(tree_path(workspace, path))


@router.get("/files")
async def open_files(workspace: Served) -> list[api.OpenFile]:
    """Files that programs have open."""
    return workspace.cached.open_files()

"""The daemon itself over HTTP: status, health, metrics, log level, stop."""

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from mountd import api, metrics
from mountd.control.access import ADMINISTRATOR, READER, Served

router = APIRouter(tags=["host"])


@router.get("/v1/status", dependencies=READER)
async def status(workspace: Served) -> api.Status:
    """The whole: datastores with their health, mappings, cache, requests in flight."""
    return workspace.status()


@router.get("/v1/health", dependencies=READER)
async def health(workspace: Served) -> api.Health:
    """The daemon answers."""
    return api.Health(alive=True)


@router.get("/v1/ready", dependencies=READER)
async def ready(workspace: Served, response: Response) -> api.Readiness:
    """200 once the tree is mounted, 503 before and while stopping."""
    host = workspace.host
    if not host.ready:
        response.status_code = 503
    return api.Readiness(host.ready, host.mountpoint, host.reason)


@router.get("/metrics", dependencies=READER, response_class=Response)
async def prometheus(workspace: Served) -> Response:
    """For Prometheus, in its text format."""
    return Response(generate_latest(metrics.REGISTRY), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/log-level", dependencies=ADMINISTRATOR)
async def get_log_level(workspace: Served) -> api.LogLevel:
    """How much is logged."""
    return api.LogLevel(workspace.host.log_level())


@router.put("/v1/log-level", dependencies=ADMINISTRATOR)
async def set_log_level(workspace: Served, words: api.LogLevel) -> api.LogLevel:
    """debug, info, warning or error, until the daemon ends."""
    workspace.host.set_log_level(words.level)
    return api.LogLevel(workspace.host.log_level())


@router.post("/v1/stop", dependencies=ADMINISTRATOR, status_code=202)
async def stop(workspace: Served) -> api.Stopping:
    """Asks the daemon to end: reads in flight finish up to its deadline, then the mount is gone."""
    workspace.stop()
    return api.Stopping(workspace.host.pid)

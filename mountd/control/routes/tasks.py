"""Tasks and events over HTTP; streams are one JSON object a line."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from mountd import api
from mountd.control.access import ADMINISTRATOR, Served
from mountd.control.streams import MEDIA_TYPE, Lines

router = APIRouter(prefix="/v1", tags=["tasks"], dependencies=ADMINISTRATOR)
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {MEDIA_TYPE: {}}, "description": "One JSON object a line, until the end."}
}


@router.get("/tasks")
async def list_tasks(workspace: Served) -> list[api.Task]:
    """Tasks that run, and the last that ended; newest first."""
    return workspace.tasks.list()


@router.get("/tasks/{task_id}")
async def get_task(workspace: Served, task_id: str) -> api.Task:
    """One task."""
    return workspace.tasks.get(task_id).view()


@router.get("/tasks/{task_id}/progress", status_code=200, response_class=Lines, responses=STREAM)
async def follow_task(workspace: Served, task_id: str) -> Lines:
    """A task's progress as a stream; the last line is its end."""
    return Lines(workspace.tasks.follow(task_id))


@router.delete("/tasks/{task_id}")
async def cancel_task(workspace: Served, task_id: str) -> api.Task:
    """Asks a task to end. One that has ended stays as it is."""
    return workspace.tasks.cancel(task_id).view()


@router.get("/events", status_code=200, response_class=Lines, responses=STREAM)
async def stream_events(workspace: Served, recent: Annotated[int, Query(ge=0)] = 0, follow: bool = True) -> Lines:
    """What happens, as it happens, after the last `recent` events. A gap in the numbers: you read too slowly."""
    return Lines(workspace.events.listen(recent, follow=follow))

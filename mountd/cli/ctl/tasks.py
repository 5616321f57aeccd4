"""mountctl tasks …, events; and waiting for a task with its progress shown."""

import argparse
import sys

from mountd import api
from mountd.cli.ctl.exits import FAILURE, INTERRUPTED
from mountd.cli.ctl.output import Output, moment, size
from mountd.sdk.client import Client


def show_all(client: Client, options: argparse.Namespace, output: Output) -> None:
    tasks = client.tasks()
    if output.json_wanted:
        output.data(tasks)
        return
    rows = ((each.id, each.kind, each.subject, each.state, _done(each), moment(each.started_ns)) for each in tasks)
    output.table(("task", "kind", "of", "state", "done", "started"), rows, empty="No task runs or ran.")


def show(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    if options.follow:
        return wait(client, options.id, output)
    _tell(client.task(options.id), output)
    return None


def cancel(client: Client, options: argparse.Namespace, output: Output) -> None:
    task = client.cancel(options.id)
    output.say(
        f"Task {task.id} is asked to end." if task.state == "running" else f"Task {task.id}: {task.state}.", task
    )


def events(client: Client, options: argparse.Namespace, output: Output) -> None:
    for event in client.events(options.recent, follow=not options.no_follow):
        if output.json_wanted:
            output.line(event)
        else:
            output.say(f"{moment(event.time_ns)}  {event.kind:<24} {event.subject}  {event.message}")


def wait(client: Client, task_id: str, output: Output) -> int | None:
    """Until the task ends. Interrupted, it goes on without us."""
    try:
        task = _drawn(client, task_id) if output.interactive else _last(client, task_id)
    except KeyboardInterrupt:
        print(f"Task {task_id} goes on; end it with `mountctl tasks cancel {task_id}`.", file=sys.stderr)
        return INTERRUPTED
    _tell(task, output)
    return None if task.state == "done" else FAILURE


def _last(client: Client, task_id: str) -> api.Task:
    *_, task = client.follow(task_id)
    return task


def _drawn(client: Client, task_id: str) -> api.Task:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    task = client.task(task_id)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[bytes]}"))
    with Progress(*columns, TimeRemainingColumn(), transient=True) as progress:
        bar = progress.add_task(f"{task.kind} {task.subject}", total=None, bytes="")
        for task in client.follow(task_id):
            progress.update(bar, total=task.total or None, completed=task.done, bytes=size(task.bytes))
    return task


def _tell(task: api.Task, output: Output) -> None:
    if output.json_wanted:
        output.data(task)
        return
    output.facts(
        (
            ("task", task.id),
            ("what", f"{task.kind} {task.subject}"),
            ("state", task.state),
            ("done", _done(task)),
            ("error", f"{task.error.message} {task.error.remedy}".strip() if task.error else ""),
            ("started", moment(task.started_ns)),
            ("ended", moment(task.ended_ns)),
        )
    )


def _done(task: api.Task) -> str:
    done = f"{task.done} of {task.total}, {size(task.bytes)}" if task.total else str(task.done)
    if task.order is not None:
        order = task.order
        done += f" ({order.read} read, {order.ahead} ahead" + (f", {order.bad} bad)" if order.bad else ")")
    return done

"""mountctl status, health, metrics, log-level, stop."""

import argparse
import time

from mountd import api
from mountd.cli.ctl import cache, datastores, mappings
from mountd.cli.ctl.exits import FAILURE
from mountd.cli.ctl.output import Output, moment, size
from mountd.sdk.client import Client


def status(client: Client, options: argparse.Namespace, output: Output) -> None:
    found = client.status()
    if output.json_wanted:
        output.data(found)
        return
    output.facts(
        (
            ("mountd", f"{found.version}, pid {found.pid}, uid {found.uid}"),
            ("since", moment(found.started_ns)),
            ("mountpoint", found.mountpoint + ("" if found.ready else " (NOT READY)")),
            ("requests in flight", found.requests_in_flight),
            ("open files", found.open_files),
            ("tasks running", found.tasks_running),
            ("resident memory", size(found.resident_bytes)),
            ("threads", found.threads),
            *((f"cache {name}", value) for name, value in cache.facts(found.cache)),
        )
    )
    output.say("")
    datastores.rows(found.datastores, output)
    _troubles(found.datastores, output)
    output.say("")
    mappings.rows(found.mappings, output)
    datastores.warn(found.datastores)


def health(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    found = client.readiness()
    output.say("ready" if found.ready else f"alive, not ready: {found.reason}", found)
    return None if found.ready else FAILURE


def metrics(client: Client, options: argparse.Namespace, output: Output) -> None:
    print(client.metrics(), end="")


def log_level(client: Client, options: argparse.Namespace, output: Output) -> None:
    level = client.set_log_level(options.level) if options.level else client.log_level()
    output.say(level, api.LogLevel(level))


def stop(client: Client, options: argparse.Namespace, output: Output) -> None:
    stopping = client.stop()
    output.say(f"mountd (pid {stopping.pid}) is stopping.", stopping)


def _troubles(found: list[api.Datastore], output: Output) -> None:
    """Why a datastore is not well, in full: a table's cell is too narrow for what to do."""
    for each in found:
        if each.state in ("ok", "unknown") or each.last_error is None:
            continue
        ago = f", {round(time.time() - each.last_error_ns / 1e9)} s ago" if each.last_error_ns else ""
        output.say(f"{each.name} is {each.state}{ago}: {datastores.told(each.last_error)}")

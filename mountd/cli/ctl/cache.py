"""mountctl cache …, stat, files."""

import argparse

from mountd import api
from mountd.cli.ctl.exits import FAILURE
from mountd.cli.ctl.output import Output, moment, size
from mountd.cli.ctl.tasks import wait
from mountd.sdk.client import Client
from mountd.sdk.paths import tree_path


def usage(client: Client, options: argparse.Namespace, output: Output) -> None:
    used = client.cache_usage()
    if output.json_wanted:
        output.data(used)
        return
    output.facts(facts(used))


def facts(used: api.CacheUsage) -> tuple[tuple[str, object], ...]:
    disk = (
        f"{size(used.disk_bytes)} of {size(used.disk_limit)} in {used.disk_files} files" if used.disk_limit else "none"
    )
    return (
        (
            "memory",
            f"{size(used.memory_bytes + used.in_flight_bytes + used.buffer_bytes)} of {size(used.memory_limit)}",
        ),
        ("cached", size(used.memory_bytes)),
        ("in flight", size(used.in_flight_bytes)),
        ("buffers", size(used.buffer_bytes)),
        ("disk", disk if used.disk_healthy else f"{disk}; FAILING, served without it"),
    )


def clear(client: Client, options: argparse.Namespace, output: Output) -> None:
    freed = client.clear_cache()
    output.say(f"{size(freed.bytes)} freed.", freed)


def invalidate(client: Client, options: argparse.Namespace, output: Output) -> None:
    done = client.invalidate(tree_path(client, options.path))
    output.say(f"{done.path} and below are asked of the storage anew ({done.inodes} known files and folders).", done)


def warm(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    task = client.warm(tree_path(client, options.path))
    if options.no_wait:
        output.say(task.id, task)
        return None
    return wait(client, task.id, output)


def is_cached(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    held = client.held(tree_path(client, options.path))
    verdict = "all" if held.complete else "not all"
    output.say(
        f"{held.path}: {verdict} of {size(held.size)} in {held.files} files "
        f"(memory {size(held.memory_bytes)}, disk {size(held.disk_bytes)})",
        held,
    )
    return None if held.complete else FAILURE


def stat(client: Client, options: argparse.Namespace, output: Output) -> None:
    found = client.stat(tree_path(client, options.path))
    if output.json_wanted:
        output.data(found)
        return
    output.facts(
        (
            ("path", found.path),
            ("kind", found.kind),
            ("datastore", found.datastore),
            ("key", found.key),
            ("etag", found.etag),
            ("size", f"{found.size} ({size(found.size)})" if found.kind == "file" else ""),
            ("modified", moment(found.modified_ns)),
            ("inode", found.inode),
            ("tier", found.tier),
            ("content type", found.content_type),
            ("in memory", size(found.memory_bytes) if found.kind == "file" else ""),
            ("on disk", size(found.disk_bytes) if found.kind == "file" else ""),
            ("open handles", found.open_handles),
            *((f"user.{name}", value) for name, value in sorted(found.metadata.items())),
        )
    )


def files(client: Client, options: argparse.Namespace, output: Output) -> None:
    opened = client.files()
    if output.json_wanted:
        output.data(opened)
        return
    rows = ((each.path, each.inode, each.etag, size(each.bytes_read), moment(each.opened_ns)) for each in opened)
    output.table(("path", "inode", "etag", "read", "opened"), rows, empty="No file is open.")

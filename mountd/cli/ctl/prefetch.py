"""mountctl prefetch: a job's order, handed over."""

import argparse
import sys
from collections.abc import Iterator
from typing import BinaryIO

from mountd.cli.ctl.output import Output
from mountd.cli.ctl.tasks import wait
from mountd.errors import BadRequest
from mountd.sdk.client import Client

BLOCK = 1 << 16


def prefetch(client: Client, options: argparse.Namespace, output: Output) -> int | None:
    separator = b"\0" if options.null else b"\n"
    if options.order == "-":
        task = client.prefetch(_paths(sys.stdin.buffer, separator))
    else:
        try:
            with open(options.order, "rb") as file:
                task = client.prefetch(_paths(file, separator))
        except OSError as error:
            raise BadRequest(f"The order {options.order} cannot be read: {error.strerror}.") from error
    if options.no_wait:
        output.say(task.id, task)
        return None
    return wait(client, task.id, output)


def _paths(file: BinaryIO, separator: bytes) -> Iterator[str]:
    """As they are read: an order may be long."""
    rest = b""
    while block := file.read(BLOCK):
        *whole, rest = (rest + block).split(separator)
        for path in whole:
            yield _path(path)
    if rest:
        yield _path(rest)


def _path(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", "surrogateescape")

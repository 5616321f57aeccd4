"""Paths as people write them: of the tree, or local ones below the mountpoint."""

import os
from collections.abc import Iterable, Iterator

from mountd.errors import BadRequest
from mountd.sdk.client import Client

SENT_AT_ONCE = 1 << 16
"""Bytes of an order's lines that go out together."""


def tree_path(client: Client, text: str) -> str:
    """What to send to the daemon, which itself translates absolute paths below its mountpoint. A relative one means the
    working directory where that is mounted, else the tree's root."""
    return text if text.startswith("/") else os.path.normpath(os.path.join(_base(client), text))


def order_lines(client: Client, paths: Iterable[str | os.PathLike[str]]) -> Iterator[bytes]:
    """The lines of an order as they are sent: each path with a NUL behind it, many at a time."""
    base, waiting, size = "", [], 0
    for path in paths:
        text = os.fspath(path)
        if "\0" in text:
            raise BadRequest(f"{text!r} is no path.", remedy="Give one path a line.")
        if text and not text.startswith("/"):
            base = base or _base(client)
            text = os.path.normpath(os.path.join(base, text))
        waiting.append(text.encode("utf-8", "surrogateescape"))
        size += len(waiting[-1]) + 1
        if size >= SENT_AT_ONCE:
            yield b"\0".join((*waiting, b""))
            waiting, size = [], 0
    if waiting:
        yield b"\0".join((*waiting, b""))


def _base(client: Client) -> str:
    """What relative paths are relative to."""
    mountpoint = client.readiness().mountpoint
    here = os.getcwd()
    return here if mountpoint and (here == mountpoint or here.startswith(mountpoint.rstrip("/") + "/")) else "/"

"""Orders that jobs hand over: the paths they will read, in the order in which they will read them. Each is a task.

A body of a million lines is taken in as it comes, packed small, and never held whole. Which lines name no file is found out
on the way: each is an event, and all of them the task's failure at its end; none of them ends the others.
"""

from collections.abc import AsyncIterator

from mountd import api
from mountd.control.events import EventLog
from mountd.control.interface import Parts
from mountd.control.tasks import Progress
from mountd.errors import BadRequest, MountdError, NoEntry
from mountd.fs.interface import OrderState
from mountd.rules.lines import Lines

TOLD = 20
"""Bad lines that are events of their own; the others are counted."""

NAMED = 5
"""Bad lines that the task's failure names."""

LONGEST_LINE = 32768
"""Bytes of a path: eight times what the kernel takes."""


class Orders:
    """The orders of one workspace. `mountpoint`: paths below it are the tree's."""

    def __init__(self, parts: Parts, mountpoint: str, most: int) -> None:
        self._tree = parts.tree
        self._tasks = parts.tasks
        self._events = parts.events
        self._mountpoint = mountpoint.rstrip("/").encode("utf-8", "surrogateescape")
        self._most = most

    async def begin(self, body: AsyncIterator[bytes], separator: bytes) -> api.Task:
        """The task that fetches an order ahead of its readers."""
        running = sum(task.kind == "prefetch" and task.state == "running" for task in self._tasks.list())
        if running >= self._most:
            raise BadRequest(
                f"{running} orders are being followed already.", remedy="End one: `mountctl tasks cancel TASK`."
            )
        lines = await self._taken_in(body, separator)
        if not len(lines):
            raise BadRequest("The order has no line.", remedy="Send paths, one a line.")

        async def work(progress: Progress) -> None:
            told = Told(progress, self._events)
            await self._tree.follow(lines, told)
            told.end()

        return self._tasks.start("prefetch", f"{len(lines)} lines", work).view()

    async def _taken_in(self, body: AsyncIterator[bytes], separator: bytes) -> Lines:
        lines, rest = Lines(), b""
        async for chunk in body:
            *whole, rest = (rest + chunk).split(separator)
            for line in whole:
                lines.append(self._path(line))
            if len(rest) > LONGEST_LINE:
                raise BadRequest(f"Line {len(lines) + 1} is longer than a path can be.")
        if rest:
            lines.append(self._path(rest))
        return lines

    def _path(self, line: bytes) -> bytes:
        line = line.removesuffix(b"\r")
        mountpoint = self._mountpoint
        if mountpoint and line.startswith(mountpoint) and line[len(mountpoint) : len(mountpoint) + 1] in (b"/", b""):
            return line[len(mountpoint) :] or b"/"
        return line


class Told:
    """fs.order.Teller: what an order's task shows. State: the bad lines, the first of them by name."""

    def __init__(self, progress: Progress, events: EventLog) -> None:
        self._progress = progress
        self._events = events
        self._bad = 0
        self._named: list[str] = []

    def progress(self, state: OrderState) -> None:
        order = api.OrderProgress(read=state.read, ahead=state.ahead, bad=state.bad)
        self._progress.report(state.done, state.total, state.bytes, order)

    def bad_line(self, line: int, path: str, error: MountdError) -> None:
        self._bad += 1
        sentence = f"Line {line}, {path}: {error.sentence}"
        if self._bad <= TOLD:
            self._events.emit("prefetch.bad_line", self._progress.id, sentence)
        if self._bad <= NAMED:
            self._named.append(sentence)

    def end(self) -> None:
        if self._bad:
            more = f" And {self._bad - NAMED} more." if self._bad > NAMED else ""
            raise NoEntry(
                f"{self._bad} of {self._progress.total} lines name no file that could be fetched. "
                f"{' '.join(self._named)}{more}",
                remedy="All other lines were fetched. Name files of the tree, or their paths below the mountpoint.",
            )

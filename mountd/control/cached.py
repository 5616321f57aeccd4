"""The operations on cached bytes and on paths of the tree: usage, clear, invalidate, warm, is-it-cached, stat, open files.

Paths are those of the tree. Warming is a task: it goes on when the asker has left, several files at a time, and names how many
files could not be fetched instead of ending at the first.
"""

from collections.abc import Sequence

import trio

from mountd import api
from mountd.control.interface import Parts
from mountd.control.tasks import Progress
from mountd.errors import MountdError, StoreError


class Cached:
    """What a workspace has fetched, and where it came from."""

    def __init__(self, parts: Parts, parallel: int) -> None:
        self._tree = parts.tree
        self._content = parts.content
        self._tasks = parts.tasks
        self._events = parts.events
        self._parallel = parallel

    def usage(self) -> api.CacheUsage:
        usage = self._content.usage()
        return api.CacheUsage(
            memory_bytes=usage.memory_bytes,
            memory_limit=usage.memory_limit,
            in_flight_bytes=usage.in_flight_bytes,
            disk_bytes=usage.disk_bytes,
            disk_limit=usage.disk_limit,
            disk_files=usage.disk_files,
            disk_healthy=usage.disk_healthy,
            buffer_bytes=usage.buffer_bytes,
        )

    async def clear(self) -> api.Freed:
        freed = await self._content.clear()
        self._events.emit("cache.cleared", "", f"The cache gave back {freed} bytes.")
        return api.Freed(freed)

    async def invalidate(self, path: str) -> api.Invalidated:
        touched = await self._tree.invalidate(path)
        self._events.emit("cache.invalidated", path, f"{path} is asked of the storage anew.")
        return api.Invalidated(path, touched)

    async def warm(self, path: str) -> api.Task:
        """The task that fetches everything at or below the path. A path that is not there fails at once."""
        await self._tree.report(path)

        async def work(progress: Progress) -> None:
            await self._fetch(path, progress)

        return self._tasks.start("warm", path, work).view()

    async def held(self, path: str) -> api.Held:
        files = whole = size = memory = disk = 0
        for file in await self._files(path):
            report = await self._tree.report(file)
            files += 1
            size += report.size
            memory += report.memory_bytes
            disk += report.disk_bytes
            whole += max(report.memory_bytes, report.disk_bytes) >= report.size
            await trio.lowlevel.checkpoint()
        # A byte in both tiers counts in both, so that a file is surely whole only where one tier has all of it.
        return api.Held(path, files, size, memory, disk, complete=0 < files == whole)

    async def stat(self, path: str) -> api.PathStatus:
        report = await self._tree.report(path)
        return api.PathStatus(
            path=report.path,
            kind=report.kind,
            datastore=report.datastore,
            key=report.key,
            etag=report.etag,
            size=report.size,
            modified_ns=report.modified_ns,
            inode=report.inode,
            tier=report.tier,
            content_type=report.content_type,
            metadata=dict(report.metadata),
            memory_bytes=report.memory_bytes,
            disk_bytes=report.disk_bytes,
            open_handles=report.open_handles,
        )

    def open_files(self) -> list[api.OpenFile]:
        return [
            api.OpenFile(file.path, file.handle, file.inode, file.etag, file.bytes_read, file.opened_ns)
            for file in self._tree.open_files()
        ]

    async def _files(self, path: str) -> Sequence[str]:
        report = await self._tree.report(path)
        return [path] if report.kind == "file" else await self._tree.files_below(path)

    async def _fetch(self, path: str, progress: Progress) -> None:
        files = await self._files(path)
        progress.expect(len(files))
        waiting = iter(files)
        failures: list[tuple[str, MountdError]] = []

        async def worker() -> None:
            for file in waiting:
                try:
                    size = await self._tree.warm(file)
                except MountdError as error:
                    failures.append((file, error))
                    size = 0
                progress.advance(size=size)

        async with trio.open_nursery() as workers:
            for _ in range(min(self._parallel, len(files))):
                workers.start_soon(worker)
        if failures:
            file, error = failures[0]
            raise StoreError(
                f"{len(failures)} of {len(files)} files could not be fetched; the first, {file}: {error.sentence}",
                remedy=error.remedy,
                request_id=error.request_id,
            )

"""One mount's life: mounted, tuned, served, drained, gone. pyfuse3 keeps its session in globals: one a process.

Owns the order of things at both ends. Knows nothing of what the tree means.
"""

import logging
import os
from collections.abc import Callable

import pyfuse3
import trio

from mountd.errors import MountRefused
from mountd.fuse.boundary import Boundary
from mountd.fuse.config import MountConfig
from mountd.fuse.invalidation import KernelInvalidations
from mountd.fuse.kernel_tuning import tune
from mountd.fuse.mountinfo import FILESYSTEM_TYPE, Mount, mount_at
from mountd.fuse.mountpoint import check_host, prepare, unmount
from mountd.fuse.operations import Tree, TreeOperations
from mountd.fuse.workers import Calls, RequestTasks

log = logging.getLogger(__name__)

INIT_SECONDS = 2.0

WORKER_SECONDS = 1.0
"""How long the end of a mount waits for an invalidation in the kernel before it aborts the connection."""


class Session:
    """Serves `tree` at `mountpoint`. `run` once; `stop` from any task, any number of times.

    State: `_mounted` from a successful mount until `run` has cleaned up; `_stopping` once somebody asked.
    """

    def __init__(
        self, tree: Tree, mountpoint: str, config: MountConfig, invalidations: KernelInvalidations | None = None
    ) -> None:
        self._config = config
        self._mountpoint = mountpoint
        self._invalidations = invalidations or KernelInvalidations()
        self._initialised = trio.Event()
        self._gone = trio.Event()
        self._serving = trio.CancelScope()
        self._draining = trio.CancelScope()
        self._mounted = False
        self._stopping = False
        calls = Calls(config.call_limit)
        self._tasks = RequestTasks(calls, config.look_again_microseconds / 1e6)
        self._handlers = Boundary(TreeOperations(tree, self._initialised.set), calls)
        self.tuned: dict[str, int] = {}

    async def run(self, started: Callable[[], None]) -> None:
        """Mounts and serves until `stop`, or until somebody unmounts. `started` is called once the mount is usable.

        MountRefused if it cannot be mounted. When this returns or raises, nothing of it is mounted.
        """
        try:
            check_host(self._config.allow_other)
            place = await trio.to_thread.run_sync(prepare, self._mountpoint)
            mount = self._mount(place)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._tune_and_tell, place, started)
                    await self._serve()
                    nursery.cancel_scope.cancel()
            finally:
                self._clean_up(mount)
        finally:
            self._gone.set()

    async def stop(self, deadline: float | None = None) -> None:
        """Reads in flight finish, for `deadline` seconds (the configured ones by default); then they are aborted, and
        the mount is gone when this returns. A later call may shorten the deadline, 0 ends at once."""
        seconds = self._config.stop_deadline if deadline is None else deadline
        end = min(self._serving.deadline, trio.current_time() + seconds)
        self._serving.deadline = self._draining.deadline = end
        if not self._stopping:
            self._stopping = True
            # While the mount is still served: an invalidation may be waiting for a handler of ours.
            with self._draining:
                await trio.to_thread.run_sync(self._invalidations.end, seconds, abandon_on_cancel=True)
            if self._mounted:
                pyfuse3.terminate()
        await self._gone.wait()

    def _mount(self, place: str) -> Mount:
        self._tasks.install()
        try:
            pyfuse3.init(self._handlers, place, self._options())
        except RuntimeError as error:
            raise MountRefused(
                f"The kernel or fusermount3 refused to mount at {place} ({error}).",
                remedy="Its reason is on standard error; as an ordinary user the mountpoint must be yours.",
            ) from error
        self._mounted = True
        mount = mount_at(place)
        if mount is None or mount.kind != FILESYSTEM_TYPE:
            self._mounted = False
            pyfuse3.close(unmount=True)
            raise MountRefused(f"The mount at {place} disappeared as soon as it was made.")
        self._invalidations.begin()
        return mount

    def _options(self) -> set[str]:
        config = self._config
        options = {f"fsname={_escaped(config.name)}", "subtype=mountd"}
        for name, wanted in (
            ("allow_other", config.allow_other),
            ("default_permissions", config.default_permissions),
            ("ro", config.read_only),
        ):
            if wanted:
                options.add(name)
        return options

    async def _tune_and_tell(self, place: str, started: Callable[[], None]) -> None:
        # The event is set while FUSE_INIT is being answered; this task runs once that is done. A bug in the handler
        # must not keep the mount from being announced.
        with trio.move_on_after(INIT_SECONDS):
            await self._initialised.wait()
        self.tuned = await trio.to_thread.run_sync(tune, place, self._config)
        log.info("mounted at %s (%s)", place, ", ".join(f"{k}={v}" for k, v in self.tuned.items()) or "kernel's limits")
        started()

    async def _serve(self) -> None:
        with self._serving:
            if not self._stopping:
                await pyfuse3.main(min_tasks=self._config.min_tasks, max_tasks=self._config.max_tasks)
        if self._serving.cancelled_caught:
            log.warning("the mount's last reads were still unanswered at the deadline: aborted")

    def _clean_up(self, mount: Mount) -> None:
        """Without an await: the process may be ending. Nothing is served any more."""
        self._mounted = False
        if not self._invalidations.end(WORKER_SECONDS):
            # It waits in the kernel for somebody who waits for us. Aborting the connection wakes both.
            unmount(mount.place, lazy=True, force=True)
        if self._invalidations.end(WORKER_SECONDS):
            pyfuse3.close(unmount=True)
        else:
            log.error("an invalidation hangs in the kernel: the session's memory is left to the end of the process")
        if mount_at(mount.place) == mount:
            # libfuse leaves a mount alone whose connection was aborted.
            unmount(mount.place, lazy=True)
        log.info("unmounted %s", mount.place)


def _escaped(text: str) -> str:
    """One word of libfuse's option list: a comma would end it, and what stood behind be an option of the mount."""
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b",\\" else f"\\{byte:03o}" for byte in os.fsencode(text)
    )

"""Telling the kernel to forget: pages, attributes, names. Implements fs.interface.KernelCache.

pyfuse3's calls block until the kernel has the inode or the folder to itself, which may need an answer of ours: on the
event loop's thread they deadlock. So one worker thread makes them, from a queue; it holds nothing that a handler needs.
A thing the kernel does not know is already forgotten.
"""

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

import pyfuse3
import trio

from mountd.metrics import BUGS

log = logging.getLogger(__name__)

END = None

SETTLED_SECONDS = 5.0


class KernelInvalidations:
    """State: `_open`, between `begin` and `end`; outside of that nothing is mounted and every call is dropped."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._worker: threading.Thread | None = None
        self._open = False

    def forget_inode(self, inode: int, *, attributes_only: bool = False) -> None:
        if self._open:
            self._queue.put(lambda: pyfuse3.invalidate_inode(inode, attributes_only))

    def forget_entry(self, parent: int, name: bytes) -> None:
        if self._open:
            self._queue.put(lambda: pyfuse3.invalidate_entry(parent, name))

    async def settled(self) -> None:
        """As in fs.interface. An invalidation may wait for a handler that waits for a dead storage: it is not waited for."""
        if not self._open:
            return
        done, token = trio.Event(), trio.lowlevel.current_trio_token()
        self._queue.put(lambda: token.run_sync_soon(done.set))
        with trio.move_on_after(SETTLED_SECONDS):
            await done.wait()

    def begin(self) -> None:
        """From now on something is mounted."""
        self._queue = SimpleQueue()
        self._worker = threading.Thread(
            target=self._work, args=(self._queue,), name="mountd-invalidations", daemon=True
        )
        self._open = True
        self._worker.start()

    def end(self, timeout: float) -> bool:
        """Drops what is queued; whether the worker ended in time. Until it did, the session must not be destroyed.

        It may be called again. Blocks: not for the event loop's thread while the mount is being served.
        """
        self._open = False
        worker = self._worker
        if worker is None:
            return True
        self._queue.put(END)
        worker.join(timeout)
        return not worker.is_alive()

    def _work(self, queue: SimpleQueue[Callable[[], None] | None]) -> None:
        while (invalidate := queue.get()) is not END:
            if not self._open:
                continue
            try:
                invalidate()
            except FileNotFoundError:
                continue  # the kernel does not know it
            except trio.RunFinishedError:
                continue  # whoever waited is gone with its event loop
            except OSError as error:
                # ENOTCONN and ENODEV at the end of a mount; nothing that a person could mend.
                log.debug("the kernel did not take an invalidation: %s", error)
            except Exception:
                BUGS.labels("fuse.invalidation").inc()
                log.exception("bug in an invalidation")

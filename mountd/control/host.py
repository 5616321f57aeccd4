"""What the socket may ask of the process it lives in: is the tree mounted, how much is logged, stop.

daemon.py makes one, says when the mount is usable, and waits for `stop_requested`. It must not know how stopping works.
"""

import logging
import os

import trio

from mountd.errors import BadRequest

LEVELS = ("debug", "info", "warning", "error")
ROOT_LOGGER = "mountd"


class Host:
    """One daemon process as its operators see it. `mountpoint` is "" where nothing is to be mounted."""

    def __init__(self, mountpoint: str, started_ns: int) -> None:
        self.mountpoint = mountpoint
        self.started_ns = started_ns
        self.pid = os.getpid()
        self.uid = os.geteuid()
        self.stop_requested = trio.Event()
        self._mounted = not mountpoint

    def mark_mounted(self, mounted: bool = True) -> None:
        """The kernel answers for the mountpoint now, or no longer."""
        self._mounted = mounted

    @property
    def ready(self) -> bool:
        return self._mounted and not self.stop_requested.is_set()

    @property
    def reason(self) -> str:
        """Why it is not ready; "" when it is."""
        if self.stop_requested.is_set():
            return "The daemon is stopping."
        return "" if self._mounted else f"{self.mountpoint} is not mounted yet."

    def request_stop(self) -> None:
        self.stop_requested.set()

    def log_level(self) -> str:
        return logging.getLevelName(logging.getLogger(ROOT_LOGGER).getEffectiveLevel()).lower()

    def set_log_level(self, level: str) -> None:
        if level.lower() not in LEVELS:
            raise BadRequest(f"There is no log level {level!r}.", remedy=f"Use one of {', '.join(LEVELS)}.")
        logging.getLogger(ROOT_LOGGER).setLevel(level.upper())

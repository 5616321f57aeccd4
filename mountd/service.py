"""The host: what the daemon asks of the machine it runs on. Signals, sd_notify, limits, and who owns a directory.

Knows nothing of datastores or files.
"""

import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio

from mountd import ownership

log = logging.getLogger(__name__)

LOCK_NAME = "daemon.lock"

WANTED_FILES = 65536
"""Open files: a connection for each of some hundred requests in flight, cache extents, and what programs hold open."""


def notify(state: str) -> None:
    """One sd_notify message (`READY=1`, `STOPPING=1`, `STATUS=…`); nothing where no service manager listens."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    name = "\0" + address[1:] if address.startswith("@") else address
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), name)
        except OSError as error:
            log.warning("The service manager at $NOTIFY_SOCKET does not listen: %s", error)


def raise_file_limit() -> int:
    """Raises RLIMIT_NOFILE as far as wanted and permitted; gives what is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(hard, WANTED_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return soft


def private_directory(path: Path, purpose: str) -> Path:
    """As ownership.private_directory; one of ours that others can reach is closed to them while it is empty."""
    return ownership.private_directory(path, purpose, close_empty=True)


@contextmanager
def sole_owner(directory: Path, purpose: str) -> Iterator[None]:
    """Holds `directory` against a second daemon; AlreadyRunning names the first one's pid. The kernel releases it at death."""
    descriptor = ownership.lock(directory / LOCK_NAME, purpose)
    try:
        yield
    finally:
        os.close(descriptor)


def owner_of(directory: Path) -> int | None:
    """The pid of the daemon that holds `directory` now; None if none does (a dead one's pid is not believed)."""
    return ownership.holder(directory / LOCK_NAME)


@asynccontextmanager
async def stop_signals() -> AsyncIterator[AsyncIterator[signal.Signals]]:
    """SIGTERM and SIGINT as they come: the first asks to stop, the second to stop at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:

        async def signals() -> AsyncIterator[signal.Signals]:
            async for number in received:
                yield signal.Signals(number)

        yield signals()

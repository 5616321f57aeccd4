"""The host: what the daemon asks of the machine it runs on. Signals, sd_notify, limits, and who owns a directory.

Knows nothing of datastores or files.
"""

import errno
import fcntl
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import trio

from mountd.errors import AlreadyRunning, DirectoryUnsafe

log = logging.getLogger(__name__)

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
    """Makes `path` (and its parents) if needed, for this user only. One of ours that others can reach is closed to them
    while it is empty; with something in it, it is refused: what is there may not be ours, or not what we wrote."""
    with _usable(path, purpose):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        ours = path.is_dir() and status.st_uid == os.geteuid()
        if ours and status.st_mode & 0o077 and not any(path.iterdir()):
            path.chmod(0o700)
            status = path.stat()
    if not ours or status.st_mode & 0o077:
        raise DirectoryUnsafe(
            f"The {purpose} directory {path} must belong to uid {os.geteuid()} with mode 0700; it belongs to uid "
            f"{status.st_uid} with mode {status.st_mode & 0o7777:04o}.",
            remedy=f"chown it, and chmod 0700 {path}.",
        )
    return path


@contextmanager
def sole_owner(directory: Path, purpose: str) -> Iterator[None]:
    """Holds `directory` against a second daemon; AlreadyRunning names the first one's pid. The kernel releases it at death."""
    with _usable(directory, purpose):
        descriptor = os.open(directory / "daemon.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with _usable(directory, purpose):
            _lock(descriptor, directory, purpose)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _usable(directory: Path, purpose: str) -> Iterator[None]:
    """What the system says of a directory, as a sentence: the wrong owner, a file in its place, a full disk."""
    try:
        yield
    except OSError as error:
        raise DirectoryUnsafe(
            f"The {purpose} directory {directory} cannot be used: {error.strerror}.", remedy="Choose another one."
        ) from error


def owner_of(directory: Path) -> int | None:
    """The pid of the daemon that holds `directory` now; None if none does (a dead one's pid is not believed)."""
    try:
        descriptor = os.open(directory / "daemon.lock", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        written = os.pread(descriptor, 32, 0).strip()
        return int(written) if written.isdigit() else None
    finally:
        os.close(descriptor)
    return None


def _lock(descriptor: int, directory: Path, purpose: str) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        pid = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        raise AlreadyRunning(
            f"The {purpose} directory {directory} belongs to a running mountd (pid {pid}).",
            remedy=f"Stop that one first, or choose another {purpose} directory.",
        ) from None


@asynccontextmanager
async def stop_signals() -> AsyncIterator[AsyncIterator[signal.Signals]]:
    """SIGTERM and SIGINT as they come: the first asks to stop, the second to stop at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as received:

        async def signals() -> AsyncIterator[signal.Signals]:
            async for number in received:
                yield signal.Signals(number)

        yield signals()

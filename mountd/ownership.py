"""Directories that are this user's alone and one daemon's at a time: the state, the cache.

Promises: what others own, can read or can write is refused, with the sentence that says what to do; a lock is the kernel's, and
gone with its process. Knows nothing of what lies in them.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mountd.errors import AlreadyRunning, DirectoryUnsafe


def private_directory(path: Path, purpose: str, *, close_empty: bool = False) -> Path:
    """Makes `path` (and its parents) if needed, for this user only; DirectoryUnsafe if anybody else can reach into it.
    `close_empty`: one of ours that others can reach is closed to them while it is empty; with something in it, it is refused all
    the same: what is there may not be ours, or not what we wrote."""
    with usable(path, purpose):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.stat()
        ours = path.is_dir() and status.st_uid == os.geteuid()
        if close_empty and ours and status.st_mode & 0o077 and not any(path.iterdir()):
            path.chmod(0o700)
            status = path.stat()
    if not ours or status.st_mode & 0o077:
        raise DirectoryUnsafe(
            f"The {purpose} directory {path} must belong to uid {os.geteuid()} with mode 0700; it belongs to uid "
            f"{status.st_uid} with mode {status.st_mode & 0o7777:04o}.",
            remedy=f"chown it, and chmod 0700 {path}.",
        )
    return path


def lock(file: Path, purpose: str) -> int:
    """Holds `file`, which then has our pid in it, until the descriptor that this gives is closed; AlreadyRunning names the pid of
    whoever holds it."""
    with usable(file.parent, purpose):
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with usable(file.parent, purpose):
            _take(descriptor, file.parent, purpose)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def holder(file: Path) -> int | None:
    """The pid of the process that holds `file` now; None if none does (a dead one's pid is not believed)."""
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC)
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


@contextmanager
def usable(directory: Path, purpose: str) -> Iterator[None]:
    """What the system says of a directory, as a sentence: the wrong owner, a file in its place, a full disk."""
    try:
        yield
    except OSError as error:
        raise DirectoryUnsafe(
            f"The {purpose} directory {directory} cannot be used: {error.strerror}.", remedy="Choose another one."
        ) from error


def _take(descriptor: int, directory: Path, purpose: str) -> None:
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

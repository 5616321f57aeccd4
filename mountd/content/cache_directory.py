"""The cache directory: ours alone (0700), of a format we know, used by one daemon at a time.

Layout: `lock` (flocked, holds the pid), `format` (one line), `extents/` (see extents.py). Anything else in it is not ours
and is left alone.
"""

import fcntl
import os
import stat
from pathlib import Path

from mountd.errors import AlreadyRunning, DirectoryUnsafe, TooNew

FORMAT = "mountd cache 1"


class CacheDirectory:
    """Holds the lock until `close`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.extents = directory / "extents"
        _make_private(directory)
        self._lock = _lock(directory / "lock")
        try:
            _check_format(directory / "format")
            self.extents.mkdir(mode=0o700, exist_ok=True)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _make_private(directory: Path) -> None:
    """Makes it, or refuses what others own, can read or can write: cached bytes are as secret as the storage's."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.stat()
    except OSError as error:
        raise DirectoryUnsafe(
            f"The cache directory {directory} cannot be used: {error.strerror}.",
            remedy="Name another one, or mend its parents' permissions.",
        ) from error
    if found.st_uid != os.geteuid():
        raise DirectoryUnsafe(
            f"The cache directory {directory} belongs to uid {found.st_uid}, not to uid {os.geteuid()}.",
            remedy="Name a directory of the daemon's own.",
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise DirectoryUnsafe(
            f"The cache directory {directory} is open to others (mode {stat.S_IMODE(found.st_mode):04o}).",
            remedy=f"chmod 0700 {directory}",
        )


def _lock(file: Path) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise AlreadyRunning(
            f"Another mountd (pid {pid}) uses the cache directory {file.parent}.",
            remedy="Stop it, or give each daemon a cache directory of its own.",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _check_format(file: Path) -> None:
    try:
        found = file.read_text(errors="replace").strip()
    except FileNotFoundError:
        found = ""
    if found and found != FORMAT:
        raise TooNew(
            f"{file} says {found[:40]!r}; this mountd writes {FORMAT!r}.",
            remedy="Use the mountd that wrote it, or remove the cache directory.",
        )
    if not found:  # new, or torn before the first byte: extents are recognised by their own headers
        file.write_text(FORMAT + "\n")

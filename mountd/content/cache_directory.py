"""The cache directory: ours alone (0700), of a format we know, used by one daemon at a time.

Layout: `lock` (flocked, holds the pid), `format` (one line), `extents/` (see extents.py). Anything else in it is not ours
and is left alone. What an older mountd kept in a format of its own is removed: it is a cache. A directory that cannot be
written is no reason not to start: it is `taken` later, when it can.
"""

import contextlib
import logging
import os
from pathlib import Path

from mountd.errors import DirectoryUnsafe, TooNew
from mountd.ownership import lock, private_directory

log = logging.getLogger(__name__)

FORMAT = "mountd cache 2"
OLDER = ("mountd cache 1",)


class CacheDirectory:
    """Holds the lock until `close`. Mutable state: `_lock`, the descriptor of a lock that is ours, or -1."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.extents = directory / "extents"
        self._lock = -1
        self.trouble = ""  # why it could not be taken at first
        private_directory(directory, "cache")
        try:
            self.take()
        except (OSError, DirectoryUnsafe) as error:
            self.trouble = str(error)
            log.warning("nothing can be kept in the cache directory %s: %s", directory, error)

    def take(self) -> None:
        """Makes what is missing, and locks it, unless that was done. AlreadyRunning if it is another's; OSError, or DirectoryUnsafe
        with the sentence, if it cannot be."""
        if self._lock >= 0 and self._still_there():
            return
        self.close()
        private_directory(self.path, "cache")
        self._lock = lock(self.path / "lock", "cache")
        try:
            _check_format(self.path)
            self.extents.mkdir(mode=0o700, exist_ok=True)
        except BaseException:
            self.close()
            raise

    def _still_there(self) -> bool:
        """Whether what we locked is what the directory has now: it may have been removed and made anew."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(self._lock), os.stat(self.path / "lock")) and self.extents.is_dir()
        return False

    def close(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _check_format(directory: Path) -> None:
    file = directory / "format"
    try:
        found = file.read_text(errors="replace").strip()
    except FileNotFoundError:
        found = ""
    if found in OLDER:
        removed = _remove_extents(directory / "extents")
        log.warning("the cache directory %s was an older mountd's (%s): %d files removed", directory, found, removed)
        file.unlink()
    elif found and found != FORMAT:
        raise TooNew(
            f"{file} says {found[:40]!r}; this mountd writes {FORMAT!r}.",
            remedy="Use the mountd that wrote it, or remove the cache directory.",
        )
    if found != FORMAT:  # new, or torn before the first byte: extents are recognised by their own headers
        file.write_text(FORMAT + "\n")


def _remove_extents(directory: Path) -> int:
    removed = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.scandir(directory):
            if entry.name.endswith(".extent") and entry.is_file(follow_symlinks=False):
                os.unlink(entry.path)
                removed += 1
    return removed

"""The cache directory: ours alone (0700), of a format we know, used by one daemon at a time.

Layout: `lock` (flocked, holds the pid), `format` (one line), `extents/` (see extents.py). Anything else in it is not ours
and is left alone.
"""

import os
from pathlib import Path

from mountd.errors import TooNew
from mountd.ownership import lock, private_directory

FORMAT = "mountd cache 1"


class CacheDirectory:
    """Holds the lock until `close`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory
        self.extents = directory / "extents"
        private_directory(directory, "cache")
        self._lock = lock(directory / "lock", "cache")
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

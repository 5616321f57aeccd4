"""Files that are being written: in a folder of their own in the datastore's root until they are whole.

A file left by a crash is removed by the first write of a later process, once it is a day old: another process may
still be writing a younger one.
"""

import errno
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from mountd.stores.local.folder import Folder, Place
from mountd.stores.local.names import TEMPORARY
from mountd.types import Buffer

OLD_SECONDS = 86_400


class UnfinishedFile:
    def __init__(self, directory: int) -> None:
        self._directory = directory
        self._name = secrets.token_hex(16)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self.descriptor = os.open(self._name, flags, 0o666, dir_fd=directory)

    def write(self, data: Buffer) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def publish(self, place: Place, *, replace: bool) -> None:
        """Gives it its name. Without `replace` that fails with FileExistsError where there is one, whoever made it."""
        if replace:
            os.rename(self._name, place.name, src_dir_fd=self._directory, dst_dir_fd=place.directory)
        else:
            os.link(
                self._name, place.name, src_dir_fd=self._directory, dst_dir_fd=place.directory, follow_symlinks=False
            )

    def close(self) -> None:
        os.close(self.descriptor)
        try:
            os.unlink(self._name, dir_fd=self._directory)
        except FileNotFoundError:
            return  # it has its name


class Unfinished:
    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._swept = False

    @contextmanager
    def file(self) -> Iterator[UnfinishedFile]:
        with self._folder.reserved(TEMPORARY) as directory:
            if not self._swept:
                self._swept = True
                _sweep(directory)
            unfinished = UnfinishedFile(directory)
            try:
                yield unfinished
            finally:
                unfinished.close()


def _sweep(directory: int) -> None:
    oldest = time.time() - OLD_SECONDS
    for name in os.listdir(directory):
        try:
            if os.stat(name, dir_fd=directory, follow_symlinks=False).st_ctime < oldest:
                os.unlink(name, dir_fd=directory)
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

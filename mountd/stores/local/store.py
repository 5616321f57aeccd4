"""A folder on a local disk as a datastore. Its files are ordinary files, and what others put there is served too.

ETag: modification time in nanoseconds, inode and size. Our own writes make a new inode with a time used only once, so
two contents never share one; somebody who edits a file in place and then sets its old time and size is not noticed.
Properties and metadata lie in one extended attribute of the file. A symbolic link is served as SEMANTICS 11 has it, its
target as content, and never followed. If-None-Match is atomic among processes, If-Match among the calls of this one.
A folder that holds nothing is served as its own marker, `dir/`. Work is done in threads, a bounded number of them.
"""

import errno
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import trio

from mountd.errors import (
    AccessDenied,
    AlreadyExists,
    NotFound,
    PreconditionFailed,
    StoreError,
    Unavailable,
    Unsupported,
)
from mountd.stores.interface import NO_PROPERTIES, UNCONDITIONAL, Capabilities, Condition, Properties
from mountd.stores.local.attributes import read_traits, traits_of, write_traits
from mountd.stores.local.folder import Folder, Place
from mountd.stores.local.pages import LocalPages
from mountd.stores.local.unfinished import Unfinished
from mountd.stores.local.versions import version_of
from mountd.types import Buffer, ObjectInfo, StoreIdentity, Traits, Version, WallClock

T = TypeVar("T")

THREADS = 16
"""A disk answers from its queue: more at once only lengthens it."""

COPY_PIECE = 8 << 20


class LocalStore:
    """Reader and Writer."""

    capabilities = Capabilities(writes=True, metadata=True)

    def __init__(self, folder: str, *, wall_clock: WallClock = time.time_ns) -> None:
        self.identity = StoreIdentity("local", "", "", os.path.abspath(folder))
        self._folder = Folder(self.identity.container)
        self._unfinished = Unfinished(self._folder)
        self._clock = wall_clock
        self._limiter = trio.CapacityLimiter(THREADS)
        # Held while a mutation looks and acts. State under it: the last modification time given.
        self._mutation = threading.Lock()
        self._last_ns = 0

    def __repr__(self) -> str:
        return f"<LocalStore {self.identity.container}>"

    # Reading -----------------------------------------------------------------------------------------------------

    async def stat(self, key: str) -> ObjectInfo:
        return await self._in_thread(key, lambda: self._stat(key))

    async def read(self, version: Version, start: int, stop: int) -> Buffer:
        return await self._in_thread(version.key, lambda: self._read(version, start, stop))

    def list(self, prefix: str, *, recursive: bool = False, page_size: int = 5000) -> LocalPages:
        return LocalPages(self._folder, self._in_thread, prefix, recursive=recursive, page_size=page_size)

    async def aclose(self) -> None:
        """Nothing to end: threads end with their calls, and no file stays open between calls."""
        await trio.lowlevel.checkpoint()

    async def create_container(self) -> None:
        """Makes the folder, for its owner alone, if there is none."""
        path = self.identity.container
        await self._in_thread(path, lambda: os.makedirs(path, 0o700, exist_ok=True))

    # Writing -----------------------------------------------------------------------------------------------------

    async def put(
        self, key: str, data: Buffer, *, condition: Condition = UNCONDITIONAL, properties: Properties = NO_PROPERTIES
    ) -> Version:
        traits = traits_of(properties)
        return await self._in_thread(key, lambda: self._put(key, iter([data]), traits, condition))

    async def delete(self, key: str, *, condition: Condition = UNCONDITIONAL) -> None:
        await self._in_thread(key, lambda: self._delete(key, condition))

    async def copy(self, source: Version, key: str, *, condition: Condition = UNCONDITIONAL) -> Version:
        return await self._in_thread(source.key, lambda: self._copy(source, key, condition))

    async def set_metadata(self, version: Version, metadata: Mapping[str, str]) -> Version:
        return await self._in_thread(version.key, lambda: self._set_metadata(version, metadata))

    # In a thread ---------------------------------------------------------------------------------------------------

    async def _in_thread(self, key: str, work: Callable[[], T]) -> T:
        """A cancelled caller leaves at once; what the thread still does is finished, and its result dropped."""
        return await trio.to_thread.run_sync(
            _translated, key, work, abandon_on_cancel=True, limiter=self._limiter, thread_name="local store"
        )

    def _stat(self, key: str) -> ObjectInfo:
        with self._folder.place(key) as place:
            if place.found is None:
                return self._empty_folder(key)
            return ObjectInfo(version_of(key, _file(place, key)), read_traits(place.directory, place.name, place.found))

    def _empty_folder(self, key: str) -> ObjectInfo:
        *folders, last = key.split("/")
        if last == "" and any(folders):
            with self._folder.directory(folders) as directory:
                if not os.listdir(directory):
                    return ObjectInfo(version_of(key, os.fstat(directory)))
        raise _missing(key)

    def _read(self, version: Version, start: int, stop: int) -> bytes:
        with self._folder.place(version.key) as place:
            found = _file(place, version.key)
            if stat.S_ISLNK(found.st_mode):
                _require_version(version, found)
                return os.fsencode(os.readlink(place.name, dir_fd=place.directory))[start:stop]
            with _open_file(place) as descriptor:
                _require_version(version, os.fstat(descriptor))
                data = os.pread(descriptor, stop - start, start)
                _require_version(version, os.fstat(descriptor))  # nobody wrote into it meanwhile
                return data

    def _put(self, key: str, pieces: Iterator[Buffer], traits: Traits, condition: Condition) -> Version:
        if not key:
            raise Unsupported("A key cannot be empty.")
        with self._unfinished.file() as unfinished:
            for piece in pieces:
                unfinished.write(piece)
            write_traits(unfinished.descriptor, traits)
            with self._mutation:
                os.utime(unfinished.descriptor, ns=(self._clock(), self._next_ns()))
                os.fsync(unfinished.descriptor)
                with self._folder.place(key, create=True) as place:
                    _check(key, place, condition)
                    unfinished.publish(place, replace=not condition.if_absent)
                    os.fsync(place.directory)
            return version_of(key, os.fstat(unfinished.descriptor))

    def _delete(self, key: str, condition: Condition) -> None:
        with self._mutation:
            with self._folder.place(key) as place:
                if place.found is None:
                    found = self._empty_folder(key).version
                    if condition.if_match and condition.if_match != found.etag:
                        raise _replaced(key)
                else:
                    _file(place, key)
                    _check(key, place, condition)
                    os.unlink(place.name, dir_fd=place.directory)
                    os.fsync(place.directory)
            self._folder.prune(key)

    def _copy(self, source: Version, key: str, condition: Condition) -> Version:
        with self._folder.place(source.key) as place:
            found = _file(place, source.key)
            _require_version(source, found)
            traits = read_traits(place.directory, place.name, found)
            if stat.S_ISLNK(found.st_mode):
                target = os.fsencode(os.readlink(place.name, dir_fd=place.directory))
                return self._put(key, iter([target]), traits, condition)
            with _open_file(place) as descriptor:
                return self._put(key, _content(descriptor, source), traits, condition)

    def _set_metadata(self, version: Version, metadata: Mapping[str, str]) -> Version:
        with self._mutation, self._folder.place(version.key) as place:
            found = _file(place, version.key)
            if stat.S_ISLNK(found.st_mode):
                raise Unsupported(f"'{version.key}' is a symbolic link of the local disk, which holds no metadata.")
            _require_version(version, found)
            traits = read_traits(place.directory, place.name, found)
            with _open_file(place) as descriptor:
                write_traits(
                    descriptor, traits_of(Properties(traits.content_type, traits.content_encoding, metadata=metadata))
                )
                os.utime(descriptor, ns=(found.st_atime_ns, self._next_ns()))
                os.fsync(descriptor)
                return version_of(version.key, os.fstat(descriptor))

    def _next_ns(self) -> int:
        """A modification time that this store never gave before, also when the wall clock stands or steps back."""
        self._last_ns = max(self._last_ns + 1, self._clock())
        return self._last_ns


def _file(place: Place, key: str) -> os.stat_result:
    """The file at a place. What is neither a file nor a symbolic link is not part of the datastore."""
    found = place.found
    if found is None or not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
        raise _missing(key)
    return found


@contextmanager
def _open_file(place: Place) -> Iterator[int]:
    descriptor = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _content(descriptor: int, source: Version) -> Iterator[bytes]:
    """A file's bytes in pieces; PreconditionFailed if it changed while it was read."""
    position = 0
    while piece := os.pread(descriptor, COPY_PIECE, position):
        yield piece
        position += len(piece)
    _require_version(source, os.fstat(descriptor))


def _require_version(version: Version, found: os.stat_result) -> None:
    if version_of(version.key, found).etag != version.etag:
        raise _replaced(version.key)


def _check(key: str, place: Place, condition: Condition) -> None:
    if condition.if_absent and place.found is not None:
        raise AlreadyExists(f"'{key}' exists.")
    if condition.if_match and (place.found is None or version_of(key, place.found).etag != condition.if_match):
        raise _replaced(key)


def _missing(key: str) -> NotFound:
    return NotFound(f"There is no '{key}'.")


def _replaced(key: str) -> PreconditionFailed:
    return PreconditionFailed(f"'{key}' is no longer the version that was asked for.")


def _translated(key: str, work: Callable[[], T]) -> T:
    """Where the operating system's errors get their names, by number."""
    try:
        return work()
    except OSError as error:
        raise _named(error, key) from error


def _named(error: OSError, key: str) -> StoreError:
    reason = os.strerror(error.errno or 0)
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ELOOP:
            return _missing(key)
        case errno.EEXIST:
            return AlreadyExists(f"'{key}' exists.")
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return AccessDenied(
                f"The local disk refused '{key}': {reason}.", remedy="Check the folder's owner and modes."
            )
        case errno.ENAMETOOLONG | errno.EISDIR | errno.EXDEV | errno.ENOTSUP:
            return Unsupported(f"The local disk cannot hold '{key}': {reason}.")
        case _:
            return Unavailable(f"The local disk failed at '{key}': {reason}.")

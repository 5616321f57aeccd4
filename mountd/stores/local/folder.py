"""The folder itself: from a key to an open directory and a name in it, and the walk over everything.

Each step opens one name in an open directory and follows no symbolic link, so nothing here leaves the folder whatever
lies in it, and no path is too long. Synchronous; raises OSError, which the store translates.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mountd.errors import NoContainer
from mountd.stores.local.names import is_plain, meaning, segments_of, spelled

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key is or would be: a name in an open directory. `found` is its lstat, None where there is nothing."""

    directory: int
    name: str
    found: os.stat_result | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What a directory holds: `names` lead to it from there."""

    segment: str
    folder: bool
    names: tuple[str, ...]
    found: os.stat_result

    @property
    def order(self) -> str:
        """Everything in a folder sorts as its name with the slash does."""
        return f"{self.segment}/" if self.folder else self.segment


class Folder:
    def __init__(self, path: str) -> None:
        self.path = path

    @contextmanager
    def directory(self, segments: list[str], *, create: bool = False) -> Iterator[int]:
        """The directory that holds a folder's keys, open. FileNotFoundError if there is none."""
        current = self._root()
        try:
            for segment in segments:
                current = _replaced(current, _enter(current, _folder_names(current, segment), create=create))
            yield current
        finally:
            os.close(current)

    @contextmanager
    def place(self, key: str, *, create: bool = False) -> Iterator[Place]:
        """Where `key` is; with `create`, its folders are made. FileNotFoundError if a folder of it is missing."""
        *folders, last = segments_of(key)
        with self.directory(folders, create=create) as parent:
            names = _file_names(parent, last)
            current = _enter(parent, names[:-1], create=create)
            try:
                yield Place(current, names[-1], _lstat(current, names[-1]))
            finally:
                os.close(current)

    @contextmanager
    def reserved(self, name: str) -> Iterator[int]:
        """A directory of the root that is no part of the datastore, made if need be."""
        root = self._root()
        try:
            directory = _enter(root, (name,), create=True)
        finally:
            os.close(root)
        try:
            yield directory
        finally:
            os.close(directory)

    def prune(self, key: str) -> None:
        """Removes the folders above a deleted key that now hold nothing, as they vanish in a cloud."""
        *folders, last = segments_of(key)
        trail = [self._root()]
        steps: list[str] = []
        try:
            for names in self._trail(trail, folders, last):
                steps.append(names)
                trail.append(_open_directory(trail[-1], names))
            for parent, name in reversed(list(zip(trail, steps, strict=False))):
                os.rmdir(name, dir_fd=parent)
        except OSError:
            return  # the first that is not empty, or that somebody else removed, ends it
        finally:
            for descriptor in trail:
                os.close(descriptor)

    def _trail(self, trail: list[int], folders: list[str], last: str) -> Iterator[str]:
        for segment in folders:
            yield from _folder_names(trail[-1], segment)
        if not is_plain(last):
            yield from spelled(last, folder=False)[:-1]

    def _root(self) -> int:
        try:
            return os.open(self.path, _DIRECTORY & ~os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            raise NoContainer(
                f"There is no folder {self.path}.", remedy="Create it, or correct the datastore."
            ) from None


def walk(directory: int, start: str, *, recursive: bool, is_root: bool) -> Iterator[tuple[str, Entry, int]]:
    """(segments from `directory` joined by "/", entry, the open directory it is in) in the order of whole keys.

    `start`: what an entry of the first level must start with. Folders come as entries of their own; with `recursive`,
    what is in them follows. A real directory with nothing in it is told by an entry with an empty segment.
    """
    opened = [os.dup(directory)]
    first = entries(directory, or_marker=not is_root)
    waiting = [(iter([entry for entry in first if entry.order.startswith(start)]), "")]
    try:
        while waiting:
            level, above = waiting[-1]
            entry = next(level, None)
            if entry is None:
                waiting.pop()
                os.close(opened.pop())
                continue
            yield above + entry.segment, entry, opened[-1]
            if entry.folder and recursive:
                try:
                    inside = _enter(opened[-1], entry.names)
                except FileNotFoundError:
                    continue  # removed since it was seen
                opened.append(inside)
                waiting.append((iter(entries(inside, or_marker=True)), f"{above}{entry.segment}/"))
    finally:
        for descriptor in opened:
            os.close(descriptor)


def entries(directory: int, *, or_marker: bool = False) -> list[Entry]:
    """What is in a directory, in the store's order. `or_marker`: an empty one holds its own marker."""
    found = list(_entries(directory, (), ""))
    if or_marker and not found and not os.listdir(directory):
        return [Entry("", False, (), os.fstat(directory))]
    plain = {(entry.segment, entry.folder) for entry in found if entry.names == (entry.segment,)}
    kept = [
        entry
        for entry in found
        if entry.names == (entry.segment,)
        or (entry.names == spelled(entry.segment, folder=entry.folder) and (entry.segment, entry.folder) not in plain)
    ]
    kept.sort(key=lambda entry: entry.order)
    return kept


def _entries(directory: int, names: tuple[str, ...], text: str) -> Iterator[Entry]:
    with os.scandir(directory) as scan:
        for item in scan:
            letter, piece = meaning(item.name)
            if letter == "?" or (names and letter == ""):
                continue
            try:
                found = item.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # removed since it was seen
            is_folder = stat.S_ISDIR(found.st_mode)
            path = (*names, item.name)
            if letter == "l" and is_folder:
                inside = _open_directory(directory, item.name)
                try:
                    yield from _entries(inside, path, text + piece)
                finally:
                    os.close(inside)
            elif is_folder and letter in ("", "f"):
                yield Entry(text + piece, True, path, found)
            elif letter in ("", "b") and (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                yield Entry(text + piece, False, path, found)


def _folder_names(parent: int, segment: str) -> tuple[str, ...]:
    """A folder's names: its own, unless a file has it, or had it when the folder was made."""
    reserved = spelled(segment, folder=True)
    if not is_plain(segment):
        return reserved
    found = _lstat(parent, segment)
    if found is None:
        return reserved if _lstat(parent, reserved[0]) else (segment,)
    return (segment,) if stat.S_ISDIR(found.st_mode) else reserved


def _file_names(parent: int, segment: str) -> tuple[str, ...]:
    """A file's names: its own, unless a folder has it, or had it when the file was made."""
    reserved = spelled(segment, folder=False)
    if not is_plain(segment):
        return reserved
    found = _lstat(parent, segment)
    if found is None:
        return reserved if _lstat(parent, reserved[0]) else (segment,)
    return reserved if stat.S_ISDIR(found.st_mode) else (segment,)


def _lstat(directory: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _enter(start: int, names: tuple[str, ...], *, create: bool = False) -> int:
    """The directory that `names` lead to from `start`, which stays open. FileNotFoundError if there is none."""
    current = os.dup(start)
    try:
        for name in names:
            if create:
                _make(current, name)
            current = _replaced(current, _open_directory(current, name))
    except BaseException:
        os.close(current)
        raise
    return current


def _replaced(old: int, new: int) -> int:
    os.close(old)
    return new


def _open_directory(parent: int, name: str) -> int:
    """A symbolic link is not followed: it is no folder."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise FileNotFoundError(errno.ENOENT, "no such folder") from error
        raise


def _make(parent: int, name: str) -> None:
    try:
        os.mkdir(name, 0o777, dir_fd=parent)
    except FileExistsError:
        return

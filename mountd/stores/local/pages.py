"""A listing of the folder, page by page, in the order of UTF-8 bytes of whole keys.

The walk is a generator that a thread moves on; when a page fails or its caller leaves, the next one starts a new walk
and goes on behind the last name that was given.
"""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Protocol, TypeAlias, TypeVar

from mountd.stores.local.attributes import read_traits
from mountd.stores.local.folder import Entry, Folder, walk
from mountd.stores.local.names import segments_of
from mountd.stores.local.versions import version_of
from mountd.types import PLAIN, ListPage, ObjectInfo, Traits

T = TypeVar("T")


class InThread(Protocol):
    def __call__(self, key: str, work: Callable[[], T]) -> Coroutine[Any, Any, T]: ...


class LocalPages:
    def __init__(self, folder: Folder, in_thread: InThread, prefix: str, *, recursive: bool, page_size: int) -> None:
        self._folder = folder
        self._in_thread = in_thread
        self._prefix = prefix
        self._recursive = recursive
        self._page_size = page_size
        # State: the walk, None while a thread has it or after it was lost; the last name given; whether it ended.
        self._walk: Iterator[_Row] | None = None
        self._last = ""
        self._ended = False

    def __aiter__(self) -> "LocalPages":
        return self

    async def __anext__(self) -> ListPage:
        if self._ended:
            raise StopAsyncIteration
        rows, self._walk = self._walk, None
        rows = rows or self._rows(self._last)
        page, last = await self._in_thread(self._prefix, lambda: _page(rows, self._page_size))
        self._walk, self._last = rows, last or self._last
        self._ended = len(page.keys) + len(page.folders) < self._page_size
        return page

    def _rows(self, last: str) -> Iterator["_Row"]:
        *folders, start = segments_of(self._prefix)
        above = self._prefix[: len(self._prefix) - len(start)]
        with ExitStack() as stack:
            try:
                directory = stack.enter_context(self._folder.directory(folders))
            except FileNotFoundError:
                return  # there is no such folder: nothing starts with this prefix
            for name, entry, inside in walk(directory, start, recursive=self._recursive, is_root=not folders):
                key = above + name
                if entry.folder and not self._recursive and key + "/" > last:
                    yield key + "/", None
                elif not entry.folder and key > last:
                    yield key, ObjectInfo(version_of(key, entry.found), _traits(inside, entry))


_Row: TypeAlias = tuple[str, ObjectInfo | None]
"""A whole key and what it is; None for a folder."""


def _traits(directory: int, entry: Entry) -> Traits:
    try:
        return read_traits(directory, "/".join(entry.names), entry.found)
    except FileNotFoundError:
        return PLAIN  # removed since it was seen


def _page(rows: Iterator[_Row], limit: int) -> tuple[ListPage, str]:
    """The next page, and the last name in it."""
    page, last = ListPage(), ""
    for last, info in islice(rows, limit):
        if info is None:
            page.folders.append(last)
            continue
        version = info.version
        if info.traits is not PLAIN:
            page.traits[len(page.keys)] = info.traits
        page.keys.append(last)
        page.etags.append(version.etag)
        page.sizes.append(version.size)
        page.modified_ns.append(version.modified_ns)
    return page, last

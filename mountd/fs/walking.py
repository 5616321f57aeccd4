"""Walks: when a tree is listed folder after folder (find, du, cp -r), it is listed flat, 5,000 entries a request.

A walk begins at the second child folder listed in order, and is a stream of pages that is pulled on only as far as the
folder wanted now: no task of its own, no more memory than a few pages. Folders that the stream has passed wait in
`ready` until they are asked for, or until their time is over. What it cannot give soon is listed as always.
It must not decide what is fresh for others: it hands in listings with the time they were asked for.
"""

from collections.abc import Callable

import trio

from mountd.fs.asking import PAGE, Asking
from mountd.fs.config import TreeConfig
from mountd.fs.directory import Directory
from mountd.fs.listing import FOLDER, Listing
from mountd.fs.mapped import Mapped
from mountd.rules import freshness
from mountd.types import ListPage

AT_ONCE = 2
"""Pages pulled for one folder before it is rather listed by itself."""

LEFT_OVER = 4 * PAGE
"""Entries that wait for their folder to be asked for; the oldest go first."""

WALKS = 4
"""Walks remembered at a time: several programs, or one within another."""

SKIPPED = 4
"""Folders a walker may leave out and still be one (`find -prune`, an ignored .git)."""


class Walk:
    """State: the stream, how far it has come, the folders it is inside of, and those it has passed."""

    def __init__(self, top: Directory, mapped: Mapped) -> None:
        self.prefix = top.prefix
        self.mapped = mapped
        self.position = ""
        self.over = False
        self.ready: dict[str, tuple[Listing, float]] = {}
        self._pages = mapped.source.reader.list(top.prefix, recursive=True)
        self._asked_at = trio.current_time()
        self._inside: list[tuple[Listing, float]] = [(self._listing(top.prefix), self._asked_at)]
        self._lock = trio.Lock()

    def covers(self, directory: Directory) -> bool:
        return directory.mapped is self.mapped and directory.prefix.startswith(self.prefix)

    async def reach(self, prefix: str, pages: int) -> None:
        """Pulls until a folder has been passed, at most so many pages."""
        async with self._lock:
            while pages and not self.over and prefix not in self.ready and self._is_ahead(prefix):
                await self._pull()
                pages -= 1

    def _is_ahead(self, prefix: str) -> bool:
        return prefix > self.position or any(listing.prefix == prefix for listing, _ in self._inside)

    async def _pull(self) -> None:
        """One page. Whatever interrupts it ends the walk: a page lost half way would be a folder with names missing."""
        over, self.over = self.over, True
        began = trio.current_time()
        try:
            page = await anext(self._pages, None)
        except BaseException:
            self._inside.clear()
            raise
        if page is None:
            self._leave(lambda prefix: True)
            return
        self.over = over
        self._take(page)
        self._asked_at = began  # a storage asks ahead: for the page after this one as soon as this one was here
        self._tidy()

    def _take(self, page: ListPage) -> None:
        """Deals the rows of a page out to their folders, runs of one folder at a time."""
        keys = page.keys
        row, count = 0, len(keys)
        while row < count:
            prefix = keys[row][: keys[row].rfind("/") + 1]
            cut = len(prefix)
            stop = row + 1
            while stop < count and keys[stop].startswith(prefix) and keys[stop].find("/", cut) < 0:
                stop += 1
            self._enter(prefix).add_objects(page, row, stop)
            row = stop
        if count:
            self.position = keys[-1]

    def _enter(self, prefix: str) -> Listing:
        """The folder of the next rows: folders left on the way are passed, those entered begin."""
        self._leave(lambda inside: not prefix.startswith(inside))
        while (here := self._inside[-1][0]).prefix != prefix:
            below = prefix[: prefix.index("/", len(here.prefix)) + 1]
            here.add_folders((below,))
            self._inside.append((self._listing(below), self._asked_at))
        return here

    def _leave(self, left: Callable[[str], bool]) -> None:
        while self._inside and left(self._inside[-1][0].prefix):
            listing, asked_at = self._inside.pop()
            self.ready[listing.prefix] = listing, asked_at

    def _tidy(self) -> None:
        waiting = sum(len(listing) for listing, _ in self.ready.values())
        while waiting > LEFT_OVER:
            waiting -= len(self.ready.pop(next(iter(self.ready)))[0])

    def _listing(self, prefix: str) -> Listing:
        return Listing(prefix, self.mapped.numbers(prefix))


class Walking:
    """State: the walks under way, the youngest last."""

    def __init__(self, asking: Asking, config: TreeConfig) -> None:
        self._asking = asking
        self._config = config
        self._walks: list[Walk] = []

    async def prepare(self, directory: Directory) -> None:
        """Before a folder is listed for somebody: gives it the listing that a walk has, or begins a walk."""
        mapped = directory.mapped
        if mapped is None or not self._config.walk or mapped.ttl <= 0:
            return
        second = self._follows(directory)
        if freshness.is_fresh(directory.listed_at, trio.current_time(), mapped.ttl) or directory.parent is None:
            return
        for walk in reversed(self._walks):
            if walk.covers(directory) and await self._served(walk, directory, mapped, AT_ONCE):
                return
        parent = directory.parent
        if second and parent.mapped is mapped and parent.below + _size(parent) <= self._config.walk_repeats:
            walk = Walk(parent, mapped)
            self._walks = [old for old in self._walks if not old.over or old.ready][-WALKS + 1 :] + [walk]
            await self._served(walk, directory, mapped, AT_ONCE + self._config.walk_repeats // PAGE)

    def doubt(self) -> None:
        """What walks have passed counts no more."""
        for walk in self._walks:
            walk.ready.clear()
        self._walks.clear()

    async def _served(self, walk: Walk, directory: Directory, mapped: Mapped, pages: int) -> bool:
        await walk.reach(directory.prefix, pages)
        found = walk.ready.pop(directory.prefix, None)
        if found is None:
            return False
        listing, asked_at = found
        if asked_at < directory.listed_at or not freshness.is_fresh(asked_at, trio.current_time(), mapped.ttl):
            return False
        self._asking.adopt(directory, listing, asked_at)
        return True

    def _follows(self, directory: Directory) -> bool:
        """Whether this folder comes behind the one of its parent that was listed last, in the listing's order."""
        parent = directory.parent
        if parent is None or parent.listing is None or not parent.read_through:
            return False
        row = parent.listing.find(directory.name)
        last, parent.walked = parent.walked, row
        return 0 <= last < row and parent.listing.kinds[last:row].count(FOLDER) <= SKIPPED


def _size(directory: Directory) -> int:
    return 0 if directory.listing is None else len(directory.listing)

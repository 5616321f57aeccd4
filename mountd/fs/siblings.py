"""Small files that will probably be opened next, told to content (DESIGN "Small files"). Decided by rules/siblings.

Once per first open of a file: no request, no waiting, a few integers. It knows only folders that are listed already.
"""

from collections.abc import Iterator

from mountd.content.interface import Content, Source
from mountd.fs.config import TreeConfig
from mountd.fs.directory import Directory, Entry
from mountd.fs.listing import FOLDER
from mountd.rules.siblings import LONG, NEAR, STRAY, Order, Run, Sweep
from mountd.types import Version

OVER = 4
"""Times the memory: a larger tree is not swept, because what was fetched would leave before its turn came."""

LOOKED_AT = 64
"""Sizes from which a folder's bytes are estimated."""

SPREAD = 4
"""Times the opens out of order of one folder: above it they are spread over others as well."""

SWEPT = 8
"""Trees swept at a time."""


class Sweeping:
    """A tree whose files are fetched in listing order while it is read out of order. State: the way that is left."""

    def __init__(self, scope: Directory, most: int, largest: int) -> None:
        self.pace = Sweep(most)
        self._left = _files_below(scope, largest)
        self._returned: Version | None = None
        self.over = False

    def go_on(self, content: Content, source: Source) -> None:
        """A few files more, as far as content takes them."""
        count = 0
        while count < self.pace.step:
            found = self._returned or next(self._left, None)
            self._returned = None
            if found is None:
                self.over = True
                return
            if not content.fetch_ahead(source, (found,)):
                self._returned = found
                break
            count += 1
        self.pace.taken(count)


class Siblings:
    """State: `_sweeps`, by the folder on top, the oldest first; each folder holds its `order`."""

    def __init__(self, content: Content, config: TreeConfig) -> None:
        self._content = content
        self._config = config
        self._sweeps: dict[Directory, Sweeping] = {}

    def opened(self, entry: Entry) -> None:
        """A file's first open."""
        folder, listing = entry.folder, entry.folder.listing
        if listing is None or folder.mapped is None or entry.version is None:
            return
        row = entry.row if entry.row >= 0 else listing.find(entry.name)
        if row < 0:
            return
        order, straying = self._order(folder), self._is_straying(folder)
        begins = folder.read_through and not order.runs and not straying
        if begins and row:
            begins = row < NEAR and not listing.small_rows(0, row, self._config.small_file)
        run = order.opened(row, begins=begins, rows=len(listing))
        if run is None or (straying and run.length < LONG):
            self._strayed(folder, folder.mapped.source)
            return
        if run.length >= LONG:
            self._found_its_way(folder)
        span = order.ahead_of(run, straying=straying)
        if span is not None:
            self._fetch(folder, run, span, folder.mapped.source)

    def _is_straying(self, folder: Directory) -> bool:
        return any(above.order is not None and above.order.strays >= STRAY for above in _upward(folder))

    def _found_its_way(self, folder: Directory) -> None:
        for above in _upward(folder):
            if above.order is not None and above.order.strays:
                above.order.strays -= 1

    def _order(self, folder: Directory) -> Order:
        if folder.order is None:
            folder.order = Order(self._config.siblings_at_first, self._config.siblings_at_most)
        return folder.order

    def _fetch(self, folder: Directory, run: Run, span: tuple[int, int], source: Source) -> None:
        """Fetches rows ahead of a run; what lies behind the folder's end, from the folder after it."""
        listing = folder.listing
        assert listing is not None
        rows = listing.small_rows(*span, self._config.small_file)
        taken = self._content.fetch_ahead(source, [listing.version(row) for row in rows]) if rows else 0
        if taken < len(rows):
            run.refused(rows[taken])
            return
        beyond = span[1] - max(len(listing), span[0])
        following = _following(folder) if beyond > 0 else None
        if following is None or following.listing is None or following.order is not None:
            return
        rows = following.listing.small_rows(0, beyond, self._config.small_file)
        taken = self._content.fetch_ahead(source, [following.listing.version(row) for row in rows]) if rows else 0
        ahead = beyond if taken == len(rows) else rows[taken]
        self._order(following).goes_on(run, min(ahead, len(following.listing)))

    def _strayed(self, folder: Directory, source: Source) -> None:
        """An open out of order counts for its folder and all above it; the lowest that has enough of them is swept, unless it is
        but one of many between which the opens are spread, and all of them together are too large."""
        found: Directory | None = None
        strays = 0
        for scope in _upward(folder):
            order = self._order(scope)
            order.strays += 1
            if order.strays >= max(STRAY, strays * SPREAD):
                strays = order.strays
                found = scope if self._is_worth_it(scope, folder) else None
        if found is None:
            return
        sweeping = self._sweeps.get(found)
        if sweeping is None:
            sweeping = self._sweeps[found] = Sweeping(found, self._config.siblings_at_most, self._config.small_file)
            while len(self._sweeps) > SWEPT:
                del self._sweeps[next(iter(self._sweeps))]
        if not sweeping.over:
            sweeping.go_on(self._content, source)

    def _is_worth_it(self, scope: Directory, folder: Directory) -> bool:
        """Whether a tree is small enough, as far as this folder's files tell; one already being swept is, and one that was not
        is looked at again after as many opens out of order."""
        if scope in self._sweeps:
            return True
        order, listing = self._order(scope), folder.listing
        assert listing is not None
        if order.strays < order.judge_at:
            return False
        order.judge_at = 2 * order.strays
        sizes = listing.sizes[:: max(len(listing) // LOOKED_AT, 1)]
        return _rows_below(scope) * sum(sizes) <= OVER * len(sizes) * self._content.usage().memory_limit


def _upward(folder: Directory) -> Iterator[Directory]:
    """A folder and those above it, as far as its mapping goes."""
    here: Directory | None = folder
    while here is not None and here.mapped is folder.mapped:
        yield here
        here = here.parent


def _following(folder: Directory) -> Directory | None:
    """The folder after this one in its parent's listing, if somebody has looked into it."""
    parent = folder.parent
    if parent is None or parent.listing is None or parent.mounted.get(folder.name) is folder:
        return None
    listing = parent.listing
    row = listing.find(folder.name)
    row = listing.kinds.find(FOLDER, row + 1) if row >= 0 else -1
    return parent.children.get(listing.name(row)) if row >= 0 else None


def _rows_below(scope: Directory) -> int:
    own = 0 if scope.listing is None else len(scope.listing)
    return own + sum(_rows_below(child) for child in scope.children.values())


def _files_below(scope: Directory, largest: int) -> Iterator[Version]:
    """Small files of all folders that are listed, in listing order, as they are listed when their turn comes."""
    start = 0
    while (listing := scope.listing) is not None and start < len(listing):
        for row in listing.small_rows(start, start + LOOKED_AT, largest):
            yield listing.version(row)
        start += LOOKED_AT
    for child in list(scope.children.values()):
        if child.mapped is scope.mapped:
            yield from _files_below(child, largest)

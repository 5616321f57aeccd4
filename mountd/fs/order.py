"""Orders that jobs handed over: files fetched in the order in which they will be read, just ahead of their readers.

Promises: what is next is in memory when its reader comes, and is not evicted before; a line that names no file is said and
passed over; a storage that is down is waited for. It learns where readers are from their opens, and holds up none of them.
How far ahead is decided in rules/order.
"""

import posixpath

import trio

from mountd.content.interface import Content, Kept
from mountd.errors import (
    Archived,
    IsADirectory,
    MountdError,
    NoEntry,
    StoreTimeout,
    Throttled,
    Unavailable,
    Unsupported,
)
from mountd.fs.asking import Asking
from mountd.fs.directory import Directory, Entry
from mountd.fs.eviction import Eviction
from mountd.fs.interface import OrderState, Teller
from mountd.fs.listing import ABSENT, FILE, FOLDER
from mountd.fs.mounts import Mounts
from mountd.rules import names
from mountd.rules.freshness import NEVER
from mountd.rules.lines import Lines
from mountd.rules.order import Course

FINDING = 16
"""Look-ups at a time of paths of which nothing is known, each a request or two."""

LOOKED_AHEAD = 256
"""Lines before the next one that are looked up: a thousand folders that nobody listed take a round trip each."""

IN_TURN = 8
"""Lines read before more are fetched: a task that wakes for each would cost as much as the fetch."""

LONELY = 16
"""Opens in a row that were none of the lines on their way, before the reader is looked for elsewhere in the order."""

TELL = 0.25
"""Seconds between two words about progress."""

AGAIN = 2.0
"""Seconds before a storage that did not answer is asked again."""

NOBODY = 3600.0
"""Seconds without a reader after which an order has ended: its job has, without a word."""

REST = 60.0
"""The same once all is fetched: the last lines are often left out (a batch that is not full)."""

FOLDERS = 4096
"""Folders remembered by path."""

SILENT = (Unavailable, StoreTimeout, Throttled)


class Orders:
    """State: `running`, the orders under way. No order, no cost: an open then looks at an empty list."""

    def __init__(self, mounts: Mounts, asking: Asking, eviction: Eviction, content: Content) -> None:
        self.running: list[Following] = []
        self.mounts = mounts
        self.asking = asking
        self.eviction = eviction
        self.content = content
        content.on_room(self._wake)

    def opened(self, folder: Directory, name: bytes, number: int) -> bool:
        """A file was opened. Whether an order says what is read in its folder: then nothing there is guessed."""
        said = False
        for order in self.running:
            said = order.opened(folder, name, number) or said
        return said

    async def follow(self, lines: Lines, teller: Teller) -> None:
        """Until every line was read or passed over, nobody has come for long, or this is cancelled."""
        order = Following(self, lines, teller)
        self.running.append(order)
        try:
            await order.run()
        finally:
            self.running.remove(order)
            order.end()
            self._wake()

    def _wake(self) -> None:
        for order in self.running:
            order.wake()


class Following:
    """One order. State: its course; `_kept`, by line; what look-ups found (`_found`), of which lines they are under way, and up to
    which they were begun; its folders, by path; bytes asked for; and since when nobody has read."""

    def __init__(self, orders: Orders, lines: Lines, teller: Teller) -> None:
        self._orders = orders
        self._lines = lines
        self._teller = teller
        self._course = Course(len(lines))
        self._kept: dict[int, Kept] = {}
        self._found: dict[int, Entry | Directory | MountdError] = {}
        self._finding: set[int] = set()
        self._looked = 0
        self._folders: dict[bytes, Directory] = {}
        self._covered: set[Directory] = set()
        self._bytes = 0
        self._bad = 0
        self._since_turn = 0
        self._read_at = trio.current_time()
        self._told_at = NEVER
        self._untold = True
        self._woken = trio.Event()

    # Readers -------------------------------------------------------------------------------------------------------

    def opened(self, folder: Directory, name: bytes, number: int) -> bool:
        line = self._course.opened(number)
        if line is None:
            if self._course.unread % LONELY == 0:
                self._look_for(folder.path_of(name))
            return folder in self._covered
        self._untold = True
        self._read_at = trio.current_time()
        if line >= 0:
            self._let_go(line, unread=False)
        for left in self._course.left_behind():
            self._let_go(left, unread=True)
        self._since_turn += 1
        if self._since_turn >= min(IN_TURN, 1 + self._course.ahead // 4):
            self.wake()
        return True

    def wake(self) -> None:
        self._woken.set()

    def _look_for(self, path: str) -> None:
        line = self._lines.find(names.encoded(path), self._course.front)
        if line < 0:
            return
        for left in self._course.go_to(line):
            self._let_go(left, unread=True)
        self._found.clear()
        self._looked = self._course.front
        self._read_at = trio.current_time()
        self.wake()

    def _let_go(self, line: int, *, unread: bool) -> None:
        kept = self._kept.pop(line, None)
        if kept is not None:
            self._orders.content.let_go(kept, unread=unread)

    def end(self) -> None:
        for line in list(self._kept):
            self._let_go(line, unread=True)

    # Fetching ------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        async with trio.open_nursery(strict_exception_groups=True) as finders:
            while True:
                self._woken = trio.Event()
                self._since_turn = 0
                self._fetch(finders)
                self._tell()
                if self._course.finished or self._is_alone():
                    break
                with trio.move_on_after(TELL if self._untold else REST):
                    await self._woken.wait()
            finders.cancel_scope.cancel()
        self._told_at = NEVER
        self._untold = True
        self._tell()

    def _is_alone(self) -> bool:
        patience = REST if self._course.front >= self._course.total else NOBODY
        return trio.current_time() - self._read_at >= patience

    def _fetch(self, finders: trio.Nursery) -> None:
        """As many lines as readers and memory allow."""
        course = self._course
        while course.wants_more():
            line = course.front
            found = self._found[line] if line in self._found else self._known(line)
            if found is None:
                if line not in self._finding:
                    self._looked = line
                self._look_ahead(finders)
                return
            try:
                entry = _file(found)
            except MountdError as error:
                self._pass_over(line, error)
                continue
            if not course.was_read(entry.number) and not self._keep(line, entry):
                return
            self._found.pop(line, None)

    def _keep(self, line: int, entry: Entry) -> bool:
        mapped, version = entry.folder.mapped, entry.version
        assert mapped is not None
        assert version is not None
        kept = self._orders.content.keep(mapped.source, version)
        if kept is None:
            return False
        self._kept[line] = kept
        self._bytes += kept.cost
        self._course.fetched(entry.number)
        self._untold = True
        return True

    def _pass_over(self, line: int, error: MountdError) -> None:
        self._found.pop(line, None)
        self._course.passed_over()
        self._untold = True
        path = self._lines[line]
        if path:
            self._bad += 1
            self._teller.bad_line(line + 1, names.decoded(path), error)

    def _tell(self) -> None:
        now = trio.current_time()
        if not self._untold or now - self._told_at < TELL:
            return
        self._told_at, self._untold = now, False
        course = self._course
        done = course.front - course.ahead
        self._teller.progress(OrderState(done, course.total, self._bytes, course.read, course.ahead, self._bad))

    # Finding -------------------------------------------------------------------------------------------------------

    def _known(self, line: int) -> Entry | Directory | MountdError | None:
        """What is known of a path, however old: a version that is gone by now is not opened, and was fetched in vain. None:
        the storage is to be asked."""
        path = self._path(line)
        if not path.startswith(b"/"):
            return NoEntry("The path is not absolute.")
        above, _, name = path.rpartition(b"/")
        folder = self._folders.get(above)
        if folder is None or self._orders.mounts.inodes.directories.get(folder.number) is not folder:
            found = self._walk(above)
            if isinstance(found, Entry):
                return _no_folder(found)
            if not isinstance(found, Directory):
                return found
            folder = found
            if len(self._folders) >= FOLDERS:
                self._folders.clear()
                self._covered.clear()
            self._folders[above] = folder
            self._covered.add(folder)
        return self._step(folder, name) if name else folder

    def _path(self, line: int) -> bytes:
        path = self._lines[line]
        if b"//" in path or b"/." in path or path.endswith(b"/"):
            path = posixpath.normpath(path).replace(b"//", b"/")
        return path

    def _walk(self, path: bytes) -> Entry | Directory | MountdError | None:
        here: Entry | Directory | MountdError | None = self._orders.mounts.root
        for name in path.split(b"/"):
            if not name:
                continue
            if not isinstance(here, Directory):
                return _no_folder(here) if isinstance(here, Entry) else here
            here = self._step(here, name)
        return here

    def _step(self, folder: Directory, name: bytes) -> Entry | Directory | None:
        mounted = folder.mounted.get(name)
        if mounted is not None:
            return mounted
        if folder.mapped is None:
            return Entry(folder, name, 0, ABSENT, NEVER)
        entry = folder.find(name)
        if entry is None or entry.kind == ABSENT:
            return None
        if entry.kind == FOLDER:
            return self._orders.mounts.inodes.child(folder, name, entry.number)
        return entry if entry.version is not None else None

    def _look_ahead(self, finders: trio.Nursery) -> None:
        """Asks about lines of which nothing is known, beginning with the next, several at a time."""
        self._looked = max(self._looked, self._course.front)
        end = min(self._course.front + LOOKED_AHEAD, self._course.total)
        while len(self._finding) < FINDING and self._looked < end:
            line = self._looked
            self._looked += 1
            if line not in self._found and line not in self._finding and self._known(line) is None:
                self._finding.add(line)
                finders.start_soon(self._find, line)

    async def _find(self, line: int) -> None:
        try:
            self._found[line] = await self._asked(line)
        finally:
            self._finding.remove(line)
            self.wake()

    async def _asked(self, line: int) -> Entry | Directory | MountdError:
        """Whatever it takes: a storage that does not answer is asked again."""
        while True:
            try:
                return await self._ask(line)
            except SILENT:
                await trio.sleep(AGAIN)
            except MountdError as error:
                return error

    async def _ask(self, line: int) -> Entry | Directory:
        here: Entry | Directory = self._orders.mounts.root
        for name in self._path(line).split(b"/"):
            if not name:
                continue
            if not isinstance(here, Directory):
                raise _no_folder(here)
            here = await self._ask_name(here, name)
        return here

    async def _ask_name(self, folder: Directory, name: bytes) -> Entry | Directory:
        known = self._step(folder, name)
        if isinstance(known, Directory):
            return known
        entry = await self._orders.asking.entry(folder, name)
        if folder.listing is not None:
            self._orders.eviction.used(folder)
        if entry.kind == FOLDER:
            return self._orders.mounts.inodes.child(folder, name, entry.number)
        return entry


def _no_folder(entry: Entry) -> NoEntry:
    path = entry.folder.path_of(entry.name)
    return NoEntry(f"{path} does not exist in the tree." if entry.kind == ABSENT else f"{path} is no folder.")


def _file(found: Entry | Directory | MountdError) -> Entry:
    """What can be fetched; raises what a line must name instead."""
    if isinstance(found, MountdError):
        raise found
    if isinstance(found, Directory):
        raise IsADirectory(f"{found.path} is a directory.")
    path = found.folder.path_of(found.name)
    if found.kind == ABSENT:
        raise NoEntry(f"{path} does not exist in the tree.")
    if found.kind != FILE or found.version is None:
        raise Unsupported(f"{path} is a symbolic link.", remedy="Name what it points to.")
    if found.traits.archived:
        raise Archived(f"{path} is in the archive tier.")
    return found

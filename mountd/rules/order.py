"""Where readers are in an order that a job handed over, and which of its lines are fetched next.

Lines are fetched in their order, so far ahead as readers have shown that they read: 64 before anybody does, four more for each
line read. Several readers go on side by side, a batch each; what all of them have passed was skipped. Whoever reads
elsewhere in the order is followed there. Pure: no clock, no I/O; files are numbers.
"""

from collections import OrderedDict, deque
from itertools import islice

AT_FIRST = 64  # lines fetched before anybody reads: hides the first round trips, and costs little if nobody comes
GAINED = 4  # lines more for each that was read: 1,000 ahead after 250
MOST = 8192  # lines ahead: what memory allows is less but for tiny files
RECENT = 256  # lines read last: every worker of a loader has read some of them
FEWEST = 32  # the same where few lines fit into the memory
LATE = 4096  # lines given up whose reader may still come, and files read before their line was fetched


class Course:
    """Of one order. Mutable state: `front`, the next line to fetch; `_waiting`, lines fetched and not read, with their file;
    `_lines`, the same by file; `_recent`, lines read last; `_late`, files given up; `_early`, files opened that were not on their
    way; and the counts."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.front = 0
        self.read = 0
        self.skipped = 0
        self.unread = 0  # opens in a row that were not in the window
        self._waiting: OrderedDict[int, int] = OrderedDict()
        self._lines: dict[int, list[int]] = {}
        self._recent: deque[int] = deque(maxlen=RECENT)
        self._late: OrderedDict[int, None] = OrderedDict()
        self._early: OrderedDict[int, None] = OrderedDict()
        self._look_again = FEWEST

    @property
    def ahead(self) -> int:
        """Lines fetched that wait for their reader."""
        return len(self._waiting)

    @property
    def finished(self) -> bool:
        return self.front >= self.total and not self._waiting

    def wants_more(self) -> bool:
        return self.front < self.total and self.ahead < min(AT_FIRST + GAINED * self.read, MOST)

    def was_read(self, file: int) -> bool:
        """Whether the file of the line at the front was opened just before: then it is passed over, as read."""
        if file not in self._early:
            return False
        del self._early[file]
        self.front += 1
        self.read += 1
        return True

    def fetched(self, file: int) -> None:
        """The line at the front is on its way."""
        self._waiting[self.front] = file
        self._lines.setdefault(file, []).append(self.front)
        self.front += 1

    def passed_over(self) -> None:
        """The line at the front names nothing that can be fetched."""
        self.front += 1

    def opened(self, file: int) -> int | None:
        """The line that this open reads; -1 for one given up before; None where it is none of those on their way."""
        lines = self._lines.get(file)
        if lines is None:
            if file not in self._late:
                self.unread += 1
                _remember(self._early, file)
                return None
            del self._late[file]
            self.skipped -= 1
            self.read += 1
            return -1
        line = lines.pop(0)
        if not lines:
            del self._lines[file]
        del self._waiting[line]
        self._recent.append(line)
        self.read += 1
        self.unread = 0
        return line

    def left_behind(self) -> list[int]:
        """Lines that every reader has passed: looked for now and then, and given up."""
        if self.read < self._look_again:
            return []
        span = max(min(self.ahead // 2, RECENT), FEWEST)
        self._look_again = self.read + span // 4
        if len(self._recent) < span:
            return []
        lowest = min(islice(reversed(self._recent), span))
        left = []
        for line in self._waiting:
            if line >= lowest:
                break
            left.append(line)
        for line in left:
            self._give_up(line)
        return left

    def go_to(self, line: int) -> list[int]:
        """A reader is at this line, where nothing was fetched: the course goes on behind it. Gives what is given up."""
        left = list(self._waiting)
        for other in left:
            self._give_up(other)
        self.front = line + 1
        self._recent.clear()
        self._look_again = self.read + FEWEST
        self.unread = 0
        return left

    def _give_up(self, line: int) -> None:
        file = self._waiting.pop(line)
        lines = self._lines[file]
        lines.remove(line)
        if not lines:
            del self._lines[file]
        self.skipped += 1
        _remember(self._late, file)


def _remember(files: OrderedDict[int, None], file: int) -> None:
    files[file] = None
    if len(files) > LATE:
        files.popitem(last=False)

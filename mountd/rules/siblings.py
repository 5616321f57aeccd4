"""When a folder is being read file by file, and which of its rows are fetched ahead.

Opens in listing order are a run: from the second on (the first, when the folder was listed for somebody) the next 16 are
fetched, then 64, then a quarter of the run's length: a slow answer is then asked for long before it is needed. Several runs
a folder: so do workers that share it. Opens out of order: after eight, the folder, or the tree in which they were, is swept
through from its start. Only first opens of files count. Pure: rows in, rows out.
"""

from dataclasses import dataclass, field

STRAY = 8
"""Opens out of order after which all is taken in listing order."""

NEAR = 8
"""A row at most this far behind the last one is the next in order: files between may be folders, links or filtered."""

RUNS = 16
"""Runs remembered of one folder: workers that read it at the same time. Fewer in a small one, where chance would find some."""

LONG = 4
"""Opens in a row that are no chance, even among opens here and there."""

SURE = 4
"""Times the first window: what is fetched ahead of a run of two, before its length says more."""

PART = 4
"""A run is followed by this part of its length: what is fetched in vain where it ends is a quarter of what was read."""


@dataclass(slots=True)
class Run:
    """State: of one program reading on. `ahead` is the row up to which files have been asked for."""

    last: int
    length: int = 1
    window: int = 0
    ahead: int = 0

    def refused(self, row: int) -> None:
        """What is at this row and behind it was not taken."""
        self.ahead = min(self.ahead, row)


@dataclass(slots=True)
class Order:
    """State: of one folder: `runs`, the one read last at the end; `strays`, opens out of order in it and below it; and at how many
    of them it is judged again whether that is worth a sweep."""

    first: int
    most: int
    strays: int = 0
    judge_at: int = 0
    runs: list[Run] = field(default_factory=list)

    def opened(self, row: int, *, begins: bool, rows: int) -> Run | None:
        """A file's first open, of a folder of so many `rows`: the run that it goes on with, or None where it is out of order.
        `begins`: the folder was listed for somebody, and this is the first file of it."""
        for run in reversed(self.runs):
            if run.last < row <= run.last + NEAR:
                self.runs.remove(run)
                self.runs.append(run)
                run.last = row
                run.length += 1
                return run
        run = Run(row)
        alone = not self.runs
        self.runs.append(run)
        del self.runs[: -min(RUNS, 1 + rows // (4 * NEAR))]
        return run if begins and alone else None

    def ahead_of(self, run: Run, *, straying: bool) -> tuple[int, int] | None:
        """Rows [start, stop) to fetch ahead of a run now; `stop` may lie behind the folder's end. Refilled when a quarter is
        used, so that the network always has enough to do. `straying`: there are opens out of order hereabouts."""
        if straying and run.length < LONG:
            return None
        row = run.last
        if not (run.window and run.ahead > row):
            run.window, run.ahead = 0, row + 1
        if run.window and run.ahead - row > run.window - run.window // 4:
            return None
        longest = min(max(run.length // PART, self.first * SURE), self.most)
        run.window = longest if run.window else self.first
        start, run.ahead = run.ahead, max(row + 1 + run.window, run.ahead)
        return (start, run.ahead) if start < run.ahead else None

    def goes_on(self, run: Run, ahead: int) -> None:
        """A run of the folder before goes on here: the first `ahead` rows were fetched for it."""
        if not self.runs:
            self.runs.append(Run(-1, run.length, run.window, ahead))


@dataclass(slots=True)
class Sweep:
    """How many files to take at the next open, while what is read out of order is fetched in listing order."""

    most: int
    step: int = 16

    def taken(self, count: int) -> None:
        """So many of `step` were."""
        self.step = min(self.step * 2, self.most) if count >= self.step else max(self.step // 2, 4)

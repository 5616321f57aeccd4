"""One recorded trace: which FUSE reads a library's way of reading became, and which of them waited for which.

A read is (file, offset, size, after, think): it is issued `think` seconds after read number `after` was answered (-1: after the
open). `after` is the read answered last before this one was issued; recorded with answers that take a fixed time, so that what
is asked at once is seen to be asked at once.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

RECORDED = Path(__file__).with_name("recorded")
LONGEST_THINK = 0.02
"""Seconds: what takes longer is the recording machine's start of something, not the reader's work."""


@dataclass(frozen=True, slots=True)
class Read:
    file: int
    offset: int
    size: int
    after: int
    think: float


@dataclass(slots=True)
class Trace:
    """`needed`: bytes the library's caller has use for; 0 where that is what was asked."""

    name: str
    by: str
    kernel: str
    read_ahead: int
    needed: int
    files: list[int]
    reads: list[Read] = field(default_factory=list)

    def asked(self) -> int:
        """Bytes the kernel asked for, each once."""
        return sum(stop - start for file in range(len(self.files)) for start, stop in self.spans(file))

    def spans(self, file: int) -> Iterator[tuple[int, int]]:
        """What was asked of one file, as spans that do not touch."""
        spans = sorted((read.offset, read.offset + read.size) for read in self.reads if read.file == file)
        at, end = 0, 0
        for start, stop in spans:
            if start > end:
                if end > at:
                    yield at, min(end, self.files[file])
                at = start
            end = max(end, stop)
        if end > at:
            yield at, min(end, self.files[file])

    def think(self) -> float:
        """Seconds of the reader's own work on the longest chain of reads."""
        reached: list[float] = []
        for read in self.reads:
            reached.append((reached[read.after] if read.after >= 0 else 0.0) + read.think)
        return max(reached, default=0.0)

    def depth(self) -> int:
        """Reads on the longest chain: how often a reader that is helped by nobody waits."""
        reached: list[int] = []
        for read in self.reads:
            reached.append((reached[read.after] if read.after >= 0 else 0) + 1)
        return max(reached, default=0)

    def save(self, folder: Path = RECORDED) -> None:
        words = asdict(self)
        words["reads"] = [
            [read.file, read.offset, read.size, read.after, round(read.think * 1e6)] for read in self.reads
        ]
        text = json.dumps(words).replace('"reads": [[', '"reads": [\n[').replace("], [", "],\n[")
        (folder / f"{self.name}.json").write_text(text + "\n")


def load(name: str, folder: Path = RECORDED) -> Trace:
    words = json.loads((folder / f"{name}.json").read_text())
    reads = [Read(file, offset, size, after, think / 1e6) for file, offset, size, after, think in words.pop("reads")]
    return Trace(**words, reads=reads)


def names(folder: Path = RECORDED) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json"))


def chained(events: Iterable[tuple[int, int, int, float, float]]) -> list[Read]:
    """Reads from (file, offset, size, issued, answered), in seconds: which waited for which."""
    rows = sorted(events, key=lambda event: event[3])
    reads: list[Read] = []
    for place, (file, offset, size, issued, _) in enumerate(rows):
        after, last = -1, rows[0][3]
        for earlier in range(place):
            answered = rows[earlier][4]
            if last <= answered <= issued:
                after, last = earlier, answered
        reads.append(Read(file, offset, size, after, min(max(issued - last, 0.0), LONGEST_THINK)))
    return reads

"""Who should leave a full cache: hit rates of policies on traces, `python -m bench.eviction [--entries 2000] [--markdown FILE]`.

Pure and repeatable: entries of one size, traces from fixed seeds. `mountd memory` is rules.eviction as the memory tier has it,
`mountd disk` rules.admission over extents as the disk tier has them; the others are the policies they were chosen against.
"""

import argparse
import random
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from pathlib import Path

from mountd.rules.admission import Admission
from mountd.rules.eviction import Evictable, Eviction


class Lru:
    """What was used longest ago leaves."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.held: OrderedDict[Hashable, int] = OrderedDict()

    def read(self, name: Hashable) -> bool:
        if name in self.held:
            self.held.move_to_end(name)
            return True
        if len(self.held) >= self.limit:
            self.held.popitem(last=False)
        self.held[name] = 0
        return False


class Clock(Lru):
    """First in, first out, with a second chance for what was hit; SIEVE keeps it where it stands."""

    def read(self, name: Hashable) -> bool:
        if name in self.held:
            self.held[name] = 1
            return True
        while len(self.held) >= self.limit:
            gone, hit = self.held.popitem(last=False)
            if hit:
                self.held[gone] = 0
        self.held[name] = 0
        return False


class Sieve:
    """NSDI 2024: a hand passes over what was hit, and newcomers stand behind it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.order: list[Hashable] = []
        self.hit: dict[Hashable, bool] = {}
        self.hand = 0

    def read(self, name: Hashable) -> bool:
        if name in self.hit:
            self.hit[name] = True
            return True
        if len(self.order) >= self.limit:
            self.hand %= len(self.order)
            while self.hit[self.order[self.hand]]:
                self.hit[self.order[self.hand]] = False
                self.hand = (self.hand + 1) % len(self.order)
            del self.hit[self.order.pop(self.hand)]
        self.order.append(name)
        self.hit[name] = False
        return False


class TwoQueues:
    """2Q: a quarter for newcomers, ghosts of half as many as there are entries."""

    def __init__(self, limit: int) -> None:
        self.limit, self.most_new, self.most_ghosts = limit, limit // 4, limit // 2
        self.new: OrderedDict[Hashable, None] = OrderedDict()
        self.ghosts: OrderedDict[Hashable, None] = OrderedDict()
        self.main: OrderedDict[Hashable, None] = OrderedDict()

    def read(self, name: Hashable) -> bool:
        if name in self.main:
            self.main.move_to_end(name)
            return True
        if name in self.new:
            return True
        again = name in self.ghosts
        if len(self.new) + len(self.main) >= self.limit:
            if len(self.new) > self.most_new or not self.main:
                self.ghosts[self.new.popitem(last=False)[0]] = None
                if len(self.ghosts) > self.most_ghosts:
                    self.ghosts.popitem(last=False)
            else:
                self.main.popitem(last=False)
        self.ghosts.pop(name, None)
        (self.main if again else self.new)[name] = None
        return False


class Arc:
    """Adaptive replacement: recent and frequent, each with ghosts that move the border."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.border = 0
        self.recent, self.frequent, self.gone_recent, self.gone_frequent = (OrderedDict() for _ in range(4))

    def _replace(self, frequent: bool) -> None:
        take = self.recent and (len(self.recent) > self.border or (frequent and len(self.recent) == self.border))
        if take or not self.frequent:
            self.gone_recent[self.recent.popitem(last=False)[0]] = None
        else:
            self.gone_frequent[self.frequent.popitem(last=False)[0]] = None

    def read(self, name: Hashable) -> bool:
        if name in self.recent or name in self.frequent:
            self.recent.pop(name, None)
            self.frequent.pop(name, None)
            self.frequent[name] = None
            return True
        if name in self.gone_recent:
            step = max(1, len(self.gone_frequent) // len(self.gone_recent))
            self.border = min(self.limit, self.border + step)
            self._replace(False)
            del self.gone_recent[name]
            self.frequent[name] = None
            return False
        if name in self.gone_frequent:
            step = max(1, len(self.gone_recent) // len(self.gone_frequent))
            self.border = max(0, self.border - step)
            self._replace(True)
            del self.gone_frequent[name]
            self.frequent[name] = None
            return False
        if len(self.recent) + len(self.gone_recent) >= self.limit:
            if len(self.recent) < self.limit:
                self.gone_recent.popitem(last=False)
                self._replace(False)
            else:
                self.recent.popitem(last=False)
        elif (total := sum(map(len, (self.recent, self.frequent, self.gone_recent, self.gone_frequent)))) >= self.limit:
            if total >= 2 * self.limit:
                self.gone_frequent.popitem(last=False)
            self._replace(False)
        self.recent[name] = None
        return False


class MountdMemory:
    """rules.eviction: S3-FIFO with shares."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.policy = Eviction(limit)
        self.share = self.policy.share(1.0)
        self.held: dict[Hashable, Evictable] = {}

    def read(self, name: Hashable) -> bool:
        entry = self.held.get(name)
        if entry is not None:
            entry.served += 1
            return True
        while len(self.held) >= self.limit:
            gone = self.policy.victim()
            assert gone is not None
            del self.held[gone.ghost]
        entry = self.held[name] = Evictable(1, self.share, name)
        self.policy.add(entry)
        entry.served = 1
        return False


class MountdDisk:
    """rules.admission over extents: of the oldest eight the one that was wanted least leaves, for what was wanted more."""

    def __init__(self, limit: int) -> None:
        self.extent = max(limit // 64, 4)
        self.most = limit // self.extent
        self.policy = Admission(limit, limit)
        self.extents: list[list[int]] = [[]]
        self.held: set[int] = set()
        self.written = 0

    def read(self, name: Hashable) -> bool:
        number = random.Random(repr(name)).getrandbits(64)
        hit = number in self.held
        self.policy.note([number], 1, hit=hit)
        if not hit and self._room_for(number):
            self.extents[-1].append(number)
            self.held.add(number)
            self.written += 1
        return hit

    def _room_for(self, number: int) -> bool:
        full = len(self.extents[-1]) >= self.extent
        if len(self.extents) < self.most:
            if full:
                self.extents.append([])
            return True
        victim = self._victim()
        if not self.policy.admits(number, self._worth(victim)):
            return False
        if full:
            self.extents.remove(victim)
            self.held.difference_update(victim)
            self.extents.append([])
        return True

    def _worth(self, extent: list[int]) -> float:
        return round(2 * self.policy.mean(extent[:16])) / 2

    def _victim(self) -> list[int]:
        oldest = self.extents[:-1][:8]
        victim = min(oldest, key=self._worth)
        for extent in oldest:
            if self._worth(extent) > self._worth(victim):
                self.extents.remove(extent)
                self.extents.insert(-1, extent)
        return victim


POLICIES = {
    "LRU": Lru,
    "CLOCK": Clock,
    "SIEVE": Sieve,
    "2Q": TwoQueues,
    "ARC": Arc,
    "mountd memory": MountdMemory,
    "mountd disk": MountdDisk,
}


def epochs(files: int, number: int, seed: int, what: str = "file") -> Iterator[Hashable]:
    chance = random.Random(seed)
    order = list(range(files))
    for _ in range(number):
        chance.shuffle(order)
        yield from ((what, file) for file in order)


def training(entries: int) -> Iterator[Hashable]:
    """Six shuffled epochs over twice the cache; footers and indexes read again (5 %), a skewed hot set (10 %), and in the third
    epoch one pass over a big file as large as the cache."""
    chance = random.Random(1)
    for at, name in enumerate(epochs(2 * entries, 6, 1)):
        yield name
        if chance.random() < 0.05:
            yield "footer", chance.randrange(max(entries // 50, 1))
        if chance.random() < 0.10:
            yield "hot", int(entries * chance.random() ** 4)
        if at == 5 * entries:
            yield from (("big", piece) for piece in range(entries))


def traces(entries: int) -> dict[str, list[Hashable]]:
    skewed = random.Random(3)
    drifting = random.Random(3)
    fits = int(0.8 * entries)
    return {
        "training: epochs over 2x, footers, hot set, a scan": list(training(entries)),
        "epochs over 1.25x the cache": list(epochs(int(1.25 * entries), 6, 1)),
        "epochs over 2x": list(epochs(2 * entries, 6, 1)),
        "epochs over 4x": list(epochs(4 * entries, 6, 1)),
        "a set that fits, a scan of 2x, the set": [
            *epochs(fits, 3, 1),
            *(("scan", at) for at in range(2 * entries)),
            *epochs(fits, 3, 2),
        ],
        "in order over 2x, again and again": [*range(2 * entries)] * 6,
        "4 epochs of one set over 2x, 4 of another": [*epochs(2 * entries, 4, 1), *epochs(2 * entries, 4, 2, "other")],
        "4 epochs of one set that fits, 4 of another": [*epochs(fits, 4, 1), *epochs(fits, 4, 2, "other")],
        "skewed over 10x": [int(10 * entries * skewed.random() ** 3) for _ in range(20 * entries)],
        "skewed over 10x, drifting": [
            int(10 * entries * drifting.random() ** 3) + at // (4 * entries) * 2 * entries for at in range(20 * entries)
        ],
    }


def table(entries: int) -> str:
    lines = [f"| hit rate, {entries} entries | " + " | ".join(POLICIES) + " |", "|---|" + "--:|" * len(POLICIES)]
    for label, trace in traces(entries).items():
        rates = []
        for policy in POLICIES.values():
            cache = policy(entries)
            rates.append(sum(map(cache.read, trace)) / len(trace))
        lines.append(f"| {label} | " + " | ".join(f"{rate:.3f}" for rate in rates) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=2000)
    parser.add_argument("--markdown", type=Path, default=None, help="write the table here too")
    options = parser.parse_args()
    text = table(options.entries)
    print(text)
    if options.markdown is not None:
        options.markdown.write_text(f"`python -m bench.eviction --entries {options.entries}`\n\n{text}\n")


if __name__ == "__main__":
    main()

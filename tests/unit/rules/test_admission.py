"""Who is let into a full cache: not a scan, not an epoch that does not fit, but what is wanted again, and a new set of files."""

import random

from mountd.rules.admission import AGE, Admission

LIMIT = 500


class Cache:
    """A cache of LIMIT entries of one byte in extents of EXTENT, as the disk tier has it: the extent wanted least leaves."""

    EXTENT = 20

    def __init__(self):
        self.policy = Admission(LIMIT, LIMIT)
        self.extents = [[]]
        self.where = {}
        self.written = 0

    def read(self, name):
        name = hash((name, "spread")) & (1 << 64) - 1
        hit = name in self.where
        self.policy.note([name], 1, hit=hit)
        if not hit and self._admitted(name):
            self.extents[-1].append(name)
            self.where[name] = True
            self.written += 1
        return hit

    def _admitted(self, name):
        if len(self.extents[-1]) < self.EXTENT and len(self.extents) < LIMIT // self.EXTENT:
            return True
        victim = min(self.extents[:8], key=lambda extent: round(2 * self.policy.mean(extent[:16])))
        if len(self.extents) >= LIMIT // self.EXTENT:
            if not self.policy.admits(name, self.policy.mean(victim[:16])):
                return False
            if len(self.extents[-1]) == self.EXTENT:
                self.extents.remove(victim)
                for gone in victim:
                    del self.where[gone]
        if len(self.extents[-1]) == self.EXTENT:
            self.extents.append([])
        return True

    def epochs(self, number, files, seed=1, first=0):
        order = list(range(first, first + files))
        hits = 0
        for epoch in range(number):
            random.Random(seed + epoch).shuffle(order)
            hits = sum(map(self.read, order))
        return hits / files


def test_an_epoch_over_twice_the_cache_finds_nearly_half():
    assert Cache().epochs(6, 2 * LIMIT) > 0.45


def test_an_epoch_over_four_times_the_cache_finds_nearly_a_quarter():
    assert Cache().epochs(6, 4 * LIMIT) > 0.2


def test_an_epoch_that_does_not_fit_is_not_written_again_and_again():
    cache = Cache()
    cache.epochs(6, 2 * LIMIT)
    assert cache.written < 2 * LIMIT


def test_a_scan_leaves_the_hot_set_alone():
    cache = Cache()
    cache.epochs(3, 400)
    for number in range(3 * LIMIT):
        cache.read(("scan", number))
    assert cache.epochs(1, 400) > 0.7


def test_a_new_set_of_files_gets_in():
    cache = Cache()
    cache.epochs(4, 400)
    cache.epochs(3, 400, first=1000)
    assert cache.epochs(1, 400, first=1000) > 0.6
    cache.epochs(3, 400, first=1000)
    assert cache.epochs(1, 400, first=1000) > 0.9


def test_what_nobody_wants_any_more_leaves_for_anything():
    policy = Admission(LIMIT, LIMIT)
    for name in range(LIMIT):
        policy.note([name], 1, hit=False)
    assert policy.mean(range(LIMIT)) >= 1
    for number in range(3 * AGE * LIMIT):
        policy.note([1 << 40 | number % 3], 1, hit=True)
    assert policy.mean(range(LIMIT)) < 0.1
    assert policy.admits(5000, 0.0)


def test_a_count_is_never_less_than_what_was_wanted_and_bounded():
    policy = Admission(1 << 30, 1 << 16)
    chance = random.Random(3)
    names = [chance.getrandbits(64) for _ in range(20_000)]
    for _ in range(2):
        policy.note(names, len(names), hit=False)
    assert all(policy.count(name) >= 2 for name in names)
    assert sum(policy.count(name) > 2 for name in names) < 500
    for _ in range(100):
        policy.note(names[:1], 1, hit=False)
    assert policy.count(names[0]) == 15

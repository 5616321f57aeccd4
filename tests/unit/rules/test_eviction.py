"""Who leaves: scans before what is used again, the owner that has more than its share before others."""

import random

from mountd.rules.eviction import Evictable, Eviction


class Cache:
    """A cache of `limit` bytes over the policy: what a test reads, and whether it was a hit."""

    def __init__(self, limit):
        self.policy = Eviction(limit)
        self.limit = limit
        self.held = {}
        self.bytes = 0

    def share(self, weight=1.0):
        return self.policy.share(weight)

    def put(self, name, share, size=1):
        while self.bytes + size > self.limit:
            gone = self.policy.victim()
            del self.held[gone.ghost]
            self.bytes -= gone.size
        entry = self.held[name] = Evictable(size, share, name)
        self.bytes += size
        self.policy.add(entry)
        return entry

    def read(self, name, share, size=1):
        entry = self.held.get(name)
        hit = entry is not None
        if entry is None:
            entry = self.put(name, share, size)
        entry.served += size
        return hit


def test_a_scan_does_not_wipe_what_is_used_again():
    cache = Cache(100)
    share = cache.share()
    for _ in range(5):
        for name in range(50):
            cache.read(name, share)
    for name in range(1000, 3000):
        cache.read(name, share)
    assert sum(cache.read(name, share) for name in range(50)) >= 45


def test_what_was_read_leaves_before_what_waits_for_its_reader():
    cache = Cache(100)
    share = cache.share()
    for name in range(40):
        cache.put(("ahead", name), share)
    for name in range(90):
        cache.read(name, share)
    assert all(("ahead", name) in cache.held for name in range(40))


def test_what_is_never_read_leaves_in_the_end():
    cache = Cache(100)
    share = cache.share()
    for name in range(40):
        cache.put(("ahead", name), share)
    for name in range(1000):
        cache.read(name, share)
    assert not any(("ahead", name) in cache.held for name in range(40))


def test_a_second_scan_of_more_than_the_cache_holds_evicts_nothing_unread():
    cache = Cache(100)
    share = cache.share()
    for _ in range(3):
        for name in range(0, 400, 8):
            for ahead in range(name, name + 16):
                if ahead not in cache.held:
                    cache.put(ahead, share)
            for wanted in range(name, name + 8):
                assert cache.read(wanted, share)


def test_the_share_that_holds_most_for_its_weight_gives():
    cache = Cache(400)
    heavy, light = cache.share(3.0), cache.share(1.0)
    for name in range(4000):
        cache.read(("heavy", name), heavy)
        cache.read(("light", name), light)
    assert 280 <= heavy.bytes <= 320
    assert 80 <= light.bytes <= 120


def test_an_idle_share_leaves_its_room_to_others():
    cache = Cache(100)
    cache.share(100.0)
    busy = cache.share(0.0)
    for name in range(200):
        cache.read(name, busy)
    assert busy.bytes == 100


def test_skewed_reads_hit_more_often_than_chance():
    chance = random.Random(5)
    cache = Cache(100)
    share = cache.share()
    hits = [cache.read(int(1000 * chance.random() ** 3), share) for _ in range(20_000)]
    assert sum(hits[5000:]) / 15_000 > 0.35  # the hottest tenth gets 46 % of the reads, chance would hit 10 %


def test_sizes_are_accounted_for_whatever_happens():
    chance = random.Random(6)
    cache = Cache(1000)
    share = cache.share()
    for _ in range(5000):
        name = chance.randrange(300)
        if chance.random() < 0.1 and name in cache.held:
            entry = cache.held.pop(name)
            cache.policy.remove(entry)
            cache.bytes -= entry.size
        else:
            cache.read(name, share, 1 + name % 20)
        assert share.bytes == cache.bytes <= 1000
        assert share.bytes == sum(entry.size for entry in cache.held.values())
    while cache.policy.victim() is not None:
        pass
    assert share.bytes == share.probation_bytes == 0

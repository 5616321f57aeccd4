"""Random lives of the content service against the plainest model: a handle shows its version's bytes, or says that the version is
gone. Others replace and delete keys underneath; caches are dropped, cleared, squeezed and, with a disk, restarted."""

import tempfile
from pathlib import Path

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from mountd.content.config import SMALLEST_MEMORY, CacheConfig
from mountd.content.library import BlockContent
from mountd.errors import NotFound, PreconditionFailed, Unavailable
from mountd.types import GiB, KiB, MiB
from tests.fixtures.content_store import GeneratedStore, content_of, source_of

KEYS = ["a", "b", "c"]
SIZES = [0, 1, 5000, 100 * KiB, MiB, MiB + 1, 3 * MiB - 7, 20 * MiB]

keys = st.sampled_from(KEYS)
fractions = st.floats(0, 1)
steps = st.one_of(
    st.tuples(st.just("replace"), keys, st.sampled_from(SIZES)),
    st.tuples(st.just("overwrite"), keys),
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("open"), keys),
    st.tuples(st.just("close"), st.integers(0, 5)),
    st.tuples(st.just("read"), st.integers(0, 5), fractions, st.sampled_from([1, 4096, 128 * KiB, MiB, 3_000_001])),
    st.tuples(st.just("run"), st.integers(0, 5), fractions, st.integers(2, 40)),
    st.tuples(st.just("together"), st.integers(0, 5), st.lists(fractions, min_size=2, max_size=8)),
    st.tuples(st.just("ahead")),
    st.tuples(st.just("warm"), keys),
    st.tuples(st.just("drop"), keys),
    st.tuples(st.just("clear")),
    st.tuples(st.just("fail"), st.booleans()),
    st.tuples(st.just("restart")),
)


class Life:
    """One content service, its store, and the handles open on it."""

    def __init__(self, store, directory):
        self.store = store
        self.directory = directory
        self.source = source_of(store)
        self.handles = []
        self.etags = 0
        self.failing = False
        store.before = self._fail
        for key, size in zip(KEYS, SIZES[-3:], strict=True):
            store.put(key, size, "0")

    def _fail(self, version, start, stop):
        if self.failing and start % (256 * KiB):
            raise Unavailable("down")

    async def live(self, script):
        """Runs steps up to the next restart; gives those that are left."""
        async with trio.open_nursery() as nursery:
            self.content = BlockContent(
                CacheConfig(memory=SMALLEST_MEMORY, disk=GiB, disk_free=0, disk_write_rate=GiB), nursery, self.directory
            )
            for place, step in enumerate(script):
                if step[0] == "restart":
                    script = script[place + 1 :]
                    break
                await getattr(self, step[0])(*step[1:])
                usage = self.content.usage()
                assert (
                    usage.memory_bytes + usage.in_flight_bytes
                    <= self.content._tier.budget.reserved
                    <= usage.memory_limit
                )
            else:
                script = []
            for handle in self.handles:
                handle.close()
            self.handles = []
            await self.content.aclose()
            nursery.cancel_scope.cancel()
        assert self.content._tier.budget.in_flight == 0
        return script

    async def replace(self, key, size):
        self.etags += 1
        self.store.put(key, size, str(self.etags))

    async def overwrite(self, key):
        """Other bytes of the same size, and a reader of the new version."""
        if key in self.store.objects:
            await self.replace(key, self.store.objects[key][0].size)
            await self.open(key)

    async def delete(self, key):
        self.store.objects.pop(key, None)

    async def open(self, key):
        if key in self.store.objects:
            if len(self.handles) == 6:
                self.handles.pop(0).close()
            self.handles.append(self.content.open(self.source, self.store.objects[key][0]))

    async def close(self, number):
        if number < len(self.handles):
            self.handles.pop(number).close()

    async def read(self, number, fraction, size):
        if number < len(self.handles):
            handle = self.handles[number]
            await self._check(handle, int(fraction * handle.version.size), size)

    async def run(self, number, fraction, count):
        if number < len(self.handles):
            handle = self.handles[number]
            start = int(fraction * handle.version.size / 2)
            for place in range(count):
                await self._check(handle, start + place * 128 * KiB, 128 * KiB)

    async def together(self, number, fractions):
        if number < len(self.handles):
            handle = self.handles[number]
            async with trio.open_nursery() as readers:
                for fraction in fractions:
                    readers.start_soon(self._check, handle, int(fraction * handle.version.size), 300 * KiB)

    async def _check(self, handle, offset, size):
        version = handle.version
        try:
            data = await handle.read(offset, size)
        except PreconditionFailed:
            assert self.store.objects[version.key][0].etag != version.etag
        except NotFound:
            assert version.key not in self.store.objects
        except Unavailable:
            assert self.failing
        else:
            assert data == content_of(version.key, version.etag, version.size)[offset : offset + size]

    async def ahead(self):
        self.content.fetch_ahead(self.source, [version for version, _ in self.store.objects.values()])

    async def warm(self, key):
        if key in self.store.objects and not self.failing:
            version = self.store.objects[key][0]
            assert 0 <= await self.content.warm(self.source, version) <= version.size

    async def drop(self, key):
        self.content.drop(self.store.identity, key)
        if key in self.store.objects:
            held = self.content.held(self.store.identity, self.store.objects[key][0])
            assert held.memory == held.disk == 0

    async def clear(self):
        await self.content.clear()

    async def fail(self, failing):
        self.failing = failing


def lived(script, directory, clock):
    async def main():
        life = Life(GeneratedStore(first_byte=0.01 if directory is None else 0.0), directory)
        rest = script
        while rest:
            rest = await life.live(rest)

    trio.run(main, clock=clock)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=20, max_size=80))
def test_memory_alone(script):
    lived(script, None, MockClock(autojump_threshold=0))


@settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(steps, min_size=20, max_size=80))
def test_with_a_disk_and_restarts(script):
    with tempfile.TemporaryDirectory() as folder:
        lived(script, Path(folder) / "cache", None)

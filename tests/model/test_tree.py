"""The tree against a reference: a second client changes the store, time passes, and a program looks, lists and reads.

The reference keeps every state the store was ever in. What the tree answers must be true of one state not older than the
mapping's freshness allows; a handle gives the bytes of the version it opened, or Stale.
"""

import stat

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mountd.definitions import Freshness, MappingOptions
from mountd.errors import IsADirectory, NoEntry, NotADirectory, Stale
from mountd.fs.config import TreeConfig
from mountd.rules import names
from tests.fixtures.asked_tree import Tree

KEYS = ["a", "d/a", "d/e/a", "d", "d/", "x//y", "f/1", "f/2", "g/1", "h/i/1", "h/j/1"]
PATHS = ["a", "d", "d/a", "d/e", "d/e/a", "~~blob~d", "x/~~empty/y", "f/1", "f/2", "g", "h/i", "h/j/1", "nothing"]
FOLDERS = ["", "d", "d/e", "x", "x/~~empty", "f", "g", "h", "h/i", "h/j"]

STEPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.integers(0, 3)),
    st.tuples(st.just("delete"), st.sampled_from(KEYS)),
    st.tuples(st.just("wait"), st.sampled_from([0.0, 0.5, 4.0, 11.0])),
    st.tuples(st.just("look"), st.sampled_from(PATHS)),
    st.tuples(st.just("list"), st.sampled_from(FOLDERS)),
    st.tuples(st.just("read"), st.sampled_from(PATHS)),
    st.tuples(st.just("open"), st.sampled_from(PATHS)),
    st.tuples(st.just("handle"), st.integers(0, 5)),
    st.tuples(st.just("close"), st.integers(0, 5)),
    st.tuples(st.just("forget"), st.booleans()),
    st.tuples(st.just("invalidate"), st.sampled_from(["/", "/d", "/d/a", "/f"])),
    st.tuples(st.just("walk"), st.just("")),
    st.tuples(st.just("wait"), st.sampled_from([2.0, 11.0])),
    st.tuples(st.just("change"), st.sampled_from(KEYS), st.integers(0, 3), st.sampled_from([0.0, 3.0, 11.0, 25.0])),
)
OPTIONS = st.sampled_from(
    [
        MappingOptions(),
        MappingOptions(ttl=0.0),
        MappingOptions(freshness=Freshness.CLOSE_TO_OPEN),
        MappingOptions(ttl=1.0),
    ]
)


def shown(state: dict[str, bytes], folder: str) -> dict[bytes, bytes | None] | None:
    """What a folder must list: names with bytes, None for a folder. None: there is no such folder."""
    prefix = ""
    for name in [name for name in folder.split("/") if name]:
        prefix += names.meant(name.encode())[0] + "/"
    found: dict[bytes, bytes | None] = {}
    below = [key for key in state if key.startswith(prefix)]
    for key in below:
        segment, slash, _ = key[len(prefix) :].partition("/")
        if slash:
            found[names.spelled(segment)] = None
    for key in below:
        rest = key[len(prefix) :]
        if "/" not in rest and (rest or state[key]):
            plain = names.spelled(rest) if rest else b""
            found[names.spelled_blob(rest) if not rest or plain in found else plain] = state[key]
    return found if below or not prefix else None


class Reference:
    def __init__(self) -> None:
        self.states: list[tuple[float, dict[str, bytes]]] = [(0.0, {})]

    def change(self, now: float, key: str, data: bytes | None) -> None:
        state = dict(self.states[-1][1])
        if data is None:
            state.pop(key, None)
        else:
            state[key] = data
        self.states.append((now, state))

    def since(self, moment: float) -> list[dict[str, bytes]]:
        """Every state that held at some time from `moment` on."""
        first = max((at for at, (time, _) in enumerate(self.states) if time < moment), default=0)
        return [state for _, state in self.states[first:]]


class Run:
    def __init__(self, options: MappingOptions, config: TreeConfig) -> None:
        self.tree = Tree(options, config=config)
        self.tree.asked.page_size = 3
        self.options = options
        self.reference = Reference()
        self.handles: list[tuple[int, str, bytes]] = []
        self.doubted = 0.0
        self.lookups: list[int] = []

    def allowed(self, *, opening: bool = False) -> list[dict[str, bytes]]:
        now = trio.current_time()
        asks = opening and self.options.freshness is Freshness.CLOSE_TO_OPEN
        return self.reference.since(now if asks else max(now - self.options.ttl, self.doubted))

    async def step(self, step: tuple) -> None:
        await getattr(self, step[0])(*step[1:])

    async def put(self, key: str, number: int) -> None:
        data = b"" if key.endswith("/") else f"{key} {number}".encode() * (number + 1)
        await self.tree.store.put(key, data)
        self.reference.change(trio.current_time(), key, data)

    async def delete(self, key: str) -> None:
        if key in self.reference.states[-1][1]:
            await self.tree.store.delete(key)
            self.reference.change(trio.current_time(), key, None)

    async def wait(self, seconds: float) -> None:
        await trio.sleep(seconds)

    def answers(self, path: str, *, opening: bool = False) -> list[bytes | None | str]:
        """What a path may be, in each state allowed: bytes, None for a folder, or "absent"."""
        folder, _, name = path.rpartition("/")
        found: list[bytes | None | str] = []
        for state in self.allowed(opening=opening):
            rows = shown(state, folder) or {}
            found.append(rows.get(name.encode(), "absent"))
            if opening and b"~~blob~" + name.encode() in rows:  # a folder of its name came since: it is still that blob
                found.append(rows[b"~~blob~" + name.encode()])
        return found

    async def found(self, path: str):
        try:
            attributes = await self.tree.look(path)
        except (NoEntry, NotADirectory):
            return None
        return attributes

    async def look(self, path: str) -> None:
        attributes = await self.found(path)
        may = self.answers(path)
        if attributes is None:
            parents = ["/".join(path.split("/")[:depth]) for depth in range(1, path.count("/") + 1)]
            assert "absent" in may or any("absent" in self.answers(parent) for parent in parents), (path, may)
        elif stat.S_ISDIR(attributes.mode):
            assert None in may, (path, may)
        else:
            assert attributes.size in {len(answer) for answer in may if isinstance(answer, bytes)}, (path, may)

    async def list(self, path: str) -> None:
        attributes = await self.found(path) if path else await self.tree.fs.attributes(1)
        if attributes is None or not stat.S_ISDIR(attributes.mode):
            return
        try:
            rows = await self.tree.rows("/" + path)
        except NoEntry:
            assert any(shown(state, path) is None for state in self.allowed())
            return
        seen = {name: None if stat.S_ISDIR(row.mode) else row.size for name, row in rows.items()}
        possible = [
            {name: None if data is None else len(data) for name, data in (shown(state, path) or {}).items()}
            for state in self.allowed()
        ]
        assert seen in possible, (path, seen, possible)
        assert len({row.inode for row in rows.values()}) == len(rows)

    async def walk(self, _: str) -> None:
        for folder in FOLDERS:
            await self.list(folder)

        for path in PATHS:
            await self.look(path)

    async def change(self, key: str, number: int, after: float) -> None:
        """What is most likely to be shown too late: seen, changed, looked at again."""
        await self.walk("")
        await self.put(key, number) if number else await self.delete(key)
        await trio.sleep(after)
        await self.walk("")

    async def read(self, path: str) -> None:
        if (opened := await self.opened(path)) is not None:
            handle, data = opened
            try:
                assert bytes(await self.tree.fs.read(handle, 0, 1 << 20)) == data
            except Stale:
                assert data not in self.answers(path, opening=True)[-1:]
            finally:
                self.tree.fs.release(handle)

    async def opened(self, path: str) -> tuple[int, bytes] | None:
        attributes = await self.found(path)
        if attributes is None or stat.S_ISDIR(attributes.mode):
            return None
        try:
            opened = await self.tree.fs.open(attributes.inode, 0)
        except (Stale, NoEntry, IsADirectory):
            return None
        pinned = self.tree.fs._opening._open[opened.handle].pinned.version
        may = [answer for answer in self.answers(path, opening=True) if isinstance(answer, bytes)]
        exact = [answer for answer in may if len(answer) == pinned.size]
        assert exact, (path, pinned, may)
        return opened.handle, exact[-1]

    async def open(self, path: str) -> None:
        if (opened := await self.opened(path)) is not None:
            self.handles.append((opened[0], path, opened[1]))

    async def handle(self, number: int) -> None:
        if number < len(self.handles):
            handle, _, data = self.handles[number]
            try:
                assert bytes(await self.tree.fs.read(handle, 0, 1 << 20)) == data
            except Stale:
                pass

    async def close(self, number: int) -> None:
        if number < len(self.handles):
            self.tree.fs.release(self.handles.pop(number)[0])

    async def forget(self, everything: bool) -> None:
        inodes = self.tree.fs._naming._inodes
        for directory in [*inodes.directories.values()]:
            if directory.listing is not None:
                rows = [
                    (number, count)
                    for number, count in zip(directory.listing.numbers, directory.listing.lookups, strict=True)
                    if count
                ]
                self.tree.fs.forget([(number, count if everything else 1) for number, count in rows])

    async def invalidate(self, path: str) -> None:
        await self.tree.fs.invalidate(path)
        if path == "/":
            self.doubted = trio.current_time()


@pytest.mark.parametrize(
    "config", [TreeConfig(), TreeConfig(cached_entries=30, known_inodes=3), TreeConfig(walk=False)]
)
def test_the_tree_shows_only_what_was_true_recently(config):
    @settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(OPTIONS, st.lists(STEPS, min_size=5, max_size=40))
    def check(options, steps):
        async def main():
            run = Run(options, config)
            for step in steps:
                await run.step(step)
                await trio.sleep(0.001)

        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))

    check()

"""One open of one version: its streams, and the shortest way to bytes that are here.

Promises: a read inside one block that is in memory waits for nothing and copies nothing; a sequential reader finds its bytes on
their way; a random one costs what it asks, in grains. Two opens never disturb each other's streams.
"""

import trio

from mountd.content.block_cache import BlockCache
from mountd.content.interface import Source
from mountd.content.memory_tier import Block, Room, Shelf, State
from mountd.rules.blocks import GRAIN_BITS, RANGE, SMALL_FILE, cut
from mountd.rules.readahead import LONG, Stream, Streams
from mountd.types import Buffer, Version

STREAM_IDLE = 2.0  # seconds after which a stream that asked for nothing has no part of the window's memory


class Windows:
    """How much each stream may have ahead of it: half the budget, divided among those that are moving. Mutable: `_moving`."""

    def __init__(self, budget: int) -> None:
        self._half = budget // 2
        self._moving: dict[Stream, float] = {}
        self._looked = 0.0

    def limit(self, stream: Stream, room: Room) -> int:
        now = trio.current_time()
        self._moving[stream] = now
        if now - self._looked > STREAM_IDLE:
            self._looked = now
            self._moving = {other: seen for other, seen in self._moving.items() if now - seen <= STREAM_IDLE}
        return min(self._half // len(self._moving), room.pace.window())

    def forget(self, stream: Stream) -> None:
        self._moving.pop(stream, None)


class VersionReader:
    """content.interface.OpenContent. Mutable state: the streams, what was fetched ahead for them, `_closed`."""

    __slots__ = (
        "_ahead",
        "_blocks",
        "_cache",
        "_closed",
        "_limit",
        "_shelf",
        "_size",
        "_source",
        "_streams",
        "_windows",
    )

    def __init__(self, cache: BlockCache, windows: Windows, shelf: Shelf, source: Source, *, prefetch: bool) -> None:
        self._cache = cache
        self._windows = windows
        self._shelf = shelf
        self._blocks = shelf.blocks
        self._source = source
        self._size = shelf.version.size
        self._streams = Streams(self._size) if prefetch and self._size > SMALL_FILE else None
        self._limit = 0
        self._ahead: list[Block] = []
        self._closed = False
        shelf.opens += 1
        if 0 < self._size <= SMALL_FILE:
            first = self._blocks.get(0)
            if first is not None and first.guess is not None:
                first.guess.opened(first.size)
                first.guess = None
            if first is None or first.state is State.QUEUED:
                cache.begin(shelf, source)

    @property
    def version(self) -> Version:
        return self._shelf.version

    async def read(self, offset: int, size: int) -> Buffer:
        stop = offset + size
        if stop > self._size:
            stop = self._size
        if stop <= offset:
            return b""
        block = self._blocks.get(offset >> GRAIN_BITS)
        if block is not None and stop <= block.stop:
            data = block.data
            if data is not None:
                block.served += stop - offset
                self._cache.hits += 1
                if self._streams is not None:
                    self._follow(self._streams, offset, stop, None)
                return data[offset - block.start : stop - block.start]
        blocks = self._cache.want(self._shelf, self._source, offset, stop, self)
        if self._streams is not None:
            late = next((block for block in blocks if block.state is not State.HERE), None)
            self._follow(self._streams, offset, stop, late)
        return await self._cache.bytes_of(blocks, self._source, offset, stop)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._cache.count_hits()
        self._cache.withdraw(self._ahead)
        self._ahead = []
        if self._streams is not None:
            for stream in self._streams:
                self._windows.forget(stream)
        self._shelf.opens -= 1
        self._shelf.room.tidy(self._shelf)

    def _follow(self, streams: Streams, offset: int, stop: int, late: Block | None) -> None:
        """Notes a read, and fetches ahead of it what its stream's rule says. `late`: a block it has to wait for."""
        stream = streams.note(offset, stop)
        while streams.left:
            self._windows.forget(streams.left.pop())
        if stream is None:
            return
        if late is not None:
            stream.waited(late.start, late.stop, ahead=late.ahead)
        if not self._limit and stream.streams:
            self._limit = self._windows.limit(stream, self._shelf.room)
        span = stream.plan(self._size, self._limit)
        if span is None:
            return
        blocks = self._fetch_ahead(stream, span, self._piece(span, late if stream.covered < LONG else None))
        if stream.streams:
            self._limit = self._windows.limit(stream, self._shelf.room)
            self._ahead = [block for block in self._ahead if block.state is State.QUEUED] + blocks

    def _piece(self, span: tuple[int, int], late: Block | None) -> int:
        """The bytes of one request for what lies ahead: fewer for a reader who was late and will be soon again, down to where
        all that may fly at once does."""
        if late is None:
            return RANGE
        pace, size = self._shelf.room.pace, span[1] - span[0]
        piece = pace.piece(size)
        while piece < RANGE and size > piece * pace.concurrency(piece):
            piece *= 2
        return piece

    def _fetch_ahead(self, stream: Stream, span: tuple[int, int], piece: int) -> list[Block]:
        """As far as the budget allows, what is read first first."""
        start, stop = span
        if not stream.mirror:
            reached, blocks = self._cache.ahead(self._shelf, self._source, span, whom=self, piece=piece)
            stream.reached(start, reached)
            return blocks
        blocks = []
        for low, high in reversed(cut(start, stop, piece)):
            reached, more = self._cache.ahead(self._shelf, self._source, (low, high), whom=self, piece=piece)
            blocks += more
            if reached < high:
                stream.reached(high, stop)
                break
        return blocks

"""One trace played again: on the real content room over a simulated network, or on a mounted file.

Simulated, most figures are the same within a few percent each time (trio draws who runs first): the clock is virtual, and the
rules are what is measured. `limit` is what the bytes allow: the reader's own work, one first byte, and what was asked at all
the bandwidth there is. `alone` is the other end:
every read waits for exactly its own bytes in one request.
"""

import os
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import trio
from trio.testing import MockClock

from bench.traces.network import Network, SimulatedStore
from bench.traces.trace import Trace
from mountd.content.config import CacheConfig
from mountd.content.interface import OpenContent, Source
from mountd.content.library import BlockContent
from mountd.types import MiB, Version

CONNECTIONS = 48


@dataclass(frozen=True, slots=True)
class Played:
    """Seconds, bytes fetched and requests made for them."""

    seconds: float
    fetched: int
    requests: int


def limit(trace: Trace, network: Network) -> float:
    bandwidth = min(network.machine, CONNECTIONS * network.connection)
    return network.first_byte + max(trace.think(), trace.asked() / bandwidth)


def alone(trace: Trace, network: Network) -> float:
    """Every read waits for its own bytes."""
    reached: list[float] = []
    for read in trace.reads:
        before = reached[read.after] if read.after >= 0 else 0.0
        reached.append(before + read.think + network.alone(read.size))
    return max(reached, default=0.0)


def simulated(trace: Trace, network: Network, memory: int = 160 * MiB) -> Played:
    """The second time the storage is used: its pace is known, the file is not."""
    return trio.run(_simulated, trace, network, memory, clock=MockClock(autojump_threshold=0))


async def _simulated(trace: Trace, network: Network, memory: int) -> Played:
    store = SimulatedStore(network)
    source = Source("simulated", store)
    async with trio.open_nursery() as nursery:
        content = BlockContent(CacheConfig(memory=memory), nursery)
        learnt = content.open(source, Version("learnt", "1", 1 << 30, 0))
        for place in range(8):
            await learnt.read(place << 27, 4096)
            await learnt.read((place << 27) + (1 << 25), 2 * MiB)
            await learnt.read((place << 27) + (1 << 26), MiB)
        learnt.close()
        fetched, requests, began = store.bytes, store.requests, trio.current_time()
        opens = [content.open(source, Version(f"{n}", "1", size, 0)) for n, size in enumerate(trace.files)]
        await _reads(trace, opens)
        ended = trio.current_time()
        for opened in opens:
            opened.close()
        await trio.sleep(10)  # what was still on its way was fetched too
        nursery.cancel_scope.cancel()
    return Played(ended - began, store.bytes - fetched, store.requests - requests)


async def _reads(trace: Trace, opens: list[OpenContent]) -> None:
    answered = [trio.Event() for _ in trace.reads]

    async def one(place: int) -> None:
        read = trace.reads[place]
        if read.after >= 0:
            await answered[read.after].wait()
        await trio.sleep(read.think)
        await opens[read.file].read(read.offset, read.size)
        answered[place].set()

    async with trio.open_nursery() as readers:
        for place in range(len(trace.reads)):
            readers.start_soon(one, place)


def mounted(trace: Trace, paths: list[Path]) -> float:
    """Seconds of the reads on mounted files, each at least as large as the trace's; the kernel adds nothing of its own."""
    descriptors = [os.open(path, os.O_RDONLY) for path in paths]
    try:
        for descriptor in descriptors:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)
        with ThreadPoolExecutor(len(trace.reads)) as pool:
            began = time.perf_counter()
            done: list[Future[None]] = []
            for read in trace.reads:
                done.append(
                    pool.submit(_one, descriptors[read.file], read, done[read.after] if read.after >= 0 else None)
                )
            for future in done:
                future.result()
            return time.perf_counter() - began
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _one(descriptor, read, after) -> None:
    if after is not None:
        after.result()
    time.sleep(read.think)
    os.pread(descriptor, read.size, read.offset)

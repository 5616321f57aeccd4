"""A storage behind a simulated network, on trio's virtual clock: what an answer takes, and nothing in it.

A request takes the first byte's time and its bytes at one connection's bandwidth; all of them share the machine, which moves so
many bytes a second and spends so long on each request. Deterministic: jitter is drawn from a seed.
"""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass

import trio

from mountd.stores.interface import Capabilities
from mountd.types import Buffer, ListPage, ObjectInfo, StoreIdentity, Version

SLICE = 1 << 18
EMPTY = memoryview(bytes(4 << 20))


@dataclass(frozen=True, slots=True)
class Network:
    """Seconds and bytes a second. `tail`: how many of a hundred answers take half a second more."""

    first_byte: float
    connection: float
    jitter: float = 0.0
    tail: float = 0.0
    machine: float = 1.4e9
    request: float = 0.0003

    def alone(self, size: int) -> float:
        """Seconds of one request when nothing else is going on."""
        return self.first_byte + self.request + size / min(self.connection, self.machine)


NETWORKS = {
    "A": Network(0.010, 60e6),
    "B": Network(0.0004, 1.4e9),
    "C": Network(0.030, 30e6),
    "J": Network(0.010, 60e6, jitter=0.020, tail=1.0),
    "L": Network(0.001, 400e6),
}
"""10 ms and 60 MB/s a connection; none to speak of; 30 ms and 30 MB/s; the first with jitter and a tail; a fast LAN."""


class SimulatedStore:
    """stores.interface.Reader. Mutable: what was asked, and when the machine is free again."""

    def __init__(self, network: Network) -> None:
        self.identity = StoreIdentity("memory", "", "", "simulated")
        self.capabilities = Capabilities()
        self.requests = 0
        self.bytes = 0
        self._network = network
        self._free = 0.0
        self._chance = random.Random(0)

    async def read(self, version: Version, start: int, stop: int) -> Buffer:
        network, now = self._network, trio.current_time()
        self.requests += 1
        self.bytes += stop - start
        self._free = max(self._free, now) + network.request
        first = max(now + network.first_byte, self._free)
        if network.jitter:
            first = max(first + self._chance.uniform(-network.jitter, network.jitter), now)
            first += 0.5 if self._chance.random() < network.tail / 100 else 0.0
        for at in range(start, stop, SLICE):
            size = min(SLICE, stop - at)
            first += size / network.connection
            await trio.sleep_until(first - size / network.machine)
            self._free = max(self._free, trio.current_time()) + size / network.machine
            await trio.sleep_until(max(self._free, first))
        return EMPTY[: stop - start]

    async def stat(self, key: str) -> ObjectInfo:
        raise NotImplementedError(key)

    def list(self, prefix: str, *, recursive: bool = False, page_size: int = 5000) -> AsyncIterator[ListPage]:
        raise NotImplementedError(prefix)

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()

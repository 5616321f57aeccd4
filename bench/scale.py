"""A million names: one folder of them, and as many in a thousand folders. `python -m bench.scale`, on the emulator or with
`--endpoint` on a storage that has `flat/` and `wide/` already (its key in AZURE_STORAGE_KEY).

Prints what each step took, and exits non-zero where a promise is broken: a first `ls` asks for that directory alone, first
entries come before the rest, nobody else waits meanwhile, 250 bytes an entry, `find` in bounded memory.
"""

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.peers import PEERS, Endpoint, Mount, mounted
from bench.resources import usage
from bench.server import CONTAINER, ControlUrl, emulator

BYTES_AN_ENTRY = 250
OTHERS_WAIT = 0.1
"""Seconds that a look-up in another folder may take (its 99th percentile) while a million names are listed."""

PEAK = 300 << 20

LARGE = 100_000
"""Entries of a folder from which on a page and the daemon's own growth are a small share."""


@dataclass(frozen=True, slots=True)
class Names:
    entries: int = 1_000_000
    folders: int = 1_000

    def into(self, container: Any) -> None:
        """All of them, into a container of the emulator."""
        for number in range(self.entries):
            container.put(f"flat/{number:07d}")
        for number in range(self.entries):
            container.put(f"wide/{number % self.folders:04d}/{number // self.folders:05d}")
        container.put("quiet/one")


class Onlooker(threading.Thread):
    """Looks a name up in another folder, again and again; remembers how long each time took."""

    def __init__(self, folder: Path) -> None:
        super().__init__(daemon=True)
        self._folder = folder
        self._over = threading.Event()
        self.waits: list[float] = []

    def run(self) -> None:
        while not self._over.wait(0.005):
            began = time.perf_counter()
            os.path.exists(self._folder / f"absent-{len(self.waits)}")
            self.waits.append(time.perf_counter() - began)

    def end(self) -> float:
        """The 99th percentile."""
        self._over.set()
        self.join()
        return sorted(self.waits)[len(self.waits) * 99 // 100]


@dataclass(slots=True)
class Promises:
    broken: int = 0

    def tell(self, what: str, figure: float, unit: str, most: float | None = None) -> None:
        bad = most is not None and figure > most
        self.broken += bad
        limit = "" if most is None else f"  (at most {most:,.6g})"
        print(f"{what:44}{figure:12,.4g} {unit}{limit}{'  BROKEN' if bad else ''}", flush=True)


def measure(mount: Mount, found: Promises) -> None:
    asked = mount.requests() or 0
    began = time.perf_counter()
    in_one = len(os.listdir(mount.path / "wide" / sorted_first(mount.path / "wide")))
    found.tell(f"first ls of one directory of {in_one:,}", time.perf_counter() - began, "s")
    found.tell("requests for it and its parents", (mount.requests() or 0) - asked, "", 8)
    os.listdir(mount.path / "quiet")
    before = usage(mount.pid)
    entries = _flat(mount, found)
    after = usage(mount.pid)
    found.tell(
        "memory an entry the kernel knows", max(after.memory - before.memory, 0) / entries, "bytes", BYTES_AN_ENTRY
    )
    found.tell("daemon CPU for it", after.cpu_seconds - before.cpu_seconds, "s")
    began = time.perf_counter()
    seen = sum(len(folders) + len(files) for _, folders, files in os.walk(mount.path / "wide"))
    found.tell(f"find over {seen:,} entries", seen / (time.perf_counter() - began), "entries/s")
    found.tell("peak memory of the daemon", usage(mount.pid).peak_memory / 2**20, "MiB", PEAK / 2**20)
    found.tell("requests in all", mount.requests() or 0, "")


def sorted_first(folder: Path) -> str:
    return min(os.listdir(folder))


def _flat(mount: Mount, found: Promises) -> int:
    onlooker = Onlooker(mount.path / "quiet")
    onlooker.start()
    began = time.perf_counter()
    with os.scandir(mount.path / "flat") as names:
        next(names)
        first = time.perf_counter() - began
        count = 1 + sum(1 for _ in names)
    took = time.perf_counter() - began
    found.tell(f"listing one folder of {count:,}", count / took, "entries/s")
    found.tell("its first entry came after this share", first / took, "", 0.25 if count >= LARGE else None)
    found.tell("a look-up elsewhere meanwhile, p99", onlooker.end(), "s", OTHERS_WAIT)
    return count


@contextlib.contextmanager
def _storage(options: argparse.Namespace) -> Iterator[Endpoint]:
    if options.endpoint:
        url = options.endpoint.rstrip("/")
        account = options.account or (urlsplit(url).path.strip("/") or (urlsplit(url).hostname or "").partition(".")[0])
        yield Endpoint(url, account, os.environ["AZURE_STORAGE_KEY"], options.container)
        return
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    names = Names(options.entries, options.folders)
    with emulator({"contents": "bench.scale:Names", "arguments": asdict(names)}) as url:
        yield Endpoint(url, DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--entries", type=int, default=Names().entries)
    parser.add_argument("--folders", type=int, default=Names().folders)
    parser.add_argument("--endpoint", default="", help="https://ACCOUNT.blob.core.windows.net, or any other")
    parser.add_argument("--account", default="")
    parser.add_argument("--container", default=CONTAINER)
    options = parser.parse_args()
    found = Promises()
    with _storage(options) as endpoint:
        control = ControlUrl(endpoint.url)
        began = time.perf_counter()
        with mounted(PEERS["mountd"], endpoint, (), control.requests) as mount:
            found.tell("start until mounted", time.perf_counter() - began, "s")
            control.forget_traffic()
            measure(mount, found)
    return 1 if found.broken else 0


if __name__ == "__main__":
    sys.exit(main())

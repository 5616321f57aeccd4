"""What the fault tests on real mounts share: impatient daemons, and calls of a program with what became of them and when."""

import errno
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mountd.emulator import Emulator
from tests.fixtures.daemons import Node

T = TypeVar("T")

DEADLINE = 1.5
IMPATIENT = {
    "deadline": "1.5s",
    "stall_timeout": "500ms",
    "connect_timeout": "500ms",
    "slowest_rate": "16MiB",
    "retry_first_delay": "20ms",
    "retry_longest_delay": "200ms",
    "breaker_trial_delay": "300ms",
}
"""Deadlines that a test can wait for. What they bound is the same with the defaults, twenty times later."""

CLEAN = {errno.EIO, errno.EACCES, errno.ETIMEDOUT}
"""What a program may be told while a datastore is in trouble: that it could not be found out (SEMANTICS 7)."""

MIXED = random.Random(11).randbytes((1 << 20) + 4093)
"""A pattern whose length is odd, so that bytes from a wrong place are wrong bytes."""


def serving(node: Node, *, stores: dict[str, object] | None = None, more: str = "", **shown: Emulator) -> Node:
    """`mountd serve` with one datastore an emulator, on its container `data`, below its name in the tree."""
    lines = ["datastores:"]
    keys = {}
    for name, emulator in shown.items():
        keys[f"KEY_{name}"] = emulator.key
        lines += [
            f"  {name}: {{kind: blob, account: {emulator.account}, container: data, endpoint: '{emulator.endpoint}',",
            f"    allow_http: true, account_key: {{env: KEY_{name}}}}}",
        ]
    lines += ["stores:", *(f"  {key}: {value}" for key, value in {**IMPATIENT, **(stores or {})}.items())]
    return node.serve("\n".join(lines) + "\n" + more, **keys)


class Program:
    """Calls as a program makes them. Each gives its result, or None where it was told a clean errno; anything else fails
    the test. `slowest` is the longest that any call took, seconds; `told` counts errnos. `patient` until it was told so often."""

    def __init__(self, patience: int = 1_000_000) -> None:
        self._patience = patience
        self.slowest = 0.0
        self.told: dict[str, int] = {}

    def call(self, function: Callable[..., T], *arguments: object) -> T | None:
        began = time.monotonic()
        try:
            return function(*arguments)
        except OSError as error:
            if error.errno not in CLEAN:
                raise
            name = errno.errorcode[error.errno]
            self.told[name] = self.told.get(name, 0) + 1
            return None
        finally:
            self.slowest = max(self.slowest, time.monotonic() - began)

    @property
    def patient(self) -> bool:
        return sum(self.told.values()) < self._patience

    def walk(self, top: Path) -> dict[str, int]:
        """`find` and `ls -l`: sizes by path of what could be seen; a folder that could not be listed has the size -1."""
        seen: dict[str, int] = {}
        waiting = [top]
        while waiting:
            folder = waiting.pop()
            names = self.call(os.listdir, folder)
            if names is None:
                seen[str(folder.relative_to(top))] = -1
                continue
            for name in names:
                status = self.call(os.lstat, folder / name)
                if status is None:
                    continue
                if (status.st_mode & 0o170000) == 0o040000:
                    waiting.append(folder / name)
                else:
                    seen[str((folder / name).relative_to(top))] = status.st_size
        return seen

    def read(self, path: Path) -> bytes | None:
        """A file from its beginning to its end, in 128 KiB; None where a call of it failed."""
        file = self.call(os.open, path, os.O_RDONLY)
        if file is None:
            return None
        pieces: list[bytes] = []
        try:
            while True:
                piece = self.call(os.read, file, 128 << 10)
                if not piece:
                    return None if piece is None else b"".join(pieces)
                pieces.append(piece)
        finally:
            os.close(file)


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    """Waits for what another process is about to do."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def state_of(node: Node, name: str) -> str:
    """A datastore's health, as `mountctl status` has it."""
    found = {datastore["name"]: datastore for datastore in node.asked("status")["datastores"]}
    state: str = found[name]["state"]
    return state

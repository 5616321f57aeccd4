"""The emulator with its contents in memory, in a process of its own, and its control URL.

As a program: `python -m bench.server WORDS`, WORDS being JSON; its first line is `listening on ENDPOINT`, and it ends
with its standard input. The words: `contents` (MODULE:CLASS, which puts itself `into` a container) and its `arguments`,
`faults` (rules as the emulator has them), `seed`.
"""

import importlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

CONTAINER = "bench"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a storage was asked for during a workload. `sent` counts body bytes of its answers."""

    requests: int
    operations: Mapping[str, int]
    sent: int


class ControlUrl:
    """The emulator's own URLs. `traffic` is None for a storage that has none."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._there = parts.hostname in {"127.0.0.1", "localhost", "::1"}  # a cloud is not asked for it

    def call(self, method: str, path: str, words: Mapping[str, Any] | None = None) -> dict[str, Any]:
        body = None if words is None else json.dumps(words).encode()
        request = urllib.request.Request(f"{self._origin}/__emulator/{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def forget_traffic(self) -> None:
        if self._there:
            try:
                self.call("DELETE", "requests")
            except (urllib.error.HTTPError, json.JSONDecodeError):
                self._there = False  # another server, which counts nothing for us

    def traffic(self) -> Traffic | None:
        if not self._there:
            return None
        found = self.call("GET", "requests")
        return Traffic(found["total"], found["operations"], found["sent"])

    def set_faults(self, faults: Sequence[Mapping[str, Any]], seed: int = 0) -> None:
        self.call("PUT", "faults", {"seed": seed, "faults": list(faults)})

    def faults(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.call("GET", "faults")["faults"]
        return found


@contextmanager
def emulator(words: Mapping[str, Any]) -> Iterator[str]:
    """Its endpoint, while it runs."""
    command = [sys.executable, "-m", "bench.server", json.dumps(words)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        line = server.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError("the emulator did not start")
        try:
            yield line.split()[-1]
        finally:
            server.stdin.close()


def main() -> None:
    from mountd.emulator import Emulator
    from mountd.emulator.faults import fault

    words = json.loads(sys.argv[1])
    module, _, name = words["contents"].partition(":")
    contents = getattr(importlib.import_module(module), name)(**words.get("arguments", {}))
    with Emulator() as running:
        contents.into(running.container(CONTAINER))
        running.faults.set(*(fault(rule) for rule in words.get("faults", ())), seed=words.get("seed", 0))
        print(f"listening on {running.endpoint}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

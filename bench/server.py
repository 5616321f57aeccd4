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
from collections.abc import Callable, Iterator, Mapping, Sequence
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


Words = dict[str, Any]

DIALECTS: Sequence[tuple[tuple[str, str], tuple[str, str], Callable[[Words], Traffic]]] = (
    (
        ("DELETE", "/__emulator/requests"),
        ("GET", "/__emulator/requests"),
        lambda said: Traffic(said["total"], said["operations"], said["sent"]),
    ),
    (
        ("GET", "/__sim/stats?reset=1"),
        ("GET", "/__sim/stats"),
        lambda said: Traffic(said["requests"], {}, said["bytes_sent"]),
    ),
)
"""How storages for testing tell what they were asked for: forget it, say it, what the words mean."""


class ControlUrl:
    """The emulator's own URLs. What it was asked for is None for a storage that does not tell."""

    def __init__(self, endpoint: str) -> None:
        parts = urlsplit(endpoint)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        near = parts.hostname in {"127.0.0.1", "localhost", "::1"}  # a cloud is not asked for it
        self._dialects = list(DIALECTS) if near else []

    def call(self, method: str, path: str, words: Mapping[str, Any] | None = None) -> Words:
        body = None if words is None else json.dumps(words).encode()
        request = urllib.request.Request(f"{self._origin}{path}", body, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            found: Words = json.loads(answer.read())
            return found

    def _first(self, which: int) -> tuple[Words, Callable[[Words], Traffic]] | None:
        """The answer of the first dialect that is understood; the others are not spoken again."""
        while self._dialects:
            dialect = self._dialects[0]
            try:
                return self.call(*dialect[which]), dialect[2]
            except (urllib.error.HTTPError, json.JSONDecodeError):
                del self._dialects[0]
        return None

    def forget_traffic(self) -> None:
        self._first(0)

    def traffic(self) -> Traffic | None:
        found = self._first(1)
        return None if found is None else found[1](found[0])

    def requests(self) -> int | None:
        traffic = self.traffic()
        return None if traffic is None else traffic.requests

    def set_faults(self, faults: Sequence[Mapping[str, Any]], seed: int = 0) -> None:
        self.call("PUT", "/__emulator/faults", {"seed": seed, "faults": list(faults)})

    def faults(self) -> list[Words]:
        found: list[Words] = self.call("GET", "/__emulator/faults")["faults"]
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

"""The daemon under test, as a user runs it: started, sampled, killed, started again on the same directories."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.peers import Endpoint, is_mounted
from bench.resources import usage
from mountd.errors import MountdError
from mountd.sdk.client import Client

START_SECONDS = 60.0
STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Sample:
    """The daemon at one moment. `life` counts its starts."""

    life: int
    at: float
    memory: int
    open_files: int
    threads: int
    cpu_seconds: float
    bugs: float


class Node:
    """State: `process`, its `life`, and the spans in which no daemon could answer (`outages`)."""

    def __init__(self, folder: Path, endpoint: Endpoint, configuration: str) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.samples: list[Sample] = []
        self.outages: list[tuple[float, float]] = []
        self.peaks: list[int] = []
        self.life = 0
        self.mountpoint.mkdir()
        self.configuration.write_text(configuration)
        self._down_since = time.monotonic()

    @property
    def mountpoint(self) -> Path:
        return self.folder / "mnt"

    @property
    def configuration(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def start(self) -> None:
        """Returns when it answers; RuntimeError with its last words if it does not."""
        words = [
            Path(sys.executable).with_name("mountd"), "mount", f"{self.endpoint.url}/{self.endpoint.container}", self.mountpoint,
            "--foreground", "--allow-http", "--config", self.configuration, "--cache-dir", self.folder / "cache",
            "--state-dir", self.folder / "state", "--socket", self.folder / "socket",
        ]  # fmt: skip
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [str(word) for word in words],
                env={**os.environ, "AZURE_STORAGE_KEY": self.endpoint.key},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the daemon did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)
        self.life += 1
        self.outages.append((self._down_since, time.monotonic()))

    def _ready(self) -> bool:
        if not is_mounted(self.mountpoint):
            return False
        try:
            return bool(self._client().health())
        except MountdError:
            return False

    def _client(self) -> Client:
        return Client(str(self.folder / "socket"), timeout=20)

    def sample(self) -> None:
        used = usage(self.process.pid)
        bugs = 0.0
        for line in self._client().metrics().splitlines():
            if line.startswith("mountd_bugs_total"):
                bugs += float(line.rpartition(" ")[2])
        self.samples.append(
            Sample(
                life=self.life,
                at=time.monotonic(),
                memory=used.memory,
                open_files=used.open_files,
                threads=used.threads,
                cpu_seconds=used.cpu_seconds,
                bugs=bugs,
            )
        )

    def kill(self) -> None:
        """kill -9."""
        self._goes_down()
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; the exit status. RuntimeError where it does not end."""
        self._goes_down()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as stuck:
            self.process.kill()
            raise RuntimeError(f"the daemon did not end within {STOP_SECONDS:g} s of SIGTERM") from stuck

    def _goes_down(self) -> None:
        self._down_since = time.monotonic()
        self.peaks.append(usage(self.process.pid).peak_memory)

    def clean(self) -> None:
        """Whatever happened, nothing of ours is left."""
        if self.life and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        while is_mounted(self.mountpoint):
            subprocess.run(["fusermount3", "-u", "-z", str(self.mountpoint)], check=True)

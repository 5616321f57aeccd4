"""Who is measured: mountd and rclone, each started on an empty cache for each workload, and ended for good after it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The storage both peers read: `url` up to and without the container."""

    url: str
    account: str
    key: str
    container: str


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    command: Callable[[Endpoint, Path, Path], list[str]]
    environment: Callable[[Endpoint], dict[str, str]]


STREAMS = ("--vfs-read-chunk-size", "8Mi", "--vfs-read-chunk-streams", "8")
"""Parallel chunks, and the options above: rclone as somebody who knows it would run it, because its defaults are slower."""


def _rclone(endpoint: Endpoint, mountpoint: Path, scratch: Path, *options: str) -> list[str]:
    program = Path(sys.executable).with_name("rclone")
    return [
        str(program), "mount", f":azureblob:{endpoint.container}", str(mountpoint), "--read-only",
        "--cache-dir", str(scratch / "cache"), "--config", "/dev/null", "--log-level", "ERROR",
        "--dir-cache-time", "1h", "--attr-timeout", "60s", "--use-server-modtime", "--vfs-fast-fingerprint",
        "--azureblob-list-chunk", "5000", "--max-read-ahead", "1Mi", *STREAMS, *options,
    ]  # fmt: skip


def _rclone_environment(endpoint: Endpoint) -> dict[str, str]:
    """rclone takes the key from here, so that no process list shows it."""
    return {
        "RCLONE_AZUREBLOB_ACCOUNT": endpoint.account,
        "RCLONE_AZUREBLOB_KEY": endpoint.key,
        "RCLONE_AZUREBLOB_ENDPOINT": endpoint.url,
    }


def _mountd(endpoint: Endpoint, mountpoint: Path, scratch: Path) -> list[str]:
    program = Path(sys.executable).with_name("mountd")
    plain = ["--allow-http"] if endpoint.url.startswith("http://") else []
    return [
        str(program), "mount", f"{endpoint.url}/{endpoint.container}", str(mountpoint), "--foreground", *plain,
        "--cache-dir", str(scratch / "cache"), "--state-dir", str(scratch / "state"),
    ]  # fmt: skip


PEERS = {
    peer.name: peer
    for peer in (
        Peer("mountd", _mountd, lambda e: {"AZURE_STORAGE_KEY": e.key}),
        Peer(
            "rclone-off",
            lambda e, m, s: _rclone(e, m, s, "--vfs-cache-mode", "off", "--buffer-size", "32Mi"),
            _rclone_environment,
        ),
        Peer(  # tuned for random reads, slow at all else
            "rclone-random",
            lambda e, m, s: _rclone(
                e, m, s, "--buffer-size", "0", "--vfs-read-chunk-size", "1Mi", "--vfs-read-chunk-streams", "0"
            ),
            _rclone_environment,
        ),
        Peer(
            "rclone-full",
            lambda e, m, s: _rclone(
                e, m, s, "--vfs-cache-mode", "full", "--buffer-size", "0", "--vfs-read-ahead", "64Mi"
            ),
            _rclone_environment,
        ),
    )
}


def is_mounted(path: Path) -> bool:
    return any(line.split()[4] == str(path) for line in Path("/proc/self/mountinfo").read_text().splitlines())


def _await(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(what)
        time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Mount:
    """A peer's mount and the process that serves it."""

    path: Path
    pid: int


@contextmanager
def mounted(peer: Peer, endpoint: Endpoint) -> Iterator[Mount]:
    """The peer's mount of the container, on an empty cache. RuntimeError with the peer's last words if it does not come."""
    scratch = Path(tempfile.mkdtemp(prefix="mountd-bench-"))
    mountpoint = scratch / "mnt"
    mountpoint.mkdir()
    with open(scratch / "log", "wb") as log:
        process = subprocess.Popen(
            peer.command(endpoint, mountpoint, scratch),
            env={**os.environ, **peer.environment(endpoint)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

        def there() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{peer.name} ended: {(scratch / 'log').read_text()[-500:]}")
            return is_mounted(mountpoint)

        try:
            _await(there, 30, f"{peer.name} did not mount")
            yield Mount(mountpoint, process.pid)
        finally:
            if is_mounted(mountpoint):
                subprocess.run(["fusermount3", "-u", "-z", str(mountpoint)], check=True)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _await(lambda: not is_mounted(mountpoint), 10, f"{mountpoint} stays mounted")
            shutil.rmtree(scratch)

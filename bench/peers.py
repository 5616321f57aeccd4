"""Who is measured: mountd and rclone, each started on an empty cache for each workload, and ended for good after it."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mountd.sdk.client import Client


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The storage all peers read: `url` up to and without the container."""

    url: str
    account: str
    key: str
    container: str


@dataclass(frozen=True, slots=True)
class Peer:
    """`command` takes the endpoint, the mountpoint, a folder for whatever it keeps, and options beside its own."""

    name: str
    why: str
    command: Callable[[Endpoint, Path, Path, Sequence[str]], list[str]]
    environment: Callable[[Endpoint], Mapping[str, str]]


def _mountd(endpoint: Endpoint, mountpoint: Path, scratch: Path, options: Sequence[str]) -> list[str]:
    plain = ["--allow-http"] if endpoint.url.startswith("http://") else []
    return [
        str(_beside_python("mountd")), "mount", f"{endpoint.url}/{endpoint.container}", str(mountpoint), "--foreground", *plain,
        "--cache-dir", str(scratch / "cache"), "--state-dir", str(scratch / "state"), "--socket", str(scratch / "socket"), *options,
    ]  # fmt: skip


def _rclone(*own: str) -> Callable[[Endpoint, Path, Path, Sequence[str]], list[str]]:
    def command(endpoint: Endpoint, mountpoint: Path, scratch: Path, options: Sequence[str]) -> list[str]:
        return [
            str(_beside_python("rclone")), "mount", f":azureblob:{endpoint.container}", str(mountpoint), "--read-only",
            "--cache-dir", str(scratch / "cache"), "--config", "/dev/null", "--log-level", "ERROR",
            "--dir-cache-time", "1h", "--attr-timeout", "60s", "--use-server-modtime", "--vfs-fast-fingerprint",
            "--azureblob-list-chunk", "5000", "--max-read-ahead", "1Mi", *own, *options,
        ]  # fmt: skip

    return command


def _rclone_environment(endpoint: Endpoint) -> Mapping[str, str]:
    """rclone takes the key from here, so that no process list shows it."""
    return {
        "RCLONE_AZUREBLOB_ACCOUNT": endpoint.account,
        "RCLONE_AZUREBLOB_KEY": endpoint.key,
        "RCLONE_AZUREBLOB_ENDPOINT": endpoint.url,
    }


def _null(endpoint: Endpoint, mountpoint: Path, scratch: Path, options: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "bench.nullfs", str(mountpoint)]


_STREAMS = ("--vfs-read-chunk-size", "8Mi", "--vfs-read-chunk-streams", "8")

PEERS = {
    peer.name: peer
    for peer in (
        Peer("mountd", "its defaults", _mountd, lambda e: {"AZURE_STORAGE_KEY": e.key}),
        Peer(
            "rclone-off",
            "for whole files, without a disk cache: 8 parallel streams of 8 MiB chunks",
            _rclone("--vfs-cache-mode", "off", "--buffer-size", "32Mi", *_STREAMS),
            _rclone_environment,
        ),
        Peer(
            "rclone-full",
            "for whole files, with a disk cache: 8 parallel streams of 8 MiB chunks, 64 MiB ahead",
            _rclone("--vfs-cache-mode", "full", "--buffer-size", "0", "--vfs-read-ahead", "64Mi", *_STREAMS),
            _rclone_environment,
        ),
        Peer(
            "rclone-random",
            "for random reads: one range at a time, 1 MiB at first",
            _rclone("--buffer-size", "0", "--vfs-read-chunk-size", "1Mi", "--vfs-read-chunk-streams", "0"),
            _rclone_environment,
        ),
        Peer("null", "a filesystem of nothing through the same pyfuse3: what the kernel's door allows", _null, lambda e: {}),
    )
}  # fmt: skip


def _beside_python(program: str) -> Path:
    return Path(sys.executable).with_name(program)


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
    """A peer's mount and the process that serves it. `requests` counts what the storage was asked for, where it tells."""

    path: Path
    pid: int
    requests: Callable[[], int | None]

    @contextmanager
    def ordered(self, paths: Sequence[str]) -> Iterator[None]:
        """mountd is told in which order these paths will be read. RuntimeError where it could not do it."""
        client = Client(str(self.path.parent / "socket"))
        task = client.prefetch(paths)
        yield
        *_, task = client.follow(task.id)
        if task.state != "done":
            raise RuntimeError(f"the prefetch ended {task.state}: {task.error}")


@contextmanager
def mounted(
    peer: Peer, endpoint: Endpoint, options: Sequence[str] = (), requests: Callable[[], int | None] = lambda: None
) -> Iterator[Mount]:
    """The peer's mount of the container, on an empty cache. RuntimeError with the peer's last words if it does not come."""
    scratch = Path(tempfile.mkdtemp(prefix="mountd-bench-"))
    mountpoint = scratch / "mnt"
    mountpoint.mkdir()
    with open(scratch / "log", "wb") as log:
        process = subprocess.Popen(
            peer.command(endpoint, mountpoint, scratch, options),
            env={**os.environ, **peer.environment(endpoint)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

        def there() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"{peer.name} ended: {(scratch / 'log').read_text()[-500:]}")
            return is_mounted(mountpoint)

        try:
            _await(there, 30, f"{peer.name} did not mount")
            yield Mount(mountpoint, process.pid, requests)
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

"""`python -m bench.traces.record [NAME…]`: runs each sample against a mount, and writes what the kernel asked to recorded/.

The mount is the real daemon on the emulator, with the kernel's settings as mountd sets them; its door logs each read
and answers none sooner than 5 ms after it was asked, so that reads asked at once are seen to be asked at once.
"""

import argparse
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.peers import is_mounted
from bench.traces.samples import SAMPLES, WRITERS
from bench.traces.trace import Trace, chained
from mountd.emulator import DEFAULT_KEY, Emulator
from mountd.fuse.config import MountConfig

LIBRARIES = ("numpy", "pyarrow", "h5py", "safetensors")
ANSWER = 0.005


def door(log: Path) -> None:
    """The daemon's part: mountd with a log at its door. The words after `--` are mountd's."""
    import trio

    from mountd.cli.mountd import main
    from mountd.fuse.operations import TreeOperations

    read, opened = TreeOperations.read, TreeOperations.open
    events: list[tuple[int, int, int, float, float]] = []
    files: dict[int, int] = {}

    async def logged_open(self, inode, flags, ctx):
        found = await opened(self, inode, flags, ctx)
        files[found.fh] = inode
        return found

    async def logged(self, fh, off, size):
        asked = time.perf_counter()
        data = await read(self, fh, off, size)
        await trio.sleep(max(asked + ANSWER - time.perf_counter(), 0))
        events.append((files[fh], off, size, asked, time.perf_counter()))
        return data

    TreeOperations.open, TreeOperations.read = logged_open, logged
    try:
        main(sys.argv[sys.argv.index("--") + 1 :])
    finally:
        log.write_text(json.dumps(events))


@contextmanager
def daemon(endpoint: str, scratch: Path, options: str) -> Iterator[Path]:
    mountpoint = scratch / "mnt"
    mountpoint.mkdir(exist_ok=True)
    words = ["mount", f"{endpoint}/traces", str(mountpoint), "--allow-http", "--foreground", "--no-verify"]
    words += ["--cache-dir", str(scratch / "cache"), "--state-dir", str(scratch / "state"), *options.split()]
    command = [sys.executable, "-m", "bench.traces.record", "--door", str(scratch / "log.json"), "--", *words]
    environment = {**os.environ, "AZURE_STORAGE_KEY": DEFAULT_KEY}
    with open(scratch / "stderr", "wb") as log, subprocess.Popen(command, env=environment, stderr=log) as process:
        try:
            while not is_mounted(mountpoint):
                if process.poll() is not None:
                    raise RuntimeError((scratch / "stderr").read_text())
                time.sleep(0.02)
            yield mountpoint
        finally:
            subprocess.run(["fusermount3", "-u", str(mountpoint)], check=False)
            process.wait(30)


def record(name: str, endpoint: str, folder: Path, read_ahead: int) -> Trace:
    chosen = SAMPLES[name]
    options = f"-o read_ahead={read_ahead}" if read_ahead != MountConfig().read_ahead else ""
    with tempfile.TemporaryDirectory(prefix="mountd-traces-") as made:
        with daemon(endpoint, Path(made), options) as mounted:
            command = [sys.executable, "-m", "bench.traces.samples", name, str(mounted)]
            needed = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        events = json.loads((Path(made) / "log.json").read_text())
    events = [(0, *event[1:]) for event in events]
    words = f"{chosen.by}; " + ", ".join(
        f"{lib} {importlib.metadata.version(lib)}" for lib in LIBRARIES if lib in chosen.by
    )
    size = (folder / chosen.file).stat().st_size
    return Trace(name, words.strip("; "), platform.release(), read_ahead, needed, [size], chained(events))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.traces.record", description=__doc__)
    parser.add_argument("names", nargs="*", default=[], help=f"of {', '.join(SAMPLES)} (default: all)")
    parser.add_argument("--read-ahead", type=int, default=MountConfig().read_ahead, help="bytes the kernel reads ahead")
    parser.add_argument("--into", type=Path, help="another folder for what is recorded")
    options = parser.parse_args()
    wanted = options.names or list(SAMPLES)
    with tempfile.TemporaryDirectory(prefix="mountd-traces-") as made, Emulator() as running:
        folder = Path(made)
        container = running.container("traces")
        for file in sorted({SAMPLES[name].file for name in wanted}):
            with suppress(ImportError):  # a library that is not here has no trace
                WRITERS[file](folder / file)
                container.put(file, (folder / file).read_bytes())
        for name in wanted:
            if (folder / SAMPLES[name].file).exists():
                trace = record(name, running.endpoint, folder, options.read_ahead)
                trace.save(*([options.into] if options.into else []))
                print(
                    f"{name}: {len(trace.reads)} reads, {trace.asked()} bytes asked, {trace.needed} needed", flush=True
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--door"]:
        door(Path(sys.argv[2]))
    else:
        main()

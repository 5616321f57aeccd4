"""`mountd demo`: the main job on this machine, with real processes and no cloud, and the proof that it was done right.

Emulator and sample, daemon, registration, mount; then every file's listing and SHA-256 against the emulator's own bytes, a
random read and a mmap. Stays until Ctrl-C on a terminal; without one it cleans up and answers. What an earlier demo left behind
(killed, or failed) is cleaned up first.
"""

import hashlib
import mmap
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mountd import service
from mountd.cli import sample
from mountd.cli.places import places_of
from mountd.emulator import ContainerHelper, Emulator
from mountd.errors import DirectoryUnsafe, MountdError, MountRefused
from mountd.fuse.mountpoint import unmount_and_wait
from mountd.rules.names import spelled, spelled_blob

CONTAINER = "sample"
MARKER = ".mountd-demo"
"""In a demo's folder from its first moment to its last: what has none is somebody's, and is not removed."""
DATASTORE = "demo"
START_SECONDS = 30.0


class Demo:
    """One run. `folder` holds the mountpoint, the configuration and the daemon's directories."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mountpoint = folder / "mnt"
        self.socket = folder / "control.sock"
        self.began = time.perf_counter()

    def say(self, sentence: str) -> None:
        print(f"[{time.perf_counter() - self.began:5.1f} s] {sentence}", flush=True)

    def clean(self) -> None:
        """Ends what an earlier run left: its daemon, its mount, its folder."""
        if self.folder.exists() and any(self.folder.iterdir()) and not (self.folder / MARKER).exists():
            raise DirectoryUnsafe(
                f"{self.folder} is not empty and not of a demo, which removes its folder at the end.",
                remedy="Choose a folder that does not exist.",
            )
        pid = service.owner_of(self.folder / "state")
        if pid is not None:
            self.say(f"ending the daemon of an earlier demo (pid {pid})")
            os.kill(pid, signal.SIGTERM)
        try:
            unmount_and_wait(str(self.mountpoint), START_SECONDS, pid=pid, lazy=True)
        except MountRefused:
            self._refuse_if_mounted()
        self._remove()

    def _remove(self) -> None:
        """The marker last: a run that is killed on the way is still a demo's."""
        if not self.folder.exists():
            return
        for child in self.folder.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            elif child.name != MARKER:
                child.unlink()
        (self.folder / MARKER).unlink(missing_ok=True)
        self.folder.rmdir()

    def _refuse_if_mounted(self) -> None:
        """Nothing is removed below a mount: it would be removed from the storage, one day."""
        if self.mountpoint.parent.exists() and os.path.ismount(self.mountpoint):
            raise MountRefused(f"The mount of an earlier demo at {self.mountpoint} does not go away.")

    def prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        (self.folder / MARKER).touch()
        self.mountpoint.mkdir()
        (self.folder / "config.yaml").write_text(
            f"mountpoint: {self.mountpoint}\nstate_dir: {self.folder}/state\ncache_dir: {self.folder}/cache\n"
            f"socket: {self.socket}\nlogging:\n  file: {self.folder}/mountd.log\n"
        )

    @contextmanager
    def daemon(self) -> Iterator[None]:
        """The service as a process of its own, usable; ended in order."""
        with open(self.folder / "daemon.out", "wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "mountd.cli.mountd", "serve", "--config", str(self.folder / "config.yaml")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
            try:
                self._await_ready(process)
                yield
            finally:
                process.terminate()
                process.wait(START_SECONDS)

    def _await_ready(self, process: "subprocess.Popen[bytes]") -> None:
        end = time.monotonic() + START_SECONDS
        while not os.path.ismount(self.mountpoint) or not self.socket.exists():
            if process.poll() is not None or time.monotonic() > end:
                said = (self.folder / "daemon.out").read_text().strip()
                raise MountdError(f"The daemon did not start: {said[-2000:]}")
            time.sleep(0.02)

    def mountctl(self, *words: str, **secrets: str) -> None:
        """Runs mountctl and shows what was run; secrets go through the environment."""
        print(f"          $ mountctl {' '.join(words)}", flush=True)
        command = [sys.executable, "-m", "mountd.cli.mountctl", "--socket", str(self.socket), *words]
        done = subprocess.run(command, env={**os.environ, **secrets}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise MountdError(f"mountctl {words[0]} failed: {(done.stderr or done.stdout).strip()}")


def demo(folder: str | None) -> int:
    """Exit status 0: everything was equal."""
    run = Demo(Path(folder).absolute() if folder else Path(places_of("/demo").cache_dir).parents[1] / "demo")
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    run.clean()
    run.prepare()
    try:
        with Emulator() as emulator:
            differences = _carry_out(run, emulator)
    finally:
        run.clean()
    return 1 if differences else 0


def _carry_out(run: Demo, emulator: Emulator) -> int:
    container = emulator.container(CONTAINER)
    for key, body in sample.objects():
        container.put(key, body)
    keys = container.keys()
    total = sum(len(container.get(key)) for key in keys)
    run.say(f"emulator at {emulator.endpoint}, container {CONTAINER}: {len(keys)} blobs, {total / 1e6:.1f} MB")
    with run.daemon():
        run.say(f"mountd serves {run.mountpoint}")
        run.mountctl(
            "datastore", "register", DATASTORE, "--account", emulator.account, "--container", CONTAINER,
            "--endpoint", emulator.endpoint, "--allow-http", "--account-key-env", "DEMO_KEY",
            DEMO_KEY=emulator.key,
        )  # fmt: skip
        root = run.mountpoint / DATASTORE
        run.say(f"registered as {DATASTORE}: {root}")
        differences = _proof(run, root, container)
        if differences:
            for line in differences[:20]:
                print(f"          DIFFERS: {line}")
            run.say(f"{len(differences)} differences")
        else:
            run.say("proved: everything is equal")
            _stay(run, root)
    run.say("unmounted and cleaned up")
    return len(differences)


def _proof(run: Demo, root: Path, container: ContainerHelper) -> list[str]:
    """What differs between the mount and the emulator's bytes; each step says what it took."""
    truth = {os.fsencode(path): container.get(key) for key, path in shown_paths(container.keys()).items()}
    started = time.perf_counter()
    listed = {os.path.join(folder, name) for folder, _, names in os.walk(os.fsencode(root)) for name in names}
    listed = {os.path.relpath(path, os.fsencode(root)) for path in listed}
    differences = [f"{os.fsdecode(name)!r} is missing" for name in truth.keys() - listed]
    differences += [f"{os.fsdecode(name)!r} is not in the container" for name in listed - truth.keys()]
    run.say(f"listed {len(listed)} files in {time.perf_counter() - started:.2f} s")
    started = time.perf_counter()
    size = 0
    for name in sorted(truth.keys() & listed):
        with open(os.path.join(os.fsencode(root), name), "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        size += len(truth[name])
        if digest != hashlib.sha256(truth[name]).hexdigest():
            differences.append(f"{os.fsdecode(name)!r} has other bytes")
    passed = time.perf_counter() - started
    run.say(
        f"SHA-256 of every file: {size / 1e6:.1f} MB in {passed:.2f} s ({size / 1e6 / passed:.0f} MB/s, hashing twice)"
    )
    return differences + _pieces(run, root / sample.LARGE_FILE, container.get(sample.LARGE_FILE))


def _pieces(run: Demo, path: Path, truth: bytes) -> list[str]:
    """One random read and one mmap of the large file."""
    differences = []
    offset = random.Random(7).randrange(len(truth) - 4096)
    started = time.perf_counter()
    with open(path, "rb", buffering=0) as file:
        if os.pread(file.fileno(), 4096, offset) != truth[offset : offset + 4096]:
            differences.append(f"4 KiB at {offset} of {path.name}")
        run.say(f"random read of 4 KiB at {offset}: {(time.perf_counter() - started) * 1e3:.1f} ms")
        started = time.perf_counter()
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
            middle = len(truth) // 2
            if view[middle : middle + 65536] != truth[middle : middle + 65536] or view[-16:] != truth[-16:]:
                differences.append(f"mmap of {path.name}")
        run.say(f"mmap, 64 KiB from the middle and the end: {(time.perf_counter() - started) * 1e3:.1f} ms")
    return differences


def shown_paths(keys: list[str]) -> dict[str, str]:
    """Key → path below the datastore's folder, as docs/SEMANTICS.md 9 spells it."""
    folders = {key[:at] for key in keys for at in range(len(key)) if key[at] == "/"}
    paths = {}
    for key in keys:
        *above, last = key.split("/")
        name = spelled_blob(last) if key in folders else spelled(last)
        paths[key] = os.fsdecode(b"/".join([*map(spelled, above), name]))
    return paths


def _stay(run: Demo, root: Path) -> None:
    if not sys.stdin.isatty():
        return
    print(
        f"\nIt stays mounted until Ctrl-C. In another terminal, try:\n"
        f"  ls -l {root}\n"
        f'  python3 -c \'import numpy; print(numpy.load("{root}/arrays/model.npz")["weights"].mean())\'\n'
        f"  {Path(sys.executable).with_name('mountctl')} --socket {run.socket} status\n"
        f"  getfattr -d {root}/README.txt\n"
        f"Its log: {run.folder}/mountd.log\n",
        flush=True,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()

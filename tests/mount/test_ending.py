"""How a mount ends: asked, unmounted by somebody, killed; with reads in flight, with a store that hangs."""

import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from mountd.errors import MountRefused
from mountd.fuse.mountinfo import mount_at
from mountd.fuse.mountpoint import prepare, unmount_and_wait
from tests.fixtures.mounts import FAKE

FILES = {"file": b"content", "slow": b"content", "hang": b"content", "hang2": b"content", "big": bytes(8 << 20)}


def reading(path):
    """A process that reads one file; says when it has opened it."""
    script = "import os,sys; f=os.open(sys.argv[1],os.O_RDONLY); print('open',flush=True); print(len(os.read(f,100)))"
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    time.sleep(0.2)  # until its read is in the kernel, which says so nowhere
    return process


def rest(process):
    out, complaint = process.communicate(timeout=20)
    return out.strip(), complaint.decode()


def test_sigterm_lets_reads_in_flight_finish_and_leaves_nothing(mounting):
    mounted = mounting(FILES, tree=FAKE)
    reader = reading(mounted.path / "slow")
    assert mounted.stop() == 0
    assert rest(reader)[0] == b"7"
    assert not mounted.is_mounted()
    assert os.listdir(mounted.path) == []
    assert mounted.line() == {"bugs": {}}


def test_a_read_that_hangs_is_aborted_at_the_deadline(mounting):
    mounted = mounting(FILES, tree=FAKE, stop_deadline=1.0)
    reader = reading(mounted.path / "hang")
    start = time.monotonic()
    assert mounted.stop() == 0
    assert 0.9 < time.monotonic() - start < 5
    assert "Error" in rest(reader)[1]
    assert not mounted.is_mounted()


def test_a_second_signal_is_immediate(mounting):
    mounted = mounting(FILES, tree=FAKE, stop_deadline=100.0)
    reader = reading(mounted.path / "hang")
    mounted.process.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        mounted.process.wait(0.5)
    mounted.process.send_signal(signal.SIGINT)  # the runner's word for stop(0)
    assert mounted.process.wait(5) == 0
    rest(reader)
    assert not mounted.is_mounted()


@pytest.mark.parametrize("command", [["umount"], ["fusermount3", "-u"]], ids=["umount", "fusermount3"])
def test_somebody_elses_umount_ends_the_session_cleanly(mounting, command):
    mounted = mounting(FILES, tree=FAKE)
    assert (mounted.path / "file").read_bytes() == b"content"
    subprocess.run([*command, str(mounted.path)], check=True)
    assert mounted.process.wait(10) == 0
    assert mounted.line() == {"bugs": {}}


def test_umount_while_reading_is_refused_and_the_read_goes_on(mounting):
    mounted = mounting(FILES, tree=FAKE)
    reader = reading(mounted.path / "slow")
    with pytest.raises(MountRefused, match="in use"):
        unmount_and_wait(str(mounted.path), 5, pid=mounted.process.pid)
    assert rest(reader)[0] == b"7"
    assert mounted.stop() == 0


def test_a_lazy_umount_while_reading_ends_the_daemon_after_the_read(mounting):
    mounted = mounting(FILES, tree=FAKE)
    reader = reading(mounted.path / "slow")
    reaped = threading.Thread(target=mounted.process.wait)
    reaped.start()
    unmount_and_wait(str(mounted.path), 10, pid=mounted.process.pid, lazy=True)
    reaped.join()
    assert rest(reader)[0] == b"7"
    assert mounted.process.returncode == 0


def test_unmount_waits_until_mount_and_daemon_are_gone(mounting):
    mounted = mounting(FILES, tree=FAKE)
    unmount_and_wait(str(mounted.path), 10, pid=mounted.process.pid)
    assert mount_at(str(mounted.path)) is None
    assert mounted.process.wait(0.5) == 0
    with pytest.raises(MountRefused, match="Nothing of mountd"):
        unmount_and_wait(str(mounted.path), 1)


def test_the_dead_mount_of_a_killed_daemon_is_cleaned_up_by_the_next_one(mounting):
    """Issue 3, section 2: a dead mount of ours (ENOTCONN after a kill) is cleaned up."""
    mounted = mounting(FILES, tree=FAKE)
    reader = reading(mounted.path / "hang")
    mounted.kill()
    rest(reader)
    with pytest.raises(OSError) as dead:
        os.statvfs(mounted.path)
    assert dead.value.errno == errno.ENOTCONN
    again = mounting(FILES, tree=FAKE, at=mounted.path)
    assert (again.path / "file").read_bytes() == b"content"
    assert again.stop() == 0
    assert not again.is_mounted()


def test_a_live_mount_is_never_cleaned_up(mounting):
    mounted = mounting(FILES, tree=FAKE)
    with pytest.raises(MountRefused, match="already mounted by a running mountd"):
        prepare(str(mounted.path))
    assert (mounted.path / "file").read_bytes() == b"content"


def test_a_reader_killed_while_the_store_hangs_is_gone_within_the_limit_and_a_second(mounting):
    """SEMANTICS 32."""
    mounted = mounting(FILES, tree=FAKE, call_limit=2.0)
    start = time.monotonic()
    readers = [reading(mounted.path / name) for name in ("hang", "hang2")]
    readers[0].kill()
    rest(readers[0])
    assert time.monotonic() - start < 3.5
    assert os.strerror(errno.ETIMEDOUT) in rest(readers[1])[1]
    # The tasks that ended have been replaced, and the mount serves on.
    assert (mounted.path / "file").read_bytes() == b"content"
    assert mounted.stop() == 0


def test_when_every_task_is_stuck_the_mount_outlives_their_end(mounting):
    mounted = mounting(FILES, tree=FAKE, call_limit=2.0, min_tasks=1, max_tasks=2)
    readers = [reading(mounted.path / name) for name in ("hang", "hang2")]
    assert all(os.strerror(errno.ETIMEDOUT) in rest(reader)[1] for reader in readers)
    assert sorted(os.listdir(mounted.path)) == sorted(FILES)
    assert mounted.stop() == 0


def test_stuck_readers_leave_the_others_as_fast_as_before(mounting):
    """200 readers on a dead storage; the kernel's queue of background reads is raised where that is permitted."""
    mounted = mounting({f"hang{number}": bytes(4096) for number in range(200)} | FILES, tree=FAKE, stop_deadline=0.5)
    stuck = "import os,sys,threading\nfor n in range(200):\n" + (
        "    threading.Thread(target=lambda n=n: open(f'{sys.argv[1]}/hang{n}','rb').read(), daemon=True).start()\n"
        "print('started', flush=True); threading.Event().wait()\n"
    )
    readers = subprocess.Popen(
        [sys.executable, "-c", stuck, str(mounted.path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert readers.stdout is not None
    assert readers.stdout.readline() == b"started\n"
    time.sleep(0.5)
    start = time.monotonic()
    assert len((mounted.path / "big").read_bytes()) == 8 << 20
    assert len(os.listdir(mounted.path)) == 204
    seconds = time.monotonic() - start
    readers.kill()
    assert mounted.stop() == 0
    readers.communicate()
    assert seconds < 1 or "max_background" not in mounted.ready

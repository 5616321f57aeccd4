"""Where a mount may go, and how it goes away: refusals with a sentence, dead mounts of ours cleaned up, unmounting.

Synchronous, for before and after the event loop. Nothing here trusts a mount to answer: a `stat` of one may hang.
"""

import ctypes
import errno
import os
import select
import shutil
import subprocess
import threading
import time

from mountd.errors import MountRefused
from mountd.fuse.mountinfo import FILESYSTEM_TYPE, Mount, mount_at, wait_until_gone

MNT_FORCE, MNT_DETACH, UMOUNT_NOFOLLOW = 1, 2, 8

ANSWER_SECONDS = 5.0

_libc = ctypes.CDLL(None, use_errno=True)


def prepare(mountpoint: str) -> str:
    """The mountpoint's real path, free to be mounted on. Cleans up dead mounts of ours there; MountRefused says why not."""
    place = located(mountpoint)
    while (mount := mount_at(place)) is not None and mount.kind == FILESYSTEM_TYPE:
        if not _is_dead(place):
            raise MountRefused(
                f"{place} is already mounted by a running mountd.",
                remedy=f"Choose another mountpoint, or run `mountd unmount {place}` first.",
            )
        _detach(place, mount)
    _check_directory(place, mount)
    return place


def check_host(allow_other: bool) -> None:
    """MountRefused where this machine or container lets nobody mount, or not this user in this way."""
    if not os.path.exists("/dev/fuse"):
        raise MountRefused(
            "/dev/fuse is missing.",
            remedy="Load the fuse module, or give the container --device /dev/fuse and --cap-add SYS_ADMIN.",
        )
    if os.geteuid() == 0:
        return
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        raise MountRefused(
            "This user may not open /dev/fuse.", remedy="Make it mode 0666, as udev does, or mount as root."
        )
    if shutil.which("fusermount3") is None:
        raise MountRefused("fusermount3 is missing, without which only root can mount.", remedy="Install fuse3.")
    if allow_other and not _users_may_allow_other():
        raise MountRefused(
            "allow_other is not permitted to ordinary users here.", remedy="Add user_allow_other to /etc/fuse.conf."
        )


def unmount_and_wait(mountpoint: str, timeout: float, *, pid: int | None = None, lazy: bool = False) -> None:
    """Unmounts, and returns when the mount is gone and, where its daemon's pid is given, the daemon as well.

    A mount in use is refused, unless `lazy`: then it leaves the tree at once, and its daemon when the last file is closed.
    """
    place = located(mountpoint)
    mount = mount_at(place)
    if mount is None or mount.kind != FILESYSTEM_TYPE:
        raise MountRefused(f"Nothing of mountd is mounted at {place}.")
    end = time.monotonic() + timeout
    daemon = _process(pid)
    try:
        unmount(place, lazy=lazy)
        gone = wait_until_gone(mount, timeout) and _wait_for_end(daemon, end)
    finally:
        if daemon is not None:
            os.close(daemon)
    if not gone:
        raise MountRefused(f"{place} was unmounted, but its daemon has not ended within {timeout:g} s.")


def unmount(place: str, *, lazy: bool = False, force: bool = False) -> None:
    """One attempt, as root or by fusermount3. `force` aborts the connection: whoever waits for an answer gets an error."""
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0) | (MNT_FORCE if force else 0)
    if _libc.umount2(os.fsencode(place), flags) == 0:
        return
    code = ctypes.get_errno()
    if code == errno.EPERM:
        command = ["fusermount3", "-u", *(["-z"] if lazy else []), "--", place]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        code = errno.EBUSY if mount_at(place) is not None else errno.EINVAL
    if code == errno.EBUSY:
        raise MountRefused(
            f"{place} is in use.", remedy=f"Close what uses it (`fuser -vm {place}` shows who), or unmount it lazily."
        )
    raise MountRefused(f"{place} cannot be unmounted: {os.strerror(code)}.")


def located(mountpoint: str) -> str:
    """The absolute path without symlinks. The last segment is looked at only where nothing of ours is mounted on it."""
    absolute = os.path.abspath(mountpoint)
    place = os.path.join(os.path.realpath(os.path.dirname(absolute)), os.path.basename(absolute))
    if mount_at(place) is not None:
        return place
    return os.path.realpath(place)


def _check_directory(place: str, mount: Mount | None) -> None:
    try:
        with os.scandir(place) as entries:
            empty = next(entries, None) is None
    except FileNotFoundError:
        raise MountRefused(f"The mountpoint {place} does not exist.", remedy=f"Create it: mkdir -p {place}") from None
    except NotADirectoryError:
        raise MountRefused(f"The mountpoint {place} is not a directory.") from None
    except OSError as error:
        if error.errno == errno.ENOTCONN and mount is not None:
            raise MountRefused(
                f"A dead {mount.kind} mount, not of mountd, is at {place}.", remedy=f"Run `fusermount3 -u {place}`."
            ) from None
        raise MountRefused(f"The mountpoint {place} cannot be used: {error.strerror}.") from None
    if not empty:
        raise MountRefused(
            f"The mountpoint {place} is not empty: the mount would hide what is in it.",
            remedy="Choose an empty folder.",
        )


def _is_dead(place: str) -> bool:
    """Whether the daemon behind a mount is gone. Asked from a thread that may be left behind: a daemon may hang.

    Not by `stat`: the kernel answers that from its cache for a while after the daemon was killed.
    """
    dead = False

    def ask() -> None:
        nonlocal dead
        try:
            os.statvfs(place)
        except OSError as error:
            dead = error.errno in (errno.ENOTCONN, errno.ECONNABORTED)

    asking = threading.Thread(target=ask, name="mountd-is-it-dead", daemon=True)
    asking.start()
    asking.join(ANSWER_SECONDS)
    return dead


def _detach(place: str, mount: Mount) -> None:
    try:
        unmount(place, lazy=True)
    except MountRefused as error:
        raise MountRefused(
            f"A mount left behind by a killed mountd at {place} cannot be cleaned up: {error.sentence}",
            remedy=f"Run `sudo umount -l {place}`.",
        ) from None
    if not wait_until_gone(mount, ANSWER_SECONDS):
        raise MountRefused(f"A mount left behind by a killed mountd at {place} does not go away.")


def _users_may_allow_other() -> bool:
    try:
        with open("/etc/fuse.conf", encoding="utf-8", errors="replace") as configuration:
            return any(line.strip() == "user_allow_other" for line in configuration)
    except OSError:
        return False


def _process(pid: int | None) -> int | None:
    """A descriptor of a live process, whose number nobody else can take meanwhile."""
    if pid is None:
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _wait_for_end(process: int | None, end: float) -> bool:
    if process is None:
        return True
    ended = select.poll()
    ended.register(process, select.POLLIN)
    return bool(ended.poll(max(0.0, end - time.monotonic()) * 1000))

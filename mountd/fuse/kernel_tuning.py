"""The kernel's limits of one mount: how far it reads ahead, how many reads it queues. Set where permitted, else left.

They exist only once FUSE_INIT was answered. Everything is found by the mount table's MAJOR:MINOR: a `stat` of the mount
would ask the daemon that is asking. `max_background` as a mount option is refused by libfuse, hence fusectl.
"""

import ctypes
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from mountd.fuse.config import MountConfig
from mountd.fuse.mountinfo import mount_at
from mountd.types import KiB

log = logging.getLogger(__name__)

CONNECTIONS = "/sys/fs/fuse/connections"

# The system calls' numbers are the same on every architecture since Linux 5.2.
SYS_FSOPEN, SYS_FSCONFIG, SYS_FSMOUNT = 430, 431, 432
FSOPEN_CLOEXEC, FSCONFIG_CMD_CREATE, FSMOUNT_CLOEXEC = 1, 6, 1

_libc = ctypes.CDLL(None, use_errno=True)


def tune(place: str, config: MountConfig) -> dict[str, int]:
    """Sets what the configuration says for the mount at `place`; gives what the kernel accepted, by its name."""
    mount = mount_at(place)
    if mount is None:
        return {}
    accepted: dict[str, int] = {}
    if config.read_ahead:
        _set(accepted, "read_ahead_kb", config.read_ahead // KiB, f"/sys/class/bdi/{mount.device}")
    if config.max_background:
        try:
            with fusectl() as folder:
                # In this order: the kernel keeps the threshold below the limit only by refusing it.
                _set(accepted, "max_background", config.max_background, str(mount.connection), folder)
                if config.congestion_threshold:
                    name = "congestion_threshold"
                    _set(accepted, name, config.congestion_threshold, str(mount.connection), folder)
        except OSError as error:
            log.info(
                "fusectl is not to be had here (%s): the kernel keeps max_background at 12 and congestion_threshold at 9",
                error.strerror,
            )
    return accepted


@contextmanager
def fusectl() -> Iterator[int]:
    """A descriptor of the connections' folder: a mount of our own in nobody's tree, gone with the descriptor; where
    that is not permitted, the one the machine has mounted."""
    try:
        folder = _detached_mount(b"fusectl")
    except OSError:
        folder = os.open(CONNECTIONS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)


def _detached_mount(kind: bytes) -> int:
    context = _call(SYS_FSOPEN, kind, FSOPEN_CLOEXEC)
    try:
        _call(SYS_FSCONFIG, context, FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(SYS_FSMOUNT, context, FSMOUNT_CLOEXEC, 0)
    finally:
        os.close(context)


def _call(number: int, *arguments: int | bytes | None) -> int:
    result = int(_libc.syscall(number, *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def _set(accepted: dict[str, int], name: str, value: int, folder: str, root: int | None = None) -> None:
    path = f"{folder}/{name}"
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC, dir_fd=root)
        try:
            os.write(file, str(value).encode())
        finally:
            os.close(file)
    except OSError as error:
        log.info("the kernel keeps %s at %s for this mount, not %d: %s", name, _kept(path, root), value, error.strerror)
    else:
        accepted[name] = value


def _kept(path: str, root: int | None) -> str:
    """What a limit is that could not be set."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=root)
    except OSError:
        return "its own value"
    try:
        return os.read(file, 100).decode().strip()
    finally:
        os.close(file)

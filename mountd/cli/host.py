"""`mountd serve`, `check` and `unmount`: a configuration to a running daemon, and its end."""

import logging
from pathlib import Path

import trio

from mountd import config, logs, service
from mountd.cli.places import places_of
from mountd.daemon import Daemon, Plan
from mountd.errors import MountdError
from mountd.fuse.mountpoint import located, unmount_and_wait

log = logging.getLogger(__name__)


def serve(path: str) -> int:
    """Runs the service until it is asked to stop."""
    configuration = config.load(Path(path))
    logs.configure(configuration.logging)
    try:
        trio.run(Daemon(Plan(configuration)).run)
    except MountdError:
        raise
    except Exception:
        # Through the log, which stars secrets out: the interpreter's own last words would not.
        log.exception("a bug ended the daemon")
        return 1
    return 0


def check(path: str) -> int:
    """Says all that is wrong with a configuration, or that nothing is."""
    config.load(Path(path))
    print(f"{path}: good")
    return 0


def unmount(mountpoint: str, timeout: float) -> int:
    """Returns when the mount and its daemon are gone; a mount that somebody uses is refused."""
    unmount_and_wait(mountpoint, timeout, pid=_daemon_of(mountpoint))
    return 0


def _daemon_of(mountpoint: str) -> int | None:
    """The pid of a one-shot mount's daemon, by the lock in the state directory that its mountpoint leads to."""
    return service.owner_of(Path(places_of(located(mountpoint)).state_dir))

"""The Unix socket as a name in a directory: made with its mode from the first moment, never stolen from a live daemon.

It is bound under a draft name and moved into place, so that nobody can connect before owner and mode are right. A dead
daemon's socket is replaced; a live one's is refused, naming its pid. Long paths are reached through the directory's
descriptor, because a socket's address holds 107 bytes only.
"""

import fcntl
import os
import secrets
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from mountd.control.roles import Peer
from mountd.errors import AlreadyRunning, ConfigurationInvalid, MountRefused

SO_PEERGROUPS = 59  # asm-generic/socket.h, Linux 4.13: the peer's supplementary groups; Python has no name for it
BACKLOG = 64
PROBE_SECONDS = 2.0


@contextmanager
def bound(path: Path, mode: int, group: int) -> Iterator[socket.socket]:
    """A listening socket at `path`; its name is removed again at the end, unless somebody else has put theirs there."""
    directory = _directory(path)
    try:
        draft = f".{path.name}.{secrets.token_hex(4)}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        with listener:
            try:
                listener.bind(f"/proc/self/fd/{directory}/{draft}")
                inode = _publish(listener, directory, draft, path, mode, group)
            except BaseException:
                _remove(directory, draft)
                raise
            try:
                yield listener
            finally:
                if _inode(directory, path.name) == inode:
                    _remove(directory, path.name)
    finally:
        os.close(directory)


def _publish(listener: socket.socket, directory: int, draft: str, path: Path, mode: int, group: int) -> int:
    os.chmod(draft, mode, dir_fd=directory)
    if group != os.getegid():
        _give_to_group(directory, draft, group)
    listener.listen(BACKLOG)
    listener.setblocking(False)
    fcntl.flock(directory, fcntl.LOCK_EX)  # of two daemons that start at once, the second sees the first's socket
    try:
        _refuse_live(directory, path)
        os.rename(draft, path.name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        fcntl.flock(directory, fcntl.LOCK_UN)
    return os.stat(path.name, dir_fd=directory).st_ino


class Options(Protocol):
    """A socket of the standard library or of trio."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes: ...


def peer_of(connection: Options) -> Peer:
    """Who connected, from the kernel."""
    size = struct.calcsize("3i")
    pid, uid, gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return Peer(pid, uid & 0xFFFFFFFF, gid & 0xFFFFFFFF, _groups(connection))


def _groups(connection: Options) -> frozenset[int]:
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * 1024)
    except OSError:  # a kernel before 4.13, or more groups than a sane peer has: the primary group counts alone
        return frozenset()
    return frozenset(struct.unpack(f"{len(raw) // 4}I", raw))


def _directory(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        return os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise MountRefused(
            f"The control socket's directory {path.parent} cannot be used: {error.strerror}.",
            remedy="Choose another socket with --socket or the key socket.",
        ) from error


def _refuse_live(directory: int, path: Path) -> None:
    try:
        status = os.stat(path.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(status.st_mode):
        raise ConfigurationInvalid([f"socket: {path} exists and is not a socket; it is left alone."])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(f"/proc/self/fd/{directory}/{path.name}")
        except (ConnectionRefusedError, FileNotFoundError):
            return  # its daemon is dead
        except TimeoutError:
            raise _running(path, "a daemon that does not answer") from None
        raise _running(path, f"the daemon with pid {peer_of(probe).pid}")


def _running(path: Path, who: str) -> AlreadyRunning:
    return AlreadyRunning(f"The control socket {path} belongs to {who}.", remedy="Use it, stop it, or give --socket.")


def _give_to_group(directory: int, name: str, group: int) -> None:
    try:
        os.chown(name, -1, group, dir_fd=directory)
    except PermissionError:
        raise ConfigurationInvalid(
            [f"control.group: this user is not a member of group {group} and cannot give the socket to it."]
        ) from None


def _inode(directory: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=directory, follow_symlinks=False).st_ino
    except FileNotFoundError:
        return None


def _remove(directory: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=directory)
    except FileNotFoundError:
        return

"""Settings of the mount: what the kernel is told, how many requests are served at once, how long things may take."""

from dataclasses import dataclass

from mountd.settings import Unit, setting
from mountd.types import MiB


@dataclass(frozen=True, slots=True)
class MountConfig:
    allow_other: bool = setting(
        False, "Only the daemon's own user sees the mount; true shows it to everybody, as the modes say."
    )
    default_permissions: bool = setting(
        True, "The kernel checks owner and mode by itself, without asking the daemon for each path segment."
    )
    read_only: bool = setting(
        True,
        "The kernel refuses writes by itself, and a stat after a read asks nothing: with false it asks for the access time.",
    )
    name: str = setting("mountd", "What the mount table shows as the source of the mount.")
    read_ahead: int = setting(
        1 * MiB,
        "How far the kernel reads ahead: in order as fast as 4 MiB, and a random fault of an mmap asks for no more (0: its own).",
        unit=Unit.SIZE,
    )
    max_background: int = setting(
        1024,
        "Reads the kernel may queue: with its 12, 14 readers of a dead datastore stopped every other file (0 leaves it).",
    )
    congestion_threshold: int = setting(
        48,
        "Queued reads from which the kernel stops reading ahead: 4 streams a quarter faster than with 9 (0 leaves it).",
    )
    min_tasks: int = setting(
        20, "Idle request tasks kept: with 20, open+close of a file costs a quarter less than with 1."
    )
    max_tasks: int = setting(
        4096, "Requests served at once: more than max_background, so that a dead datastore cannot take every task."
    )
    look_again_microseconds: int = setting(
        50,
        "The daemon looks so long for the next request before it sleeps: being woken costs more (0: it sleeps at once).",
    )
    call_limit: float = setting(
        300.0,
        "A kernel request still unanswered then fails with ETIMEDOUT, whatever holds it; a storage's own deadline ends it sooner.",
        unit=Unit.DURATION,
    )
    stop_deadline: float = setting(
        10.0, "How long reads in flight may still finish when the daemon stops.", unit=Unit.DURATION
    )

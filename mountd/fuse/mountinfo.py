"""The kernel's table of mounts: what is mounted where. Reading it never touches a mount, so it never hangs."""

import re
import select
import time
from collections.abc import Iterator
from dataclasses import dataclass

MOUNTINFO = "/proc/self/mountinfo"

FILESYSTEM_TYPE = "fuse.mountd"

_ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One row. `device` is MAJOR:MINOR; a FUSE connection's number is the minor one."""

    device: str
    place: str
    kind: str
    source: str

    @property
    def connection(self) -> int:
        return int(self.device.partition(":")[2])


def parse(table: str) -> Iterator[Mount]:
    """Rows in the order they were mounted: `ID PARENT MAJ:MIN ROOT PLACE OPTIONS [FIELDS…] - TYPE SOURCE OPTIONS`."""
    for line in table.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        yield Mount(fields[2], _plain(fields[4]), tail[0], _plain(tail[1]))


def mount_at(place: str) -> Mount | None:
    """What is mounted exactly there; of several, the one on top."""
    with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as table:
        found = [mount for mount in parse(table.read()) if mount.place == place]
    return found[-1] if found else None


def wait_until_gone(mount: Mount, timeout: float) -> bool:
    """Whether that mount left the table in time. The kernel wakes who polls the table at each change."""
    end = time.monotonic() + timeout
    with open(MOUNTINFO, encoding="utf-8", errors="surrogateescape") as table:
        changes = select.poll()
        changes.register(table, select.POLLERR | select.POLLPRI)
        while mount in parse(table.read()):
            left = end - time.monotonic()
            if left <= 0:
                return False
            # At most a second, for kernels of sandboxes that tell of no change.
            changes.poll(min(left, 1.0) * 1000)
            table.seek(0)
    return True


def _plain(field: str) -> str:
    """Blanks and backslashes are written as octal escapes, byte by byte."""
    if "\\" not in field:
        return field
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)

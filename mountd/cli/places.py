"""Where daemons keep things when nobody says: the service in the system's places, a one-shot mount below them by its mountpoint."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mountd import api


@dataclass(frozen=True, slots=True)
class Places:
    state_dir: str
    cache_dir: str
    socket: str


def places_of(mountpoint: str, environment: Mapping[str, str] = os.environ, uid: int | None = None) -> Places:
    """The directories of the one-shot mount at `mountpoint` (absolute): the same for each mount there, no other's."""
    label = re.sub(r"[^A-Za-z0-9._-]", "_", Path(mountpoint).name)[:40] or "root"
    name = f"{label}-{hashlib.sha256(os.fsencode(mountpoint)).hexdigest()[:12]}"
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        state, cache = Path("/var/lib/mountd"), Path("/var/cache/mountd")
    else:
        home = Path(environment.get("HOME", "/"))
        state = Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "mountd"
        cache = Path(environment.get("XDG_CACHE_HOME") or home / ".cache") / "mountd"
    runtime = Path(api.default_socket({k: v for k, v in environment.items() if k != api.SOCKET_VARIABLE}, uid)).parent
    return Places(
        state_dir=str(state / "mounts" / name),
        cache_dir=str(cache / "mounts" / name),
        socket=str(runtime / "mounts" / name / "control.sock"),
    )

"""What a process has used, from /proc: CPU seconds, memory, open files, threads."""

import os
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Sizes in bytes. `cpu_seconds` and `peak_memory` are since its start."""

    cpu_seconds: float
    memory: int
    peak_memory: int
    open_files: int
    threads: int


def usage(pid: int) -> Usage:
    """ProcessLookupError where there is none."""
    try:
        # The command's name, in parentheses, may hold anything: fields count from behind it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        files = len(os.listdir(f"/proc/{pid}/fd"))
        memory, peak = (int(status[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    except (FileNotFoundError, KeyError) as gone:  # a zombie has no memory
        raise ProcessLookupError(pid) from gone
    return Usage((int(fields[11]) + int(fields[12])) / TICKS, memory, peak, files, int(status["Threads"]))

"""`python -m bench.mixed`: the mixed load's verdict, and its report in bench/results/mixed-latest.json.

One daemon with its defaults, on a storage that is 30 ms away and fails one request in a hundred. It must answer every
reader right, stay within its memory, and not grow in the second half: not in memory, descriptors or threads.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.growth import Allowed, growth, series
from bench.mixed.content import Content
from bench.mixed.readers import HABITS, read
from bench.node import Node
from bench.peers import Endpoint, is_mounted
from bench.records import recorded
from bench.server import CONTAINER, ControlUrl, emulator
from bench.surroundings import RESULTS, surroundings

RESULT = RESULTS / "mixed-latest.json"
MOST_MEMORY = 300 << 20
"""The daemon's peak, with the default budget."""
GRACE = 90.0
"""A reader that has not ended so long after its time is stuck: three deadlines."""
SETTLED = 4.0
LATENCY: list[dict[str, Any]] = [{"kind": "latency", "seconds": 0.03}]
FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "probability": 0.01, "seconds": 0.5},
    {"kind": "busy", "probability": 0.003},
    {"kind": "busy", "probability": 0.001, "code": "InternalError"},
    {"kind": "reset_before", "probability": 0.002},
    {"kind": "reset_after", "probability": 0.002},
    {"kind": "truncate", "probability": 0.002, "after_bytes": 30_000},
]
"""Of all requests: one in a hundred fails, and another one is half a second late."""
CONFIGURATION = "logging: {format: json}\n"
SHORT = Content(streams=2, stream_size=24 << 20, big_size=256 << 20, folders=6, files_a_folder=40, tree_folders=20)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which habits read, each in a process of its own, for how long, of what."""

    seconds: float
    seed: int
    content: Content
    habits: Sequence[str]


def main(words: Sequence[str] | None = None) -> int:
    found = argparse.ArgumentParser(prog="python -m bench.mixed", description=__doc__)
    found.add_argument("--minutes", type=float, default=10, help="(default: %(default)s)")
    found.add_argument("--seed", type=int, default=1, help="of readers and faults (default: %(default)s)")
    found.add_argument("--short", action="store_true", help="little content and a reader a habit: does it run")
    found.add_argument("--json", type=Path, default=RESULT, metavar="FILE", help="the report (default: bench/results/)")
    options = found.parse_args(words)
    habits = list(HABITS) if options.short else ["streams", "streams", "random", "small files", "small files", "walks"]
    plan = Plan(options.minutes * 60, options.seed, SHORT if options.short else Content(), habits)
    before = surroundings()
    figures = mixed(plan)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**before, **figures}, indent=1) + "\n")
    print(*figures["wrong"][:20], sep="\n", file=sys.stderr)
    print(json.dumps({name: figures[name] for name in ("seen", "peak_mib", "second_half")}, indent=1))
    print(f"{len(figures['wrong'])} things were wrong; report in {options.json}")
    return 1 if figures["wrong"] else 0


def mixed(plan: Plan) -> dict[str, Any]:
    """Everything that was found. Nothing of it is left, but the folder with the log if something was wrong."""
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    folder = Path(tempfile.mkdtemp(prefix="mountd-mixed-"))
    words = {"contents": "bench.mixed.content:Content", "arguments": asdict(plan.content)}
    with emulator({**words, "faults": [*LATENCY, *FAULTS], "seed": plan.seed}) as url:
        node = Node(folder, Endpoint(url, DEFAULT_ACCOUNT, DEFAULT_KEY, CONTAINER), CONFIGURATION)
        try:
            node.start()
            figures = _lived(plan, node, ControlUrl(url))
        finally:
            node.clean()
    if figures["wrong"]:
        print(f"logs and records are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return figures


def _lived(plan: Plan, node: Node, control: ControlUrl) -> dict[str, Any]:
    until = time.monotonic() + plan.seconds
    log, dice = node.folder / "seen", random.Random(plan.seed)
    fork = multiprocessing.get_context("fork")
    working = [
        fork.Process(
            target=read, args=(habit, node.mountpoint, plan.content, log, (dice.randrange(1 << 30), until)), name=habit
        )
        for habit in plan.habits
    ]
    for process in working:
        process.start()
    while time.monotonic() < until and node.process.poll() is None:
        node.sample()
        time.sleep(min(1.0, plan.seconds / 20))
    wrong = _ended(working)
    if node.process.poll() is not None:
        raise RuntimeError(f"the daemon ended by itself: {node.log.read_text()[-3000:]}")
    faults = control.faults()
    wrong += _idle(control)
    if (status := node.stop()) != 0:
        wrong.append(f"exit status {status} of the daemon")
    if is_mounted(node.mountpoint):
        wrong.append("the mount is still there")
    if tracebacks := node.log.read_text().count("Traceback (most recent call last)"):
        wrong.append(f"{tracebacks} tracebacks in the log")
    return _judged(plan, node, log, wrong) | {"faults": faults}


def _judged(plan: Plan, node: Node, log: Path, wrong: list[str]) -> dict[str, Any]:
    seen, found = _added_up(log)
    second = [sample for sample in node.samples if sample.at > node.samples[0].at + plan.seconds / 2]
    grown, growing = growth(second or node.samples[-1:], Allowed())
    peak = max(node.peaks)
    if peak > MOST_MEMORY:
        wrong.append(f"peak memory {peak >> 20} MiB, {MOST_MEMORY >> 20} MiB may be")
    if node.samples[-1].bugs:
        wrong.append(f"mountd_bugs_total {node.samples[-1].bugs:g}")
    wrong += [f"{habit}: nothing was read" for habit in plan.habits if not seen.get(habit)]
    return {
        "seed": plan.seed,
        "seconds": plan.seconds,
        "content": asdict(plan.content),
        "habits": list(plan.habits),
        "wrong": [*found, *wrong, *growing],
        "seen": seen,
        "bytes_verified": sum(int(habit["bytes"]) for habit in seen.values()),
        "peak_mib": round(peak / 2**20, 1),
        "cpu_seconds": node.samples[-1].cpu_seconds,
        "second_half": grown,
        "series": series(node.samples),
    }


def _added_up(log: Path) -> tuple[dict[str, dict[str, float]], list[str]]:
    """What each habit saw, and every sentence of what was wrong."""
    seen: dict[str, Counter[str]] = {}
    wrong = []
    for record in recorded(log):
        habit = record.pop("habit")
        if record.pop("what") == "wrong":
            wrong.append(f"{habit}: {record['sentence']}")
            continue
        longest = record.pop("longest")
        total = seen.setdefault(habit, Counter())
        total.update(record)
        total["longest_milliseconds"] = max(total["longest_milliseconds"], round(longest * 1e3))
    return {habit: dict(total) for habit, total in seen.items()}, wrong


def _ended(working: Sequence[Any]) -> list[str]:
    wrong = []
    end = time.monotonic() + GRACE
    for process in working:
        process.join(max(0.1, end - time.monotonic()))
        if process.is_alive():
            wrong.append(f"{process.name}: stuck")
            process.kill()
        elif process.exitcode:
            wrong.append(f"{process.name}: ended with {process.exitcode}")
    return wrong


def _idle(control: ControlUrl) -> list[str]:
    """An idle mount sends no request at all, once what was being fetched ahead has come."""
    control.set_faults([])
    time.sleep(SETTLED)
    control.forget_traffic()
    time.sleep(SETTLED)
    traffic = control.traffic()
    return [f"an idle mount sent {dict(traffic.operations)}"] if traffic and traffic.requests else []


if __name__ == "__main__":
    sys.exit(main())

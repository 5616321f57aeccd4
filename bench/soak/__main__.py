"""`python -m bench.soak`: the long run, its verdict, and its report in bench/results/soak-latest.json.

In the first half the daemon is killed and started again every few seconds; the second half is one life, to see whether
memory and open files stay constant. Readers, the second client and the faults go on all the time.
"""

import argparse
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.node import Node
from bench.peers import Endpoint, is_mounted
from bench.records import recorded
from bench.server import CONTAINER, ControlUrl, emulator
from bench.soak import changer, readers
from bench.soak.judge import MEMORY_BUDGET, Judge, of_memory
from bench.soak.truth import Change, History
from bench.surroundings import RESULTS, surroundings

RESULT = RESULTS / "soak-latest.json"
GRACE = 90.0
"""A reader that has not ended so long after its time is stuck: three deadlines."""
SETTLED, IDLE = 6.0, 4.0
CONFIGURATION = f"""
cache: {{memory: {MEMORY_BUDGET}, disk: 96MiB}}  # less than there is to read: eviction all the time
stores: {{stall_timeout: 3s, block_checksums: true}}  # a corrupted byte must be noticed
logging: {{format: json}}
"""
READING = ["GetBlob", "ListBlobs", "GetBlobProperties"]
FAULTS: list[dict[str, Any]] = [
    {"kind": "latency", "probability": 0.02, "seconds": 0.2, "jitter": 0.8, "operations": READING},
    {"kind": "bandwidth", "probability": 0.01, "bytes_per_second": 2e6, "operations": READING},
    {"kind": "busy", "probability": 0.01, "retry_after": 0.2, "operations": READING},
    {"kind": "busy", "probability": 0.005, "code": "InternalError", "operations": READING},
    {"kind": "expired", "probability": 0.0005, "operations": READING},
    {"kind": "corrupt", "probability": 0.005, "after_bytes": 70, "operations": ["GetBlob"]},
    {"kind": "reset_before", "probability": 0.005, "operations": READING},
    {"kind": "reset_after", "probability": 0.005, "operations": READING},
    {"kind": "truncate", "probability": 0.01, "after_bytes": 30_000, "operations": READING},
    {"kind": "stall", "probability": 0.002, "after_bytes": 10_000, "seconds": 30, "operations": READING},
]
"""Of each operation that reads. The second client's are spared, so that its history is certain."""


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: float
    seed: int
    processes: int


def main(words: Sequence[str] | None = None) -> int:
    found = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    found.add_argument("--minutes", type=float, default=10, help="(default: %(default)s)")
    found.add_argument(
        "--seed", type=int, default=None, help="of readers, changes, kills and faults (default: by chance)"
    )
    found.add_argument("--processes", type=int, default=4, help="that read (default: %(default)s)")
    found.add_argument("--json", type=Path, default=RESULT, metavar="FILE", help="the report (default: bench/results/)")
    options = found.parse_args(words)
    seed = random.SystemRandom().randrange(1 << 31) if options.seed is None else options.seed
    plan = Plan(options.minutes * 60, seed, options.processes)
    print(f"seed {plan.seed}, {plan.seconds:g} s, {plan.processes} readers", file=sys.stderr)
    before = surroundings()
    figures = soak(plan)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({**before, **figures}, indent=1) + "\n")
    print(*figures["wrong"][:20], sep="\n", file=sys.stderr)
    shown = ("bytes_verified", "counts", "errors", "kills", "changes", "longest_read_seconds")
    print(json.dumps({name: figures[name] for name in shown}, indent=1))
    print(f"{len(figures['wrong'])} things were wrong; report in {options.json}")
    return 1 if figures["wrong"] else 0


def soak(plan: Plan) -> dict[str, Any]:
    """Everything that was found. Nothing of it is left, but the folder with the log if something was wrong."""
    from mountd.emulator import DEFAULT_ACCOUNT, DEFAULT_KEY

    folder = Path(tempfile.mkdtemp(prefix="mountd-soak-"))
    with emulator({"contents": "bench.soak.changer:FirstBlobs", "faults": FAULTS, "seed": plan.seed}) as url:
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
    """The run itself: processes started, daemon killed and sampled, processes ended, everything judged."""
    until = time.monotonic() + plan.seconds
    seen, changed = node.folder / "seen", node.folder / "changed"
    fork = multiprocessing.get_context("fork")
    endpoint = node.endpoint
    words = (endpoint.url, endpoint.key, endpoint.container, plan.seed, until, changed)
    working = [fork.Process(target=changer.change, args=words, name="second client")]
    working += [
        fork.Process(
            target=readers.read, args=(str(node.mountpoint), seen, plan.seed + number, until), name=f"reader {number}"
        )
        for number in range(plan.processes)
    ]
    for process in working:
        process.start()
    wrong, kills = _kill_and_sample(plan, node, until)
    wrong += _ended(working)
    control_faults = control.faults()
    wrong += _idle(control, node)
    if (status := node.stop()) != 0:
        wrong.append(f"exit status {status} of the last daemon")
    wrong += _left(node)
    changes = [_change(record) for record in recorded(changed)]
    verdict = Judge(History([*changer.first_changes(), *changes]), node.outages).all(recorded(seen))
    memory, of_daemon = of_memory(node.samples, node.peaks)
    tracebacks = node.log.read_text().count("Traceback (most recent call last)")
    if tracebacks:
        wrong.append(f"{tracebacks} tracebacks in the log")
    return {
        "seed": plan.seed,
        "seconds": plan.seconds,
        "readers": plan.processes,
        "wrong": [*verdict.wrong, *of_daemon, *wrong],
        "bytes_verified": verdict.bytes_verified,
        "longest_read_seconds": round(verdict.longest_read_seconds, 2),
        "counts": dict(verdict.counts),
        "errors": dict(verdict.errors),
        "changes": len(changes),
        "kills": kills,
        "outages_seconds": [round(end - start, 2) for start, end in node.outages],
        "memory": memory,
        "faults": control_faults,
    }


def _change(record: dict[str, Any]) -> Change:
    return Change(record["key"], record["generation"], record["before"], record["after"])


def _kill_and_sample(plan: Plan, node: Node, until: float) -> tuple[list[str], dict[str, int]]:
    choose, kills, wrong = random.Random(plan.seed), {"kill -9": 0, "SIGTERM": 0}, list[str]()
    half, life = until - plan.seconds / 2, min(25.0, plan.seconds / 6)
    next_end = time.monotonic() + choose.uniform(0.3, 1) * life
    while (now := time.monotonic()) < until:
        if next_end <= now < half:
            if choose.random() < 0.75:
                kills["kill -9"] += 1
                node.kill()
            else:
                kills["SIGTERM"] += 1
                if (status := node.stop()) != 0:
                    wrong.append(f"exit status {status} after SIGTERM")
            node.start()
            next_end = time.monotonic() + choose.uniform(0.3, 1) * life
        if node.process.poll() is not None:
            raise RuntimeError(f"the daemon ended by itself: {node.log.read_text()[-3000:]}")
        node.sample()
        time.sleep(1)
    return wrong, kills


def _ended(working: Sequence[Any]) -> list[str]:
    wrong = []
    end = time.monotonic() + GRACE
    for process in working:
        process.join(max(0.1, end - time.monotonic()))
        if process.is_alive():
            wrong.append(f"{process.name} is stuck")
            process.kill()
        elif process.exitcode:
            wrong.append(f"{process.name} ended with {process.exitcode}")
    return wrong


def _idle(control: ControlUrl, node: Node) -> list[str]:
    """An idle mount sends no request at all, once what was being fetched ahead has come."""
    control.set_faults([])
    time.sleep(SETTLED)
    control.forget_traffic()
    time.sleep(IDLE)
    node.sample()
    traffic = control.traffic()
    return [f"an idle mount sent {dict(traffic.operations)}"] if traffic and traffic.requests else []


def _left(node: Node) -> list[str]:
    wrong = ["the mount is still there"] if is_mounted(node.mountpoint) else []
    return wrong + (["the socket is still there"] if (node.folder / "socket").exists() else [])


if __name__ == "__main__":
    sys.exit(main())

"""The second client: replaces, deletes and adds blobs underneath the mount, through azure-storage-blob, and records when."""

import random
import time
from pathlib import Path
from typing import Any

from bench.records import Records
from bench.soak.truth import ABSENT, Change, body

STABLE = ["stable/large.bin", *(f"stable/small/{number:03d}.bin" for number in range(150))]
STABLE += [f"stable/tree/{number // 20:02d}/{number % 20:02d}/é {number}.txt" for number in range(100)]
REPLACED = [f"big/{number}.bin" for number in range(4)] + [f"replaced/{number:03d}.bin" for number in range(60)]
COMING_AND_GOING = [f"churn/{number // 10:02d}/{number:03d}.bin" for number in range(60)]


def first_changes() -> list[Change]:
    """What is there before the start."""
    long_ago = float("-inf")
    return [Change(key, 1, long_ago, long_ago) for key in STABLE + REPLACED + COMING_AND_GOING[::2]]


class FirstBlobs:
    """What the emulator holds at the start."""

    def into(self, container: Any) -> None:
        for first in first_changes():
            container.put(first.key, body(first.key, first.generation))


def change(endpoint: str, key: str, container: str, seed: int, until: float, log: Path) -> None:
    """A few changes a second. The faults spare its requests, so that what it did is known for certain."""
    from azure.storage.blob import ContainerClient

    choose, records = random.Random(seed), Records(log)
    generations = {first.key: 1 for first in first_changes()}
    there = set(generations)
    with ContainerClient(endpoint, container, credential=key) as client:
        while time.monotonic() < until:
            time.sleep(choose.uniform(0.05, 0.4))
            name = choose.choice(REPLACED if choose.random() < 0.6 else COMING_AND_GOING)
            before = time.monotonic()
            if name in there and name in COMING_AND_GOING and choose.random() < 0.5:
                client.delete_blob(name)
                there.discard(name)
                generation = ABSENT
            else:
                generation = generations[name] = generations.get(name, 0) + 1
                client.upload_blob(name, body(name, generation), overwrite=True).close()
                there.add(name)
            records.add("change", key=name, generation=generation, before=before, after=time.monotonic())

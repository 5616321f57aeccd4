"""The emulator with the dataset in memory, in a process of its own; its first line is `listening on ENDPOINT`."""

import sys

from bench.dataset import Dataset
from mountd.emulator import Emulator

CONTAINER = "bench"


def main() -> None:
    with Emulator() as emulator:
        container = emulator.container(CONTAINER)
        for key, body in Dataset().objects():
            container.put(key, body)
        if len(sys.argv) > 1:
            emulator.faults.set(latency=float(sys.argv[1]) / 1e3)
        print(f"listening on {emulator.endpoint}", flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()

"""`python -m mountd.emulator` and `mountd emulator`: the emulator as a process.

The first line on standard output is `listening on ENDPOINT`, so that a parent can wait for it.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from .faults import Faults, fault
from .server import Emulator
from .state import DEFAULT_ACCOUNT, DEFAULT_KEY


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="mountd emulator",
        description="An embedded server of the Azure Blob REST dialect, for trying and testing. It is an emulator, and listens on loopback only.",
    )
    found.add_argument("--host", default="127.0.0.1", help="loopback address (default %(default)s)")
    found.add_argument("--port", type=int, default=10000, help="0 takes a free one (default %(default)s)")
    found.add_argument("--account", default=DEFAULT_ACCOUNT, help="account name (default %(default)s)")
    found.add_argument("--container", action="append", default=[], metavar="NAME", help="make this container; may be repeated")
    found.add_argument("--fault", action="append", default=[], metavar="kind=K,…", help="a fault rule; may be repeated")
    found.add_argument("--seed", type=int, default=0, help="seed of the faults' dice")
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Answers the exit status."""
    options = parser().parse_args(argv)
    try:
        rules = [fault(dict(pair.split("=", 1) for pair in text.split(","))) for text in options.fault]
        emulator = Emulator(
            options.account, DEFAULT_KEY, options.port, host=options.host, faults=Faults(*rules, seed=options.seed)
        )
    except (ValueError, OSError) as error:
        print(f"mountd emulator: {error}", file=sys.stderr)
        return 2
    for name in options.container:
        emulator.container(name)

    def stop(number: int, frame: FrameType | None) -> None:
        emulator.close()

    with emulator:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print(f"listening on {emulator.endpoint}", flush=True)
        emulator.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

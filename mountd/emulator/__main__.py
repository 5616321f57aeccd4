"""`python -m mountd.emulator` and `mountd emulator`: the emulator as a process.

The first line on standard output is `listening on ENDPOINT`, so that a parent can wait for it.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from .faults import Faults, fault
from .server import Emulator, EmulatorSettings
from .state import DEFAULT_ACCOUNT, DEFAULT_KEY


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="mountd emulator",
        description="An emulator of the Azure Blob REST dialect, for trying and testing. Loopback only.",
    )
    found.add_argument("--host", default="127.0.0.1", help="loopback address (default %(default)s)")
    found.add_argument("--port", type=int, default=10000, help="0 takes a free one (default %(default)s)")
    found.add_argument("--account", default=DEFAULT_ACCOUNT, help="account name (default %(default)s)")
    found.add_argument(
        "--key-file", type=Path, metavar="FILE", help="account key in Base64 (default: the well-known emulator key)"
    )
    found.add_argument(
        "--directory", type=Path, metavar="DIR", help="keep everything on disk here (default: in memory)"
    )
    found.add_argument(
        "--tls", action="store_true", help="serve https, with an authority of its own (named on the second line)"
    )
    found.add_argument(
        "--container", action="append", default=[], metavar="NAME", help="make this container; may be repeated"
    )
    found.add_argument("--fault", action="append", default=[], metavar="kind=K,…", help="a fault rule; may be repeated")
    found.add_argument("--seed", type=int, default=0, help="seed of the faults' dice")
    return found


def key(options: argparse.Namespace) -> str:
    return DEFAULT_KEY if options.key_file is None else str(options.key_file.read_text()).strip()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Answers the exit status."""
    options = parser().parse_args(argv)
    try:
        rules = [fault(dict(pair.split("=", 1) for pair in text.split(","))) for text in options.fault]
        settings = EmulatorSettings(options.host, Faults(*rules, seed=options.seed))
        emulator = Emulator(
            options.account, key(options), options.port, directory=options.directory, tls=options.tls, settings=settings
        )
    except (ValueError, OSError) as error:
        print(f"mountd emulator: {error}", file=sys.stderr)
        return 2
    for name in options.container:
        emulator.container(name)

    def stop(number: int, frame: FrameType | None) -> None:
        emulator.stop()

    print("mountd emulator: for trying and testing; nothing here is a cloud", file=sys.stderr)
    with emulator:
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        print(f"listening on {emulator.endpoint}", flush=True)
        if emulator.certificate_authority is not None:
            print(f"certificate authority {emulator.certificate_authority}", flush=True)
            print(f"instance metadata {emulator.metadata_endpoint}", flush=True)
        emulator.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())

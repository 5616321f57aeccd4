"""mountctl: the operator's command. Parses, asks the daemon, shows; every failure is one line that says what to do.

Starts in a quarter of a second at most, so that scripts may call it often: what a command does not need is not imported.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mountd.cli.ctl import exits

if TYPE_CHECKING:
    import argparse

    from mountd.errors import MountdError

COMPLETE = "__complete"


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code; see exits.py."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if given[:1] == [COMPLETE]:
            from mountd.cli.ctl.completion import complete

            return complete(given[1:])
        from mountd.cli.ctl.arguments import parser

        return _carry_out(parser().parse_args(given))
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has had enough; what Python still wants to flush at exit goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE


def _carry_out(options: "argparse.Namespace") -> int:
    from mountd.cli.ctl.output import Output
    from mountd.errors import MountdError

    module, function = options.work.split(":")
    try:
        from mountd.sdk.client import Client

        work = getattr(importlib.import_module(f"mountd.cli.ctl.{module}"), function)
        result: int | None = work(Client(options.socket), options, Output(options.json))
        return exits.OK if result is None else result
    except MountdError as error:
        return _failed(error, as_json=options.json)


def _failed(error: "MountdError", *, as_json: bool) -> int:
    if as_json:
        import json

        words = {"code": error.code, "message": error.sentence, "remedy": error.remedy, "request_id": error.request_id}
        print(json.dumps(words, ensure_ascii=False), file=sys.stderr)
    else:
        request = f" (request {error.request_id})" if error.request_id else ""
        print(f"mountctl: {error}{request}", file=sys.stderr)
    return exits.exit_code(error.code)


if __name__ == "__main__":
    sys.exit(main())

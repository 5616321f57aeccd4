"""Going to the background truthfully: the parent waits for the child's word, and its exit status is that word.

The fork happens before any thread exists and before anything heavy is imported. The pipe carries one line: empty for
success, else the sentence to print.
"""

import os
import signal
import sys
from collections.abc import Callable


class Parent:
    """The child's end of the pipe. `ready` or `failed` is said once; a child that dies unsaid is a failure by itself."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    def ready(self) -> None:
        """The mount is usable: the parent may exit 0, and the terminal is let go."""
        if self._descriptor is not None:
            self._say("\n")
            _let_go_of_terminal()

    def failed(self, sentence: str) -> bool:
        """True if a parent was waiting and will print it."""
        waiting = self._descriptor is not None
        if waiting:
            self._say(sentence + "\n")
        return waiting

    def _say(self, line: str) -> None:
        assert self._descriptor is not None
        os.write(self._descriptor, line.encode())
        os.close(self._descriptor)
        self._descriptor = None


def in_foreground() -> Parent:
    return Parent(None)


def in_background(child: Callable[[Parent], int]) -> int:
    """Runs `child` in a session of its own; gives the exit status the parent should have."""
    told, tell = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        os.setsid()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        status = 1
        try:
            status = child(Parent(tell))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(tell)
    try:
        with os.fdopen(told, encoding="utf-8") as pipe:
            word = pipe.read()
    except KeyboardInterrupt:
        # The child has a session of its own, where the terminal's Ctrl-C does not come.
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        raise
    if word == "\n":
        return 0
    print(word.strip() or "mountd: the daemon ended before the mount was usable.", file=sys.stderr)
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status) or 1


def _let_go_of_terminal() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.close(nothing)
    os.chdir("/")

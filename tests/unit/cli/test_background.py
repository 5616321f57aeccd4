"""Going to the background: what the parent says and leaves behind."""

import contextlib
import os
import select
import signal
import subprocess
import sys

CHILD_THAT_WAITS = """
import os, signal, sys
from mountd.cli.background import in_background

def child(parent):
    print(os.getpid(), flush=True)
    signal.pause()
    return 0

try:
    sys.exit(in_background(child))
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interrupted_wait_ends_the_child_too():
    """It is in a session of its own, where the terminal's Ctrl-C does not come: it would mount after all, unasked."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD_THAT_WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        assert run.stdout is not None
        child = os.pidfd_open(int(run.stdout.readline()))
        try:
            run.send_signal(signal.SIGINT)
            assert run.wait(20) == 130
            ended = select.poll()
            ended.register(child, select.POLLIN)
            assert ended.poll(0), "the child lives on"
        finally:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(child, signal.SIGKILL)
            os.close(child)

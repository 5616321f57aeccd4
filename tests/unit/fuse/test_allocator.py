"""The C library takes the thresholds, where it is glibc."""

import ctypes
import subprocess
import sys

import pytest


def test_glibc_takes_every_knob():
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("not glibc: there is nothing to set")
    program = "from mountd.fuse.allocator import keep_large_buffers as keep; raise SystemExit(0 if keep() else 1)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0

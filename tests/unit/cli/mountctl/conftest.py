"""mountctl runs in this process, against a real server in a thread of its own."""

import time

import pytest

from mountd.cli import mountctl
from tests.unit.control.served import running


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    with running(tmp_path, mountpoint="/mnt/mountd") as served:
        served.house.workspace.host.mark_mounted()
        monkeypatch.setenv("MOUNTD_SOCKET", str(served.socket))
        yield served


@pytest.fixture
def run(daemon, capsys):
    def carry_out(*words):
        code = mountctl.main(words)
        told = capsys.readouterr()
        return code, told.out, told.err

    return carry_out


@pytest.fixture
def data(daemon, run):
    assert run("datastore", "register", "data", "--kind", "memory", "--container", "c")[0] == 0
    daemon.do(daemon.house.put, "data", "in/a.txt", b"hello")

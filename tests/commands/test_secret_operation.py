"""The one operation that tells a secret serves root and the daemon alone; and the search for leaks finds what is planted."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mountd.sdk.transport import Transport
from tests.fixtures.daemons import Node
from tests.fixtures.registering import KEY_2, filled, register
from tests.fixtures.required import unavailable
from tests.fixtures.secrecy import Search, spellings

STRANGER = 65534  # nobody


ASKING = """
import http.client, json, os, socket, sys
os.setgroups([])
os.setgid(int(sys.argv[2]))
os.setuid(int(sys.argv[2]))
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])
for path in sys.argv[3:]:
    connection = Unix("mountd")
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        print(json.dumps([path, answer.status, answer.read().decode()]))
    except OSError as error:
        print(json.dumps([path, 0, type(error).__name__]))
"""


@pytest.fixture
def open_node(_fuse: None) -> Iterator[Node]:
    """A node whose folder others can enter, so that only the socket keeps them out."""
    if os.geteuid() != 0:
        unavailable("only root can ask as somebody else")
    with tempfile.TemporaryDirectory(prefix="mountd-test-") as folder:
        os.chmod(folder, 0o755)
        (Path(folder) / "mnt").mkdir()
        made = Node(Path(folder))
        yield made
        made.clean()


def stranger_asks(node: Node, *paths: str) -> dict[str, tuple[int, str]]:
    """As nobody. The interpreter becomes that itself: nobody may not be able to run it."""
    done = subprocess.run(
        [sys.executable, "-c", ASKING, str(node.socket), str(STRANGER), *paths],
        cwd="/", capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {path: (status, text) for path, status, text in map(json.loads, done.stdout.splitlines())}


SECRET = "/v1/datastores/data/credential"


@pytest.mark.fuse
@pytest.mark.parametrize(
    ("control", "allowed"),
    [
        ("", {"/v1/status": 0, "/v1/datastores": 0}),
        ("control: {status_for_others: true}\n", {"/v1/status": 200, "/v1/datastores": 403}),
        (f"control: {{group: '{STRANGER}'}}\n", {"/v1/status": 200, "/v1/datastores": 200}),
    ],
    ids=["others", "others that may see the status", "the group"],
)
def test_a_secret_is_told_to_root_and_the_daemon_alone(open_node, emulator, control, allowed) -> None:
    filled(emulator)
    open_node.serve(control)
    register(open_node, "data", emulator)
    answers = stranger_asks(open_node, *allowed, SECRET)
    search = Search({"key": emulator.key})
    search.look("what a stranger is told", json.dumps(answers))
    assert not search.found
    assert {path: answers[path][0] for path in allowed} == allowed
    if control:
        assert answers[SECRET][0] == 403
        assert json.loads(answers[SECRET][1])["code"] == "role_refused"
        assert f"uid {STRANGER}" in answers[SECRET][1]
    else:
        assert answers[SECRET] == (0, "PermissionError")
    told: Any = Transport(str(open_node.socket), 10.0).call("GET", SECRET)
    assert told["credential"]["account_key"] == emulator.key


@pytest.mark.parametrize("leak", sorted(spellings(KEY_2 * 2)) + ["signature", "token", "string"])
def test_the_search_finds_a_planted_leak(leak: str, tmp_path: Path) -> None:
    shaped = {
        "signature": b"GET /data?sv=1&sig=abcdefghijklmnop%2Bqrs%3D HTTP/1.1",
        "token": b"Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.x",
        "string": b"DefaultEndpointsProtocol=https;AccountKey=abc",
    }
    (tmp_path / "deep").mkdir()
    text = shaped.get(leak) or spellings(KEY_2 * 2)[leak]
    (tmp_path / "deep/database.db-wal").write_bytes(os.urandom(5000) + text + os.urandom(5000))
    search = Search({"key": KEY_2 * 2})
    search.below(tmp_path)
    assert search.found
    assert KEY_2 not in str(search.found)

"""The socket and its connections: peers, modes, stale and live sockets, HTTP, and clients that misbehave."""

import os
import socket
import stat
from pathlib import Path

import pytest
import trio
import trio.testing

from mountd.control import roles
from mountd.control.config import ControlConfig
from mountd.control.connection import Connection
from mountd.control.roles import SCOPE_KEY, Peer, Policy, Role
from mountd.control.server import Server
from mountd.control.sockets import bound, peer_of
from mountd.errors import AlreadyRunning, ConfigurationInvalid

PEER = Peer(1, 2, 3)


async def echo(scope, receive, send):
    """Answers the body, and who asked for what."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    content = f"{scope['method']} {scope['path']} {scope[SCOPE_KEY].uid} ".encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
    await send({"type": "http.response.body", "body": content})


async def endless(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})


async def failing(scope, receive, send):
    raise RuntimeError("a bug")


# The name in the directory ---------------------------------------------------------------------------------------


def listening(path):
    found = socket.socket(socket.AF_UNIX)
    found.bind(str(path))
    found.listen()
    return found


def test_the_socket_has_its_mode_while_it_is_there_and_is_gone_afterwards(tmp_path):
    path = tmp_path / "run" / "control.sock"
    with bound(path, 0o660, os.getegid()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert path.stat().st_gid == os.getegid()
        assert os.listdir(path.parent) == ["control.sock"]
    assert os.listdir(path.parent) == []


def test_a_dead_daemons_socket_is_replaced(tmp_path):
    path = tmp_path / "control.sock"
    listening(path).close()
    with bound(path, 0o660, os.getegid()), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_a_live_daemons_socket_is_refused_naming_its_pid(tmp_path):
    path = tmp_path / "control.sock"
    with listening(path), pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"), bound(path, 0o660, os.getegid()):
        pass
    assert os.listdir(tmp_path) == ["control.sock"]


def test_what_is_not_a_socket_is_left_alone(tmp_path):
    path = tmp_path / "control.sock"
    path.write_text("precious")
    with pytest.raises(ConfigurationInvalid, match="not a socket"), bound(path, 0o660, os.getegid()):
        pass
    assert path.read_text() == "precious"


def test_a_successors_socket_is_not_removed(tmp_path):
    path = tmp_path / "control.sock"
    with bound(path, 0o660, os.getegid()):
        path.unlink()
        successor = listening(path)
    assert path.exists()
    successor.close()


def test_a_path_longer_than_an_address_works(tmp_path):
    path = tmp_path / ("d" * 120) / "control.sock"
    with bound(path, 0o660, os.getegid()) as listener:
        assert listener.fileno() >= 0
        with pytest.raises(AlreadyRunning), bound(path, 0o660, os.getegid()):
            pass


def test_the_kernel_says_who_the_peer_is():
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        peer = peer_of(left)
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
    assert set(os.getgroups()) <= peer.groups | {peer.gid}


# Roles -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "role"),
    [
        (Peer(1, 0, 0), Role.OWNER),
        (Peer(1, 1000, 5), Role.OWNER),
        (Peer(1, 7, 2000), Role.ADMINISTRATOR),
        (Peer(1, 7, 8, frozenset({2000})), Role.ADMINISTRATOR),
        (Peer(1, 7, 8, frozenset({9})), Role.NOBODY),
    ],
)
def test_the_role_follows_uid_and_groups(peer, role):
    assert Policy(1000, 2000).role(peer) is role
    assert Policy(1000, 2000, status_for_others=True).role(peer) is max(role, Role.READER)


def test_a_group_is_a_name_or_a_number():
    assert roles.group_id("root") == 0
    assert roles.group_id("123") == 123
    assert roles.group_id("") == os.getegid()
    with pytest.raises(ConfigurationInvalid, match=r"control\.group"):
        roles.group_id("no-such-group")


# HTTP ------------------------------------------------------------------------------------------------------------


async def talk(application, request, config=None):
    """What comes back for these bytes, until the server hangs up."""
    near, far = trio.testing.memory_stream_pair()
    connection = Connection(application, far, PEER, config or ControlConfig())
    answered = b""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(connection.run)
        await near.send_all(request)
        with trio.move_on_after(1000):
            async for chunk in near:
                answered += chunk
        await near.aclose()
    return answered


class TestConnection:
    async def test_several_requests_on_one_connection(self, autojump_clock):
        answer = await talk(
            echo,
            b"GET /a%20b?c HTTP/1.1\r\nhost: x\r\n\r\n"
            b"POST /b HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello",
        )
        assert b"GET /a b 2 " in answer
        assert answer.endswith(b"POST /b 2 hello")

    async def test_a_chunked_body(self, autojump_clock):
        answer = await talk(
            echo,
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        )
        assert answer.endswith(b"abc")

    async def test_a_client_that_waits_for_100_continue(self, autojump_clock):
        answer = await talk(
            echo,
            b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi",
        )
        assert answer.endswith(b"hi")

    async def test_a_silent_client_is_hung_up_on(self, autojump_clock):
        assert await talk(echo, b"") == b""
        assert await talk(echo, b"GET / HT") == b""

    async def test_nonsense_is_refused_in_the_same_shape(self, autojump_clock):
        answer = await talk(echo, b"\x00\x01\x02 nonsense\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"code": "bad_request"' in answer

    async def test_a_body_beyond_the_limit_is_refused(self, autojump_clock):
        request = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n123456789"
        assert b"200" not in await talk(echo, request, ControlConfig(request_limit=8))

    async def test_a_client_that_stops_reading_is_hung_up_on(self, autojump_clock):
        """Hypercorn shields its sends: there, such a client would keep the daemon from ending."""
        near, far = trio.testing.lockstep_stream_pair()
        connection = Connection(endless, far, PEER, ControlConfig(idle_timeout=30.0))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run)
            await near.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await near.receive_some(1)
            began = trio.current_time()
        assert trio.current_time() - began <= 31

    async def test_a_bug_in_the_application_ends_its_connection_only(self, autojump_clock, caplog):
        assert await talk(failing, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n") == b""
        assert "a bug" in caplog.text


# The server ------------------------------------------------------------------------------------------------------


async def serve(nursery, path, application=echo, **config):
    server = Server(application, path, Policy(os.geteuid(), os.getegid()), ControlConfig(**config))
    await nursery.start(server.run)
    return server


async def ask(path: Path, request: bytes) -> bytes:
    stream = await trio.open_unix_socket(str(path))
    async with stream:
        await stream.send_all(request)
        return b"".join([chunk async for chunk in stream])


async def test_a_real_socket_gives_the_peers_credentials(tmp_path):
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        server = await serve(nursery, path)
        answer = await ask(path, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert answer.endswith(b"GET / %d " % os.geteuid())
        server.stop()
    assert not path.exists()


async def test_a_stop_waits_for_answers_in_progress_up_to_its_deadline(tmp_path, autojump_clock):
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        server = await serve(nursery, path, endless, drain_timeout=2.0, idle_timeout=1000.0)
        idle = await trio.open_unix_socket(str(path))
        stuck = await trio.open_unix_socket(str(path))
        await stuck.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked(0.01)
        began = trio.current_time()
        server.stop()
    assert trio.current_time() - began <= 3
    assert not path.exists()
    await idle.aclose()
    await stuck.aclose()


async def test_an_idle_connection_does_not_hold_up_a_stop(tmp_path, autojump_clock):
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        server = await serve(nursery, path, drain_timeout=100.0, idle_timeout=1000.0)
        idle = await trio.open_unix_socket(str(path))
        await trio.testing.wait_all_tasks_blocked(0.01)
        began = trio.current_time()
        server.stop()
    assert trio.current_time() - began < 1
    await idle.aclose()


async def test_too_many_connections_are_hung_up_on(tmp_path):
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        server = await serve(nursery, path, connections=1)
        first = await trio.open_unix_socket(str(path))
        await first.send_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        assert await first.receive_some()
        second = await trio.open_unix_socket(str(path))
        assert await second.receive_some() == b""
        await second.aclose()
        await first.aclose()
        server.stop()


@pytest.mark.parametrize(("for_others", "mode"), [(False, 0o660), (True, 0o666)])
async def test_others_may_connect_only_where_they_may_see_status(tmp_path, for_others, mode):
    path = tmp_path / "control.sock"
    async with trio.open_nursery() as nursery:
        rules = Policy(os.geteuid(), os.getegid(), for_others)
        server = Server(echo, path, rules, ControlConfig())
        await nursery.start(server.run)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        server.stop()

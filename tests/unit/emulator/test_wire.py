"""HTTP on the socket: bodies in every form, names as they are sent, connections kept and closed."""

import socket
import ssl
import struct
from collections.abc import Iterator

import pytest

from mountd.emulator import Emulator, EmulatorSettings
from mountd.emulator.wire import Chunks


@pytest.fixture
def public(emulator: Emulator) -> Emulator:
    emulator.container("data").state.public = "container"
    return emulator


@pytest.fixture
def sock(public: Emulator) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", public.port), timeout=5) as sock:
        yield sock


def answer(sock: socket.socket, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
    """One response, read by its Content-Length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, rest = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    length = int(headers.get("content-length", 0)) if body else 0
    while len(rest) < length:
        rest += _more(sock)
    assert len(rest) == length
    return int(lines[0].split()[1]), headers, rest


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    assert data, "the connection was closed"
    return data


NAMES = (
    ("a//b", "a//b"),
    ("//lead", "//lead"),
    ("a/./b", "a/./b"),
    ("a/../b", "a/../b"),
    ("../../up", "../../up"),
    ("per%25cent", "per%cent"),
    ("q%3Fm", "q?m"),
    ("h%23h", "h#h"),
    ("a+b", "a+b"),
    ("back%5Cslash", "back\\slash"),
    ("e%CC%81", "e\u0301"),
    ("%C3%A9", "\u00e9"),
    ("dir/", "dir/"),
    ("dot.", "dot."),
    ("%F0%9F%98%80" * 256, "\U0001f600" * 256),
)


@pytest.mark.parametrize(("sent", "key"), NAMES)
def test_a_name_is_what_was_sent(public: Emulator, sock: socket.socket, sent: str, key: str) -> None:
    path = f"/{public.account}/data/{sent}?{public.sas('data', 'cw')}"
    sock.sendall(
        f"PUT {path} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\nContent-Length: 3\r\n\r\nabc".encode()
    )
    assert answer(sock)[0] == 201
    assert public.container("data").keys() == [key]
    sock.sendall(f"GET /{public.account}/data/{sent} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer(sock)[2] == b"abc"


def test_names_that_xml_cannot_hold_are_listed_encoded(public: Emulator, sock: socket.socket) -> None:
    public.container("data").put("a\x01b", b"")
    sock.sendall(f"GET /{public.account}/data?restype=container&comp=list HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert b'<Name Encoded="true">a%01b</Name>' in answer(sock)[2]


def test_a_name_that_is_not_utf8_is_refused(public: Emulator, sock: socket.socket) -> None:
    sock.sendall(f"GET /{public.account}/data/%FF HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    status, headers, _ = answer(sock)
    assert (status, headers["x-ms-error-code"]) == (400, "invaliduri")


def put(emulator: Emulator, extra: str) -> bytes:
    path = f"/{emulator.account}/data/x?{emulator.sas('data', 'cw')}"
    return f"PUT {path} HTTP/1.1\r\nHost: x\r\nx-ms-blob-type: BlockBlob\r\n{extra}\r\n\r\n".encode()


def test_a_chunked_body(public: Emulator, sock: socket.socket) -> None:
    sock.sendall(put(public, "Transfer-Encoding: chunked"))
    body = bytes(range(256)) * 2000
    for start in range(0, len(body), 100_000):
        piece = body[start : start + 100_000]
        sock.sendall(f"{len(piece):X};note=1\r\n".encode() + piece + b"\r\n")
    sock.sendall(b"0\r\n\r\n")
    assert answer(sock)[0] == 201
    assert public.container("data").get("x") == body


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100])
def test_chunks_come_together_however_they_are_cut(step: int) -> None:
    text = b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"
    chunks, waiting, done = Chunks(), b"", False
    for start in range(0, len(text), step):
        waiting += text[start : start + step]
        used, done = chunks.feed(memoryview(waiting))
        waiting = waiting[used:]
    assert done
    assert bytes(chunks.data) == b"abc0123456789"


def test_a_client_that_waits_for_100_continue(public: Emulator, sock: socket.socket) -> None:
    sock.sendall(put(public, "Content-Length: 3\r\nExpect: 100-continue"))
    assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    sock.sendall(b"abc")
    assert answer(sock)[0] == 201


def test_pipelined_requests_are_answered_in_order(public: Emulator, sock: socket.socket) -> None:
    for number in range(3):
        public.container("data").put(f"{number}", bytes([number]) * 600_000)
    sock.sendall(b"".join(f"GET /{public.account}/data/{n} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for n in range(3)))
    received = b""
    while len(received) < 1_800_000:
        received += _more(sock)
    places = [received.find(bytes([number]) * 600_000) for number in range(3)]
    assert places == sorted(places)
    assert -1 not in places


def test_a_large_body_both_ways(public: Emulator, sock: socket.socket) -> None:
    body = bytes(range(251)) * 100_000
    sock.sendall(put(public, f"Content-Length: {len(body)}") + body)
    assert answer(sock)[0] == 201
    sock.sendall(f"GET /{public.account}/data/x HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert answer(sock)[2] == body


def test_connection_close_is_heeded(public: Emulator, sock: socket.socket) -> None:
    sock.sendall(f"GET /{public.account}/data/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    status, headers, _ = answer(sock)
    assert (status, headers["connection"]) == (404, "close")
    assert sock.recv(10) == b""


@pytest.mark.parametrize("nonsense", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"x" * 65_536])
def test_nonsense_is_refused_and_closed(public: Emulator, sock: socket.socket, nonsense: bytes) -> None:
    sock.sendall(nonsense)
    assert answer(sock)[0] in {400, 431}
    assert sock.recv(10) == b""


def test_a_pattern_fills_a_blob_of_any_size(public: Emulator, sock: socket.socket) -> None:
    public.container("data").fill("x", bytes(range(251)) * 4000, 5 << 30)
    start = (4 << 30) + 12_345
    words = f"Host: x\r\nRange: bytes={start}-{start + 999_999}"
    sock.sendall(f"GET /{public.account}/data/x HTTP/1.1\r\n{words}\r\n\r\n".encode())
    status, headers, body = answer(sock)
    assert (status, headers["content-range"]) == (206, f"bytes {start}-{start + 999_999}/{5 << 30}")
    assert body == (bytes(range(251)) * 4000)[start % 251 :][:251] * 3984 + (bytes(range(251)) * 2)[start % 251 :][:16]


@pytest.mark.parametrize("line", ["x-ms-structured-body: XSM/1.0; properties=crc64", "x-ms-encryption-key: a2V5"])
def test_what_is_not_emulated_is_refused(public: Emulator, sock: socket.socket, line: str) -> None:
    public.container("data").put("x", b"1")
    sock.sendall(f"GET /{public.account}/data/x HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode())
    assert answer(sock)[1]["x-ms-error-code"] == "unsupportedheader"


def test_it_names_itself_an_emulator(public: Emulator, sock: socket.socket) -> None:
    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "emulator" in answer(sock)[1]["server"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.com"])
def test_it_refuses_to_listen_elsewhere_than_on_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        Emulator(settings=EmulatorSettings(host=host))


def test_a_body_over_tls(tls_emulator: Emulator) -> None:
    container = tls_emulator.container("data")
    container.state.public = "container"
    body = bytes(range(256)) * 20_000
    container.put("x", body)
    context = ssl.create_default_context(cafile=tls_emulator.certificate_authority)
    with (
        socket.create_connection(("127.0.0.1", tls_emulator.port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="localhost") as sock,
    ):
        sock.sendall(f"GET /{tls_emulator.account}/data/x HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert answer(sock)[2] == body


def test_a_client_that_leaves_inside_a_body_is_no_reason_for_warnings(emulator, caplog):
    container = emulator.container("c")
    container.fill("big", bytes(1 << 20), 256 << 20)
    target = f"/{emulator.account}/c/big?{emulator.sas('c')}"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", emulator.port)) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert client.recv(1000)
    with socket.create_connection(("127.0.0.1", emulator.port)) as client:  # it has seen the others leave by now
        client.sendall(f"HEAD {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert "raised exception" not in caplog.text

"""Faults: the client sees exactly what was asked for, as often as was asked for, the same for the same seed."""

import http.client
import json
import socket
import time
from collections.abc import Iterator

import pytest

from mountd.emulator import Emulator, Fault, Faults
from mountd.emulator.faults import fault

PATH = "/devstoreaccount1/data/x"


@pytest.fixture
def public(emulator: Emulator) -> Emulator:
    container = emulator.container("data")
    container.state.public = "container"
    container.put("x", bytes(range(256)) * 4096)
    return emulator


@pytest.fixture
def connection(public: Emulator) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", public.port, timeout=5)
    yield connection
    connection.close()


def status(connection: http.client.HTTPConnection, path: str = PATH) -> int:
    connection.request("GET", path)
    response = connection.getresponse()
    response.read()
    return response.status


def test_busy_says_when_to_come_back(public: Emulator, connection: http.client.HTTPConnection) -> None:
    public.faults.set(Fault("busy", operations=("GetBlob",), retry_after=2, count=1))
    connection.request("GET", PATH)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 503
    assert response.getheader("Retry-After") == "2"
    assert response.getheader("x-ms-error-code") == "ServerBusy"
    assert b"<Code>ServerBusy</Code>" in body
    assert status(connection) == 200


def test_a_reset_before_acts_not_and_a_reset_after_does(public: Emulator) -> None:
    for kind, exists in (("reset_before", False), ("reset_after", True)):
        public.faults.set(Fault(kind, operations=("PutBlob",)))
        with pytest.raises(OSError):
            _put(public, kind)
        assert (kind in public.container("data").keys()) is exists  # noqa: SIM118  a list of keys


def _put(emulator: Emulator, key: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=5)
    try:
        path = f"/devstoreaccount1/data/{key}?{emulator.sas('data', 'w')}"
        connection.request("PUT", path, b"x", {"x-ms-blob-type": "BlockBlob"})
        connection.getresponse().read()
    finally:
        connection.close()


def test_a_truncated_body_is_short_of_its_length(public: Emulator, connection: http.client.HTTPConnection) -> None:
    public.faults.set(Fault("truncate", after_bytes=1000, count=1))
    connection.request("GET", PATH)
    response = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert len(caught.value.partial) == 1000
    assert response.getheader("Content-Length") == str(1 << 20)


def test_a_stall_sends_some_and_then_nothing(public: Emulator) -> None:
    public.faults.set(Fault("stall", after_bytes=10))
    with socket.create_connection(("127.0.0.1", public.port), timeout=0.3) as sock:
        sock.sendall(f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = sock.recv(65536)
        while not received.partition(b"\r\n\r\n")[2].endswith(b"\x09"):
            received += sock.recv(65536)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert received.partition(b"\r\n\r\n")[2] == bytes(range(10))


def test_a_corrupted_body_differs_in_one_byte(public: Emulator, connection: http.client.HTTPConnection) -> None:
    public.faults.set(Fault("corrupt", after_bytes=5))
    connection.request("GET", PATH)
    body = connection.getresponse().read()
    right = bytes(range(256)) * 4096
    assert [index for index in range(len(right)) if body[index] != right[index]] == [5]


def test_expired_credentials_fail_as_the_service_s_do(public: Emulator, connection: http.client.HTTPConnection) -> None:
    public.faults.set(Fault("expired"))
    connection.request("GET", PATH)
    response = connection.getresponse()
    assert (response.status, response.getheader("x-ms-error-code")) == (403, "AuthenticationFailed")
    assert b"Signature not valid in the specified time frame" in response.read()


def test_latency_and_bandwidth_take_time(public: Emulator, connection: http.client.HTTPConnection) -> None:
    public.faults.set(Fault("latency", seconds=0.05), Fault("bandwidth", bytes_per_second=10 << 20))
    start = time.perf_counter()
    assert status(connection) == 200
    assert time.perf_counter() - start >= 0.05 + 0.09


def test_a_small_answer_takes_the_latency_and_no_more(public: Emulator, connection: http.client.HTTPConnection) -> None:
    """The body does not wait until the client has acknowledged the head, which takes 40 ms."""
    public.container("data").put("x", bytes(20_000))
    public.faults.set(Fault("latency", seconds=0.005))
    times = []
    for _ in range(9):
        start = time.perf_counter()
        assert status(connection) == 200
        times.append(time.perf_counter() - start)
    assert sorted(times)[4] < 0.03


def test_a_rule_concerns_its_operation_container_and_key(
    public: Emulator, connection: http.client.HTTPConnection
) -> None:
    public.container("data").put("y", b"")
    public.faults.set(Fault("busy", operations=("GetBlob",), container="data", key="x"))
    assert status(connection) == 503
    assert status(connection, "/devstoreaccount1/data/y") == 200
    assert status(connection, "/devstoreaccount1/data?restype=container&comp=list") == 200


def test_skip_and_count_make_a_window(public: Emulator, connection: http.client.HTTPConnection) -> None:
    public.faults.set(Fault("busy", skip=2, count=2))
    assert [status(connection) for _ in range(6)] == [200, 200, 503, 503, 200, 200]
    assert public.faults.happened() == [2]


def test_the_same_seed_gives_the_same_faults(public: Emulator, connection: http.client.HTTPConnection) -> None:
    def run(seed: int) -> list[int]:
        public.faults.set(Fault("busy", probability=0.3), seed=seed)
        return [status(connection) for _ in range(40)]

    first = run(7)
    assert first == run(7)
    assert first != run(8)
    assert 4 <= first.count(503) <= 20


def test_faults_are_set_and_shown_at_run_time(public: Emulator, connection: http.client.HTTPConnection) -> None:
    rules = {"seed": 1, "faults": [{"kind": "busy", "operations": ["GetBlob"], "count": 1}]}
    connection.request("PUT", "/__emulator/faults", json.dumps(rules))
    shown = json.loads(connection.getresponse().read())
    assert shown["faults"][0]["kind"] == "busy"
    assert [status(connection), status(connection)] == [503, 200]
    connection.request("DELETE", "/__emulator/faults")
    assert json.loads(connection.getresponse().read()) == {"faults": []}


def test_a_rule_that_is_none_is_refused(public: Emulator, connection: http.client.HTTPConnection) -> None:
    connection.request("PUT", "/__emulator/faults", json.dumps({"faults": [{"kind": "earthquake"}]}))
    response = connection.getresponse()
    assert response.status == 400
    assert "earthquake" in json.loads(response.read())["error"]


def test_requests_are_counted(public: Emulator, connection: http.client.HTTPConnection) -> None:
    status(connection)
    status(connection, "/devstoreaccount1/data/none")
    connection.request("GET", "/__emulator/requests")
    shown = json.loads(connection.getresponse().read())
    assert shown["operations"] == {"GetBlob": 2}
    assert [(entry["key"], entry["status"]) for entry in shown["last"]] == [("x", 200), ("none", 404)]
    assert public.requests.count("GetBlob") == 2
    assert public.requests.sent() > 1 << 20
    public.requests.clear()
    assert len(public.requests) == 0


def test_a_rule_in_words() -> None:
    words = {"kind": "busy", "operations": "GetBlob+ListBlobs", "probability": "0.5", "retry_after": "1"}
    assert fault(words) == Fault("busy", ("GetBlob", "ListBlobs"), 0.5, retry_after=1.0)
    for wrong in (
        {"kind": "busy", "colour": "red"},
        {},
        {"kind": "busy", "probability": "2"},
        {"kind": "busy", "code": "X"},
    ):
        with pytest.raises(ValueError):
            fault(wrong)


def test_dice_are_thrown_for_matching_requests_only() -> None:
    faults = Faults(Fault("busy", operations=("GetBlob",), probability=0.5), seed=3)
    alone = [faults.draw("GetBlob", "c", "k").failure is not None for _ in range(50)]
    faults.set(Fault("busy", operations=("GetBlob",), probability=0.5), seed=3)
    mixed = []
    for _ in range(50):
        faults.draw("ListBlobs", "c", "")
        mixed.append(faults.draw("GetBlob", "c", "k").failure is not None)
    assert alone == mixed

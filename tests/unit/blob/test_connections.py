"""Reads that are begun without a task: over the loop's own connections, each in one request, and what becomes of bad answers."""

import socket
from collections.abc import Callable
from typing import NoReturn

import pytest
import trio

from mountd.definitions import AccountKey, SasToken, Secret
from mountd.emulator import Emulator
from mountd.errors import Corrupt, NotFound, PreconditionFailed, StoreError, Throttled, Unavailable
from mountd.stores.blob.connection import Connection
from mountd.stores.blob.connections import LARGEST_SEALED
from mountd.stores.blob.ranged import parsed
from mountd.stores.blob.store import BlobStore
from mountd.types import Buffer, Version
from tests.unit.blob.conftest import STALL, Wire, on_emulator, opened, ranged

DATA = bytes(range(256)) * 64
WHOLE = Version("k", "v1", len(DATA), 0)


class Answer:
    """What becomes of one read that was begun."""

    def __init__(self, store: BlobStore, version: Version, start: int, stop: int) -> None:
        self.here = trio.Event()
        self.moved = trio.Event()
        self.heard = 0
        self.data: Buffer | None = None
        self.error: BaseException | None = None
        self.asked = store.begin(version, start, stop, self._landed, self)

    def _landed(self, data: Buffer | None, error: BaseException | None) -> None:
        self.heard += 1
        self.data, self.error = data, error
        self.here.set()

    def progress_made(self) -> None:
        self.moved.set()

    def progress_kept(self) -> None:
        """Nothing is kept here."""

    async def bytes(self) -> bytes:
        with trio.fail_after(10):
            await self.here.wait()
        assert self.heard == 1
        if self.error is not None:
            raise self.error
        assert self.data is not None
        return bytes(self.data)


def no_threads(store: BlobStore) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a thread was to read")

    store._objects.read = refuse  # type: ignore[method-assign]


async def until(true: Callable[[], bool]) -> None:
    with trio.fail_after(5):
        while not true():  # noqa: ASYNC110  a socket's end is no event of trio's
            await trio.sleep(0.01)


async def begun(store: BlobStore, start: int = 0, stop: int = len(DATA), version: Version = WHOLE) -> bytes:
    return await Answer(store, version, start, stop).bytes()


async def on(emulator: Emulator, store: BlobStore, key: str = "file", data: bytes = DATA) -> Version:
    emulator.container("data").put(key, data)
    return (await store.stat(key)).version


@pytest.mark.parametrize("server", ["emulator", "tls_emulator"])
@pytest.mark.parametrize("kind", ["key", "sas"])
async def test_a_small_read_is_one_request_of_the_loop(request: pytest.FixtureRequest, server: str, kind: str) -> None:
    emulator: Emulator = request.getfixturevalue(server)
    credential = AccountKey(Secret(emulator.key)) if kind == "key" else SasToken(Secret(emulator.sas("data")))
    ca = str(emulator.certificate_authority) if server == "tls_emulator" else ""
    async with opened(on_emulator(emulator, credential=credential), ca_file=ca) as store:
        no_threads(store)
        version = await on(emulator, store)
        for start in range(0, 9000, 1000):
            assert await begun(store, start, start + 1000, version) == DATA[start : start + 1000]
        assert store._connections.open == 1  # used again and again


async def test_a_sas_with_characters_that_no_request_may_have(emulator: Emulator) -> None:
    credential = SasToken(Secret(emulator.sas("data") + "&note=\u00fc b\r\nX: y#"))
    async with opened(on_emulator(emulator, credential=credential)) as store:
        no_threads(store)
        version = await on(emulator, store)
        assert await begun(store, 5, 105, version) == DATA[5:105]


@pytest.mark.parametrize("key", ["a b", "a//b", "/x", "x/", "a/../b/./c", "%2E", "q?a=b#c+d&e", "é\\"])
async def test_every_key_is_read_as_it_is(emulator: Emulator, key: str) -> None:
    async with opened(on_emulator(emulator)) as store:
        no_threads(store)
        version = await on(emulator, store, key)
        assert await begun(store, 5, 105, version) == DATA[5:105]


async def test_many_at_once_and_a_large_one(emulator: Emulator) -> None:
    large = DATA * 256
    async with opened(on_emulator(emulator)) as store:
        no_threads(store)
        version = await on(emulator, store, data=large)
        answers = [Answer(store, version, start, start + 100_000) for start in range(0, 3_000_000, 100_000)]
        whole = Answer(store, version, 0, len(large))
        for number, answer in enumerate(answers):
            assert await answer.bytes() == large[number * 100_000 : (number + 1) * 100_000]
        assert await whole.bytes() == large


async def test_through_tls_large_ranges_are_left_to_threads(tls_emulator: Emulator) -> None:
    async with opened(on_emulator(tls_emulator), ca_file=str(tls_emulator.certificate_authority)) as store:
        version = await on(tls_emulator, store, data=DATA * 64)
        assert await begun(store, 0, LARGEST_SEALED + 1, version) == (DATA * 64)[: LARGEST_SEALED + 1]
        assert store._connections.open == 0
        assert await begun(store, 0, LARGEST_SEALED, version) == (DATA * 64)[:LARGEST_SEALED]
        assert store._connections.open == 1


async def test_a_kept_connection_that_the_service_closed_is_no_failure(emulator: Emulator) -> None:
    async with opened(on_emulator(emulator)) as store:
        no_threads(store)
        version = await on(emulator, store)
        await begun(store, 0, 10, version)
        (connection,) = store._connections._idle
        connection.socket.shutdown(socket.SHUT_RDWR)
        assert await begun(store, 5, 105, version) == DATA[5:105]
        assert store._connections._idle[0] is not connection


async def test_an_idle_connection_that_the_service_closes_disturbs_nobody(
    wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    half = ranged(DATA, sent=5000)
    wire.answers = [lambda head: half(head) + STALL, ranged(DATA)]
    async with opened(wire.definition) as store:
        other = Answer(store, WHOLE, 0, 9000)
        await other.moved.wait()
        assert await begun(store, 0, 10) == DATA[:10]  # and then this server closes the connection
        await until(lambda: store._connections.open == 1)
        assert not other.heard
        assert "unexpected" not in caplog.text


async def test_bytes_that_nobody_asked_for_end_an_idle_connection(wire: Wire) -> None:
    answer = ranged(DATA)
    wire.answers = [lambda head: answer(head) + STALL, ranged(DATA)]
    async with opened(wire.definition) as store:
        assert await begun(store, 0, 10) == DATA[:10]
        await until(lambda: not store._connections.open)


async def test_a_connection_that_nobody_wants_any_more_is_kept_and_heard(emulator: Emulator) -> None:
    async with opened(on_emulator(emulator)) as store:
        no_threads(store)
        version = await on(emulator, store)
        for heard in (True, False):
            Answer(store, version, 0, 10).asked.leave()
            await until(lambda: bool(store._connections._idle))
            store._connections._idle[0].socket.shutdown(socket.SHUT_RDWR)
            await until(lambda: not (heard and store._connections.open))  # noqa: B023  called within this turn
        assert await begun(store, 5, 105, version) == DATA[5:105]


async def test_a_connection_that_cannot_be_watched_fails_who_wanted_it(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more() -> NoReturn:
        raise OSError(24, "Too many open files")

    wire.answers = [ranged(DATA)]
    async with opened(wire.definition) as store:
        with monkeypatch.context() as patched:
            patched.setattr("mountd.stores.blob.connections.select.epoll", no_more)
            with pytest.raises(Unavailable):
                await begun(store, 0, 10)
        assert await begun(store, 0, 10) == DATA[:10]


async def test_a_new_connection_that_is_closed_is_a_failure_at_once(wire: Wire) -> None:
    wire.answers = [b""]
    async with opened(wire.definition) as store:
        with pytest.raises(Unavailable):
            await begun(store)
    assert len(wire.heads) == 1


async def test_nobody_there(wire: Wire) -> None:
    async with opened(wire.definition) as store:
        store._connections._connect = _refused  # type: ignore[method-assign]
        with pytest.raises(Unavailable, match="no such luck"):
            await begun(store)


def _refused(*_: object) -> NoReturn:
    raise Unavailable("no such luck")


async def test_a_body_cut_short_keeps_what_came(wire: Wire) -> None:
    wire.answers = [ranged(DATA, sent=1000)]
    async with opened(wire.definition) as store:
        with pytest.raises(Unavailable) as caught:
            await begun(store, 100, 9000)
    assert bytes(caught.value.received) == DATA[100:1100]
    assert len(wire.heads) == 1


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"503 Busy\r\nx-ms-error-code: ServerBusy\r\nRetry-After: 7\r\n", Throttled),
        (b"412 No\r\nx-ms-error-code: ConditionNotMet\r\n", PreconditionFailed),
        (b"404 No\r\nx-ms-error-code: BlobNotFound\r\n", NotFound),
    ],
)
async def test_a_refusal_is_named_with_its_request_id_in_one_request(
    wire: Wire, answer: bytes, kind: type[StoreError]
) -> None:
    wire.answers = [b"HTTP/1.1 " + answer + b"x-ms-request-id: r1\r\nContent-Length: 5\r\n\r\nhello"]
    async with opened(wire.definition) as store:
        no_threads(store)
        with pytest.raises(kind) as caught:
            await begun(store)
    assert caught.value.request_id == "r1"
    assert caught.value.retry_after == (7.0 if kind is Throttled else None)
    assert len(wire.heads) == 1


@pytest.mark.parametrize(
    "answer",
    [
        ranged(DATA, etag="v2"),
        ranged(DATA, size=len(DATA) + 1),
        b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(DATA) + DATA,
    ],
)
async def test_another_answer_is_never_taken_for_the_bytes(
    wire: Wire, answer: bytes | Callable[[bytes], bytes]
) -> None:
    wire.answers = [answer]
    async with opened(wire.definition) as store:
        with pytest.raises(Corrupt):
            await begun(store, 0, 10)
    assert len(wire.heads) > 1  # the REST client has asked, and named it


async def test_an_answer_in_chunks_or_no_answer_at_all_is_asked_for_otherwise(wire: Wire) -> None:
    chunked = (
        b'HTTP/1.1 206 P\r\nETag: "v1"\r\nContent-Range: bytes 0-9/%d\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n'
        % len(DATA)
    )
    for odd in (chunked + DATA[:10] + b"\r\n0\r\n\r\n", b"SSH-2.0-OpenSSH\r\n\r\n"):
        wire.answers = [odd, ranged(DATA)]
        async with opened(wire.definition) as store:
            assert await begun(store, 0, 10) == DATA[:10]


async def test_a_401_is_left_to_who_can_renew_a_token(wire: Wire) -> None:
    wire.answers = [b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", ranged(DATA)]
    async with opened(wire.definition) as store:
        assert await begun(store, 0, 10) == DATA[:10]


async def test_a_token_that_must_be_asked_for_is_no_work_for_the_loop(wire: Wire) -> None:
    async with opened(wire.definition) as store:
        assert store._connections.take(10)
        store._rest.signer.at_hand = False  # type: ignore[misc]
        assert not store._connections.take(10)


async def test_a_token_that_runs_out_while_a_read_waits_is_asked_for_in_a_thread(emulator: Emulator) -> None:
    async with opened(on_emulator(emulator)) as store:
        version = await on(emulator, store)
        answer = Answer(store, version, 0, 10)
        store._rest.signer.at_hand = False  # type: ignore[misc]
        store._connections._written = _refused  # type: ignore[assignment]
        assert await answer.bytes() == DATA[:10]


async def test_a_proxy_and_checksums_are_for_threads(wire: Wire) -> None:
    async with opened(wire.definition, proxy="http://127.0.0.1:1") as store:
        assert not store._connections.take(10)
    async with opened(wire.definition, block_checksums=True) as store:
        assert not store._connections.take(10)


async def test_who_leaves_hears_nothing_and_the_next_is_served(wire: Wire) -> None:
    half = ranged(DATA, sent=5000)
    wire.answers = [lambda head: half(head) + STALL, ranged(DATA)]
    async with opened(wire.definition) as store:
        left = Answer(store, WHOLE, 0, 9000)
        await left.moved.wait()
        left.asked.leave()
        left.asked.leave()
        assert store._connections.open == 0
        assert await begun(store, 0, 9000) == DATA[:9000]
        assert not left.heard


async def test_who_leaves_before_there_is_a_connection(wire: Wire) -> None:
    wire.answers = [ranged(DATA)]
    async with opened(wire.definition) as store:
        left = Answer(store, WHOLE, 0, 10)
        left.asked.leave()
        assert await begun(store, 0, 10) == DATA[:10]
        assert not left.heard


async def test_closing_fails_what_is_under_way_and_ends_the_task(wire: Wire) -> None:
    wire.answers = [b"HTTP/1.1 206 Partial Content\r\n" + STALL]
    async with opened(wire.definition) as store:
        answer = Answer(store, WHOLE, 0, 10)
        await answer.moved.wait()
    with pytest.raises(Unavailable, match="closed"):
        await answer.bytes()
    with pytest.raises(Unavailable, match="closed"):
        await begun(store)


async def test_a_bug_while_hearing_fails_the_reads_and_not_the_daemon(
    wire: Wire, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(_: object) -> NoReturn:
        raise ZeroDivisionError

    wire.answers = [ranged(DATA)]
    async with opened(wire.definition) as store:
        with monkeypatch.context() as patched:
            patched.setattr(Connection, "hear", bug)
            with pytest.raises(Unavailable):
                await begun(store, 0, 10)
        assert "unexpected" in caplog.text
        assert await begun(store, 0, 10) == DATA[:10]  # and the next is served


def test_heads() -> None:
    head = parsed(b'HTTP/1.1 206 P\r\nETAG: "A"\r\ncontent-length:  7 \r\nContent-Range: bytes 0-6/7\r\nX: y')
    assert head is not None
    assert (head.status, head.length, head.last) == (206, 7, False)
    assert head.headers["etag"] == '"A"'
    assert parsed(b"HTTP/1.1 206 P\r\nContent-Length: 7\r\nContent-Length: 8") is None
    assert parsed(b"HTTP/1.1 503 P\r\nContent-Length: 7\r\nContent-Length: 8") is None
    assert parsed(b"SSH-2.0-OpenSSH") is None
    for last in (b"HTTP/1.1 206 P\r\nConnection: Close", b"HTTP/1.0 206 P\r\nContent-Length: 1"):
        head = parsed(last)
        assert head is not None
        assert head.last
    for length in (b"-1", b"1e3", b"\xb2", b"+7"):
        head = parsed(b"HTTP/1.1 206 P\r\nContent-Length: " + length)
        assert head is not None
        assert head.length == -1

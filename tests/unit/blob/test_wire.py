"""What goes on the wire, and what a broken answer becomes: against a server that says exactly what a test wants."""

import socket
import time

import pytest
import trio

from mountd.errors import Corrupt, StoreError, StoreTimeout, Unavailable
from mountd.stores.blob.objects import exact_in_obstore
from mountd.types import Version
from tests.unit.blob.conftest import STALL, Wire, opened, ranged

DATA = bytes(range(256)) * 64
WHOLE = Version("k", "v1", len(DATA), 0)
AWKWARD = Version("a//k", "v1", len(DATA), 0)


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("a/b c", "a/b%20c"),
        ("a//b", "a//b"),
        ("/x", "/x"),
        ("x/", "x/"),
        (".", "%2E"),
        ("a/../b/./c", "a/%2E%2E/b/%2E/c"),
        ("a..b/.c/...", "a..b/.c/..."),
        ("%2E", "%252E"),
        ("q?a=b#c+d&e", "q%3Fa%3Db%23c%2Bd%26e"),
        ("\u00e9\\\n", "%C3%A9%5C%0A"),
    ],
)
async def test_a_key_reaches_the_wire_as_it_is(wire: Wire, key: str, path: str) -> None:
    wire.answers = [ranged(DATA)]
    async with opened(wire.definition) as store:
        await store._threads.run(lambda: store._rest.read_into(Version(key, "v1", len(DATA), 0), 0, _view(3), _nothing))
        assert wire.targets()[-1] == f"/acct/c/{path}"


def _view(size: int) -> memoryview:
    return memoryview(bytearray(size))


def _nothing() -> None:
    """Nobody listens to this progress."""


@pytest.mark.parametrize("key", ["plain", "a b", "a%20b", "dot.", "...", "a/.b", "e\u0301", "q?#+", "k" * 1024])
def test_these_names_go_through_obstore(key: str) -> None:
    assert exact_in_obstore(key)


@pytest.mark.parametrize("key", ["a//b", "/x", "x/", ".", "..", "a/./b", "a/../b", "x/..", "a\nb", "a\x7f", "\x00"])
def test_these_names_do_not(key: str) -> None:
    assert not exact_in_obstore(key)


async def test_every_get_carries_the_version(wire: Wire) -> None:
    wire.answers = [ranged(DATA)]
    async with opened(wire.definition) as store:
        assert bytes(await store.read(WHOLE, 5, 9)) == DATA[5:9]
        assert bytes(await store.read(AWKWARD, 5, 9)) == DATA[5:9]
    assert [wire.header(request, "if-match") for request in (0, 1)] == ['"v1"', '"v1"']
    assert wire.header(0, "range") == wire.header(1, "x-ms-range") == "bytes=5-8"
    assert wire.header(1, "x-ms-client-request-id")


async def test_a_body_cut_short_goes_on_from_the_byte_it_reached(wire: Wire) -> None:
    wire.answers = [ranged(DATA, sent=1000), ranged(DATA, sent=3000), ranged(DATA)]
    async with opened(wire.definition) as store:
        assert bytes(await store.read(AWKWARD, 100, 9000)) == DATA[100:9000]
    assert [wire.header(request, "x-ms-range") for request in range(3)] == [
        "bytes=100-8999",
        "bytes=1100-8999",
        "bytes=4100-8999",
    ]
    assert {wire.header(request, "if-match") for request in range(3)} == {'"v1"'}


async def test_bytes_that_come_with_pauses_are_progress_and_who_left_does_not_hold_a_thread(wire: Wire) -> None:
    """Ten bytes each 0.1 s, where nothing for 0.15 s is a stall: the read lasts, and its thread is free soon after it was left."""
    wire.answers = [ranged(DATA, sent=0)]

    def drip(connection: socket.socket) -> None:
        for start in range(0, 1000, 10):
            time.sleep(0.1)
            connection.sendall(DATA[start : start + 10])

    wire.afterwards = drip
    async with opened(wire.definition, stall_timeout=0.15) as store:
        with trio.move_on_after(0.6) as scope:
            await store.read(AWKWARD, 0, 1000)
        assert scope.cancelled_caught
        pool = store._threads
        assert pool.limit == pool._limit + 1  # another thread may stand in
        await trio.sleep(1)
        assert pool._stuck == 0


async def test_obstore_cut_short_is_asked_through_rest_and_goes_on(wire: Wire) -> None:
    wire.answers = [ranged(DATA, sent=1000), ranged(DATA, sent=1000), ranged(DATA)]
    async with opened(wire.definition) as store:
        assert bytes(await store.read(WHOLE, 0, 9000)) == DATA[:9000]
    assert wire.header(1, "x-ms-range") == "bytes=0-8999"
    assert wire.header(2, "x-ms-range") == "bytes=1000-8999"


async def test_what_came_is_kept_with_the_error(wire: Wire) -> None:
    wire.answers = [ranged(DATA, sent=700), ranged(DATA, sent=0)]
    async with opened(wire.definition) as store:
        with pytest.raises(Unavailable) as caught:
            await store.read(AWKWARD, 0, 9000)
    assert bytes(caught.value.received) == DATA[:700]


@pytest.mark.parametrize("version", [WHOLE, AWKWARD])
async def test_a_stall_is_abandoned(wire: Wire, version: Version) -> None:
    wire.answers = [b"HTTP/1.1 206 Partial Content\r\nContent-Length: 100\r\n" + STALL]
    async with opened(wire.definition, stall_timeout=0.2) as store:
        began = time.monotonic()
        with pytest.raises(StoreTimeout):
            await store.read(version, 0, 100)
        assert time.monotonic() - began < 2


async def test_a_stall_inside_the_body_keeps_what_came(wire: Wire) -> None:
    stalled = ranged(DATA, sent=700)
    wire.answers = [lambda head: stalled(head) + STALL, b"HTTP/1.1 206 Partial Content\r\n" + STALL]
    async with opened(wire.definition, stall_timeout=0.2) as store:
        with pytest.raises(StoreTimeout) as caught:
            await store.read(AWKWARD, 0, 9000)
    assert bytes(caught.value.received)[:700] == DATA[:700]


@pytest.mark.parametrize("version", [WHOLE, AWKWARD])
@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
async def test_a_version_of_another_size_is_corrupt(wire: Wire, version: Version, size: int) -> None:
    wire.answers = [ranged(DATA, size=size)]
    async with opened(wire.definition) as store:
        with pytest.raises(Corrupt):
            await store.read(version, 0, 10)


@pytest.mark.parametrize("version", [WHOLE, AWKWARD])
async def test_a_server_that_ignores_the_range_is_corrupt(wire: Wire, version: Version) -> None:
    wire.answers = [b'HTTP/1.1 200 OK\r\nETag: "v1"\r\nContent-Length: %d\r\n\r\n' % len(DATA) + DATA]
    async with opened(wire.definition) as store:
        with pytest.raises(Corrupt):
            await store.read(version, 1, 10)


@pytest.mark.parametrize("version", [WHOLE, AWKWARD])
async def test_an_answer_of_another_version_is_corrupt(wire: Wire, version: Version) -> None:
    wire.answers = [ranged(DATA, etag="v2")]
    async with opened(wire.definition) as store:
        with pytest.raises(Corrupt):
            await store.read(version, 0, 10)


async def test_an_ambiguous_failure_learns_its_name_through_rest(wire: Wire) -> None:
    wire.answers = [
        b"HTTP/1.1 503 Busy\r\nx-ms-request-id: r1\r\nx-ms-error-code: ServerBusy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
    ]
    async with opened(wire.definition) as store:
        with pytest.raises(StoreError) as caught:
            await store.read(WHOLE, 0, 10)
    assert (caught.value.code, caught.value.request_id, caught.value.retry_after) == ("throttled", "r1", 7.0)
    assert len(wire.heads) == 2


@pytest.mark.parametrize(
    "body",
    [b"", b"<EnumerationResults><Blobs><Blob>", b"<html><body>Welcome to the hotel</body></html>", b"<Blobs></Blobs>"],
)
async def test_what_is_no_listing_is_never_an_empty_one(wire: Wire, body: bytes) -> None:
    wire.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body]
    async with opened(wire.definition) as store:
        with pytest.raises(Corrupt):
            await store.list("").__anext__()


async def test_a_listing_cut_short_is_an_error(wire: Wire) -> None:
    wire.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n<EnumerationResults><Blobs></Blobs><NextMarker/>"]
    async with opened(wire.definition) as store:
        with pytest.raises(Unavailable):
            await store.list("").__anext__()


async def test_a_redirect_is_not_followed(wire: Wire) -> None:
    wire.answers = [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/else\r\nContent-Length: 0\r\n\r\n"]
    async with opened(wire.definition) as store:
        with pytest.raises(StoreError):
            await store.stat("x")
    assert len(wire.heads) == 1


@pytest.mark.parametrize("date", ["yesterday", "Sun, 22 Nev 2026 23:19:04 GMT", "Sun, 32 Nov 2026 23:19:04 GMT"])
async def test_a_date_that_is_none_is_corrupt(wire: Wire, date: str) -> None:
    row = f"<Blob><Name>k</Name><Properties><Last-Modified>{date}</Last-Modified><Etag>e</Etag><Content-Length>1</Content-Length>"
    page = f"<EnumerationResults><Blobs>{row}</Properties></Blob></Blobs><NextMarker/></EnumerationResults>".encode()
    wire.answers = [
        f'HTTP/1.1 200 OK\r\nETag: "e"\r\nLast-Modified: {date}\r\nContent-Length: 5\r\n\r\n'.encode(),
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(page) + page,
    ]
    async with opened(wire.definition) as store:
        with pytest.raises(Corrupt):
            await store.stat("k")
        with pytest.raises(Corrupt):
            await store.list("").__anext__()


@pytest.mark.parametrize("key", ["k", None])
async def test_a_404_of_somebody_who_is_not_the_service_says_nothing_of_what_is_there(
    wire: Wire, key: str | None
) -> None:
    """A proxy, a load balancer or a captive portal: SEMANTICS 7."""
    wire.answers = [b"HTTP/1.1 404 Not Found\r\nServer: portal\r\nContent-Length: 0\r\n\r\n"]
    async with opened(wire.definition) as store:
        with pytest.raises(Unavailable, match="not the storage service"):
            await (store.list("").__anext__() if key is None else store.stat(key))

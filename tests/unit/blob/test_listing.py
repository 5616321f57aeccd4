"""A listing asks ahead: what happens to the page that is under way when the one before it fails or is left."""

import threading
from typing import Any

import pytest
import trio

from mountd.errors import Corrupt
from mountd.stores.blob import listing
from mountd.stores.blob.listing import Listing
from mountd.stores.blob.pages import parse_page
from mountd.stores.blob.rest import Answer, Request
from mountd.stores.blob.threads import ThreadPool
from mountd.types import ListPage

PAGES = 4


def body(number: int) -> bytes:
    following = f"<NextMarker>{number + 1}</NextMarker>" if number + 1 < PAGES else "<NextMarker/>"
    return (
        '<?xml version="1.0"?><EnumerationResults><Blobs><Blob>'
        f"<Name>{number}</Name><Properties><Last-Modified>Sun, 22 Nov 2026 23:19:04 GMT</Last-Modified><Etag>e</Etag>"
        "<Content-Length>1</Content-Length><BlobType>BlockBlob</BlobType></Properties></Blob></Blobs>"
        f"{following}</EnumerationResults>"
    ).encode()


class Service:
    """Four pages of one name each. `broken`: pages that come damaged once."""

    endpoint = "there"

    def __init__(self) -> None:
        self.broken: set[int] = set()

    def send(self, request: Request) -> Answer:
        number = int(request.query.get("marker", "0"))
        if number in self.broken:
            self.broken.remove(number)
            return Answer(200, {}, body(number).replace(b"</Blob>", b""))
        return Answer(200, {}, body(number))


async def rest_of(pages: Listing) -> list[str]:
    return [key async for page in pages for key in page.keys]


def listed(service: Service, pool: ThreadPool) -> Listing:
    rest: Any = service
    return Listing(rest, pool, "", recursive=True, page_size=1)


async def test_a_page_that_cannot_be_read_is_asked_for_again_and_not_passed_over() -> None:
    service, pool = Service(), ThreadPool("test", 4)
    service.broken = {1}
    pages = listed(service, pool)
    assert (await pages.__anext__()).keys == ["0"]
    with pytest.raises(Corrupt):
        await pages.__anext__()
    assert await rest_of(pages) == ["1", "2", "3"]
    pool.close()


async def test_a_page_whose_reader_left_while_it_was_parsed_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    parsing, go_on = threading.Event(), threading.Event()

    def slow(body: bytes) -> ListPage:
        parsing.set()
        assert go_on.wait(10)
        return parse_page(body)

    pool = ThreadPool("test", 4)
    pages = listed(Service(), pool)
    assert (await pages.__anext__()).keys == ["0"]
    monkeypatch.setattr(listing, "parse_page", slow)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pages.__anext__)
        await trio.to_thread.run_sync(parsing.wait)
        nursery.cancel_scope.cancel()
    go_on.set()
    assert await rest_of(pages) == ["1", "2", "3"]
    pool.close()


async def test_the_next_page_is_asked_for_before_this_one_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    service, pool = Service(), ThreadPool("test", 4)
    asked = [threading.Event() for _ in range(PAGES)]
    send = service.send

    def seen(request: Request) -> Answer:
        asked[int(request.query.get("marker", "0"))].set()
        return send(request)

    def parsed(body: bytes) -> ListPage:
        page = parse_page(body)
        behind = int(page.keys[0]) + 1
        assert behind == PAGES or asked[behind].wait(10), (
            "parsing waits for the request, which must not wait for parsing"
        )
        return page

    monkeypatch.setattr(service, "send", seen)
    monkeypatch.setattr(listing, "parse_page", parsed)
    assert await rest_of(listed(service, pool)) == ["0", "1", "2", "3"]
    pool.close()


async def test_no_more_than_one_page_is_asked_for_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    service, pool = Service(), ThreadPool("test", 4)
    asked: list[str] = []
    send = service.send

    def seen(request: Request) -> Answer:
        asked.append(request.query.get("marker", "0"))
        return send(request)

    monkeypatch.setattr(service, "send", seen)
    pages = listed(service, pool)
    await pages.__anext__()
    await pages.__anext__()
    assert set(asked) <= {"0", "1", "2"}
    pool.close()

"""List Blobs as a stream of pages: the next page is on its way while this one is parsed and looked at.

An iterator object rather than a generator: it may be left at any page, without `aclose`, and nothing is left behind but
a page that is dropped when it comes.
"""

from typing import Self

from mountd.errors import Corrupt
from mountd.stores.blob.pages import next_marker, parse_page
from mountd.stores.blob.rest import Request, RestClient
from mountd.stores.blob.threads import Pending, ThreadPool
from mountd.types import ListPage

PAGE_LIMIT = 5000  # what the service gives at most


class Listing:
    """An asynchronous iterator of ListPages."""

    def __init__(self, rest: RestClient, threads: ThreadPool, prefix: str, *, recursive: bool, page_size: int) -> None:
        self._rest = rest
        self._threads = threads
        self._query = {
            "restype": "container",
            "comp": "list",
            "include": "metadata",
            "maxresults": str(min(page_size, PAGE_LIMIT)),
        }
        if prefix:
            self._query["prefix"] = prefix
        if not recursive:
            self._query["delimiter"] = "/"
        self._marker: str | None = ""
        self._ahead: Pending[tuple[bytes, str]] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListPage:
        if self._marker is None:
            raise StopAsyncIteration
        marker = self._marker
        ahead, self._ahead = self._ahead or self._threads.start(lambda: self._fetch(marker)), None
        # A failure leaves the marker where it was: asking again asks for this page again, so that the one behind it is
        # kept only once this one is here.
        body, following = await ahead.wait()
        parsing = self._threads.start(lambda: self._parse(body))
        behind = self._threads.start(lambda: self._fetch(following)) if following else None
        try:
            page = await parsing.wait()
        except BaseException:
            if behind is not None:
                behind.abandon()
            raise
        self._marker, self._ahead = following or None, behind
        return page

    def _fetch(self, marker: str) -> tuple[bytes, str]:
        query = self._query | {"marker": marker} if marker else self._query
        body = self._rest.send(Request("GET", query=query)).body
        return body, next_marker(body)

    def _parse(self, body: bytes) -> ListPage:
        try:
            return parse_page(body)
        except ValueError as error:
            raise Corrupt(f"The listing of {self._rest.endpoint} cannot be read: {error}.") from error

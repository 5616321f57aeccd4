"""A listing through a datastore's protection: pages asked for one by one, each on its own deadline and retries.

A class and not a generator: it can be dropped half way without a word. When the credential is replaced between two
pages, the listing goes on with the new raw store behind the last name it gave.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol

from mountd.types import ListPage


class Caller(Protocol):
    """Runs one page's request under protection; the attempt is given the generation it runs on."""

    def __call__(self, attempt: Callable[[object], Awaitable[ListPage | None]]) -> Awaitable[ListPage | None]: ...


class LivePages:
    """The pages of one listing, in order."""

    def __init__(self, call: Caller, begin: Callable[[], tuple[object, AsyncIterator[ListPage]]]) -> None:
        self._call = call
        self._begin = begin
        # State: the raw listing in use and the generation it belongs to; changed by _page() alone.
        self._generation, self._pages = begin()
        self._last: str | None = None
        self._behind: str | None = None

    def __aiter__(self) -> "LivePages":
        return self

    async def __anext__(self) -> ListPage:
        page = await self._call(self._page)
        if page is None:
            raise StopAsyncIteration
        self._last = max([*page.keys[-1:], *page.folders[-1:]], default=self._last or "")
        return page

    async def _page(self, generation: object) -> ListPage | None:
        """The next page, or None at the end."""
        if generation is not self._generation:
            self._generation, self._pages = self._begin()
            self._behind = self._last
        async for page in self._pages:
            if self._behind is None:
                return page
            rest = behind(page, self._behind)
            if rest is not None:
                self._behind = None
                return rest
        return None


def behind(page: ListPage, name: str) -> ListPage | None:
    """The rows of a page that come after `name` in the store's order; None when there are none.

    Python compares strings by code point, which is the order of their UTF-8 bytes.
    """
    first = next((row for row, key in enumerate(page.keys) if key > name), len(page.keys))
    folders = [folder for folder in page.folders if folder > name]
    if first == len(page.keys) and not folders:
        return None
    return ListPage(
        keys=page.keys[first:],
        etags=page.etags[first:],
        sizes=page.sizes[first:],
        modified_ns=page.modified_ns[first:],
        traits={row - first: traits for row, traits in page.traits.items() if row >= first},
        folders=folders,
    )

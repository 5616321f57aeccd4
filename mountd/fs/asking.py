"""What is asked of a storage about names, and when: everything that costs a request for a name is here.

A fresh listing answers at once, whatever the answer. Otherwise a name is asked about by itself: the blob (HEAD) and the
folder (a listing of one entry) together; a folder asked about often enough is listed instead. "Could not find out"
leaves as its error, never as an absent name (SEMANTICS 7). Replacements that answers reveal are told to `versions`.
"""

from typing import Protocol

import trio

from mountd.errors import AccessDenied, NotFound, StoreError
from mountd.fs.arriving import WHOLE, Arrival, Arrivals
from mountd.fs.directory import Directory, Entry
from mountd.fs.flights import Flights
from mountd.fs.listing import ABSENT, FILE, FOLDER, Listing, kind_of
from mountd.fs.mapped import Mapped
from mountd.fs.remembered import Known
from mountd.fs.told import Told
from mountd.rules import freshness, names
from mountd.types import ObjectInfo

PAGE = 5000
"""Entries of one page: what one listing request can answer."""


class Shown(Protocol):
    """Hears what storages showed."""

    def listed(self, folder: Directory) -> None: ...

    def learned(self, entry: Entry) -> Entry:
        """The entry, with another number where the file was replaced while open."""
        ...


class Asking:
    """State: only the questions in flight."""

    def __init__(self, shown: Shown, told: Told) -> None:
        self._shown = shown
        self.told = told
        self._arrivals = Arrivals(self.adopt)
        self._names: Flights[Entry] = Flights()

    # Listings ------------------------------------------------------------------------------------------------------

    async def listing(self, folder: Directory) -> Listing | None:
        """The folder's listing, fresh; None for a folder of the mount table that no mapping owns."""
        mapped = folder.mapped
        if mapped is None:
            return None
        while folder.listing is None or not self.is_listed(folder):
            began = trio.current_time()
            await self._list(folder, mapped)
            if folder.doubted_at < began:  # else what came may be older than the invalidation
                break
        return folder.listing

    def is_listed(self, folder: Directory) -> bool:
        """Whether the folder's listing is fresh."""
        mapped = folder.mapped
        return (
            mapped is not None
            and folder.listing is not None
            and freshness.is_fresh(folder.listed_at, trio.current_time(), mapped.ttl)
        )

    def arrival(self, folder: Directory, mapped: Mapped) -> Arrival:
        """A listing on its way that is fresh as we ask: shared with others, and to be given back to `left`."""
        return self._arrivals.hold(folder, mapped, trio.current_time() - mapped.ttl)

    def left(self, arrival: Arrival) -> None:
        self._arrivals.release(arrival)

    async def _list(self, folder: Directory, mapped: Mapped, rows: int = WHOLE) -> bool:
        """Lists a folder, as far as it has so many rows: whether that was all of them."""
        arrival = self.arrival(folder, mapped)
        try:
            await arrival.arrive(rows)
        finally:
            self.left(arrival)
        return arrival.over

    def adopt(self, folder: Directory, listing: Listing, asked_at: float) -> None:
        """A listing just built becomes what is known of the folder; one begun before an invalidation is of no age."""
        listing.finish()
        self.told.comes(folder, listing, trio.current_time())
        folder.take(listing, asked_at if asked_at >= folder.doubted_at else freshness.NEVER)
        above = folder.parent
        while above is not None:
            above.below += len(listing)
            above = above.parent
        self._shown.listed(folder)

    # One name ------------------------------------------------------------------------------------------------------

    async def fresh(self, known: Entry) -> Entry:
        """An entry as it stands where it is fresh, else asked anew."""
        mapped = known.folder.mapped
        if mapped is not None and freshness.is_fresh(known.shown_at, trio.current_time(), mapped.ttl):
            return known
        return await self.entry(known.folder, known.name)

    async def entry(self, folder: Directory, name: bytes, *, at_once: bool = False) -> Entry:
        """What a name is now, ABSENT included. `at_once`: however young our knowledge is, the storage is asked."""
        mapped = folder.mapped
        if mapped is None:
            return Entry(folder, name, 0, ABSENT, trio.current_time())
        now = trio.current_time()
        if not at_once:
            known = folder.find(name)
            if known is not None and freshness.is_fresh(known.shown_at, now, mapped.ttl):
                return known
            if (folder, name, None) not in self._names and await self._listed_instead(folder, mapped, name):
                return _listed(folder, name)
        elif (file := folder.find(name)) is not None and file.version is not None:
            return await self._names.join((folder, name, now), lambda: self._ask_blob(folder, mapped, file))
        segment = names.segment_of(name)
        if segment is None:
            return await self._marked(folder, name, at_once)
        question = (folder, name, now if at_once else None)
        if not at_once and known is not None and known.version is not None and _is_asked_by_name(folder, mapped):
            return await self._names.join(question, lambda: self._ask_file(folder, mapped, known, segment))
        return await self._names.join(question, lambda: self._ask(folder, mapped, name, segment))

    async def _ask_file(self, folder: Directory, mapped: Mapped, known: Entry, segment: str) -> Entry:
        """A file of a folder that is never listed anew, again: one request, as long as it is there. What else its name
        may be by now is asked once it is not."""
        assert known.version is not None
        asked_at = trio.current_time()
        try:
            info = await mapped.source.reader.stat(known.version.key)
        except NotFound:
            return await self._ask(folder, mapped, known.name, segment)
        return self._learn(folder, known.name, _known(info, asked_at))

    async def _ask_blob(self, folder: Directory, mapped: Mapped, known: Entry) -> Entry:
        """Whether a file is still what it was: one request, because every open of a close-to-open mapping pays it."""
        assert known.version is not None
        asked_at = trio.current_time()
        try:
            info = await mapped.source.reader.stat(known.version.key)
        except NotFound:
            return self._learn(folder, known.name, Known(ABSENT, asked_at))
        return self._learn(folder, known.name, _known(info, asked_at))

    async def _marked(self, folder: Directory, name: bytes, at_once: bool) -> Entry:
        """A name that only the listing explains."""
        if at_once:
            folder.listed_at = freshness.NEVER
        return await self._from_listing(folder, name)

    async def _from_listing(self, folder: Directory, name: bytes) -> Entry:
        await self.listing(folder)
        return _listed(folder, name)

    async def _listed_instead(self, folder: Directory, mapped: Mapped, name: bytes) -> bool:
        """Whether the folder was listed as a whole in place of one more question about a single name."""
        before = trio.current_time()
        size = None if folder.listing is None else len(folder.listing)
        if _is_asked_by_name(folder, mapped):
            return False
        if size is not None and size > PAGE and not folder.asked_on(name, before - mapped.ttl):
            folder.misses, folder.missed_at = 0, before  # a question now and then, here and there, is no walk
        if not freshness.worth_listing(folder.misses, size, PAGE):
            folder.misses += 1
            return False
        try:
            if not await self._list(folder, mapped, PAGE if size is None or size <= PAGE else WHOLE):
                folder.large = True
        except AccessDenied:  # a credential that reads and may not list: names are asked about one by one
            folder.large = True
            return False
        return folder.listed_at >= before or folder.listed_at > before - mapped.ttl

    async def _ask(self, folder: Directory, mapped: Mapped, name: bytes, segment: str) -> Entry:
        asked_at = trio.current_time()
        answers = _Answers()
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            nursery.start_soon(answers.ask_blob, mapped, folder.prefix + segment)
            nursery.start_soon(answers.ask_folder, mapped, f"{folder.prefix}{segment}/")
        return self._learn(folder, name, answers.known(asked_at))

    def _learn(self, folder: Directory, name: bytes, known: Known) -> Entry:
        before = folder.find(name)
        entry = folder.learn(name, known)
        self.told.learned(entry, before, trio.current_time())
        return self._shown.learned(entry)


def _is_asked_by_name(folder: Directory, mapped: Mapped) -> bool:
    """Whether names are asked about one by one, however many: a listing answers thousands of names a second while it is
    fresh; one nearly stale when it is there, too few."""
    return folder.large or (folder.listing is not None and folder.listed_in >= 0.9 * mapped.ttl)


class _Answers:
    """Two answers about one name: is there a blob, is there a folder."""

    def __init__(self) -> None:
        self.info: ObjectInfo | None = None
        self.folder: bool | None = None
        self.errors: list[StoreError] = []

    async def ask_blob(self, mapped: Mapped, key: str) -> None:
        try:
            self.info = await mapped.source.reader.stat(key)
        except NotFound:
            self.info = None
        except StoreError as error:
            self.errors.append(error)

    async def ask_folder(self, mapped: Mapped, prefix: str) -> None:
        try:
            self.folder = await _has_entries(mapped, prefix)
        except StoreError as error:
            self.errors.append(error)

    def known(self, asked_at: float) -> Known:
        """A folder is one whatever the blob is; a blob alone counts when there is no folder, or we may not list."""
        if self.folder:
            return Known(FOLDER, asked_at)
        unlistable = bool(self.errors) and isinstance(self.errors[0], AccessDenied)
        if self.info is not None and (not self.errors or unlistable):
            return _known(self.info, asked_at)
        if self.errors:
            raise self.errors[0]
        return Known(ABSENT, asked_at)


def _listed(folder: Directory, name: bytes) -> Entry:
    """What a listing just made says of a name."""
    return folder.find(name) or Entry(folder, name, 0, ABSENT, trio.current_time())


def _known(info: ObjectInfo, asked_at: float) -> Known:
    kind = kind_of(info.traits) if info.traits.metadata else FILE
    if kind == FOLDER:
        return Known(FOLDER, asked_at)
    return Known(kind, asked_at, info.version, info.traits)


async def _has_entries(mapped: Mapped, prefix: str) -> bool:
    async for page in mapped.source.reader.list(prefix, recursive=True, page_size=1):
        if page.keys or page.folders:
            return True
    return False

"""A listing on its way: its rows can be shown and found while later pages are still to come.

It is pulled on only as far as somebody wants: no task of its own, and nothing is asked once nobody holds it. All who list a
folder at the same time share one. A page that fails, fails for all who wait for it, and is asked for again by the next
call. Whole, it becomes what is known of the folder; left half way, it keeps what the kernel was told of its rows.
It must not decide what is fresh.
"""

from collections.abc import Callable

import trio

from mountd.fs.directory import Directory
from mountd.fs.flights import Flights
from mountd.fs.listing import Listing
from mountd.fs.mapped import Mapped
from mountd.fs.remembered import CARRIED

WHOLE = 1 << 62
"""More rows than there are."""


class Arrival:
    """State: the pages to come, how many rows are ready, who holds it, and since when the storage may have been asked for the
    next page (`asked_at`: for the first). `over`: there are no more rows. `spent`: seconds waited for the storage."""

    def __init__(self, folder: Directory, mapped: Mapped, adopt: Callable[[Directory, Listing, float], None]) -> None:
        self.folder = folder
        self.listing = folder.new_listing()
        self.ready = 0
        self.over = False
        self.holders = 0
        self.spent = 0.0
        self.asked_at = trio.current_time()
        self._adopt = adopt
        self._pages = mapped.source.reader.list(folder.prefix)
        self._pulls: Flights[None] = Flights()
        self._next_asked_at = self.asked_at
        folder.beside.append(self.listing)

    def __repr__(self) -> str:
        return f"Arrival({self.listing!r}, {self.holders} holders{', over' if self.over else ''})"

    async def reach(self, rows: int) -> None:
        """Until more than `rows` rows are ready, or all there are."""
        while not self.over and self.ready <= rows:
            await self._pulls.join("next page", self._pull)

    async def arrive(self, rows: int) -> None:
        """Until `rows` rows have come, or all there are."""
        while not self.over and len(self.listing) < rows:
            await self._pulls.join("next page", self._pull)

    async def _pull(self) -> None:
        began = trio.current_time()
        page = await anext(self._pages, None)
        now = trio.current_time()
        self.spent += now - began
        if page is not None:
            self.listing.add(page, self._next_asked_at)
            self._next_asked_at = began  # a storage asks ahead: for the next page as soon as this one was here
            for _ in self.listing.indexing():
                await trio.lowlevel.cancel_shielded_checkpoint()
            self.ready = self._decided()
            return
        self.over = True
        self.ready = len(self.listing)
        self._adopt(self.folder, self.listing, self.asked_at)
        self.folder.listed_in = self.spent
        await carry_over(self.folder)

    def _decided(self) -> int:
        """Rows up to the last of which it is decided what it is called."""
        rows = len(self.listing)
        while rows - 1 in self.listing.undecided:
            rows -= 1
        return rows

    def leave(self) -> None:
        """Nobody wants the rest."""
        if not self.over:
            self.folder.abandon(self.listing)


async def carry_over(folder: Directory) -> None:
    """What the kernel remembers of the rows of former listings becomes the present one's. Cut short, it goes on the next time:
    until then both are looked into."""
    while not folder.carry(CARRIED):
        await trio.lowlevel.checkpoint()


class Arrivals:
    """State: the youngest listing on its way of each folder."""

    def __init__(self, adopt: Callable[[Directory, Listing, float], None]) -> None:
        self._adopt = adopt
        self._youngest: dict[Directory, Arrival] = {}

    def hold(self, folder: Directory, mapped: Mapped, since: float) -> Arrival:
        """The folder's listing that began no earlier than `since`: one that others wait for, or a new one. To be `release`d."""
        arrival = self._youngest.get(folder)
        if arrival is None or arrival.over or arrival.asked_at < max(since, folder.doubted_at):
            arrival = self._youngest[folder] = Arrival(folder, mapped, self._adopt)
        arrival.holders += 1
        return arrival

    def release(self, arrival: Arrival) -> None:
        arrival.holders -= 1
        if not arrival.holders:
            arrival.leave()
            if self._youngest.get(arrival.folder) is arrival:
                del self._youngest[arrival.folder]

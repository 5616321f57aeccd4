"""Which names the kernel may know an older version of: it holds attributes for a ttl, and a newer listing may come before.

An open must not give it new bytes under the old size. Its answer is ESTALE then, and the kernel looks the path up again
before it tries once more. Exact where something changed, and free where nothing did.
"""

from mountd.fs.directory import Directory, Entry
from mountd.fs.listing import ABSENT, Listing
from mountd.rules.freshness import NEVER
from mountd.types import Version

LAG = 2.0
"""The kernel counts a ttl from when it got our answer, on a busy machine long after we gave it."""


class Told:
    """State: of each folder that changed lately, until when the kernel may believe what it was told before, and the names
    that it was told since."""

    def __init__(self) -> None:
        self._changed: dict[Directory, tuple[float, set[bytes]]] = {}

    def comes(self, folder: Directory, listing: Listing, now: float) -> None:
        """This listing is about to become the folder's."""
        old = folder.listing
        same = old is None or (
            old.etags.blob == listing.etags.blob
            and old.etags.offsets == listing.etags.offsets
            and old.same_names(listing)
        )
        if not same or any(_differs(listing, name, known.version) for name, known in folder.asked.items()):
            answers = [known.shown_at for known in folder.asked.values()]
            self._note(folder, max([folder.listed_at, folder.doubted_at, *answers]), now)

    def learned(self, entry: Entry, before: Entry | None, now: float) -> None:
        """A name was asked by itself; `before` is what was known of it."""
        if before is None or before.kind == ABSENT or entry.version is None:
            return
        if before.version is None or before.version.etag != entry.version.etag:
            self._note(entry.folder, now if before.shown_at == NEVER else before.shown_at, now)

    def _note(self, folder: Directory, shown_at: float, now: float) -> None:
        """What was told before was shown at `shown_at` at the latest."""
        assert folder.mapped is not None
        until = shown_at + folder.mapped.ttl + LAG
        for other in [other for other, (end, _) in self._changed.items() if end <= now]:
            del self._changed[other]
        if folder in self._changed:
            until = max(until, self._changed[folder][0])
        if until > now:
            self._changed[folder] = (until, set())

    def told(self, entry: Entry) -> None:
        """The kernel was just given this entry."""
        if self._changed and (found := self._changed.get(entry.folder)) is not None:
            found[1].add(entry.name)

    def is_current(self, entry: Entry, now: float) -> bool:
        """Whether the kernel cannot know an older version of this name than `entry`."""
        found = self._changed.get(entry.folder) if self._changed else None
        return found is None or entry.name in found[1] or now >= found[0]


def _differs(listing: Listing, name: bytes, version: Version | None) -> bool:
    return version is not None and (row := listing.find(name)) >= 0 and listing.etag(row) != version.etag

"""Small files that will probably be opened next, told to content (DESIGN "Small files"). Decided by rules/siblings.

Once per first open of a file: no request, no waiting, a few integers.
"""

from mountd.content.interface import Content
from mountd.fs.config import TreeConfig
from mountd.fs.directory import Entry
from mountd.rules.siblings import Order


class Siblings:
    """State: none of its own; each folder holds its `order`."""

    def __init__(self, content: Content, config: TreeConfig) -> None:
        self._content = content
        self._config = config

    def opened(self, entry: Entry) -> None:
        """A file's first open."""
        folder, listing = entry.folder, entry.folder.listing
        if listing is None or folder.mapped is None or entry.version is None:
            return
        row = entry.row if entry.row >= 0 else listing.find(entry.name)
        if row < 0:
            return
        order = folder.order
        if order is None:
            order = folder.order = Order(self._config.siblings_at_first, self._config.siblings_at_most)
        rows = order.opened(row, listed=folder.read_through, rows=len(listing))
        if rows is not None:
            versions = listing.small_files(*rows, self._config.small_file)
            if versions:
                self._content.fetch_ahead(folder.mapped.source, versions)

"""Keeps what is remembered of the tree within its bounds: listings, and inodes that the kernel holds.

Folders used longest ago go first. Of a listing that the kernel knows names of, names and numbers stay; of another nothing.
Above the bound of inodes the kernel is asked to forget whole folders: it takes their inodes with them.
"""

from collections import OrderedDict

from mountd.fs.config import TreeConfig
from mountd.fs.directory import Directory
from mountd.fs.inodes import Inodes
from mountd.fs.interface import KernelCache
from mountd.metrics import INODES
from mountd.rules.freshness import NEVER

FOLDER_WEIGHT = 12
"""What a folder with a listing costs beside its entries, in entries: about a kilobyte."""


class Eviction:
    """State: folders with a listing by last use and how many entries each counts for, the sums, and when to ask next."""

    def __init__(self, config: TreeConfig, inodes: Inodes, kernel: KernelCache) -> None:
        self._config = config
        self._inodes = inodes
        self._kernel = kernel
        self._used: OrderedDict[Directory, int] = OrderedDict()
        self._entries = 0
        self.known = 0
        self._ask_above = config.known_inodes
        INODES.set_function(lambda: self.known)

    def used(self, directory: Directory) -> None:
        """A folder's listing was made or used."""
        rows = FOLDER_WEIGHT + sum(map(len, directory.listings()))
        self._entries += rows - self._used.get(directory, 0)
        self._used[directory] = rows
        self._used.move_to_end(directory)
        if self._entries > self._config.cached_entries:
            self._shrink(directory)

    def remembered(self, folder: Directory, count: int) -> None:
        """The kernel remembers `count` more look-ups of names in a folder."""
        self.known += count
        if self.known > self._ask_above:
            self._ask_above = self.known + self._config.known_inodes // 20  # time for the kernel to act
            self._relieve(folder)

    def forgotten(self, count: int) -> None:
        """The kernel gave back look-ups, of whatever: names that left the tree were counted when it learnt them."""
        self.known = max(self.known - count, 0)
        if self.known <= self._config.known_inodes:
            self._ask_above = self._config.known_inodes

    def closed(self) -> None:
        """A folder is open once less: what could not be forgotten before perhaps can."""
        if self.known > self._config.known_inodes:
            self._relieve(None)

    def _shrink(self, last: Directory) -> None:
        for directory in list(self._used):
            if self._entries <= self._config.cached_entries * 9 // 10:
                return
            if directory is last or directory.handles or any(listing.growing for listing in directory.beside):
                continue
            self._entries -= self._used.pop(directory)
            self._evict(directory)

    def _evict(self, directory: Directory) -> None:
        directory.listed_at = NEVER
        if directory.is_remembered():
            for listing in directory.listings():
                listing.make_thin()
            return
        directory.listing = None
        directory.beside.clear()
        directory.asked.clear()
        used = directory.children or directory.mounted or directory.opened
        parent = directory.parent
        if parent is not None and not used and parent.mounted.get(directory.name) is not directory:
            self._inodes.drop(directory)

    def _relieve(self, last: Directory | None) -> None:
        """Asks the kernel to forget a tenth; what it forgets comes back through `forget`."""
        excess = self.known - self._config.known_inodes * 9 // 10
        for directory in list(self._used):
            if excess <= 0:
                return
            if directory is last or directory.handles:
                continue
            held = sum(sum(listing.lookups) for listing in directory.listings())
            if not held:
                continue
            excess -= held
            self._used.move_to_end(directory)
            if directory.parent is not None:
                self._kernel.forget_entry(directory.parent.number, directory.name)
            else:
                for listing in directory.listings():
                    for row, count in enumerate(listing.lookups):
                        if count:
                            self._kernel.forget_entry(directory.number, listing.name(row))

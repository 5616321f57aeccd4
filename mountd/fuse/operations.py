"""What each kernel request asks of the tree: inodes in, attributes and bytes out, and nothing else.

Thin: what a name or a byte means is fs/'s business, and failures are raised as they come: boundary.py answers them.
Writing is refused here as a whole until it is built.
"""

import os
from collections.abc import Callable, Sequence
from typing import NoReturn, Protocol

import pyfuse3

from mountd.errors import MountdError, NoAttribute, NoEntry, ReadOnly, Unsupported
from mountd.fs.interface import Attributes, Files, Names

WRITING = os.O_WRONLY | os.O_RDWR | os.O_TRUNC | os.O_APPEND | os.O_CREAT

ROWS_AT_FIRST = 32
"""Entries asked for one kernel reply before it is known how many fit: 22 in the 4 KiB of older kernels, 180 in 32 KiB."""


Row = tuple[bytes, Attributes, int]
"""An entry for readdir: its name, what stat shows, and where the listing goes on behind it."""


class Tree(Names, Files, Protocol):
    """What the kernel's door is opened upon."""


class TreeOperations(pyfuse3.Operations):
    """The handlers. One instance a mount; `on_init` is called while FUSE_INIT is being answered.

    State: `_entry`, filled for each answer anew: pyfuse3 copies it before anything else can run, because nothing
    is awaited once it is filled. `_rows` is how many entries the kernel took last.
    """

    # No NFS export: its look-ups of "." and ".." are not part of what fs/ offers.
    supports_dot_lookup = False
    # Connection-wide, and it would take size and mtime out of our hands.
    enable_writeback_cache = False

    def __init__(self, tree: Tree, on_init: Callable[[], None]) -> None:
        self._tree = tree
        self._on_init = on_init
        self._entry = pyfuse3.EntryAttributes()
        self._rows = ROWS_AT_FIRST

    def init(self) -> None:
        self._on_init()

    # Names ---------------------------------------------------------------------------------------------------------

    async def lookup(self, parent_inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        try:
            attributes = await self._tree.lookup(parent_inode, name)
        except NoEntry:
            timeout = self._tree.negative_timeout(parent_inode)
            if timeout <= 0:
                raise
            absent = pyfuse3.EntryAttributes()  # inode 0: the kernel remembers that there is no such name
            absent.entry_timeout = timeout
            return absent
        return fill(self._entry, attributes)

    async def forget(self, inode_list: Sequence[tuple[int, int]]) -> None:
        self._tree.forget(inode_list)

    async def getattr(self, inode: int, ctx: pyfuse3.RequestContext) -> pyfuse3.EntryAttributes:
        return fill(self._entry, await self._tree.attributes(inode))

    async def readlink(self, inode: int, ctx: pyfuse3.RequestContext) -> bytes:
        return await self._tree.read_link(inode)

    async def access(self, inode: int, mode: int, ctx: pyfuse3.RequestContext) -> bool:
        """Asked only without default_permissions: then modes are decoration."""
        if mode & os.W_OK:
            raise ReadOnly("This mount does not write.")
        return True

    async def statfs(self, ctx: pyfuse3.RequestContext) -> pyfuse3.StatvfsData:
        capacity = self._tree.capacity()
        data = pyfuse3.StatvfsData()
        data.f_bsize = data.f_frsize = capacity.block_size
        data.f_blocks = capacity.total // capacity.block_size
        data.f_bfree = data.f_bavail = capacity.free // capacity.block_size
        data.f_namemax = capacity.name_max
        return data

    # Directories ---------------------------------------------------------------------------------------------------

    async def opendir(self, inode: int, ctx: pyfuse3.RequestContext) -> int:
        return await self._tree.open_directory(inode)

    async def readdir(self, fh: int, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        """Fills one kernel buffer. Its size is hidden, so about as many rows are asked for as fitted last time. Fewer rows
        than asked for are all there are for now: what is in the buffer waits neither for the rest nor for its failure."""
        given: list[Row] = []
        wanted = self._rows + 1
        try:
            while rows := await self._tree.list_directory(fh, start_id, wanted):
                accepted = _reply(token, rows)
                given += rows[:accepted]
                if accepted < len(rows):
                    self._give_back(rows[accepted:])
                    self._rows = max(len(given), 1)
                if len(rows) < wanted or accepted < len(rows):
                    return
                start_id, wanted = rows[-1][2], ROWS_AT_FIRST
        except MountdError:
            if not given:
                raise
        except BaseException:
            self._give_back(given)  # the buffer never gets there
            raise

    def _give_back(self, rows: Sequence[Row]) -> None:
        self._tree.forget([(row[1].inode, 1) for row in rows if row[0] not in (b".", b"..")])

    async def releasedir(self, fh: int) -> None:
        self._tree.close_directory(fh)

    async def fsyncdir(self, fh: int, datasync: bool) -> None:
        """Nothing is ever unsaved here."""

    # Files ---------------------------------------------------------------------------------------------------------

    async def open(self, inode: int, flags: int, ctx: pyfuse3.RequestContext) -> pyfuse3.FileInfo:
        if flags & WRITING:
            raise ReadOnly("This mount does not write.")
        opened = await self._tree.open(inode, flags)
        return pyfuse3.FileInfo(fh=opened.handle, keep_cache=opened.keep_cache, direct_io=bool(flags & os.O_DIRECT))

    async def read(self, fh: int, off: int, size: int) -> bytes:
        # A view is as good as bytes to pyfuse3, whose annotation says less than its buffer protocol takes.
        data: bytes = await self._tree.read(fh, off, size)  # type: ignore[assignment]
        return data

    async def flush(self, fh: int) -> None:
        """Nothing is ever unsaved here. Answered, not ENOSYS: that would end flushes for the mount's life."""

    async def fsync(self, fh: int, datasync: bool) -> None:
        """As flush."""

    async def release(self, fh: int) -> None:
        self._tree.release(fh)

    # Extended attributes -------------------------------------------------------------------------------------------

    async def getxattr(self, inode: int, name: bytes, ctx: pyfuse3.RequestContext) -> bytes:
        # security.capability is asked for before each write; `ls -l` asks for labels and ACLs of each file, and of one file alone
        # where it hears that there are none here at all.
        if not name.startswith(b"user."):
            raise Unsupported("Only attributes whose names begin with user. exist here.")
        attributes = await self._tree.extended_attributes(inode)
        if name not in attributes:
            raise NoAttribute("There is no such attribute.")
        return attributes[name]

    async def listxattr(self, inode: int, ctx: pyfuse3.RequestContext) -> Sequence[bytes]:
        return list(await self._tree.extended_attributes(inode))

    # Writing -------------------------------------------------------------------------------------------------------

    async def _refuse(self, *arguments: object, **named: object) -> NoReturn:
        raise ReadOnly("This mount does not write.")

    create = link = mkdir = mknod = removexattr = rename = rmdir = setattr = setxattr = symlink = unlink = write = (
        _refuse
    )


def fill(entry: pyfuse3.EntryAttributes, attributes: Attributes) -> pyfuse3.EntryAttributes:
    """`entry` as `attributes` say, all of it (1 µs)."""
    entry.st_ino = attributes.inode
    entry.st_mode = attributes.mode
    entry.st_nlink = attributes.nlink
    entry.st_uid = attributes.uid
    entry.st_gid = attributes.gid
    entry.st_size = attributes.size
    entry.st_blocks = (attributes.size + 511) >> 9
    entry.st_atime_ns = entry.st_mtime_ns = attributes.mtime_ns
    entry.st_ctime_ns = attributes.ctime_ns
    entry.entry_timeout = entry.attr_timeout = attributes.timeout
    return entry


def _reply(token: pyfuse3.ReaddirToken, rows: Sequence[Row]) -> int:
    """How many of `rows` the kernel's buffer took. Rows of one folder share all but number, size and time: setting those
    alone takes 0.5 µs instead of 1."""
    entry = pyfuse3.EntryAttributes()
    reply = pyfuse3.readdir_reply
    shared: tuple[object, ...] = ()
    for taken, (name, attributes, cookie) in enumerate(rows):
        number, mode, size, time, changed, uid, gid, links, timeout = attributes
        if shared == (mode, uid, gid, links, timeout) and time == changed:
            entry.st_ino = number
            entry.st_size = size
            entry.st_blocks = (size + 511) >> 9
            entry.st_atime_ns = entry.st_mtime_ns = entry.st_ctime_ns = time
        else:
            fill(entry, attributes)
            shared = mode, uid, gid, links, timeout
        if not reply(token, name, entry, cookie):
            return taken
    return len(rows)

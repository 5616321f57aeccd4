"""One mapping as the tree uses it: whose bytes, how modes and ids look, how long things are believed."""

import math
import os
import stat

from mountd.content.interface import Source
from mountd.definitions import Freshness, MappingDefinition
from mountd.fs.listing import FOLDER, LINK
from mountd.rules.inodes import FolderNumbers

FOREVER = 86400.0
"""How long the kernel may believe what is never asked again, seconds."""


class Mapped:
    """State: none, but `attached`, which ends when the mapping goes; open files keep working on it."""

    __slots__ = ("always_asks", "attached", "definition", "dir_mode", "file_mode", "gid", "source", "ttl", "uid")

    def __init__(self, definition: MappingDefinition, source: Source) -> None:
        options = definition.options
        self.definition = definition
        self.source = source
        self.attached = True
        self.uid = os.getuid() if options.uid is None else options.uid
        self.gid = os.getgid() if options.gid is None else options.gid
        self.file_mode = stat.S_IFREG | options.file_mode & ~options.umask
        self.dir_mode = stat.S_IFDIR | options.dir_mode & ~options.umask
        self.ttl = math.inf if options.freshness is Freshness.IMMUTABLE else options.ttl
        self.always_asks = options.freshness is Freshness.CLOSE_TO_OPEN

    def __repr__(self) -> str:
        return f"Mapped({self.definition.path} → {self.definition.datastore}/{self.definition.prefix})"

    def mode(self, kind: int) -> int:
        if kind == FOLDER:
            return self.dir_mode
        return stat.S_IFLNK | 0o777 if kind == LINK else self.file_mode

    def numbers(self, prefix: str) -> FolderNumbers:
        return FolderNumbers(str(self.source.reader.identity), self.definition.path, prefix)

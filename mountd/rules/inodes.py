"""Inode numbers: 20 bits of the folder's digest and 44 bits of the name's within it (SEMANTICS 6).

Derived from where a key is (storage, mapping, folder, name) and nothing else, so that they are the same after a remount;
a folder's name has its "/", so that a file that becomes a folder is another inode.
Two names meet by chance once in 2^45 pairs of one folder; `taken` numbers are then stepped over. The upper bits lead from
a number to the few folders it may be in, so that a known inode costs no entry in any table (fs/inodes).
It must not know listings, handles or the kernel.
"""

from hashlib import blake2b

NAME_BITS = 44
_NAME_MASK = (1 << NAME_BITS) - 1
_LOWEST = 1 << 8  # 0 is no inode, 1 the root, and small numbers are other filesystems' special files


class FolderNumbers:
    """The numbers of one folder's names. `bucket` is the part they share."""

    __slots__ = ("_hasher", "bucket")

    def __init__(self, identity: str, mapping: str, prefix: str) -> None:
        place = "\0".join((identity, mapping, prefix)).encode("utf-8", "surrogateescape")
        digest = blake2b(place, digest_size=32).digest()
        self._hasher = blake2b(digest, digest_size=8)
        self.bucket = int.from_bytes(digest[:8], "big") >> NAME_BITS

    def number(self, name: bytes) -> int:
        hasher = self._hasher.copy()
        hasher.update(name)
        return self.bucket << NAME_BITS | max(int.from_bytes(hasher.digest(), "big") & _NAME_MASK, _LOWEST)


def bucket_of(number: int) -> int:
    return number >> NAME_BITS


def after(number: int) -> int:
    """The next number to try in the same bucket when one is taken."""
    low = (number & _NAME_MASK) + 1
    return number & ~_NAME_MASK | (low if low <= _NAME_MASK else _LOWEST)

"""How a segment of a key is spelled as a name in a folder, and back (SEMANTICS 8, 9).

A key is split at every "/". Almost every segment is its own name: the same bytes of UTF-8. What a folder cannot show is
spelled with a leading mark, "~~", that no other name has:

    ~~empty             an empty segment: `a//b` is a/~~empty/b, a leading "/" is ~~empty at the root
    ~~dot  ~~dotdot     the segments "." and ".."
    ~~blob~NAME         the blob where a folder (or a mapping) of the same name has the plain name; `~~blob~` in folder a is
                        the blob `a/` when it has content, for without content it is the folder's marker
    ~~hex~DIGITS        a segment with a NUL byte, in hexadecimal
    ~~long~DIGEST~START a segment whose name would have more than 255 bytes: its digest, and how it begins
    ~~~NAME             a segment that itself begins with "~~": one more "~" in front

So no two segments of a folder share a name, and every name but ~~long~ says its segment; a long one is found in its
folder's listing. Bytes that are not UTF-8 (local folders have them) travel as surrogate escapes.
It must not know listings, mappings or what a storage permits.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b

LONGEST_NAME = 255  # NAME_MAX
MARK = b"~~"
_BLOB = b"~~blob~"
_HEX = b"~~hex~"
_LONG = b"~~long~"
_SPELLED = {"": b"~~empty", ".": b"~~dot", "..": b"~~dotdot"}
_SEGMENTS = {name: segment for segment, name in _SPELLED.items()}
_START = 160  # bytes of a long segment that its name shows: enough to recognise it


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decoded(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def all_plain(names: Sequence[bytes], joined: bytes) -> bool:
    """Whether every one of these encoded segments is its own name. `joined` is all of them in one, for speed."""
    if MARK in joined or 0 in joined:
        return False
    if not names:
        return True
    return max(map(len, names)) <= LONGEST_NAME and not {b"", b".", b".."}.intersection(names)


def spelled(segment: str) -> bytes:
    """The name of a folder's segment, or of a blob's that no folder shares."""
    short = _SPELLED.get(segment)
    if short is not None:
        return short
    plain = encoded(segment)
    if 0 in plain:
        return _fitting(_HEX + plain.hex().encode(), plain)
    return _fitting(b"~" + plain if plain.startswith(MARK) else plain, plain)


def spelled_blob(segment: str) -> bytes:
    """The name of a blob whose plain name a folder has, or whose last segment is empty."""
    plain = encoded(segment)
    if 0 in plain:
        return _fitting(_BLOB + _HEX + plain.hex().encode(), plain, _BLOB)
    return _fitting(_BLOB + (b"~" + plain if plain.startswith(MARK) else plain), plain, _BLOB)


def segment_of(name: bytes) -> str | None:
    """The segment that a plain name stands for; None where only the folder's listing can tell.

    A marked name is looked up in the listing, whatever it says, so that nothing has two names.
    """
    if name.startswith(MARK) or name in (b"", b".", b".."):
        return None
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return None


def meant(name: bytes) -> tuple[str, bool] | None:
    """What a name says by itself: its segment, and whether it is a clashing blob's. None for ~~long~ and for nonsense."""
    if name in _SEGMENTS:
        return _SEGMENTS[name], False
    blob = name.startswith(_BLOB)
    rest = name[len(_BLOB) :] if blob else name
    if rest.startswith(MARK + b"~"):
        return decoded(rest[1:]), blob
    if rest.startswith(_HEX):
        return _unhexed(rest[len(_HEX) :], blob)
    if rest.startswith(MARK) or (not blob and rest in (b"", b".", b"..")):
        return None
    return decoded(rest), blob


def awkward(names: Iterable[bytes]) -> list[bytes]:
    """Those of the names that are not their segment's own bytes: what a doctor lists."""
    return [name for name in names if name.startswith(MARK)]


def _fitting(name: bytes, plain: bytes, mark: bytes = b"") -> bytes:
    if len(name) <= LONGEST_NAME:
        return name
    digest = blake2b(plain, digest_size=16).hexdigest().encode()
    start = plain[:_START].replace(b"\0", b"?")
    return mark + _LONG + digest + b"~" + start.decode("utf-8", "ignore").encode()


def _unhexed(digits: bytes, blob: bool) -> tuple[str, bool] | None:
    try:
        return decoded(bytes.fromhex(digits.decode("ascii"))), blob
    except ValueError:
        return None

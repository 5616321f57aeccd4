"""How a key's segments are spelled as file names, and back. Pure.

A segment that a disk can hold is its own name. These are spelled `.~mountd-` + a letter + the segment instead: an empty
segment (`a//b`, a leading `/`, the marker `dir/`), `.` and `..`, one that starts with `.~mountd-` itself, and whichever
comes second where a key is a file and a folder at once. The letter is `b` for a file (blob) and `f` for a folder. What
is longer than a name may be is cut into pieces: folders with the letter `l`, one in the other, then the last piece.
A file name that is the spelling of nothing (half a spelling, not UTF-8) is not part of the datastore.
"""

from mountd.errors import Unsupported

PREFIX = ".~mountd-"
TEMPORARY = PREFIX + "t"
"""The folder of unfinished files, in the datastore's root. Spells nothing: `t` is no letter."""

NAME_BYTES = 255
_PIECE_BYTES = NAME_BYTES - len(PREFIX) - 1


def is_plain(segment: str) -> bool:
    """Whether a segment is its own file name."""
    if segment in ("", ".", "..") or segment.startswith(PREFIX):
        return False
    return len(segment) <= NAME_BYTES and len(segment.encode()) <= NAME_BYTES


def spelled(segment: str, *, folder: bool) -> tuple[str, ...]:
    """The reserved spelling: names of folders, one in the other, and the last name."""
    pieces = _pieces(segment)
    letter = "f" if folder else "b"
    return (*(f"{PREFIX}l{piece}" for piece in pieces[:-1]), f"{PREFIX}{letter}{pieces[-1]}")


def _pieces(segment: str) -> list[str]:
    """Cut so that each piece's UTF-8 fits a name, at the ends of characters."""
    pieces = [""]
    room = _PIECE_BYTES
    for character in segment:
        size = len(character.encode())
        if size > room:
            pieces.append("")
            room = _PIECE_BYTES
        pieces[-1] += character
        room -= size
    return pieces


def meaning(name: str) -> tuple[str, str]:
    """(letter, text) of a file name: letter "" for a plain name, "?" for one that spells nothing."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "?", ""
    if not name.startswith(PREFIX):
        return "", name
    letter = name[len(PREFIX) : len(PREFIX) + 1]
    return (letter, name[len(PREFIX) + 1 :]) if letter in ("b", "f", "l") else ("?", "")


def segments_of(key: str) -> list[str]:
    """A key's segments. Unsupported if no disk can hold it."""
    try:
        key.encode()
    except UnicodeEncodeError:
        raise Unsupported("A key must be Unicode text that UTF-8 can hold.") from None
    if "\0" in key:
        raise Unsupported("A file name cannot hold a NUL character.")
    return key.split("/")

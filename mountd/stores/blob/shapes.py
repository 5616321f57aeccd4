"""The regular entries of a List Blobs answer, read without an XML parser: a page of 5,000 in 11 ms instead of 38.

A service writes an entry as it wrote the one before. Its shape (which elements, in which order) is learnt from an entry and
becomes one pattern, which matches an entry of that shape as a whole or not at all: literal tags, text without markup
between them, and nothing unusual (another kind than block blob, archived, encoded, a directory, with metadata).
What a pattern leaves is for the parser of `pages`. Pure.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

_ELEMENT = re.compile(rb"<([A-Za-z][A-Za-z0-9-]*)(?: ?/>|>[^<&]*</\1>)")
_FLAT = rb"((?:<[A-Za-z][A-Za-z0-9-]*(?: ?/>|>[^<&]*</[A-Za-z][A-Za-z0-9-]*>))*)"
_ENTRY = re.compile(
    rb"\s*<Blob><Name>[^<]*</Name>" + _FLAT + rb"<Properties>" + _FLAT + rb"</Properties>" + _FLAT + rb"</Blob>"
)
_PLAIN = rb"[^<&\r\n]*+"
_NAME = rb"(%b(?:&(?:amp|lt|gt|quot|apos);%b)*)" % (_PLAIN, _PLAIN)
_EMPTY = rb"<%b(?: ?/>|></%b>)"
_TEXT = rb"<%b(?: ?/>|>[^<]*+</%b>)"
_WANTED = (b"Last-Modified", b"Etag", b"Content-Length")
_PROPERTIES = {
    b"Last-Modified": rb"<Last-Modified>([^<&\r\n]{29})</Last-Modified>",
    b"Etag": rb'<Etag>"?([^<&"\r\n]++)"?</Etag>',
    b"Content-Length": rb"<Content-Length>([0-9]{1,19})</Content-Length>",
    b"BlobType": rb"<BlobType>BlockBlob</BlobType>",
    b"AccessTier": rb"<AccessTier(?: ?/>|>(?!Archive<)[^<&]*+</AccessTier>)",
    b"ResourceType": rb"<ResourceType>(?!directory<)[^<&]*+</ResourceType>",
    b"Content-Encoding": _EMPTY % (b"Content-Encoding", b"Content-Encoding"),
}
_ENTITIES = ((b"&lt;", b"<"), (b"&gt;", b">"), (b"&quot;", b'"'), (b"&apos;", b"'"), (b"&amp;", b"&"))
_WIDTH = 5  # of what a split gives for each entry: what stands before it, and four groups


class Shape:
    """The pattern of one kind of entry: its groups are the name and, in the service's order, `_WANTED`."""

    def __init__(self, before: Sequence[bytes], properties: Sequence[bytes], behind: Sequence[bytes]) -> None:
        order = [tag for tag in properties if tag in _WANTED]
        self._places = tuple(2 + order.index(tag) for tag in _WANTED)
        known = [_PROPERTIES.get(tag) or _TEXT % (tag, tag) for tag in properties]
        around = [b"".join(_TEXT % (tag, tag) for tag in tags) for tags in (before, behind)]
        self._pattern = re.compile(
            b"<Blob><Name>%b</Name>%b<Properties>%b</Properties>%b</Blob>"
            % (_NAME, around[0], b"".join(known), around[1])
        )

    def rows(self, part: bytes) -> "Rows":
        return Rows(self._pattern.split(part), self._places)


class Rows:
    """The entries of a part that have a shape, column by column, and what stands between them."""

    def __init__(self, pieces: list[bytes], places: Sequence[int]) -> None:
        self._pieces = pieces
        self._places = places
        self.count = len(pieces) // _WIDTH

    def others(self) -> list[tuple[int, bytes]]:
        """What has another shape, and how many rows stand before it."""
        between = self._pieces[::_WIDTH]
        if not b"".join(between).strip():
            return []
        return [(row, other) for row, other in enumerate(between) if other.strip()]

    def names(self, start: int, stop: int) -> list[str]:
        joined = b"\n".join(self._column(1, start, stop))
        if b"&" in joined:
            for entity, character in _ENTITIES:
                joined = joined.replace(entity, character)
        return joined.decode().split("\n")

    def dates(self, start: int, stop: int) -> list[str]:
        return b"\n".join(self._column(self._places[0], start, stop)).decode().split("\n")

    def etags(self, start: int, stop: int) -> list[str]:
        return b"\n".join(self._column(self._places[1], start, stop)).decode().split("\n")

    def sizes(self, start: int, stop: int) -> list[int]:
        return list(map(int, self._column(self._places[2], start, stop)))

    def _column(self, group: int, start: int, stop: int) -> list[bytes]:
        return self._pieces[start * _WIDTH + group : stop * _WIDTH : _WIDTH]


def learn(part: bytes) -> Shape | None:
    """The shape of the first entry of a part; None where that is nothing that a pattern should read."""
    entry = _ENTRY.match(part)
    if entry is None:
        return None
    before, properties, behind = (_tags(elements) for elements in entry.groups())
    if before is None or properties is None or behind is None:
        return None
    if any(properties.count(wanted) != 1 for wanted in _WANTED):
        return None
    return _shape(before, properties, behind)


def _tags(elements: bytes) -> tuple[bytes, ...] | None:
    found = list(_ELEMENT.finditer(elements))
    whole = sum(len(element[0]) for element in found) == len(elements)
    return tuple(element[1] for element in found) if whole else None


@lru_cache(maxsize=64)
def _shape(before: tuple[bytes, ...], properties: tuple[bytes, ...], behind: tuple[bytes, ...]) -> Shape:
    return Shape(before, properties, behind)

"""Index tags: their rules, their XML and header forms, and the where-clauses that select by them.

Clauses: `"name" = 'value'` with = > >= < <= and AND, in Find Blobs also @container. Knows no state.
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from .failures import ServiceFailure
from .xml import Malformed, escape, parse

_CLAUSE = re.compile(r"""\s*(?:"([^"]*)"|([A-Za-z_@][A-Za-z0-9_]*))\s*(=|<>|>=|<=|>|<)\s*'([^']*)'\s*""")
_ALLOWED = re.compile(r"[A-Za-z0-9 +\-./:=_]*\Z")
LIMIT = 10

Clause = tuple[str, str, str]


def check_tags(tags: Mapping[str, str]) -> None:
    """At most ten, names of 1–128 and values of up to 256 allowed characters."""
    if len(tags) > LIMIT:
        raise ServiceFailure("TagsTooLarge")
    for name, value in tags.items():
        if not 1 <= len(name) <= 128 or len(value) > 256 or not (_ALLOWED.match(name) and _ALLOWED.match(value)):
            raise ServiceFailure("InvalidTags")


def from_header(text: str) -> dict[str, str]:
    tags = dict(parse_qsl(text, keep_blank_values=True))
    check_tags(tags)
    return tags


def from_document(document: memoryview) -> dict[str, str]:
    try:
        root = parse(document)
    except Malformed as error:
        raise ServiceFailure("InvalidXmlDocument") from error
    found = [(tag.findtext("Key") or "", tag.findtext("Value") or "") for tag in root.iter("Tag")]
    if len(dict(found)) != len(found):
        raise ServiceFailure("InvalidTags")
    tags = dict(found)
    check_tags(tags)
    return tags


def document(tags: Mapping[str, str]) -> str:
    inner = "".join(f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in tags.items())
    return f"<Tags><TagSet>{inner}</TagSet></Tags>"


def clauses(where: str) -> list[Clause]:
    """The conditions of a where-clause, all of which must hold."""
    found: list[Clause] = []
    for part in re.split(r"(?i)\bAND\b(?=(?:[^']*'[^']*')*[^']*$)", where):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise ServiceFailure("InvalidHeaderValue")
        found.append((match[1] if match[1] is not None else match[2], match[3], match[4]))
    return found


def tags_match(where: str, tags: Mapping[str, str]) -> bool:
    return all(clause_holds(clause, tags) for clause in clauses(where))


def clause_holds(clause: Clause, tags: Mapping[str, str]) -> bool:
    name, sign, value = clause
    actual = tags.get(name)
    if actual is None:
        return sign == "<>"
    comparison = {"=": actual == value, "<>": actual != value, ">": actual > value, "<": actual < value}
    return comparison.get(sign, actual == value or (actual > value if sign == ">=" else actual < value))

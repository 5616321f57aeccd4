"""The service's XML: writing names exactly, and reading the few documents that clients send.

A name that XML 1.0 cannot hold is written percent-encoded with Encoded="true" (service version 2021-02-12 and later).
Parsing refuses document type declarations, so that no entity is ever expanded.
"""

import re
from urllib.parse import quote
from xml.etree import ElementTree
from xml.parsers import expat

DECLARATION = '\ufeff<?xml version="1.0" encoding="utf-8"?>'

_UNWRITABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SPECIAL = re.compile('[&<>\r\n\t"]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;", "\n": "&#xA;", "\t": "&#x9;", '"': "&quot;"}


class Malformed(ValueError):
    """Not well-formed XML, or not the document that was expected."""


def escape(text: str) -> str:
    if not _SPECIAL.search(text):
        return text
    return _SPECIAL.sub(lambda found: _ENTITIES[found.group()], text)


def name_element(name: str) -> str:
    """<Name> of a blob or prefix, encoded where XML cannot hold it."""
    if _UNWRITABLE.search(name):
        return f'<Name Encoded="true">{quote(name, safe="")}</Name>'
    return f"<Name>{escape(name)}</Name>"


def element(tag: str, text: object) -> str:
    """An element, in the service's short form where it is empty."""
    words = str(text)
    return f"<{tag}>{escape(words)}</{tag}>" if words else f"<{tag} />"


def elements(pairs: dict[str, str]) -> str:
    return "".join(element(tag, text) for tag, text in pairs.items())


def parse(document: memoryview | bytes) -> ElementTree.Element:
    """The root element of a client's document; Malformed if there is none."""
    text = bytes(document)
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise Malformed("a document type declaration")
    try:
        return ElementTree.fromstring(text)
    except (ElementTree.ParseError, expat.ExpatError) as error:
        raise Malformed(str(error)) from error

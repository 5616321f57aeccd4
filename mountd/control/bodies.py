"""How large the body of a request may be: a definition is small, an order of a million paths is not.

The connection counts; the route that expects more says so before it reads.
"""

from collections.abc import MutableMapping
from typing import Any

SCOPE_KEY = "mountd.body"


class BodyLimit:
    """Of one request, in its scope. State: `bytes`."""

    __slots__ = ("bytes",)

    def __init__(self, limit: int) -> None:
        self.bytes = limit


def allow(scope: MutableMapping[str, Any], limit: int) -> None:
    """The request's body may have this many bytes."""
    found = scope.get(SCOPE_KEY)
    if isinstance(found, BodyLimit):
        found.bytes = limit

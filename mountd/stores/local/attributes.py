"""Properties and metadata of a local file: one extended attribute, JSON, versioned by its name.

A file without it, or on a filesystem that has none, is PLAIN; writing properties there is refused rather than dropped.
"""

import errno
import json
import os
import stat
from typing import Any

from mountd.errors import Corrupt, Unsupported
from mountd.stores.interface import Properties
from mountd.stores.memory import checked_metadata
from mountd.types import PLAIN, Traits

ATTRIBUTE = "user.mountd.properties.1"

_SYMLINK = Traits(metadata={"is_symlink": "true"})


def traits_of(properties: Properties) -> Traits:
    """What is kept of properties. Unsupported for those that a file has no use for and that would be lost."""
    if properties.tier or properties.cache_control or properties.content_disposition or properties.content_language:
        raise Unsupported(
            "A local datastore keeps content type, content encoding and metadata; no tier, no other headers."
        )
    metadata = checked_metadata(properties.metadata or {})
    traits = Traits(
        content_type=properties.content_type, content_encoding=properties.content_encoding, metadata=metadata
    )
    return PLAIN if traits == PLAIN else traits


def read_traits(directory: int, name: str, found: os.stat_result) -> Traits:
    if stat.S_ISLNK(found.st_mode):
        return _SYMLINK
    if stat.S_ISDIR(found.st_mode):
        return PLAIN
    try:
        stored = os.getxattr(f"/proc/self/fd/{directory}/{name}", ATTRIBUTE, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return PLAIN
        raise
    return _parsed(stored, name)


def write_traits(descriptor: int, traits: Traits) -> None:
    stored = {"type": traits.content_type, "encoding": traits.content_encoding, "metadata": dict(traits.metadata)}
    try:
        if traits is PLAIN:
            _remove(descriptor)
        else:
            os.setxattr(descriptor, ATTRIBUTE, json.dumps(stored, separators=(",", ":")).encode())
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSPC, errno.E2BIG, errno.ERANGE):
            raise Unsupported(
                f"The local filesystem cannot keep these properties: {os.strerror(error.errno)}."
            ) from error
        raise


def _remove(descriptor: int) -> None:
    try:
        os.removexattr(descriptor, ATTRIBUTE)
    except OSError as error:
        if error.errno not in (errno.ENODATA, errno.ENOTSUP):
            raise


def _parsed(stored: bytes, name: str) -> Traits:
    try:
        values: dict[str, Any] = json.loads(stored)
        metadata = {str(key): str(value) for key, value in values["metadata"].items()}
        return Traits(content_type=str(values["type"]), content_encoding=str(values["encoding"]), metadata=metadata)
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise Corrupt(f"The attribute {ATTRIBUTE} of '{name}' is damaged.") from error

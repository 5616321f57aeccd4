"""What an answer's headers say of a blob, and how its properties are written as headers. Pure."""

from collections.abc import Mapping

from mountd.errors import Corrupt, Unsupported
from mountd.stores.blob.pages import KINDS, nanoseconds
from mountd.stores.interface import Condition, Properties
from mountd.types import BlobKind, ObjectInfo, Traits, Version

METADATA_PREFIX = "x-ms-meta-"


def object_info(key: str, headers: Mapping[str, str]) -> ObjectInfo:
    """From Get Blob Properties."""
    version = Version(
        key, etag_of(key, headers), int(_required(key, headers, "Content-Length")), modified(key, headers)
    )
    metadata = {
        name[len(METADATA_PREFIX) :]: value
        for name, value in headers.items()
        if name.lower().startswith(METADATA_PREFIX)
    }
    if headers.get("x-ms-resource-type", "") == "directory":
        metadata.setdefault("hdi_isfolder", "true")
    tier = headers.get("x-ms-access-tier", "")
    traits = Traits(
        kind=KINDS.get(headers.get("x-ms-blob-type", ""), BlobKind.BLOCK),
        tier=tier,
        archived=tier == "Archive",
        content_type=headers.get("Content-Type", ""),
        content_encoding=headers.get("Content-Encoding", ""),
        metadata=metadata,
    )
    return ObjectInfo(version, traits)


def etag_of(key: str, headers: Mapping[str, str]) -> str:
    return _required(key, headers, "ETag").strip('"')


def modified(key: str, headers: Mapping[str, str]) -> int:
    try:
        return nanoseconds(_required(key, headers, "Last-Modified"))
    except ValueError as error:
        raise Corrupt(f"The service's answer about {key!r} has no date as Last-Modified.") from error


def _required(key: str, headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if value is None:
        raise Corrupt(f"The service's answer about {key!r} has no {name}.")
    return value


def condition_headers(condition: Condition) -> dict[str, str]:
    if condition.if_absent:
        return {"If-None-Match": "*"}
    return {"If-Match": f'"{condition.if_match}"'} if condition.if_match else {}


def metadata_headers(metadata: Mapping[str, str]) -> dict[str, str]:
    """Unsupported for a value that is not ASCII: encoding it is its writer's (SEMANTICS 34), and a header would garble it."""
    for name, value in metadata.items():
        if not (name.isascii() and value.isascii() and value.isprintable()):
            raise Unsupported(f"The metadata {name!r} is not plain ASCII.")
    return {METADATA_PREFIX + name: value for name, value in metadata.items()}


def property_headers(properties: Properties) -> dict[str, str]:
    """For requests that write a whole blob (Put Blob, Put Block List)."""
    named = {
        "x-ms-blob-content-type": properties.content_type,
        "x-ms-blob-content-encoding": properties.content_encoding,
        "x-ms-blob-cache-control": properties.cache_control,
        "x-ms-blob-content-disposition": properties.content_disposition,
        "x-ms-blob-content-language": properties.content_language,
        "x-ms-access-tier": properties.tier,
    }
    given = {name: value for name, value in named.items() if value}
    return given | metadata_headers(properties.metadata or {})

"""Which operation a request is: a table, not branches.

Each row says what selects it (level, method, restype, comp, a header) and what a SAS must permit. A new operation is a
row here and a function in operations/.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .call import Call
from .failures import ServiceFailure
from .messages import Address, Request, Response
from .operations import (
    append,
    batch,
    blocks,
    containers,
    copying,
    delegation,
    leases,
    listing,
    pages,
    reading,
    tagging,
    writing,
)

Level = Literal["service", "container", "blob"]
ANY = "racwdxltmeopfi"
Run = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `permissions`: any of these SAS letters suffices; none: no SAS can do it. `headers` tells rows apart."""

    name: str
    level: Level
    method: str
    restype: str
    comp: str
    run: Run
    permissions: str
    headers: tuple[str, ...] = ()
    scoped: bool = False  # a container's own SAS may do it, though it is no blob operation
    public: str = ""  # public access that lets anonymous readers in: "blob" or "container"


_INFORMATION = containers.get_account_information

# name, level, method, restype, comp, function, SAS letters
TABLE: tuple[Operation, ...] = (
    Operation("ListContainers", "service", "GET", "", "list", containers.list_containers, "l"),
    Operation("GetAccountInformation", "service", "GET", "account", "properties", _INFORMATION, ANY),
    Operation("GetAccountInformation", "service", "HEAD", "account", "properties", _INFORMATION, ANY),
    Operation(
        "GetBlobServiceProperties", "service", "GET", "service", "properties", containers.get_service_properties, "r"
    ),
    Operation(
        "SetBlobServiceProperties", "service", "PUT", "service", "properties", containers.set_service_properties, "w"
    ),
    Operation(
        "GetUserDelegationKey",
        "service",
        "POST",
        "service",
        "userdelegationkey",
        delegation.get_user_delegation_key,
        "",
    ),
    Operation("FindBlobsByTags", "service", "GET", "", "blobs", tagging.find_in_account, "f"),
    Operation("BlobBatch", "service", "POST", "", "batch", batch.submit, ANY),
    Operation("CreateContainer", "container", "PUT", "container", "", containers.create_container, "cw"),
    Operation("DeleteContainer", "container", "DELETE", "container", "", containers.delete_container, "d"),
    Operation(
        "GetContainerProperties",
        "container",
        "GET",
        "container",
        "",
        containers.get_container_properties,
        "r",
        public="container",
    ),
    Operation(
        "GetContainerProperties",
        "container",
        "HEAD",
        "container",
        "",
        containers.get_container_properties,
        "r",
        public="container",
    ),
    Operation(
        "GetContainerMetadata",
        "container",
        "GET",
        "container",
        "metadata",
        containers.get_container_metadata,
        "r",
        public="container",
    ),
    Operation(
        "GetContainerMetadata",
        "container",
        "HEAD",
        "container",
        "metadata",
        containers.get_container_metadata,
        "r",
        public="container",
    ),
    Operation(
        "SetContainerMetadata", "container", "PUT", "container", "metadata", containers.set_container_metadata, "w"
    ),
    Operation("GetContainerACL", "container", "GET", "container", "acl", containers.get_container_acl, ""),
    Operation("GetContainerACL", "container", "HEAD", "container", "acl", containers.get_container_acl, ""),
    Operation("SetContainerACL", "container", "PUT", "container", "acl", containers.set_container_acl, ""),
    Operation("LeaseContainer", "container", "PUT", "container", "lease", leases.lease_container, "wd"),
    Operation(
        "ListBlobs", "container", "GET", "container", "list", listing.list_blobs, "l", scoped=True, public="container"
    ),
    Operation(
        "FindBlobsByTagsInContainer",
        "container",
        "GET",
        "container",
        "blobs",
        tagging.find_in_container,
        "f",
        scoped=True,
    ),
    Operation("BlobBatch", "container", "POST", "container", "batch", batch.submit, ANY, scoped=True),
    Operation("GetAccountInformation", "container", "GET", "account", "properties", _INFORMATION, ANY, scoped=True),
    Operation("GetAccountInformation", "container", "HEAD", "account", "properties", _INFORMATION, ANY, scoped=True),
    Operation("GetBlob", "blob", "GET", "", "", reading.get_blob, "r", public="blob"),
    Operation("GetBlobProperties", "blob", "HEAD", "", "", reading.get_blob_properties, "r", public="blob"),
    Operation("GetBlobMetadata", "blob", "GET", "", "metadata", reading.get_blob_metadata, "r", public="blob"),
    Operation("GetBlobMetadata", "blob", "HEAD", "", "metadata", reading.get_blob_metadata, "r", public="blob"),
    Operation("GetBlobTags", "blob", "GET", "", "tags", tagging.get_tags, "t"),
    Operation("GetBlockList", "blob", "GET", "", "blocklist", blocks.get_block_list, "r", public="blob"),
    Operation("GetPageRanges", "blob", "GET", "", "pagelist", pages.get_page_ranges, "r", public="blob"),
    Operation("PutBlob", "blob", "PUT", "", "", writing.put_blob, "cw"),
    Operation(
        "PutBlobFromURL",
        "blob",
        "PUT",
        "",
        "",
        copying.put_blob_from_url,
        "cw",
        headers=("x-ms-copy-source", "x-ms-blob-type"),
    ),
    Operation("CopyBlob", "blob", "PUT", "", "", copying.copy_blob, "cw", headers=("x-ms-copy-source",)),
    Operation("AbortCopyBlob", "blob", "PUT", "", "copy", copying.abort_copy, "w"),
    Operation("PutBlock", "blob", "PUT", "", "block", blocks.put_block, "cw"),
    Operation(
        "PutBlockFromURL", "blob", "PUT", "", "block", blocks.put_block_from_url, "cw", headers=("x-ms-copy-source",)
    ),
    Operation("PutBlockList", "blob", "PUT", "", "blocklist", blocks.put_block_list, "cw"),
    Operation("AppendBlock", "blob", "PUT", "", "appendblock", append.append_block, "aw"),
    Operation(
        "AppendBlockFromURL",
        "blob",
        "PUT",
        "",
        "appendblock",
        append.append_block_from_url,
        "aw",
        headers=("x-ms-copy-source",),
    ),
    Operation("AppendBlobSeal", "blob", "PUT", "", "seal", append.seal, "w"),
    Operation("PutPage", "blob", "PUT", "", "page", pages.put_page, "w"),
    Operation("SetBlobMetadata", "blob", "PUT", "", "metadata", writing.set_blob_metadata, "w"),
    Operation("SetBlobProperties", "blob", "PUT", "", "properties", writing.set_blob_properties, "w"),
    Operation("SetBlobTier", "blob", "PUT", "", "tier", writing.set_tier, "w"),
    Operation("SetBlobTags", "blob", "PUT", "", "tags", tagging.set_tags, "t"),
    Operation("SnapshotBlob", "blob", "PUT", "", "snapshot", writing.snapshot_blob, "cw"),
    Operation("LeaseBlob", "blob", "PUT", "", "lease", leases.lease_blob, "wd"),
    Operation("DeleteBlob", "blob", "DELETE", "", "", writing.delete_blob, "d"),
    Operation("SetBlobLegalHold", "blob", "PUT", "", "legalhold", writing.set_legal_hold, "i"),
    Operation(
        "SetBlobImmutabilityPolicy", "blob", "PUT", "", "immutabilitypolicies", writing.set_immutability_policy, "i"
    ),
    Operation(
        "DeleteBlobImmutabilityPolicy",
        "blob",
        "DELETE",
        "",
        "immutabilitypolicies",
        writing.delete_immutability_policy,
        "i",
    ),
)

_ROWS: dict[tuple[str, str, str, str], list[Operation]] = {}
for _row in TABLE:
    _ROWS.setdefault((_row.level, _row.method, _row.restype, _row.comp), []).append(_row)
for _rows in _ROWS.values():
    _rows.sort(key=lambda row: -len(row.headers))  # the row that asks for most is looked at first


# What would change the meaning of a request and is not emulated: refused, so that nothing is silently something else.
UNSUPPORTED_HEADERS = frozenset({"x-ms-structured-body", "x-ms-encryption-key", "x-ms-encryption-scope"})
UNSUPPORTED_PARAMETERS = frozenset({"versionid"})


def check_supported(request: Request) -> None:
    if not UNSUPPORTED_HEADERS.isdisjoint(request.headers):
        raise ServiceFailure("UnsupportedHeader")
    if not UNSUPPORTED_PARAMETERS.isdisjoint(request.query):
        raise ServiceFailure("UnsupportedQueryParameter")


def level(address: Address, request: Request) -> Level:
    """A path of one segment is a container only where restype says so; else it is a blob of $root."""
    if address.key:
        return "blob"
    if address.container and request.query.get("restype") in {"container", "account"}:
        return "container"
    return "blob" if address.container else "service"


def find(request: Request, address: Address) -> Operation | None:
    """The row of a request; None if the service has no such operation."""
    query = request.query
    rows = _ROWS.get(
        (level(address, request), request.method, query.get("restype", "").lower(), query.get("comp", "").lower()), ()
    )
    for row in rows:
        if all(header in request.headers for header in row.headers):
            return row
    return None

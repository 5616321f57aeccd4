"""Which operation a request is: a table, not branches.

Each row says what selects it (level, method, restype, comp, a header) and what a SAS must permit. A new operation is a
row here and a function in operations/.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from .call import Call
from .messages import Address, Request, Response
from .operations import containers, listing, reading, writing

Level = Literal["service", "container", "blob"]
Run = Callable[[Call], Response]


@dataclass(frozen=True, slots=True)
class Operation:
    """One row. `permissions`: any one of these SAS letters suffices; empty: no SAS can do it. `header` tells rows apart that share the rest."""

    name: str
    level: Level
    method: str
    restype: str
    comp: str
    run: Run
    permissions: str
    header: str = ""
    scoped: bool = False  # a container's own SAS may do it, though it is no blob operation
    public: str = ""  # public access that lets anonymous readers in: "blob" or "container"


TABLE: tuple[Operation, ...] = (
    Operation("ListContainers", "service", "GET", "", "list", containers.list_containers, "l"),
    Operation(
        "GetAccountInformation",
        "service",
        "GET",
        "account",
        "properties",
        containers.get_account_information,
        "rwdlacup",
    ),
    Operation(
        "GetAccountInformation",
        "service",
        "HEAD",
        "account",
        "properties",
        containers.get_account_information,
        "rwdlacup",
    ),
    Operation(
        "GetBlobServiceProperties", "service", "GET", "service", "properties", containers.get_service_properties, "r"
    ),
    Operation(
        "SetBlobServiceProperties", "service", "PUT", "service", "properties", containers.set_service_properties, "w"
    ),
    Operation("CreateContainer", "container", "PUT", "container", "", containers.create_container, "cw"),
    Operation("DeleteContainer", "container", "DELETE", "container", "", containers.delete_container, "d"),
    Operation(
        "GetContainerProperties",
        "container",
        "GET",
        "container",
        "",
        containers.get_container_properties,
        "",
        public="container",
    ),
    Operation(
        "GetContainerProperties",
        "container",
        "HEAD",
        "container",
        "",
        containers.get_container_properties,
        "",
        public="container",
    ),
    Operation(
        "GetContainerMetadata",
        "container",
        "GET",
        "container",
        "metadata",
        containers.get_container_metadata,
        "",
        public="container",
    ),
    Operation(
        "GetContainerMetadata",
        "container",
        "HEAD",
        "container",
        "metadata",
        containers.get_container_metadata,
        "",
        public="container",
    ),
    Operation(
        "SetContainerMetadata", "container", "PUT", "container", "metadata", containers.set_container_metadata, "w"
    ),
    Operation("GetContainerACL", "container", "GET", "container", "acl", containers.get_container_acl, ""),
    Operation("GetContainerACL", "container", "HEAD", "container", "acl", containers.get_container_acl, ""),
    Operation("SetContainerACL", "container", "PUT", "container", "acl", containers.set_container_acl, ""),
    Operation(
        "GetAccountInformation",
        "container",
        "GET",
        "account",
        "properties",
        containers.get_account_information,
        "rwdlacup",
    ),
    Operation(
        "GetAccountInformation",
        "container",
        "HEAD",
        "account",
        "properties",
        containers.get_account_information,
        "rwdlacup",
    ),
    Operation(
        "ListBlobs", "container", "GET", "container", "list", listing.list_blobs, "l", scoped=True, public="container"
    ),
    Operation("GetBlob", "blob", "GET", "", "", reading.get_blob, "r", public="blob"),
    Operation("GetBlobProperties", "blob", "HEAD", "", "", reading.get_blob_properties, "r", public="blob"),
    Operation("GetBlobMetadata", "blob", "GET", "", "metadata", reading.get_blob_metadata, "r", public="blob"),
    Operation("GetBlobMetadata", "blob", "HEAD", "", "metadata", reading.get_blob_metadata, "r", public="blob"),
    Operation("PutBlob", "blob", "PUT", "", "", writing.put_blob, "cw"),
    Operation("SetBlobMetadata", "blob", "PUT", "", "metadata", writing.set_blob_metadata, "w"),
    Operation("SetBlobProperties", "blob", "PUT", "", "properties", writing.set_blob_properties, "w"),
    Operation("SetBlobTier", "blob", "PUT", "", "tier", writing.set_tier, "w"),
    Operation("SnapshotBlob", "blob", "PUT", "", "snapshot", writing.snapshot_blob, "cw"),
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
    _rows.sort(key=lambda row: not row.header)  # the row that asks for a header is looked at first


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
        if not row.header or row.header in request.headers:
            return row
    return None

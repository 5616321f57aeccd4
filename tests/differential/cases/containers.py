"""Containers and the account."""

from tests.differential.case import LEASE, PAST, blob, case, delete, get, head, lease_action, leased, put

ACL = (
    b'<?xml version="1.0" encoding="utf-8"?><SignedIdentifiers><SignedIdentifier><Id>one</Id><AccessPolicy>'
    b"<Start>2024-01-01T00:00:00.0000000Z</Start><Expiry>2034-01-01T00:00:00.0000000Z</Expiry>"
    b"<Permission>rl</Permission></AccessPolicy></SignedIdentifier></SignedIdentifiers>"
)
SELF = "?restype=container"
ACQUIRE = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": "-1", "x-ms-proposed-lease-id": LEASE}

CASES = (
    case("create a container", put(SELF), container=False),
    case("create a container with metadata", put(SELF, {"x-ms-meta-a": "1"}), get(SELF), container=False),
    case("create a public container", put(SELF, {"x-ms-blob-public-access": "blob"}), get(SELF), container=False),
    case("create a container that exists", put(SELF)),
    case("create a container with a bad name", put("/Bad_Name?restype=container"), container=False),
    case("create a container with a short name", put("/ab?restype=container"), container=False),
    case("create a container with two hyphens", put("/a--b?restype=container"), container=False),
    case("create a container with bad access", put(SELF, {"x-ms-blob-public-access": "all"}), container=False),
    case("properties of a container", get(SELF)),
    case("properties of a container by HEAD", head(SELF)),
    case("properties of a missing container", get(SELF), container=False),
    case("properties of a missing container by HEAD", head(SELF), container=False),
    case("metadata of a container", put(f"{SELF}&comp=metadata", {"x-ms-meta-a": "1"}), get(f"{SELF}&comp=metadata")),
    case("metadata of a container replaced", put(f"{SELF}&comp=metadata", {"x-ms-meta-b": "2"}), get(SELF)),
    case("metadata of a missing container", put(f"{SELF}&comp=metadata", {"x-ms-meta-a": "1"}), container=False),
    case("access policy set and read", put(f"{SELF}&comp=acl", {}, ACL), get(f"{SELF}&comp=acl")),
    case("access policy of a missing container", get(f"{SELF}&comp=acl"), container=False),
    case("public access set", put(f"{SELF}&comp=acl", {"x-ms-blob-public-access": "container"}), get(f"{SELF}&comp=acl")),
    case("delete a container", delete(SELF), get(SELF)),
    case("delete a missing container", delete(SELF), container=False),
    case("delete a container with blobs", blob(), delete(SELF), get("blob")),
    case("delete a container if modified, and it was not", delete(SELF, {"If-Modified-Since": "Fri, 01 Jan 2038 00:00:00 GMT"})),
    case("delete a container if unmodified since long ago", delete(SELF, {"If-Unmodified-Since": PAST})),
    case("lease a container", put(f"{SELF}&comp=lease", ACQUIRE), get(SELF)),
    case("delete a leased container", put(f"{SELF}&comp=lease", ACQUIRE), delete(SELF)),
    case("delete a leased container with its lease", put(f"{SELF}&comp=lease", ACQUIRE), delete(SELF, {"x-ms-lease-id": LEASE})),
    case("release a container's lease",
         put(f"{SELF}&comp=lease", ACQUIRE), lease_action("release", f"{SELF}&comp=lease"), get(SELF)),
    case("lease a container twice", put(f"{SELF}&comp=lease", ACQUIRE), put(f"{SELF}&comp=lease", ACQUIRE)),
    case("break a container's lease at once", put(f"{SELF}&comp=lease", ACQUIRE),
         put(f"{SELF}&comp=lease", {"x-ms-lease-action": "break", "x-ms-lease-break-period": "0"}), get(SELF)),
    case("containers listed by prefix", get("/?comp=list&prefix={container}&include=metadata"),),
    case("containers listed by a prefix that none has", get("/?comp=list&prefix=zzz-none")),
    case("containers listed with a bad limit", get("/?comp=list&maxresults=0")),
    case("containers listed with a limit that is no number", get("/?comp=list&maxresults=x")),
    case("account information", head("/?restype=account&comp=properties")),
    case("a verb that is none", leased("missing")),
)  # fmt: skip

"""Good and bad credentials."""

from tests.differential.case import blob, case, delete, get, head, put

LIST = "?restype=container&comp=list"
SELF = "?restype=container"
BLOCK = {"x-ms-blob-type": "BlockBlob"}


def new(by: str) -> object:
    return put("new", BLOCK, b"x", by=by)


CASES = (
    case("shared key lite", blob(), get("blob", by="lite")),
    case("a wrong key", blob(), get("blob", by="wrong-key")),
    case("a wrong key by HEAD", blob(), head("blob", by="wrong-key")),
    case("a key an hour late", blob(), get("blob", by="stale")),
    case("another account's key", blob(), get("blob", by="header:SharedKey other:AAAA")),
    case("a header that is none", blob(), get("blob", by="header:nonsense")),
    case("no credential, container", get(LIST, by="none")),
    case("no credential, blob", blob(), get("blob", by="none")),
    case("no credential, public blob", put(SELF, {"x-ms-blob-public-access": "blob"}), blob(), get("blob", by="none"),
         container=False),
    case("no credential, list with public blobs", put(SELF, {"x-ms-blob-public-access": "blob"}), get(LIST, by="none"),
         container=False),
    case("no credential, public container", put(SELF, {"x-ms-blob-public-access": "container"}), blob(), get(LIST, by="none"),
         container=False),
    case("no credential, write to a public container", put(SELF, {"x-ms-blob-public-access": "container"}), new("none"),
         container=False),
    case("SAS reads", blob(), get("blob", by="sas:r")),
    case("SAS lists", blob(), get(LIST, by="sas:l")),
    case("SAS lists, may only read", blob(), get(LIST, by="sas:r")),
    case("SAS reads, may only list", blob(), get("blob", by="sas:l")),
    case("SAS writes", new("sas:w")),
    case("SAS writes, may only read", new("sas:r")),
    case("SAS creates", new("sas:c")),
    case("SAS creates over what is there", blob("new"), new("sas:c")),
    case("SAS deletes", blob(), delete("blob", by="sas:d")),
    case("SAS deletes, may only write", blob(), delete("blob", by="sas:rw")),
    case("SAS expired", blob(), get("blob", by="expired-sas:r")),
    case("SAS expired, listing", get(LIST, by="expired-sas:l")),
    case("SAS too early", blob(), get("blob", by="early-sas:r")),
    case("SAS of another container", blob(), get("blob", by="other-sas:r")),
    case("SAS signed with another key", blob(), get("blob", by="wrong-sas:r")),
    case("SAS cannot read container properties", get(SELF, by="sas:rl")),
    case("SAS cannot delete its container", delete(SELF, by="sas:rwdl")),
    case("account SAS reads", blob(), get("blob", by="account-sas:r")),
    case("account SAS lists", blob(), get(LIST, by="account-sas:l")),
    case("account SAS reads properties of a container", get(SELF, by="account-sas:r")),
    case("account SAS for containers only reads a blob", blob(), get("blob", by="account-sas:r/c")),
    case("account SAS for objects only lists", blob(), get(LIST, by="account-sas:l/o")),
    case("account SAS may not write", new("account-sas:r")),
    case("SAS reads a missing blob", get("blob", by="sas:r")),
    case("a wrong key on a missing container", get("blob", by="wrong-key"), container=False),
    case("SAS on a missing container", get(LIST, by="sas:l"), container=False),
)  # fmt: skip

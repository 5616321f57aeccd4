"""Copies, tags, awkward names."""

from tests.differential.case import LEASE, blob, case, get, head, leased, put

FROM = {"x-ms-copy-source": "{signed}/blob"}
SOURCE = blob(headers={"x-ms-meta-a": "1", "x-ms-blob-content-type": "text/plain"})
TAGS = b'<?xml version="1.0" encoding="utf-8"?><Tags><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tags>'
MANY = (
    b"<Tags><TagSet>"
    + b"".join(b"<Tag><Key>k%d</Key><Value>v</Value></Tag>" % n for n in range(11))
    + b"</TagSet></Tags>"
)
LIST = "?restype=container&comp=list"

CASES = (
    case("copy", SOURCE, put("copy", FROM), get("copy"), head("copy")),
    case("copy with new metadata", SOURCE, put("copy", FROM | {"x-ms-meta-b": "2"}), head("copy")),
    case("copy a missing blob", put("copy", FROM)),
    case("copy over", SOURCE, blob("copy", b"old"), put("copy", FROM), get("copy")),
    case("copy if nothing is there, and it is", SOURCE, blob("copy"), put("copy", FROM | {"If-None-Match": "*"})),
    case("copy if the source matches", SOURCE, put("copy", FROM | {"x-ms-source-if-match": "{etag}"})),
    case("copy if the source matches something else", SOURCE, put("copy", FROM | {"x-ms-source-if-match": '"0x8D0"'})),
    case("copy if the source does not match", SOURCE, put("copy", FROM | {"x-ms-source-if-none-match": "{etag}"})),
    case("copy if the target matches something else", SOURCE, blob("copy"), put("copy", FROM | {"If-Match": '"0x8D0"'})),
    case("copy over a leased blob", SOURCE, blob("copy"), leased("copy"), put("copy", FROM)),
    case("copy over a leased blob with its lease",
         SOURCE, blob("copy"), leased("copy"), put("copy", FROM | {"x-ms-lease-id": LEASE})),
    case("copy onto itself", SOURCE, put("blob", FROM), get("blob")),
    case("copy a snapshot", SOURCE, put("blob?comp=snapshot"), blob(body=b"new"),
         put("copy", {"x-ms-copy-source": "{signed}/blob?snapshot={snapshot}"}), get("copy")),
    case("copy with a tier", SOURCE, put("copy", FROM | {"x-ms-access-tier": "Cool"}), head("copy")),
    case("copy from what is no URL", put("copy", {"x-ms-copy-source": "nonsense"})),
    case("abort a copy that is done", SOURCE, put("copy", FROM), put("copy?comp=copy&copyid=1", {"x-ms-copy-action": "abort"})),
    case("tags set and read", blob(), put("blob?comp=tags", {}, TAGS), get("blob?comp=tags"), head("blob")),
    case("tags of a blob without", blob(), get("blob?comp=tags")),
    case("tags of a missing blob", get("blob?comp=tags")),
    case("tags too many", blob(), put("blob?comp=tags", {}, MANY)),
    case("tags of a leased blob", blob(), leased(), put("blob?comp=tags", {}, TAGS)),
    case("name with a space", blob("a%20b"), get("a%20b"), get(LIST)),
    case("name with a percent sign", blob("100%25"), get("100%25"), get(LIST)),
    case("name with an escape in it", blob("a%2520b"), get("a%2520b"), get(LIST)),
    case("name with a question mark", blob("what%3F"), get("what%3F"), get(LIST)),
    case("name with a hash", blob("c%23"), get("c%23"), get(LIST)),
    case("name with a plus", blob("a+b"), get("a+b"), get("a%2Bb"), get(LIST)),
    case("name in composed form", blob("%C3%A9"), get("%C3%A9"), get("e%CC%81"), get(LIST)),
    case("name in decomposed form", blob("e%CC%81"), get("e%CC%81"), get("%C3%A9"), get(LIST)),
    case("name with an emoji", blob("%F0%9F%98%80"), get("%F0%9F%98%80"), get(LIST)),
    case("name with two slashes", blob("a//b"), get("a//b"), get("a/b"), get(LIST)),
    case("name with a slash at its end", blob("dir/"), get("dir/"), get("dir"), get(LIST)),
    case("name with a slash escaped", blob("a%2Fb"), get("a/b"), get(LIST)),
    case("name with a dot at its end", blob("a."), get("a."), get(LIST)),
    case("name in capitals", blob("A"), get("A"), get("a"), get(LIST)),
    case("name with an ampersand and equals", blob("a%26b%3Dc"), get("a&b=c"), get(LIST)),
    case("blob and folder of one name", blob("a"), blob("a/b"), get(f"{LIST}&delimiter=/")),
    case("folder marker", blob("dir", b"", {"x-ms-meta-hdi_isfolder": "true"}), head("dir"), get(f"{LIST}&include=metadata")),
)  # fmt: skip

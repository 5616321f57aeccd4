"""List Blobs."""

from tests.differential.case import blob, case, committed, get, leased, put, staged

ALL = "?restype=container&comp=list"
TREE = (blob("a"), blob("b/1"), blob("b/2"), blob("b/c/3"), blob("d%20e"), blob("%C3%BC"))

CASES = (
    case("list an empty container", get(ALL)),
    case("list a missing container", get(ALL), container=False),
    case("list a tree flat", *TREE, get(ALL)),
    case("list a tree by folders", *TREE, get(f"{ALL}&delimiter=/")),
    case("list one folder", *TREE, get(f"{ALL}&delimiter=/&prefix=b/")),
    case("list a folder without its slash", *TREE, get(f"{ALL}&delimiter=/&prefix=b")),
    case("list a prefix", *TREE, get(f"{ALL}&prefix=b/c")),
    case("list a prefix that none has", *TREE, get(f"{ALL}&prefix=zzz")),
    case("list with another delimiter", *TREE, get(f"{ALL}&delimiter=c")),
    case("list with a limit", *TREE, get(f"{ALL}&maxresults=100")),
    case("list a page of two", *TREE, get(f"{ALL}&maxresults=2")),
    case("list folders, a page of one", *TREE, get(f"{ALL}&maxresults=1&delimiter=/")),
    case("list with a limit of nought", get(f"{ALL}&maxresults=0")),
    case("list with a limit that is no number", get(f"{ALL}&maxresults=x")),
    case("list with a limit over the maximum", get(f"{ALL}&maxresults=6000")),
    case("list with something unknown included", get(f"{ALL}&include=everything")),
    case("list metadata", blob(headers={"x-ms-meta-a": "1", "x-ms-meta-bb": "two words"}), get(f"{ALL}&include=metadata")),
    case("list without metadata", blob(headers={"x-ms-meta-a": "1"}), get(ALL)),
    case("list properties", blob(headers={"x-ms-blob-content-type": "text/plain", "x-ms-blob-content-encoding": "gzip",
                                          "x-ms-blob-content-language": "de", "x-ms-blob-cache-control": "no-cache",
                                          "x-ms-blob-content-disposition": "attachment"}), get(ALL)),
    case("list a leased blob", blob(), leased(), get(ALL)),
    case("list tags", blob(headers={"x-ms-tags": "a=1"}), get(f"{ALL}&include=tags")),
    case("list snapshots", blob(), put("blob?comp=snapshot"), get(f"{ALL}&include=snapshots")),
    case("list hides snapshots", blob(), put("blob?comp=snapshot"), get(ALL)),
    case("list hides uncommitted blobs", staged("new", "MDE=", b"x"), get(ALL)),
    case("list uncommitted blobs", staged("new", "MDE=", b"x"), get(f"{ALL}&include=uncommittedblobs")),
    case("list blobs of blocks", staged("new", "MDE=", b"x"), committed("new", "Latest:MDE="), get(ALL)),
    case("list copies", blob(), put("copy", {"x-ms-copy-source": "{signed}/blob"}), get(f"{ALL}&include=copy")),
    case("list append and page blobs", put("append", {"x-ms-blob-type": "AppendBlob"}),
         put("page", {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "512"}), get(ALL)),
    case("list tiers", blob("hot"), blob("cool", headers={"x-ms-access-tier": "Cool"}), get(ALL)),
    case("list names with markup", blob("a%26b%3Cc%3E"), blob("q%22t%27"), get(ALL)),
)  # fmt: skip

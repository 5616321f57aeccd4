"""Blocks and block lists; append and page blobs."""

from tests.differential.case import LEASE, OTHER_LEASE, blob, case, committed, get, head, leased, put, staged

APPEND = put("log", {"x-ms-blob-type": "AppendBlob"})
PAGE = put("page", {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "2048"})
TWO = (staged("blob", "MDE=", b"one"), staged("blob", "MDI=", b"two"))
UPDATE = {"x-ms-page-write": "update", "x-ms-range": "bytes=512-1023"}


def append(body: bytes, **headers: str) -> object:
    return put(
        "log?comp=appendblock", {f"x-ms-{name.replace('_', '-')}": value for name, value in headers.items()}, body
    )


CASES = (
    case("stage a block", staged("blob", "MDE=", b"one")),
    case("stage an empty block", staged("blob", "MDE=", b"")),
    case("stage a block with an id that is none", put("blob?comp=block&blockid=!!", body=b"x")),
    case("stage a block without an id", put("blob?comp=block", body=b"x")),
    case("stage a block with an id of another length", staged("blob", "MDE=", b"x"), staged("blob", "MDAwMQ==", b"y")),
    case("stage a block in a missing container", staged("blob", "MDE=", b"x"), container=False),
    case("stage a block with a wrong MD5",
         put("blob?comp=block&blockid=MDE%3D", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, b"x")),
    case("stage a block of a leased blob", blob(), leased(), staged("blob", "MDE=", b"x")),
    case("stage a block of an append blob", APPEND, staged("log", "MDE=", b"x")),
    case("commit", *TWO, committed("blob", "Latest:MDE=", "Latest:MDI="), get("blob")),
    case("commit in another order", *TWO, committed("blob", "Latest:MDI=", "Latest:MDE="), get("blob")),
    case("commit a block twice", *TWO, committed("blob", "Latest:MDE=", "Latest:MDE="), get("blob")),
    case("commit nothing", *TWO, committed("blob"), get("blob"), get("blob?comp=blocklist&blocklisttype=all")),
    case("commit an unknown block", *TWO, committed("blob", "Latest:MDM=")),
    case("commit as uncommitted what is committed", *TWO, committed("blob", "Latest:MDE="), committed("blob", "Uncommitted:MDE=")),
    case("commit as committed what is uncommitted", *TWO, committed("blob", "Committed:MDE=")),
    case("commit again with a new block", *TWO, committed("blob", "Latest:MDE=", "Latest:MDI="), staged("blob", "MDM=", b"three"),
         committed("blob", "Committed:MDI=", "Uncommitted:MDM="), get("blob"), get("blob?comp=blocklist&blocklisttype=all")),
    case("commit drops blocks it does not name",
         *TWO, committed("blob", "Latest:MDE="), get("blob?comp=blocklist&blocklisttype=all")),
    case("commit with headers", *TWO, committed("blob", "Latest:MDE=", headers={"x-ms-blob-content-type": "text/plain",
         "x-ms-meta-a": "1", "x-ms-blob-content-md5": "1B2M2Y8AsgTpgAmY7PhCfg=="}), head("blob")),
    case("commit without headers", blob(headers={"x-ms-meta-a": "1", "x-ms-blob-content-type": "text/plain"}), *TWO,
         committed("blob", "Latest:MDE="), head("blob")),
    case("commit if nothing is there", *TWO, committed("blob", "Latest:MDE=", headers={"If-None-Match": "*"})),
    case("commit if nothing is there, and it is", blob(), *TWO, committed("blob", "Latest:MDE=", headers={"If-None-Match": "*"})),
    case("commit if it matches", blob(), *TWO, committed("blob", "Latest:MDE=", headers={"If-Match": "{etag}"})),
    case("commit if it matches something else", blob(), *TWO, committed("blob", "Latest:MDE=", headers={"If-Match": '"0x8D0"'})),
    case("commit to a leased blob", blob(), leased(), committed("blob")),
    case("commit to a leased blob with another lease", blob(), leased(), committed("blob", headers={"x-ms-lease-id": OTHER_LEASE})),
    case("commit to a leased blob with its lease", blob(), leased(), committed("blob", headers={"x-ms-lease-id": LEASE})),
    case("commit what is no XML", put("blob?comp=blocklist", {}, b"<BlockList><Latest>")),
    case("commit an append blob", APPEND, committed("log")),
    case("block list, committed", *TWO, committed("blob", "Latest:MDE="), get("blob?comp=blocklist")),
    case("block list, uncommitted", *TWO, get("blob?comp=blocklist&blocklisttype=uncommitted")),
    case("block list, all", *TWO, committed("blob", "Latest:MDE="), staged("blob", "MDM=", b"3"),
         get("blob?comp=blocklist&blocklisttype=all")),
    case("block list of a put blob", blob(), get("blob?comp=blocklist&blocklisttype=all")),
    case("block list of a missing blob", get("blob?comp=blocklist")),
    case("block list of a kind there is not", blob(), get("blob?comp=blocklist&blocklisttype=some")),
    case("get a blob with staged blocks only", *TWO, get("blob")),
    case("put over drops staged blocks", *TWO, blob(), get("blob?comp=blocklist&blocklisttype=all")),
    case("create an append blob", APPEND, head("log")),
    case("append", APPEND, append(b"one"), append(b"two"), get("log"), head("log")),
    case("append nothing", APPEND, append(b"")),
    case("append to a missing blob", append(b"x")),
    case("append to a block blob", blob("log"), append(b"x")),
    case("append at the right place", APPEND, append(b"one"), append(b"two", blob_condition_appendpos="3")),
    case("append at a wrong place", APPEND, append(b"one"), append(b"two", blob_condition_appendpos="0")),
    case("append up to a limit", APPEND, append(b"one", blob_condition_maxsize="3")),
    case("append over a limit", APPEND, append(b"four", blob_condition_maxsize="3")),
    case("append if it matches something else", APPEND, put("log?comp=appendblock", {"If-Match": '"0x8D0"'}, b"x")),
    case("append to a leased blob", APPEND, leased("log"), append(b"x")),
    case("append with a wrong MD5", APPEND, put("log?comp=appendblock", {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}, b"x")),
    case("create a page blob", PAGE, head("page")),
    case("create a page blob of an odd size", put("page", {"x-ms-blob-type": "PageBlob", "x-ms-blob-content-length": "100"})),
    case("create a page blob without a size", put("page", {"x-ms-blob-type": "PageBlob"})),
    case("write a page", PAGE, put("page?comp=page", UPDATE, b"p" * 512), get("page", {"Range": "bytes=510-514"})),
    case("write a page off its boundary", PAGE, put("page?comp=page", UPDATE | {"x-ms-range": "bytes=1-512"}, b"p" * 512)),
    case("write a page behind the end", PAGE, put("page?comp=page", UPDATE | {"x-ms-range": "bytes=2048-2559"}, b"p" * 512)),
    case("clear a page", PAGE, put("page?comp=page", UPDATE, b"p" * 512),
         put("page?comp=page", {"x-ms-page-write": "clear", "x-ms-range": "bytes=512-1023"}), get("page?comp=pagelist")),
    case("page ranges", PAGE, put("page?comp=page", UPDATE, b"p" * 512), get("page?comp=pagelist")),
    case("page ranges of a block blob", blob(), get("blob?comp=pagelist")),
    case("write a page of a block blob", blob(), put("blob?comp=page", UPDATE, b"p" * 512)),
)  # fmt: skip

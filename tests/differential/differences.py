"""Where the emulator means to differ from Azurite: each with what the service is documented to do.

A difference covers fields of cases by pattern. Wide patterns stand only for headers that Azurite never sends.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

REST = "https://learn.microsoft.com/rest/api/storageservices/"


@dataclass(frozen=True)
class Difference:
    """`cases`, `field` and `answer` are patterns, alternatives divided by a bar; `source` is the service's documentation.

    `answer` is the status and error code that the emulator must give where it differs, so that no difference hides a fault.
    """

    cases: str
    field: str
    reason: str
    source: str
    answer: str = "*"

    def covers(self, case: str, field: str) -> bool:
        return _matches(case, self.cases) and _matches(field, self.field)

    def answered(self, status: object, code: object) -> bool:
        return _matches(f"{status} {code or ''}".strip(), self.answer)

    def known(self, cases: Iterable[str]) -> bool:
        return any(_matches(case, self.cases) for case in cases)


def _matches(text: str, patterns: str) -> bool:
    # fnmatch reads [1] as a set of characters; in a field it is the number of a child.
    return any(fnmatchcase(text.replace("[", "<"), pattern.replace("[", "<")) for pattern in patterns.split("|"))


FAILURE = "status|header x-ms-error-code|header content-type|header x-ms-request-id|body Error/*"
WHOLE = (
    f"{FAILURE}|body|header etag|header last-modified|header x-ms-blob-type|header accept-ranges|header x-ms-lease-*"
)
WHOLE += "|header content-*"

DIFFERENCES: tuple[Difference, ...] = (
    Difference(
        "*",
        "header x-ms-version",
        "Every answer names the service version that made it; Azurite's failures do not.",
        f"{REST}versioning-for-the-azure-storage-services",
    ),
    Difference(
        "*",
        "header x-ms-content-crc64",
        "Since 2019-02-02 writes are answered with the CRC64 of what came, and ranges with theirs on request; Azurite has none.",
        f"{REST}put-blob#response-headers",
    ),
    Difference(
        "get*|no credential, public blob|put over|put the longest name|SAS reads|account SAS reads|copy*|delete*|name *"
        "|shared key lite|a key an hour late|blob and folder*",
        "header x-ms-blob-content-md5",
        "The stored MD5 has this header only in an answer to a range; whole blobs have Content-MD5.",
        f"{REST}get-blob#response-headers",
    ),
    Difference(
        "*commit*|*block*|list blobs of blocks",
        "header content-md5",
        "Put Block List stores and answers no MD5 of the blob; of its request's body only if that came with one.",
        f"{REST}put-block-list#response-headers",
    ),
    Difference(
        "append*", "header content-md5", "An append blob has no MD5 unless one was set.", f"{REST}append-block#remarks"
    ),
    Difference(
        "*",
        "body EnumerationResults/MaxResults",
        "MaxResults is echoed as it was asked for, and only if it was.",
        f"{REST}list-blobs#response-body",
    ),
    Difference(
        "*",
        "body EnumerationResults/Blobs/Blob*/AccessTierChangeTime",
        "The time of a tier's change is there once the tier was set; an inferred tier was not.",
        f"{REST}list-blobs#response-body",
    ),
    Difference(
        "properties of an archived blob|get a blob being rehydrated|put with an access tier|set tier*|copy with a tier",
        "header x-ms-access-tier-inferred",
        "The header is there, and true, where the tier is inferred; a tier that was set has none.",
        f"{REST}get-blob-properties#response-headers",
    ),
    Difference(
        "list uncommitted blobs|list blobs of blocks|list copies|copy*",
        "body EnumerationResults/Blobs/Blob*/ServerEncrypted|body EnumerationResults/Blobs/Blob*/IncrementalCopy",
        "Everything is encrypted at rest and listed so; only incremental page blob copies say IncrementalCopy.",
        f"{REST}list-blobs#response-body",
    ),
    Difference(
        "list uncommitted blobs",
        "body EnumerationResults/Blobs/Blob/Properties/*",
        "What was never committed has no creation time, ETag and modification time.",
        f"{REST}list-blobs#remarks",
    ),
    Difference(
        "list snapshots",
        "body EnumerationResults/Blobs/Blob*",
        "Snapshots stand before their blob, oldest first, and have no lease.",
        f"{REST}list-blobs#response-body",
    ),
    Difference(
        "list append and page blobs|create an append blob|append*",
        "body EnumerationResults/Blobs/Blob[1]/Properties/Sealed|header x-ms-blob-sealed",
        "Only a sealed blob says that it is.",
        f"{REST}append-blob-seal",
    ),
    Difference(
        "create a container with bad access|containers listed with a *|list with a limit that is no number"
        "|list with a limit of nought|list with something unknown included|put without a type|put of a type there is not"
        "|stage an empty block"
        "|stage a block without an id|block list of a kind there is not|create a page blob without a size|no action"
        "|an action there is not|lease without a duration|lease with an id that is none|break for too long"
        "|delete with a word for snapshots there is not|commit what is no XML|copy from what is no URL|put a name too long",
        f"{WHOLE}|header x-ms-copy-id|header x-ms-copy-status",
        "What is missing or not understood is 400 with a code and a document that names it; Azurite has an empty body, or does it.",
        f"{REST}common-rest-api-error-codes",
        "400 *",
    ),
    Difference(
        "get a range behind the end|get an open range behind the end",
        WHOLE + "|header x-ms-blob-content-md5",
        "A range that starts behind the end is 416 InvalidRange, with the size in Content-Range.",
        f"{REST}get-blob#remarks",
        "416 InvalidRange",
    ),
    Difference(
        "get a range with its CRC64|put with a wrong CRC64",
        WHOLE + "|header x-ms-blob-content-md5",
        "CRC64 is computed on request up to 4 MiB, and compared where the client sends one; Azurite has none.",
        f"{REST}get-blob#request-headers",
        "206|400 Crc64Mismatch|201",
    ),
    Difference(
        "get a range too long for its MD5",
        WHOLE + "|header x-ms-blob-content-md5",
        "A range's MD5 is computed up to 4 MiB; beyond it the request is 400.",
        f"{REST}get-blob#request-headers",
        "400 OutOfRangeInput",
    ),
    Difference(
        "get a missing blob if it matches",
        "status|header x-ms-error-code|body Error/Code",
        "What is not there is 404 BlobNotFound to a read, whatever its conditions.",
        f"{REST}get-blob#status-code",
        "404 BlobNotFound",
    ),
    Difference(
        "get a blob being rehydrated",
        "header x-ms-access-tier|header x-ms-archive-status",
        "Rehydration takes hours: until then the tier is Archive and the status says where to.",
        "https://learn.microsoft.com/azure/storage/blobs/archive-rehydrate-overview",
        "20?",
    ),
    Difference(
        "metadata|metadata by HEAD|metadata of a container|metadata of a container replaced",
        "body|header content-*|header x-ms-blob-content-md5|header x-ms-lease-*|header x-ms-blob-type|header accept-ranges",
        "Get Metadata answers metadata, ETag and Last-Modified, without the blob's bytes and properties.",
        f"{REST}get-blob-metadata#response-headers",
    ),
    Difference(
        "get if it does not match|get if modified since the future|get two conditions, one fails",
        "header content-type",
        "304 has no body, and so no type of one.",
        f"{REST}status-and-error-codes2",
        "304 ConditionNotMet",
    ),
    Difference(
        "get a snapshot|properties of a snapshot|snapshot with metadata|copy a snapshot|delete only the snapshots",
        "header x-ms-lease-*",
        "Snapshots cannot be leased, and say nothing of leases.",
        f"{REST}snapshot-blob#remarks",
    ),
    Difference(
        "put with headers of HTTP",
        "header cache-control|header content-encoding|header content-language",
        "Put Blob keeps the plain headers too where no x-ms-blob header says otherwise.",
        f"{REST}put-blob#request-headers-all-blob-types",
        "200",
    ),
    Difference(
        "put with a wrong MD5|put with an MD5 that is none|stage a block with a wrong MD5|append with a wrong MD5",
        FAILURE,
        "A wrong checksum is Md5Mismatch, one that is none InvalidMd5.",
        f"{REST}common-rest-api-error-codes",
        "400 Md5Mismatch|400 InvalidMd5",
    ),
    Difference(
        "put with a tier there is not|stage a block with an id that is none|append nothing|set tier to one there is not",
        "body Error/*|header x-ms-error-code",
        "Beside the code the document may name the header or parameter; a tier there is not is a header's value like any other.",
        f"{REST}set-blob-tier#response",
        "400 Invalid*",
    ),
    Difference(
        "put an append blob with bytes|create a page blob of an odd size",
        FAILURE,
        "There is no code InvalidOperation; the size must be a multiple of 512, and an append blob is created empty.",
        f"{REST}blob-service-error-codes",
        "400 InvalidBlobOrBlock|400 InvalidHeaderValue",
    ),
    Difference(
        "put over drops staged blocks",
        "body BlockList/UncommittedBlocks/*",
        "Put Blob discards the blocks that are staged under its name.",
        f"{REST}put-block#remarks",
    ),
    Difference(
        "write a page off its boundary|write a page behind the end",
        FAILURE,
        "The code is InvalidPageRange.",
        f"{REST}blob-service-error-codes",
        "416 InvalidPageRange",
    ),
    Difference(
        "block list, uncommitted",
        "header etag|header last-modified",
        "A blob that has only staged blocks has no version yet, and so neither ETag nor Last-Modified.",
        f"{REST}get-block-list#response-headers",
    ),
    Difference(
        "write to what is broken with its id",
        "header x-ms-error-code|body Error/Code",
        "A lease that was there and ended is LeaseLost; LeaseNotPresent is for what was never leased or was released.",
        f"{REST}blob-service-error-codes",
        "412 LeaseLost",
    ),
    Difference(
        "copy if the source *",
        FAILURE,
        "A condition on the source that fails is 412 SourceConditionNotMet, whichever it was.",
        f"{REST}blob-service-error-codes",
        "412 SourceConditionNotMet",
    ),
    Difference(
        "a wrong key*|another account's key|SAS expired*|SAS too early|SAS of another container|SAS signed with another key"
        "|a header that is none|SAS on a missing container",
        FAILURE,
        "What cannot be authenticated is AuthenticationFailed, with a detail that says why; a header that is none is 400.",
        f"{REST}common-rest-api-error-codes",
        "403 AuthenticationFailed|400 InvalidAuthenticationInfo",
    ),
    Difference(
        "a key an hour late",
        WHOLE + "|header x-ms-blob-content-md5",
        "A request's date may lie 15 minutes away; Azurite does not look.",
        f"{REST}authorize-with-shared-key#specifying-the-date-header",
        "403 AuthenticationFailed|201",
    ),
    Difference(
        "no credential*",
        FAILURE,
        "Since 2019-12-12 a request without a credential is 401 with a challenge that says where tokens are had.",
        f"{REST}authorize-with-azure-active-directory#bearer-challenge",
        "401 NoAuthenticationInformation",
    ),
    Difference(
        "SAS cannot *",
        FAILURE,
        "A container's SAS never covers the container's own properties or its deletion: AuthorizationFailure.",
        f"{REST}create-service-sas#permissions-for-a-directory-container-or-blob",
        "403 AuthorizationFailure",
    ),
    Difference(
        "SAS creates over what is there",
        "header x-ms-error-code|body Error/Code",
        "To overwrite with a permission that only creates has a code of its own, UnauthorizedBlobOverwrite.",
        f"{REST}blob-service-error-codes",
        "403 UnauthorizedBlobOverwrite",
    ),
    Difference(
        "write a page",
        "header accept-ranges",
        "Every blob accepts ranges, and says so.",
        f"{REST}get-blob#response-headers",
    ),
    Difference(
        "shared key lite",
        WHOLE + "|header x-ms-blob-content-md5",
        "Shared Key Lite is a scheme of the blob service.",
        f"{REST}authorize-with-shared-key#blob-queue-and-file-services-shared-key-lite-authorization",
        "200|201",
    ),
)

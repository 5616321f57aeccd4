"""From what the service answered to what mountd can say: status and x-ms-error-code in, one of errors.py's classes out.

Never by an answer's text, and never with a credential in a sentence. What a 403 means also depends on the credential (a
SAS that has ended) and on the two clocks, so both are asked.
"""

import email.utils
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mountd import errors
from mountd.errors import StoreError

SKEW_SECONDS = 900.0  # the service accepts a signature's time within 15 minutes


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the sentence and for the meaning. `key` is "" for the container itself."""

    place: str
    key: str
    anonymous: bool = False
    expires: float | None = None
    if_absent: bool = False

    def __str__(self) -> str:
        return f"{self.key!r} in {self.place}" if self.key else self.place


# By code alone, whatever the status. The sentence is about `{}`.
_BY_CODE: dict[str, tuple[type[StoreError], str]] = {
    "BlobNotFound": (errors.NotFound, "There is no {}."),
    "PathNotFound": (errors.NotFound, "There is no {}."),
    "ContainerNotFound": (errors.NoContainer, "There is no container {place}."),
    "FilesystemNotFound": (errors.NoContainer, "There is no container {place}."),
    "ContainerBeingDeleted": (errors.NoContainer, "The container {place} is being deleted."),
    "ContainerDisabled": (errors.AccessDenied, "The container {place} is disabled."),
    "AccountIsDisabled": (errors.AccessDenied, "The storage account of {place} is disabled."),
    "BlobArchived": (errors.Archived, "{} is in the archive tier."),
    "BlobBeingRehydrated": (errors.Archived, "{} is being brought back from the archive tier."),
    "ContainerAlreadyExists": (errors.AlreadyExists, "The container {place} is there already."),
    "BlobAlreadyExists": (errors.AlreadyExists, "{} is there already."),
    "BlobImmutableDueToPolicy": (errors.Immutable, "{} is protected by a retention policy or legal hold."),
    "SnapshotsPresent": (errors.Immutable, "{} has snapshots, which would be lost with it."),
    "SnapshotOperationRateExceeded": (errors.Throttled, "{} has had too many snapshots lately."),
    "ServerBusy": (errors.Throttled, "The service asked for fewer requests to {place}."),
    "OperationTimedOut": (errors.Unavailable, "The service did not finish in its own time for {place}."),
    "InternalError": (errors.Unavailable, "The service failed inside for {place}."),
    "Md5Mismatch": (errors.Corrupt, "The bytes of {} did not arrive as they were sent."),
    "Crc64Mismatch": (errors.Corrupt, "The bytes of {} did not arrive as they were sent."),
    "InvalidRange": (errors.Corrupt, "{} is shorter than it was."),
    "InvalidBlobType": (errors.Unsupported, "{} is an append or page blob."),
    "UnsupportedHeader": (errors.Unsupported, "The service does not know what was asked of {}."),
    "FeatureVersionMismatch": (errors.Unsupported, "The service cannot do this with {}."),
}
_LEASE_WORD = "Lease"

_REMEDIES: dict[type[StoreError], str] = {
    errors.Archived: "Rehydrate it (set its tier to Hot or Cool) and wait until that is done.",
    errors.NoContainer: "Check the container's name, or create it.",
    errors.Immutable: "Remove the policy, hold or snapshots first, if that is meant.",
    errors.LeaseConflict: "Wait for its holder, or break the lease.",
    errors.CredentialExpired: "Make a new SAS and rotate it in.",
    errors.ClockSkew: "Set this machine's clock (NTP).",
    errors.CannotTell: "Register it with a credential to know which.",
}


def refusal(status: int, headers: Mapping[str, str], asked: Asked, code: str = "") -> StoreError:
    """The error for an answer that is no success. `code` is from the body, for services that do not repeat it in a header."""
    code = headers.get("x-ms-error-code", "") or code
    error = _meaning(status, code, headers, asked)
    error.request_id = headers.get("x-ms-request-id") or None
    error.retry_after = _retry_after(headers)
    return error


def _meaning(status: int, code: str, headers: Mapping[str, str], asked: Asked) -> StoreError:
    if _LEASE_WORD in code:
        return _made(errors.LeaseConflict, "{} is leased ({code}).", asked, status, code)
    known = _BY_CODE.get(code)
    if known is not None:
        return _made(*known, asked, status, code)
    if asked.anonymous and _looks_private(status, code):
        sentence = "{place} is private or does not exist: without a credential the two look alike."
        return _made(errors.CannotTell, sentence, asked, status, code)
    if status in (401, 403):
        return _denied(status, code, headers, asked)
    if status == 404 and not (code or headers.get("x-ms-request-id")):
        sentence = "Something that is not the storage service answered for {place} ({status})."
        return _made(errors.Unavailable, sentence, asked, status, code)
    if status == 404:
        # A code that says neither blob nor container: only a listing's 404 is about the container for certain.
        kind = errors.NotFound if asked.key else errors.NoContainer
        return _made(kind, "There is no {}.", asked, status, code)
    if status == 412 and asked.if_absent:
        return _made(errors.AlreadyExists, "{} is there already.", asked, status, code)
    if status in (304, 412):
        return _made(errors.PreconditionFailed, "{} is not the version it was.", asked, status, code)
    if status in (429, 503):
        return _made(errors.Throttled, "The service asked for fewer requests to {place}.", asked, status, code)
    if status == 408 or status >= 500:
        return _made(errors.Unavailable, "The service failed ({status}) for {place}.", asked, status, code)
    if status == 409:
        return _made(errors.Immutable, "The service refused this change of {} ({code}).", asked, status, code)
    return _made(errors.Unsupported, "The service refused the request for {} ({status} {code}).", asked, status, code)


def _looks_private(status: int, code: str) -> bool:
    return status == 401 or code in ("ResourceNotFound", "PublicAccessNotPermitted", "NoAuthenticationInformation")


def _denied(status: int, code: str, headers: Mapping[str, str], asked: Asked) -> StoreError:
    server = _seconds(headers.get("date", ""))
    if asked.expires is not None and (server or time.time()) >= asked.expires:
        ended = datetime.fromtimestamp(asked.expires, UTC).isoformat(sep=" ", timespec="seconds")
        return _made(errors.CredentialExpired, f"The SAS for {{place}} ended at {ended}.", asked, status, code)
    if server is not None and abs(server - time.time()) > SKEW_SECONDS:
        minutes = round((time.time() - server) / 60)
        off = f"{abs(minutes)} minutes {'ahead of' if minutes > 0 else 'behind'}"
        sentence = f"This machine's clock is {off} the service's, so that it refuses every signature for {{place}}."
        return _made(errors.ClockSkew, sentence, asked, status, code)
    error = _made(errors.AccessDenied, "The service refused the credential for {} ({code}).", asked, status, code)
    error.remedy = _DENIED_REMEDIES.get(code, "Check the credential and what it allows.")
    return error


_DENIED_REMEDIES = {
    "AuthenticationFailed": "The key or signature is wrong, or was rotated: give the new one.",
    "InvalidAuthenticationInfo": "The token was not accepted: check the identity's tenant.",
    "AuthorizationPermissionMismatch": "Give the identity Storage Blob Data Reader (or Contributor), or the SAS its letters.",
    "AuthorizationFailure": "The account's firewall or the credential's scope forbids it: check both.",
    "AuthorizationSourceIPMismatch": "The SAS is for other addresses than this machine's.",
    "AuthorizationProtocolMismatch": "The SAS is for https only.",
    "AuthorizationResourceTypeMismatch": "The SAS is for another kind of resource: it needs container and object.",
    "AuthorizationServiceMismatch": "The SAS is for another service than blobs.",
    "KeyBasedAuthenticationNotPermitted": "The account takes no keys or SAS: register it with an identity.",
    "InsufficientAccountPermissions": "The credential lacks a permission: check the SAS's letters or the role.",
}


def _made(kind: type[StoreError], sentence: str, asked: Asked, status: int, code: str) -> StoreError:
    text = (
        sentence.replace("{place}", asked.place).replace("{code}", code or str(status)).replace("{status}", str(status))
    )
    return kind(text.replace("{}", str(asked)).replace(" )", ")"), remedy=_REMEDIES.get(kind, ""))


def _retry_after(headers: Mapping[str, str]) -> float | None:
    text = headers.get("x-ms-retry-after-ms", "")
    if text.isdigit():
        return int(text) / 1000
    text = headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    moment = _seconds(text)
    return None if moment is None else max(0.0, moment - time.time())


def _seconds(date: str) -> float | None:
    """An HTTP date as seconds since the epoch; None for none."""
    if not date:
        return None
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None

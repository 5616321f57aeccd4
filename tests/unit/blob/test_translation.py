"""Status and code to the name of the failure."""

import time
from email.utils import formatdate

import pytest

from mountd import errors
from mountd.stores.blob.translation import Asked, refusal

PLACE = "https://acct.blob.core.windows.net/c"


def meaning(
    status: int, code: str = "", *, anonymous: bool = False, expires: float | None = None, **headers: str
) -> errors.StoreError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if code:
        named["x-ms-error-code"] = code
    return refusal(status, named, Asked(PLACE, "k", anonymous=anonymous, expires=expires))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "BlobNotFound", errors.NotFound),
        (404, "", errors.NotFound),
        (404, "ContainerNotFound", errors.NoContainer),
        (409, "ContainerBeingDeleted", errors.NoContainer),
        (409, "BlobArchived", errors.Archived),
        (409, "BlobBeingRehydrated", errors.Archived),
        (409, "BlobAlreadyExists", errors.AlreadyExists),
        (409, "SnapshotsPresent", errors.Immutable),
        (409, "BlobImmutableDueToPolicy", errors.Immutable),
        (412, "ConditionNotMet", errors.PreconditionFailed),
        (304, "", errors.PreconditionFailed),
        (412, "LeaseIdMissing", errors.LeaseConflict),
        (409, "LeaseAlreadyPresent", errors.LeaseConflict),
        (409, "LeaseIdMismatchWithLeaseOperation", errors.LeaseConflict),
        (503, "ServerBusy", errors.Throttled),
        (503, "", errors.Throttled),
        (429, "", errors.Throttled),
        (500, "InternalError", errors.Unavailable),
        (500, "OperationTimedOut", errors.Unavailable),
        (502, "", errors.Unavailable),
        (416, "InvalidRange", errors.Corrupt),
        (409, "InvalidBlobType", errors.Unsupported),
        (400, "InvalidHeaderValue", errors.Unsupported),
        (403, "AuthenticationFailed", errors.AccessDenied),
        (403, "AuthorizationPermissionMismatch", errors.AccessDenied),
        (403, "AuthorizationFailure", errors.AccessDenied),
        (401, "InvalidAuthenticationInfo", errors.AccessDenied),
        (403, "AccountIsDisabled", errors.AccessDenied),
    ],
)
def test_code_and_status_name_the_failure(status: int, code: str, kind: type[errors.StoreError]) -> None:
    error = meaning(status, code, x_ms_request_id="r1")
    assert type(error) is kind
    assert error.request_id == "r1"
    assert "{" not in str(error)


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "ResourceNotFound"), (401, "NoAuthenticationInformation"), (401, ""), (409, "PublicAccessNotPermitted")],
)
def test_anonymous_cannot_tell_private_from_missing(status: int, code: str) -> None:
    assert type(meaning(status, code, anonymous=True)) is errors.CannotTell
    assert type(meaning(status, code)) is not errors.CannotTell
    assert type(meaning(404, "BlobNotFound", anonymous=True)) is errors.NotFound


def test_an_ended_sas_says_when_it_ended() -> None:
    error = meaning(403, "AuthenticationFailed", expires=1795389544.0, date=formatdate(1795389545, usegmt=True))
    assert type(error) is errors.CredentialExpired
    assert "2026-11-22 23:19:04+00:00" in str(error)
    good = meaning(403, "AuthenticationFailed", expires=time.time() + 60, date=formatdate(time.time(), usegmt=True))
    assert type(good) is errors.AccessDenied


@pytest.mark.parametrize(("ahead", "word"), [(3600, "60 minutes behind"), (-7200, "120 minutes ahead of")])
def test_clocks_that_differ(ahead: int, word: str) -> None:
    error = meaning(403, "AuthenticationFailed", date=formatdate(time.time() + ahead, usegmt=True))
    assert type(error) is errors.ClockSkew
    assert word in str(error)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"retry_after": "3"}, 3.0), ({"x_ms_retry_after_ms": "250"}, 0.25), ({"retry_after": "soon"}, None), ({}, None)],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert meaning(503, "ServerBusy", **headers).retry_after == seconds


def test_retry_after_as_a_date() -> None:
    asked = meaning(503, retry_after=formatdate(time.time() + 60, usegmt=True)).retry_after
    assert asked is not None
    assert 50 < asked <= 60


def test_a_create_that_finds_something() -> None:
    asked = Asked(PLACE, "k", if_absent=True)
    assert type(refusal(412, {"x-ms-error-code": "ConditionNotMet"}, asked)) is errors.AlreadyExists

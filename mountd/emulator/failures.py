"""Every failure the service names: code → status and sentence, and how it is written as XML.

Source: "Blob service error codes" and "Common REST API error codes" in the service's REST reference. Knows no operation.
"""

from datetime import UTC, datetime

from .messages import Response
from .xml import escape

FAILURES: dict[str, tuple[int, str]] = {
    "AccountIsDisabled": (403, "The specified account is disabled."),
    "AppendPositionConditionNotMet": (412, "The append position condition specified was not met."),
    "AuthenticationFailed": (
        403,
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly "
        "including the signature.",
    ),
    "AuthorizationFailure": (403, "This request is not authorized to perform this operation."),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "AuthorizationProtocolMismatch": (
        403,
        "This request is not authorized to perform this operation using this protocol.",
    ),
    "AuthorizationResourceTypeMismatch": (
        403,
        "This request is not authorized to perform this operation using this resource type.",
    ),
    "AuthorizationServiceMismatch": (
        403,
        "This request is not authorized to perform this operation using this service.",
    ),
    "AuthorizationSourceIPMismatch": (
        403,
        "This request is not authorized to perform this operation using this source IP {address}.",
    ),
    "BlobAlreadyExists": (409, "The specified blob already exists."),
    "BlobArchived": (409, "This operation is not permitted on an archived blob."),
    "BlobBeingRehydrated": (409, "This operation is not permitted because the blob is being rehydrated."),
    "BlobImmutableDueToLegalHold": (
        409,
        "This operation is not permitted as the blob is immutable due to a legal hold.",
    ),
    "BlobImmutableDueToPolicy": (409, "This operation is not permitted as the blob is immutable due to a policy."),
    "BlobIsSealed": (
        409,
        "The specified blob is sealed and its contents can't be modified unless the blob is re-created after a delete.",
    ),
    "BlobNotArchived": (409, "This operation is only permitted on an archived blob."),
    "BlobNotFound": (404, "The specified blob does not exist."),
    "BlobTierInadequateForContentLength": (409, "Specified blob tier size limit cannot be less than content length."),
    "BlockCountExceedsLimit": (409, "The committed block count cannot exceed the maximum limit of 50,000 blocks."),
    "BlockListTooLong": (400, "The block list may not contain more than 50,000 blocks."),
    "CannotVerifyCopySource": (404, "Could not verify the copy source within the specified time."),
    "ConditionHeadersNotSupported": (400, "Condition headers are not supported."),
    "ConditionNotMet": (412, "The condition specified using HTTP conditional header(s) is not met."),
    "ContainerAlreadyExists": (409, "The specified container already exists."),
    "ContainerBeingDeleted": (409, "The specified container is being deleted. Try operation later."),
    "ContainerNotFound": (404, "The specified container does not exist."),
    "CopyIdMismatch": (409, "The specified copy ID did not match the copy ID for the pending copy operation."),
    "Crc64Mismatch": (
        400,
        "The CRC64 value specified in the request did not match with the CRC64 value calculated by the server.",
    ),
    "EmptyMetadataKey": (400, "The key for one of the metadata key-value pairs is empty."),
    "InternalError": (500, "The server encountered an internal error. Please retry the request."),
    "InvalidAuthenticationInfo": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
    ),
    "InvalidBlobOrBlock": (400, "The specified blob or block content is invalid."),
    "InvalidBlobTier": (400, "The specified blob tier is invalid."),
    "InvalidBlobType": (409, "The blob type is invalid for this operation."),
    "InvalidBlockId": (400, "The specified block ID is invalid. The block ID must be Base64-encoded."),
    "InvalidBlockList": (400, "The specified block list is invalid."),
    "InvalidHeaderValue": (400, "The value for one of the HTTP headers is not in the correct format."),
    "InvalidInput": (400, "One of the request inputs is not valid."),
    "InvalidMarker": (400, "The specified marker is invalid."),
    "InvalidMd5": (
        400,
        "The MD5 value specified in the request is invalid. The MD5 value must be 128 bits and Base64-encoded.",
    ),
    "InvalidMetadata": (400, "The metadata specified is invalid. It has characters that are not permitted."),
    "InvalidPageRange": (416, "The page range specified is invalid."),
    "InvalidQueryParameterValue": (
        400,
        "Value for one of the query parameters specified in the request URI is invalid.",
    ),
    "InvalidRange": (416, "The range specified is invalid for the current size of the resource."),
    "InvalidResourceName": (400, "The specified resource name contains invalid characters."),
    "InvalidSourceBlobType": (409, "The copy source blob type is invalid for this operation."),
    "InvalidTags": (400, "The tags specified are invalid. It contains characters that are not permitted."),
    "InvalidUri": (400, "The requested URI does not represent any resource on the server."),
    "InvalidXmlDocument": (400, "XML specified is not syntactically valid."),
    "LeaseAlreadyBroken": (409, "The lease has already been broken and cannot be broken again."),
    "LeaseAlreadyPresent": (409, "There is already a lease present."),
    "LeaseIdMismatchWithBlobOperation": (412, "The lease ID specified did not match the lease ID for the blob."),
    "LeaseIdMismatchWithContainerOperation": (
        412,
        "The lease ID specified did not match the lease ID for the container.",
    ),
    "LeaseIdMismatchWithLeaseOperation": (
        409,
        "The lease ID specified did not match the lease ID for the blob/container.",
    ),
    "LeaseIdMissing": (
        412,
        "There is currently a lease on the blob/container and no lease ID was specified in the request.",
    ),
    "LeaseIsBreakingAndCannotBeAcquired": (
        409,
        "The lease ID matched, but the lease is currently in breaking state and cannot be acquired until it is broken.",
    ),
    "LeaseIsBreakingAndCannotBeChanged": (
        409,
        "The lease ID matched, but the lease is currently in breaking state and cannot be changed.",
    ),
    "LeaseIsBrokenAndCannotBeRenewed": (
        409,
        "The lease ID matched, but the lease has been broken explicitly and cannot be renewed.",
    ),
    "LeaseLost": (412, "A lease ID was specified, but the lease for the blob/container has expired."),
    "LeaseNotPresentWithBlobOperation": (412, "There is currently no lease on the blob."),
    "LeaseNotPresentWithContainerOperation": (412, "There is currently no lease on the container."),
    "LeaseNotPresentWithLeaseOperation": (409, "There is currently no lease on the blob/container."),
    "MaxBlobSizeConditionNotMet": (412, "The max blob size condition specified was not met."),
    "Md5Mismatch": (
        400,
        "The MD5 value specified in the request did not match with the MD5 value calculated by the server.",
    ),
    "MetadataTooLarge": (400, "The metadata specified exceeds the maximum allowed limit (8 KiB)."),
    "MissingContentLengthHeader": (411, "Content-Length HTTP header is missing."),
    "MissingRequiredHeader": (400, "An HTTP header that's mandatory for this request is not specified."),
    "MissingRequiredQueryParameter": (400, "A query parameter that's mandatory for this request is not specified."),
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the www-authenticate header.",
    ),
    "NoPendingCopyOperation": (409, "There is currently no pending copy operation."),
    "OperationTimedOut": (500, "The operation could not be completed within the permitted time."),
    "OutOfRangeInput": (400, "One of the request inputs is out of range."),
    "OutOfRangeQueryParameterValue": (
        400,
        "One of the query parameters specified in the request URI is outside the permissible range.",
    ),
    "PublicAccessNotPermitted": (409, "Public access is not permitted on this storage account."),
    "RequestBodyTooLarge": (413, "The request body is too large and exceeds the maximum permissible limit."),
    "ResourceNotFound": (404, "The specified resource does not exist."),
    "SequenceNumberConditionNotMet": (412, "The sequence number condition specified was not met."),
    "ServerBusy": (503, "The server is busy."),
    "SnapshotsPresent": (409, "This operation is not permitted because the blob has snapshots."),
    "SourceConditionNotMet": (412, "The source condition specified using HTTP conditional header(s) is not met."),
    "TagsTooLarge": (400, "The tags specified exceed the maximum allowed limit."),
    "TooManyRequests": (429, "The server is busy."),
    "UnauthorizedBlobOverwrite": (403, "This request is not authorized to perform blob overwrites."),
    "UnsatisfiableCondition": (400, "The request includes an unsatisfiable condition for this operation."),
    "UnsupportedHeader": (400, "One of the HTTP headers specified in the request is not supported."),
    "UnsupportedHttpVerb": (405, "The resource doesn't support specified Http Verb."),
    "UnsupportedQueryParameter": (400, "One of the query parameters specified in the request URI is not supported."),
}


class ServiceFailure(Exception):
    """An answer of the service that is a failure. `detail` is what it adds for people; `extra` its additional headers."""

    def __init__(
        self,
        code: str,
        *,
        status: int | None = None,
        detail: str = "",
        extra: dict[str, str] | None = None,
        **values: str,
    ) -> None:
        known, sentence = FAILURES.get(code, (status or 500, code))
        super().__init__(code)
        self.code = code
        self.status = status or known
        self.sentence = sentence.format(**values) if values else sentence
        self.detail = detail
        self.extra = extra or {}

    def response(self, request_id: str, method: str) -> Response:
        """The failure as the service writes it: the code in a header always, XML except to HEAD and with 304."""
        headers = {"x-ms-error-code": self.code, **self.extra}
        if self.status == 304:
            return Response(304, headers)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z")
        body = self._document(request_id, now)
        if method == "HEAD":
            return Response(self.status, headers, length=0)
        headers["Content-Type"] = "application/xml"
        return Response(self.status, headers, (body,))

    def _document(self, request_id: str, now: str) -> bytes:
        detail = f"<AuthenticationErrorDetail>{escape(self.detail)}</AuthenticationErrorDetail>" if self.detail else ""
        return (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>{self.code}</Code><Message>{escape(self.sentence)}\n'
            f"RequestId:{request_id}\nTime:{now}</Message>{detail}</Error>"
        ).encode()

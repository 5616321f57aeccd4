"""Who may do what: Shared Key, SAS, bearer tokens and anonymous readers, checked for real.

The order and the failures are the service's: what it cannot authenticate is AuthenticationFailed (403) or, for tokens,
InvalidAuthenticationInfo (401); what it may not do is a mismatch (403).
"""

from typing import Protocol

from . import sas, sharedkey
from .call import Call
from .dispatch import Operation
from .failures import ServiceFailure
from .messages import parse_date

SKEW = 15 * 60  # seconds a request's date may lie away
CHALLENGE_SINCE = "2019-12-12"  # service version that answers anonymous requests with a bearer challenge
RESOURCE_TYPES = {"service": "s", "container": "c", "blob": "o"}
OVERWRITERS = frozenset({"PutBlob", "PutBlockList", "CopyBlob", "PutBlobFromURL"})


class TokenVerifier(Protocol):
    """Knows the tokens that the emulator's own authority has issued."""

    def bearer(self, token: str, now: float) -> tuple[str, str]:
        """Object id of the token's principal, and SAS-like letters of what it may do; raises ServiceFailure."""

    def challenge(self) -> str:
        """The WWW-Authenticate header."""


class Authorisation:
    """The guard at the service's door."""

    def __init__(self, tokens: TokenVerifier) -> None:
        self._tokens = tokens

    def authorise(self, call: Call, operation: Operation) -> None:
        header = call.request.headers.get("authorization")
        if header is not None:
            scheme, _, credential = header.partition(" ")
            if scheme in {"SharedKey", "SharedKeyLite"}:
                self._shared_key(call, scheme, credential)
            elif scheme == "Bearer":
                self._bearer(call, operation, credential.strip())
            else:
                raise ServiceFailure("InvalidAuthenticationInfo", status=400)
        elif "sig" in call.request.query:
            self._signature(call, operation)
        else:
            self._anonymous(call, operation)

    def _shared_key(self, call: Call, scheme: str, credential: str) -> None:
        account, colon, given = credential.partition(":")
        if not colon:
            raise ServiceFailure("InvalidAuthenticationInfo", status=400)
        date = call.header("x-ms-date") or call.header("date")
        sent = parse_date(date)
        if sent is None:
            raise _refused("Request date header is missing or not valid")
        if abs(call.now - sent) > SKEW:
            raise _refused(f"Request date header too old: '{date}'")
        text = sharedkey.string_to_sign(call.request, call.account.name, lite=scheme == "SharedKeyLite")
        right = any(sharedkey.same(given.strip(), sharedkey.signature(key, text)) for key in call.account.keys)
        if account != call.account.name or not right:
            raise _refused(
                f"The MAC signature found in the HTTP request '{given}' is not the same as any computed signature. "
                f"Server used following string to sign: '{text}'."
            )

    def _signature(self, call: Call, operation: Operation) -> None:
        grant = sas.verify(call.request, call.account, call.address, call.now)
        if grant.kind == "account":
            if RESOURCE_TYPES[operation.level] not in grant.resource_types:
                raise ServiceFailure("AuthorizationResourceTypeMismatch")
        elif operation.level != "blob" and not operation.scoped:
            raise ServiceFailure("AuthorizationFailure")
        _permit(call, operation, grant.permissions)
        _override(call)

    def _bearer(self, call: Call, operation: Operation, token: str) -> None:
        call.principal, permissions = self._tokens.bearer(token, call.now)
        if operation.name == "GetUserDelegationKey":
            return
        _permit(call, operation, permissions)

    def _anonymous(self, call: Call, operation: Operation) -> None:
        container = call.account.containers.get(call.address.container)
        if container is not None and operation.public and container.public in {"container", operation.public}:
            return
        if call.header("x-ms-version") >= CHALLENGE_SINCE:
            raise ServiceFailure("NoAuthenticationInformation", extra={"WWW-Authenticate": self._tokens.challenge()})
        raise ServiceFailure("ResourceNotFound")


def _permit(call: Call, operation: Operation, permissions: str) -> None:
    """Any of the operation's letters suffices; "c" alone makes new blobs and changes none."""
    if not operation.permissions or not set(operation.permissions) & set(permissions):
        raise ServiceFailure("AuthorizationPermissionMismatch")
    if operation.name in OVERWRITERS and "w" not in permissions:
        container = call.account.containers.get(call.address.container)
        if container is not None and call.address.key in container.blobs:
            raise ServiceFailure("UnauthorizedBlobOverwrite")


def _override(call: Call) -> None:
    """Remembers the response headers a SAS asks for."""
    for name, header in sas.RESPONSE_NAMES.items():
        value = call.request.query.get(name)
        if value and not value.isprintable():
            raise ServiceFailure("InvalidQueryParameterValue")
        if value:
            call.overrides[header] = value


def _refused(detail: str) -> ServiceFailure:
    return ServiceFailure("AuthenticationFailed", detail=detail)

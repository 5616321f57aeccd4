"""Tokens of Microsoft Entra identities, through azure-identity: asked when needed, kept, renewed before they end.

Foreign exceptions are translated here by type. Their texts are left out but for an AADSTS number, which is what a person
looks up. azure-identity is imported at the first use: it costs half a second that a key or a SAS need not pay.
"""

import os
import re
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from mountd.definitions import (
    AzureCli,
    ClientCertificate,
    ClientSecret,
    Credential,
    DefaultChain,
    ManagedIdentity,
    Secret,
    WorkloadIdentity,
)
from mountd.errors import AccessDenied, InvalidDefinition, StoreError, Unavailable
from mountd.stores.config import NetworkConfig
from mountd.stores.network import identity_options

SCOPE = "https://storage.azure.com/.default"
# A request signed now may wait in a queue; the service's clock may be ahead of ours by up to five minutes.
RENEW_BEFORE_SECONDS = 300.0
# A token service that is down is not asked again at once while the old token is still good.
RENEW_AGAIN_SECONDS = 30.0
# A 401 for a token this young is no matter of age: a second one would be refused too.
YOUNG_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Token:
    """`got` and `ends` are wall-clock seconds."""

    value: Secret
    got: float
    ends: float

    def good(self, now: float) -> bool:
        """Long enough for a request; half its life at most is kept back, for short-lived ones."""
        return now < self.ends - min(RENEW_BEFORE_SECONDS, (self.ends - self.got) / 2)


class TokenSource:
    """One identity's token. `fetch` gives (token, end in seconds since the epoch) or raises a StoreError.

    State, under `_lock`: the token, when to try again after a failed renewal, the last failure and how many there were,
    and the generation.
    """

    def __init__(self, fetch: Callable[[], tuple[str, float]], clock: Callable[[], float] = time.time) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._again = 0.0
        # Its words, not the exception: that would hold the frames of the failed call.
        self._failure: tuple[type[StoreError], str, str] | None = None
        self._failures = 0
        self.generation = 0

    @property
    def at_hand(self) -> bool:
        """Whether `current` has one to give without asking."""
        token = self._token
        return token is not None and token.good(self._clock())

    def current(self) -> Token:
        """While one thread renews it, the others go on with the old one as long as that is valid; without one they wait,
        and share its failure instead of asking one after the other."""
        token, now, failures = self._token, self._clock(), self._failures
        if token is not None and token.good(now):
            return token
        valid = token is not None and now < token.ends
        if not self._lock.acquire(blocking=not valid):
            assert token is not None
            return token
        try:
            return self._renewed(failures)
        finally:
            self._lock.release()

    def _renewed(self, failures: int) -> Token:
        token, now = self._token, self._clock()
        if token is not None and (token.good(now) or (now < token.ends and now < self._again)):
            return token
        if self._failure is not None and failures != self._failures:
            kind, sentence, remedy = self._failure
            raise kind(sentence, remedy=remedy)
        try:
            value, ends = self._fetch()
        except StoreError as error:
            self._failure, self._failures = (type(error), error.sentence, error.remedy), self._failures + 1
            if token is None or now >= token.ends:
                raise
            self._again = now + RENEW_AGAIN_SECONDS
            return token
        self._token = Token(Secret(value), now, ends)
        self.generation += 1
        return self._token

    def refused(self) -> bool:
        """The service refused the token: forgets it, unless it is so young that the next would be no better."""
        with self._lock:
            token = self._token
            if token is None or self._clock() - token.got < YOUNG_SECONDS:
                return False
            self._token = None
            return True


def token_source(credential: Credential, network: NetworkConfig) -> TokenSource:
    def fetch() -> tuple[str, float]:
        from azure.core.exceptions import AzureError

        try:
            # A new one each time (about hourly): azure-identity would answer from its own cache, a refused token too, and
            # keep connections that nothing closes.
            with closing(_identity(credential, network)) as identity:
                token = identity.get_token(SCOPE)
        except AzureError as error:
            raise _translated(error, type(credential).__name__) from error
        except OSError as error:
            # Of the identities only a federation reads a file; the others' failures are the library's own.
            raise AccessDenied(
                f"The token file {getattr(credential, 'token_file', '')} cannot be read: {error.strerror}.",
                remedy="Check its path and who may read it.",
            ) from error
        return token.token, float(token.expires_on)

    return TokenSource(fetch)


def _identity(credential: Credential, network: NetworkConfig) -> Any:  # noqa: ANN401  azure-identity's classes share no type
    from azure import identity

    options = identity_options(network)
    authority = getattr(credential, "authority_url", "") or os.environ.get("AZURE_AUTHORITY_HOST", "")
    if authority:
        # Asking login.microsoftonline.com whether the authority is real would fail in private clouds.
        options |= {"authority": authority, "disable_instance_discovery": True}
    try:
        match credential:
            case ManagedIdentity(client_id):
                for name in ("proxies", "authority", "disable_instance_discovery"):
                    options.pop(name, None)  # asked of this machine's host: no proxy and no authority on the way
                return identity.ManagedIdentityCredential(client_id=client_id or None, **options)
            case ClientSecret(tenant, client, secret):
                return identity.ClientSecretCredential(tenant, client, secret.reveal(), **options)
            case ClientCertificate(tenant, client, certificate, password):
                return identity.CertificateCredential(
                    tenant,
                    client,
                    certificate_data=certificate.reveal().encode(),
                    password=password.reveal() if password else None,
                    **options,
                )
            case WorkloadIdentity(tenant, client, file):
                return identity.WorkloadIdentityCredential(
                    tenant_id=tenant, client_id=client, token_file_path=file, **options
                )
            case AzureCli(tenant):
                return identity.AzureCliCredential(tenant_id=tenant)
            case DefaultChain():
                return identity.DefaultAzureCredential(**options)
            case _:
                raise InvalidDefinition(f"{type(credential).__name__} is no identity.")
    except ValueError as error:
        # The library's text may quote what it was given.
        raise InvalidDefinition(
            f"The identity ({type(credential).__name__}) cannot be used as it is given ({type(error).__name__}).",
            remedy="Check its tenant, client, certificate and authority.",
        ) from None


def _translated(error: Exception, mode: str) -> StoreError:
    from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
    from azure.identity import CredentialUnavailableError

    number = re.search(r"AADSTS\d+", str(error))
    code = f" ({number.group()})" if number else ""
    if isinstance(error, CredentialUnavailableError) or mode == "DefaultChain":
        return AccessDenied(
            f"No token: this machine has no identity of the mode {mode}{code}.",
            remedy="Check the identity assigned to the node, the az login, or the environment.",
        )
    status = getattr(error, "status_code", None) or 0
    if isinstance(error, ServiceRequestError) or (isinstance(error, HttpResponseError) and status >= 500):
        return Unavailable(f"The token service of the identity ({mode}) cannot be reached or fails{code}.")
    if isinstance(error, ClientAuthenticationError):
        return AccessDenied(
            f"The token service refused the identity ({mode}){code}.",
            remedy="Check its tenant, client and secret, and whether the secret has expired.",
        )
    return Unavailable(f"The token service of the identity ({mode}) gave no token ({type(error).__name__}){code}.")

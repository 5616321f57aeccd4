"""From a credential to signed requests: for our REST client, and for obstore.

A Signer is called in a pool's thread and may ask a token service (azure-identity, over the same proxy and authorities as
the storage). Tokens are kept and renewed early, by one thread at a time. Nothing here prints a secret.
"""

import datetime as dt
import email.utils
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import quote

from mountd.definitions import AccountKey, Anonymous, Credential, SasToken, Secret
from mountd.rules.azure_names import sas_expiry
from mountd.stores.config import NetworkConfig
from mountd.stores.shared_key import decoded_key, signature, string_to_sign
from mountd.stores.tokens import TokenSource, token_source

_ON_THE_WIRE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")
ObstoreProvider = Callable[[], Any]  # one of obstore's credential dicts


@dataclass(slots=True)
class Outgoing:
    """A request before it is sent. `path` is percent-encoded, query values are not; the body is never signed. What signs
    it stays out of its repr."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    token_query: str = field(default="", repr=False)

    @property
    def target(self) -> str:
        """Path and query as they go on the wire."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.query.items())
        query = "&".join(filter(None, (query, self.token_query)))
        return f"{self.path}?{query}" if query else self.path


class Signer(Protocol):
    """`generation` changes when what obstore was given is no longer good."""

    @property
    def anonymous(self) -> bool: ...

    @property
    def expires(self) -> float | None:
        """When a SAS ends, seconds since the epoch; None for what does not end or renews itself."""
        ...

    @property
    def generation(self) -> int: ...

    @property
    def at_hand(self) -> bool:
        """Whether `sign` would ask nobody now, and so return at once."""
        ...

    def sign(self, request: Outgoing) -> None:
        """Makes it acceptable to the service. May ask a token service: AccessDenied, Unavailable."""
        ...

    def refused(self) -> bool:
        """The service said 401: True if asking once more with a new token is worth it."""
        ...

    def prepare(self) -> None:
        """Has ready what obstore will ask for, so that failures are named here."""
        ...

    def obstore_provider(self) -> ObstoreProvider | None:
        """obstore's `credential_provider`; None: send nothing."""
        ...


class AnonymousSigner:
    anonymous = True
    at_hand: bool = True
    expires: float | None = None

    @property
    def generation(self) -> int:
        return 0

    def sign(self, request: Outgoing) -> None:
        """Nothing to add."""

    def refused(self) -> bool:
        return False

    def prepare(self) -> None:
        """Nothing to have ready."""

    def obstore_provider(self) -> ObstoreProvider | None:
        return None


class KeySigner(AnonymousSigner):
    """Shared Key of `account`."""

    anonymous = False

    def __init__(self, account: str, key: Secret) -> None:
        self._account = account
        self._secret = key
        self._key = decoded_key(key.reveal())

    def sign(self, request: Outgoing) -> None:
        request.headers["x-ms-date"] = email.utils.formatdate(time.time(), usegmt=True)
        text = string_to_sign(request.method, self._account, request.path, request.query, request.headers)
        request.headers["Authorization"] = f"SharedKey {self._account}:{signature(self._key, text)}"

    def obstore_provider(self) -> ObstoreProvider | None:
        return lambda: {"access_key": self._secret.reveal(), "expires_at": None}


class SasSigner(AnonymousSigner):
    """The token is sent as it was given: its signature is over the values, its encoding is its maker's. Only what no request
    line may hold is encoded (it was pasted with a line's end, say)."""

    anonymous = False

    def __init__(self, token: Secret) -> None:
        self._token = Secret(quote(token.reveal().lstrip("?"), safe=_ON_THE_WIRE))
        self.expires = sas_expiry(self._token.reveal())

    def sign(self, request: Outgoing) -> None:
        request.token_query = self._token.reveal()

    def obstore_provider(self) -> ObstoreProvider | None:
        return lambda: {"sas_token": self._token.reveal(), "expires_at": None}


class BearerSigner(AnonymousSigner):
    """A token of an identity, renewed by its source."""

    anonymous = False

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens

    @property
    def generation(self) -> int:
        return self._tokens.generation

    @property
    def at_hand(self) -> bool:  # type: ignore[override]  # the others' never changes
        return self._tokens.at_hand

    def sign(self, request: Outgoing) -> None:
        request.headers["Authorization"] = f"Bearer {self._tokens.current().value.reveal()}"

    def refused(self) -> bool:
        return self._tokens.refused()

    def prepare(self) -> None:
        self._tokens.current()

    def obstore_provider(self) -> ObstoreProvider | None:
        def provide() -> object:
            token = self._tokens.current()
            return {"token": token.value.reveal(), "expires_at": dt.datetime.fromtimestamp(token.ends, dt.UTC)}

        return provide


def signer_for(credential: Credential, account: str, network: NetworkConfig) -> Signer:
    """Raises InvalidDefinition for a key or certificate that cannot be one. Asks nothing of the network."""
    match credential:
        case Anonymous():
            return AnonymousSigner()
        case AccountKey(key):
            return KeySigner(account, key)
        case SasToken(token):
            return SasSigner(token)
        case _:
            return BearerSigner(token_source(credential, network))

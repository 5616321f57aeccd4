"""What a person defines: datastores with their credentials, and mappings. Values only; no checks beyond their shape.

The rules a definition must obey are in registry/ (datastores) and rules/mount_table (mappings). A Secret shows itself
only to `reveal()`: its repr, str and format are stars, so that no log line or traceback can hold it by accident.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias


class Secret:
    """A string that does not print."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credential: a public container."""


@dataclass(frozen=True, slots=True)
class AccountKey:
    key: Secret


@dataclass(frozen=True, slots=True)
class SasToken:
    """A shared access signature, without a leading `?`."""

    token: Secret


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    client_id: str = ""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    tenant_id: str
    client_id: str
    secret: Secret
    authority_url: str = ""


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """`certificate` is PEM text with its private key."""

    tenant_id: str
    client_id: str
    certificate: Secret
    password: Secret | None = None
    authority_url: str = ""


@dataclass(frozen=True, slots=True)
class WorkloadIdentity:
    """Federation: the token in `token_file` is exchanged for one of the storage's."""

    tenant_id: str
    client_id: str
    token_file: str
    authority_url: str = ""


@dataclass(frozen=True, slots=True)
class AzureCli:
    tenant_id: str = ""


@dataclass(frozen=True, slots=True)
class DefaultChain:
    """azure-identity's DefaultAzureCredential."""


Credential: TypeAlias = (
    Anonymous
    | AccountKey
    | SasToken
    | ManagedIdentity
    | ClientSecret
    | ClientCertificate
    | WorkloadIdentity
    | AzureCli
    | DefaultChain
)


class DatastoreKind(StrEnum):
    BLOB = "blob"
    LOCAL = "local"
    MEMORY = "memory"


class Origin(StrEnum):
    """Who owns a definition."""

    FILE = "file"
    SOCKET = "socket"
    BUILT_IN = "built-in"


@dataclass(frozen=True, slots=True)
class DatastoreDefinition:
    """A registered storage. Which fields mean something depends on `kind`.

    blob: `account`, `container`, and either `endpoint_suffix` (https://ACCOUNT.blob.SUFFIX, default core.windows.net) or
    `endpoint` (a whole URL up to and without the container: sovereign and private endpoints, emulators). `allow_http`
    must be set for an http endpoint. local: `folder`. memory: `container` alone, contents lost with the daemon.
    """

    name: str
    kind: DatastoreKind
    account: str = ""
    container: str = ""
    endpoint_suffix: str = "core.windows.net"
    endpoint: str = ""
    allow_http: bool = False
    folder: str = ""
    credential: Credential = field(default_factory=Anonymous)
    origin: Origin = Origin.SOCKET
    note: str = ""


class Freshness(StrEnum):
    """SEMANTICS 4."""

    TTL = "ttl"
    CLOSE_TO_OPEN = "close-to-open"
    IMMUTABLE = "immutable"


@dataclass(frozen=True, slots=True)
class MappingOptions:
    """How one mapping is shown. None for an id means: the daemon's own uid or gid. Times in seconds, modes as octal ints."""

    read_only: bool = True
    uid: int | None = None
    gid: int | None = None
    file_mode: int = 0o644
    dir_mode: int = 0o755
    umask: int = 0o000
    freshness: Freshness = Freshness.TTL
    ttl: float = 10.0
    prefetch: bool = True
    cache_share: float = 1.0
    preset: str = ""


@dataclass(frozen=True, slots=True)
class MappingDefinition:
    """Tree path → (datastore, prefix, options). `path` is absolute in the tree; `prefix` is "" or ends in "/"."""

    path: str
    datastore: str
    prefix: str = ""
    options: MappingOptions = field(default_factory=MappingOptions)
    origin: Origin = Origin.SOCKET

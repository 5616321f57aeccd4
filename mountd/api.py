"""The words of the control API, shared by client and server: standard-library dataclasses only.

Requests and answers are JSON objects of these classes' fields; times are nanoseconds since the epoch, sizes bytes. A
client ignores fields that it does not know and takes the default for one that is missing, so that either side may be
newer. Fields that hold a secret are left out of every repr.
"""

import os
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, ClassVar, TypeAlias, TypeVar

VERSION = "v1"
STRICT: Any = {"extra": "forbid"}  # for the server's parser: a misspelt field of a request is refused, not passed over
SYSTEM_SOCKET = "/run/mountd/control.sock"
SOCKET_VARIABLE = "MOUNTD_SOCKET"


def default_socket(environment: Mapping[str, str] = os.environ, uid: int | None = None) -> str:
    """Where a daemon listens and a client asks when nobody says: root in /run, a user in the runtime directory, which
    only that user can write, so that nobody else can put a socket there and be sent secrets."""
    if named := environment.get(SOCKET_VARIABLE):
        return named
    uid = os.geteuid() if uid is None else uid
    if uid == 0:
        return SYSTEM_SOCKET
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    if os.path.isdir(runtime):
        return os.path.join(runtime, "mountd", "control.sock")
    state = environment.get("XDG_STATE_HOME") or os.path.join(environment.get("HOME", "/"), ".local", "state")
    return os.path.join(state, "mountd", "control.sock")


def client_socket(environment: Mapping[str, str] = os.environ, uid: int | None = None) -> str:
    """As `default_socket`; a user without a daemon of their own asks the node's service, where it runs."""
    own = default_socket(environment, uid)
    if SOCKET_VARIABLE not in environment and not os.path.exists(own) and os.path.exists(SYSTEM_SOCKET):
        return SYSTEM_SOCKET
    return own


@dataclass(frozen=True, slots=True)
class Failure:
    """The one shape of every error: a stable code, a sentence, what to do, and the storage's request id if it gave one."""

    code: str
    message: str
    remedy: str
    request_id: str | None = None


# Datastores ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialWords:
    """How to sign in. What is given says which way, and `method` names the ways that need nothing given; without either:
    anonymous. Two ways at once are refused.

    method: "", anonymous, account_key, sas, connection_string, managed_identity, client_secret, client_certificate,
    workload_identity, azure_cli or default_chain.
    """

    __pydantic_config__: ClassVar[Any] = STRICT
    method: str = ""
    account_key: str = field(default="", repr=False)
    sas_token: str = field(default="", repr=False)
    connection_string: str = field(default="", repr=False)
    tenant_id: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    certificate: str = field(default="", repr=False)
    certificate_password: str = field(default="", repr=False)
    token_file: str = ""
    authority_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterDatastore:
    """A datastore to register, and the answer about its credential. `kind` is blob, local or memory. `endpoint` is a whole
    URL up to and without the container; without one, `endpoint_suffix` makes it."""

    __pydantic_config__: ClassVar[Any] = STRICT
    name: str
    kind: str = "blob"
    account: str = ""
    container: str = ""
    endpoint_suffix: str = ""
    endpoint: str = ""
    allow_http: bool = False
    folder: str = ""
    credential: CredentialWords = field(default_factory=CredentialWords)
    note: str = ""
    overwrite: bool = False
    create_if_not_exists: bool = False
    skip_validation: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Datastore:
    """A registered datastore and how it fares; never a secret here. `state` is unknown (nothing asked yet), ok, refused,
    missing or unreachable. `last_error` stays after recovery; `retry_at_ns` is when an open breaker lets a call try."""

    name: str
    kind: str
    account: str = ""
    container: str = ""
    endpoint: str = ""
    endpoint_suffix: str = ""
    allow_http: bool = False
    folder: str = ""
    credential: str = "anonymous"
    origin: str = "socket"
    default: bool = False
    note: str = ""
    state: str = "unknown"
    since_ns: int = 0
    last_success_ns: int = 0
    last_error: Failure | None = None
    last_error_ns: int = 0
    retry_at_ns: int = 0
    in_flight: int = 0
    in_flight_limit: int = 0
    paths: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DefaultDatastore:
    __pydantic_config__: ClassVar[Any] = STRICT
    name: str


@dataclass(frozen=True, slots=True)
class AwkwardKey:
    """A key of the storage that the tree cannot show under its own spelling. `path` is "" when it is not shown at all."""

    key: str
    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What `datastore doctor` found: whether the storage answers, and awkward keys (at most as many as asked)."""

    datastore: str
    reachable: bool
    problem: Failure | None
    keys_seen: int
    complete: bool
    awkward: list[AwkwardKey]
    warnings: list[str] = field(default_factory=list)


# Mappings --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMapping:
    """A mapping to add. What is None takes the daemon's configured default. Modes are octal text such as "0644"."""

    __pydantic_config__: ClassVar[Any] = STRICT
    path: str
    datastore: str
    prefix: str = ""
    read_only: bool | None = None
    uid: int | None = None
    gid: int | None = None
    file_mode: str | None = None
    dir_mode: str | None = None
    umask: str | None = None
    freshness: str | None = None
    ttl: float | None = None
    prefetch: bool | None = None
    cache_share: float | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedPath:
    """A mapping that the tree shows. `automatic`: a datastore's own folder, which comes and goes with the datastore."""

    path: str
    datastore: str
    prefix: str
    origin: str
    automatic: bool
    read_only: bool
    uid: int | None
    gid: int | None
    file_mode: str
    dir_mode: str
    umask: str
    freshness: str
    ttl: float
    prefetch: bool
    cache_share: float
    preset: str


# The tree, its cache, open files ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathRequest:
    """A path of the tree, "/" being its root; a local path below the mountpoint is understood too."""

    __pydantic_config__: ClassVar[Any] = STRICT
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PathStatus:
    """`stat` of a path: its version and where its bytes are."""

    path: str
    kind: str
    datastore: str
    key: str
    etag: str
    size: int
    modified_ns: int
    inode: int
    tier: str
    content_type: str
    metadata: dict[str, str]
    memory_bytes: int
    disk_bytes: int
    open_handles: int


@dataclass(frozen=True, slots=True)
class Held:
    """Is a path in the cache? A folder's figures are of all files below it."""

    path: str
    files: int
    size: int
    memory_bytes: int
    disk_bytes: int
    complete: bool


@dataclass(frozen=True, slots=True)
class CacheUsage:
    """`memory_limit` bounds the sum of `memory_bytes` (cached), `in_flight_bytes` and `buffer_bytes` (between two uses, and waiting
    for the disk)."""

    memory_bytes: int
    memory_limit: int
    in_flight_bytes: int
    disk_bytes: int
    disk_limit: int
    disk_files: int
    disk_healthy: bool
    buffer_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Freed:
    bytes: int


@dataclass(frozen=True, slots=True)
class Invalidated:
    path: str
    inodes: int


@dataclass(frozen=True, slots=True)
class OpenFile:
    path: str
    handle: int
    inode: int
    etag: str
    bytes_read: int
    opened_ns: int


# Tasks and events ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProgress:
    """Of a prefetch, in lines of its order: opened by readers, on their way or waiting in memory, and naming no file."""

    read: int = 0
    ahead: int = 0
    bad: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Long work. `state` is running, done, failed or cancelled; `total` is 0 until it is known. `order`, of a prefetch: its `done`
    are lines behind the readers, its `bytes` those asked for."""

    id: str
    kind: str
    subject: str
    state: str
    done: int = 0
    total: int = 0
    bytes: int = 0
    order: OrderProgress | None = None
    error: Failure | None = None
    started_ns: int = 0
    ended_ns: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `number` counts from 1 at the daemon's start; a gap means that you read too slowly."""

    number: int
    time_ns: int
    kind: str
    subject: str
    message: str


# The host --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Health:
    alive: bool


@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready`: the tree is mounted and answers. `mountpoint` is "" where nothing is to be mounted."""

    ready: bool
    mountpoint: str
    reason: str


@dataclass(frozen=True, slots=True)
class LogLevel:
    __pydantic_config__: ClassVar[Any] = STRICT
    level: str


@dataclass(frozen=True, slots=True)
class Stopping:
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    version: str
    pid: int
    uid: int
    started_ns: int
    mountpoint: str
    ready: bool
    requests_in_flight: int
    open_files: int
    tasks_running: int
    resident_bytes: int = 0
    threads: int = 0
    cache: CacheUsage
    datastores: list[Datastore]
    mappings: list[MappedPath]


# Reading an answer -----------------------------------------------------------------------------------------------

T = TypeVar("T")
Json: TypeAlias = Any
"""Whatever JSON holds."""


def decode(kind: type[T], data: Json) -> T:
    """A dataclass of this module from decoded JSON. ValueError when a field that has no default is missing."""
    return typing.cast(T, _decoded(kind, data))


def _decoded(kind: object, data: Json) -> Json:
    origin = typing.get_origin(kind)
    if origin in (types.UnionType, typing.Union):
        inner = [option for option in typing.get_args(kind) if option is not types.NoneType]
        return None if data is None else _decoded(inner[0], data)
    if origin is list:
        (item,) = typing.get_args(kind)
        return [_decoded(item, row) for row in data]
    if not (isinstance(kind, type) and is_dataclass(kind)):
        return data
    if not isinstance(data, dict):
        raise ValueError(f"not an object where a {kind.__name__} was expected")
    try:
        return kind(**{each.name: _decoded(each.type, data[each.name]) for each in fields(kind) if each.name in data})
    except TypeError as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from None

"""Every failure mountd can name: a stable code, a sentence, and what to do about it.

This list is closed: rooms raise these and nothing of their own. Foreign exceptions are translated where the foreign
library is called, by type and code. One file, fuse/errnos.py, gives each an errno, and a test compares the two sets.
A message never holds a secret.
"""

from typing import ClassVar


class MountdError(Exception):
    """A failure with a name. `remedy` says what a person can do; `request_id` is the storage's, where it gave one."""

    code: ClassVar[str] = "internal"

    def __init__(self, sentence: str, *, remedy: str = "", request_id: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.remedy = remedy
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.sentence} {self.remedy}".rstrip()


# What a storage answers ------------------------------------------------------------------------------------------


class StoreError(MountdError):
    """A storage refused or could not be asked. `retry_after` is what the service asked for, seconds, where it did.

    `received`: the first bytes of a body that was cut short, so that the next request asks only for what is behind them.
    """

    code = "store"
    retry_after: float | None = None
    received: bytes | memoryview = b""


class NotFound(StoreError):
    """The storage says that there is no such key."""

    code = "not_found"


class NoContainer(StoreError):
    """The account exists and has no such container, share or folder."""

    code = "no_container"


class UnknownAccount(StoreError):
    """No such account: its name does not resolve, or the service does not know it."""

    code = "unknown_account"


class AccessDenied(StoreError):
    """The credential was refused."""

    code = "denied"


class CredentialExpired(AccessDenied):
    """The credential was good once; the sentence says when it ended."""

    code = "expired"


class ClockSkew(AccessDenied):
    """This node's clock and the service's differ too much for a signature to be accepted."""

    code = "clock_skew"


class CannotTell(StoreError):
    """Anonymous: a private container and a missing one look alike."""

    code = "cannot_tell"


class AlreadyExists(StoreError):
    """If-None-Match: * found something."""

    code = "already_exists"


class PreconditionFailed(StoreError):
    """If-Match found another version."""

    code = "precondition"


class LeaseConflict(StoreError):
    """Somebody else holds, or we lost, the lease."""

    code = "leased"


class Archived(StoreError):
    """The blob is in the archive tier and must be rehydrated before it can be read."""

    code = "archived"


class Immutable(StoreError):
    """A legal hold, retention policy or snapshot forbids the change."""

    code = "immutable"


class Throttled(StoreError):
    """The service asked for fewer requests and retries ran out."""

    code = "throttled"


class Unavailable(StoreError):
    """The service or the network to it is down, or its breaker is open."""

    code = "unavailable"


class StoreTimeout(StoreError):
    """No progress until the call's deadline."""

    code = "timeout"


class Corrupt(StoreError):
    """What came back does not have the length or checksum it must have."""

    code = "corrupt"


class Unsupported(StoreError):
    """This kind of storage or blob cannot do that."""

    code = "unsupported"


# What the tree answers -------------------------------------------------------------------------------------------


class TreeError(MountdError):
    """A call on the tree that cannot be carried out."""

    code = "tree"


class NoEntry(TreeError):
    """There is no such path, and that is known."""

    code = "no_entry"


class NotADirectory(TreeError):
    code = "not_a_directory"


class IsADirectory(TreeError):
    code = "is_a_directory"


class ReadOnly(TreeError):
    """The mapping, or this version of mountd, does not write."""

    code = "read_only"


class Stale(TreeError):
    """The handle's version was replaced in the store and the asked bytes are not cached."""

    code = "stale"


class BadHandle(TreeError):
    code = "bad_handle"


class NameRefused(TreeError):
    """The store cannot hold this name."""

    code = "name_refused"


class NameTooLong(TreeError):
    code = "name_too_long"


class NoAttribute(TreeError):
    """No such extended attribute."""

    code = "no_attribute"


class AttributeTooLarge(TreeError):
    """The caller's buffer is smaller than the attribute."""

    code = "attribute_too_large"


class PermissionRefused(TreeError):
    """File modes forbid it."""

    code = "permission"


# What the registry and the configuration answer ------------------------------------------------------------------


class InvalidDefinition(MountdError):
    """A datastore or mapping that cannot be: the sentence names the argument."""

    code = "invalid_definition"


class UnknownDatastore(MountdError):
    code = "unknown_datastore"


class DatastoreExists(MountdError):
    code = "datastore_exists"


class DatastoreInUse(MountdError):
    code = "datastore_in_use"


class OwnedByFile(MountdError):
    """The configuration file owns it; the socket does not change it."""

    code = "owned_by_file"


class UnknownMapping(MountdError):
    code = "unknown_mapping"


class RegistryDamaged(MountdError):
    code = "registry_damaged"


class RegistryUnavailable(MountdError):
    """The registry's files cannot be read or written now (disk full, I/O error, locked): they are not said to be damaged."""

    code = "registry_unavailable"


class TooNew(MountdError):
    """A file on disk was written by a newer mountd."""

    code = "too_new"


class WrongKey(MountdError):
    """The registry's key file does not open its secrets."""

    code = "wrong_key"


class ConfigurationInvalid(MountdError):
    """All problems of a configuration at once, one `file:line: key: sentence` each."""

    code = "configuration"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# What the host and the control socket answer ---------------------------------------------------------------------


class MountRefused(MountdError):
    """The mountpoint cannot be used."""

    code = "mount_refused"


class AlreadyRunning(MountdError):
    """Another daemon has this state or cache directory; the sentence names its pid."""

    code = "already_running"


class DirectoryUnsafe(MountdError):
    """A state or cache directory that others can write or read."""

    code = "directory_unsafe"


class MissingExtra(MountdError):
    """The base install lacks what this command needs."""

    code = "missing_extra"


class BadRequest(MountdError):
    code = "bad_request"


class RoleRefused(MountdError):
    """The peer's uid or group may not do this."""

    code = "role_refused"


class UnknownTask(MountdError):
    code = "unknown_task"


class DaemonNotRunning(MountdError):
    code = "daemon_not_running"

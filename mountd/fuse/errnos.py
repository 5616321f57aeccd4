"""The one table from errors to errnos: what a program sees of each failure that mountd can name.

Every class of errors.py has its row, and a test compares the two sets. "I could not find out" is never ENOENT
(SEMANTICS 7). An error's text is never looked at.
"""

import errno
from collections.abc import Mapping
from types import MappingProxyType

from mountd import errors

ERRNOS: Mapping[type[errors.MountdError], int] = MappingProxyType(
    {
        errors.MountdError: errno.EIO,
        # What a storage answers.
        errors.StoreError: errno.EIO,
        errors.NotFound: errno.ENOENT,
        errors.NoContainer: errno.ENODEV,
        errors.UnknownAccount: errno.ENODEV,
        errors.AccessDenied: errno.EACCES,
        errors.CredentialExpired: errno.EACCES,
        errors.ClockSkew: errno.EACCES,
        errors.CannotTell: errno.EACCES,
        errors.AlreadyExists: errno.EEXIST,
        errors.PreconditionFailed: errno.ESTALE,
        errors.LeaseConflict: errno.EPERM,
        errors.Archived: errno.EOPNOTSUPP,
        errors.Immutable: errno.EPERM,
        errors.Throttled: errno.EIO,  # not EAGAIN or EBUSY: programs would take those for a lock or a non-blocking file
        errors.Unavailable: errno.EIO,
        errors.StoreTimeout: errno.ETIMEDOUT,
        errors.Corrupt: errno.EIO,
        errors.Unsupported: errno.EOPNOTSUPP,
        # What the tree answers.
        errors.TreeError: errno.EIO,
        errors.NoEntry: errno.ENOENT,
        errors.NotADirectory: errno.ENOTDIR,
        errors.IsADirectory: errno.EISDIR,
        errors.ReadOnly: errno.EROFS,
        errors.Stale: errno.ESTALE,
        errors.BadHandle: errno.EBADF,
        errors.NameRefused: errno.EINVAL,
        errors.NameTooLong: errno.ENAMETOOLONG,
        errors.NoAttribute: errno.ENODATA,
        errors.AttributeTooLarge: errno.ERANGE,
        errors.PermissionRefused: errno.EACCES,
        # What the registry and the configuration answer: a mapping may be taken away under an open file.
        errors.InvalidDefinition: errno.EINVAL,
        errors.UnknownDatastore: errno.ENODEV,
        errors.DatastoreExists: errno.EEXIST,
        errors.DatastoreInUse: errno.EBUSY,
        errors.OwnedByFile: errno.EPERM,
        errors.UnknownMapping: errno.ENODEV,
        errors.RegistryDamaged: errno.EIO,
        errors.RegistryUnavailable: errno.EIO,
        errors.TooNew: errno.EIO,
        errors.WrongKey: errno.EACCES,
        errors.ConfigurationInvalid: errno.EINVAL,
        # What the host and the control socket answer.
        errors.MountRefused: errno.EBUSY,
        errors.AlreadyRunning: errno.EBUSY,
        errors.DirectoryUnsafe: errno.EPERM,
        errors.MissingExtra: errno.EOPNOTSUPP,
        errors.BadRequest: errno.EINVAL,
        errors.RoleRefused: errno.EPERM,
        errors.UnknownTask: errno.ESRCH,
        errors.DaemonNotRunning: errno.ENOTCONN,
    }
)


def errno_of(error: errors.MountdError) -> int:
    """Total, even for a class without a row: the boundary that asks must not fail itself."""
    return next(ERRNOS[kind] for kind in type(error).__mro__ if kind in ERRNOS)

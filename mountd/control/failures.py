"""How a failure leaves through the control socket: its HTTP status and its words, for every class of errors.py.

The table is total (a test compares it with errors.py). A remedy given by the raiser stands; the one here is said when
there was none, so that no answer leaves a person without a next step. What is not ours is "internal": its text stays in
the log, since a foreign message may hold anything.
"""

from mountd import errors
from mountd.api import Failure
from mountd.errors import MountdError

STATUS_HINT = "See the datastore's state and last error with `mountctl status`."
LOG_HINT = "The daemon's log has the details; please report it with them."

# error class: (HTTP status, remedy where the raiser gave none)
ANSWERS: dict[type[MountdError], tuple[int, str]] = {
    MountdError: (500, LOG_HINT),
    errors.StoreError: (502, STATUS_HINT),
    errors.NotFound: (404, "Check the name; `mountctl cache invalidate` asks the storage anew."),
    errors.NoContainer: (404, "Check the container's name, or register with create_if_not_exists."),
    errors.UnknownAccount: (404, "Check the account's name and the endpoint."),
    errors.AccessDenied: (502, "Check the credential; change it with `mountctl datastore rotate`."),
    errors.CredentialExpired: (502, "Give a new credential with `mountctl datastore rotate`."),
    errors.ClockSkew: (502, "Set this node's clock (chrony or systemd-timesyncd)."),
    errors.CannotTell: (502, "Check the container's name, or register with a credential."),
    errors.AlreadyExists: (409, "Choose another name, or ask for it to be overwritten."),
    errors.PreconditionFailed: (409, "The file changed in the storage; read it again."),
    errors.LeaseConflict: (409, "Wait until the lease ends, or break it in the storage."),
    errors.Archived: (409, "Rehydrate the blob to the hot or cool tier, then read it."),
    errors.Immutable: (409, "Remove the legal hold or retention policy in the storage."),
    errors.Throttled: (503, "Try again later, or lower the datastore's caps."),
    errors.Unavailable: (503, "Check the network and the storage service; mountd goes on trying."),
    errors.StoreTimeout: (504, "Check the network and the storage service; mountd goes on trying."),
    errors.Corrupt: (502, "Try again; if it stays, check proxies on the way."),
    errors.Unsupported: (501, "This kind of storage or blob cannot do that."),
    errors.TreeError: (400, STATUS_HINT),
    errors.NoEntry: (404, 'Check the path; it is one of the mounted tree, "/" being its root.'),
    errors.NotADirectory: (400, "Give the path of a folder."),
    errors.IsADirectory: (400, "Give the path of a file."),
    errors.ReadOnly: (403, "This tree is read-only."),
    errors.Stale: (409, "The file was replaced in the storage; open it again."),
    errors.BadHandle: (400, "Open the file again."),
    errors.NameRefused: (400, "Choose a name that the storage can hold."),
    errors.NameTooLong: (400, "Choose a shorter name."),
    errors.NoAttribute: (404, "List the attributes with `getfattr -d`."),
    errors.AttributeTooLarge: (400, "Ask with a larger buffer."),
    errors.PermissionRefused: (403, "Check the mapping's uid, gid and modes."),
    errors.InvalidDefinition: (422, "Correct the named argument."),
    errors.UnknownDatastore: (404, "List the datastores with `mountctl datastore list`."),
    errors.DatastoreExists: (409, "Choose another name, or register with overwrite."),
    errors.DatastoreInUse: (409, "Remove its mappings and close its files, or force it."),
    errors.OwnedByFile: (403, "Change it in the daemon's configuration file and restart the daemon."),
    errors.UnknownMapping: (404, "List the mappings with `mountctl mapping list`."),
    errors.RegistryDamaged: (500, "Put back a copy of the registry, or move it away and register again."),
    errors.RegistryUnavailable: (503, "Check the state directory's disk, its free space and its permissions."),
    errors.TooNew: (500, "Start the newer mountd that wrote it."),
    errors.WrongKey: (500, "Put back the key file this registry was made with."),
    errors.ConfigurationInvalid: (422, "Correct the configuration; `mountd check FILE` shows every problem."),
    errors.MountRefused: (409, "Choose another mountpoint."),
    errors.AlreadyRunning: (409, "Use the daemon that runs, or stop it first."),
    errors.DirectoryUnsafe: (500, "Make the directory yours alone: chown it, and chmod 0700."),
    errors.MissingExtra: (501, "Install mountd[daemon]."),
    errors.BadRequest: (400, "See the API's description at /openapi.json, or `mountctl --help`."),
    errors.RoleRefused: (403, "Ask as root, as the daemon's user, or as a member of the socket's group."),
    errors.UnknownTask: (404, "List the tasks with `mountctl tasks list`."),
    errors.DaemonNotRunning: (503, "Start it with `mountd serve` or `mountd mount`."),
}


def failure_of(error: Exception) -> Failure:
    """The words for an error. Of one that is not ours nothing but its existence is told."""
    if not isinstance(error, MountdError):
        return Failure(MountdError.code, "The daemon failed unexpectedly.", LOG_HINT)
    return Failure(error.code, error.sentence, error.remedy or _answer(error)[1], error.request_id)


def status_of(error: Exception) -> int:
    return _answer(error)[0] if isinstance(error, MountdError) else 500


def _answer(error: MountdError) -> tuple[int, str]:
    for kind in type(error).__mro__:
        if kind in ANSWERS:
            return ANSWERS[kind]
    return ANSWERS[MountdError]

"""mountctl's exit codes, by the stable code of the error. Promised to scripts; `mountctl --help` shows the table."""

OK = 0
FAILURE = 1
USAGE = 2
NOT_RUNNING = 3
REFUSED = 4
NOT_FOUND = 5
CONFLICT = 6
UNREACHABLE = 7
INTERRUPTED = 130
BROKEN_PIPE = 141

MEANINGS = {
    OK: "done (is-cached: yes; health: ready)",
    FAILURE: "failed (is-cached: no; health: not ready; a task failed)",
    USAGE: "the command or a definition is wrong",
    NOT_RUNNING: "no daemon listens on the socket",
    REFUSED: "refused: by role, by the storage's credential, or the configuration file owns it",
    NOT_FOUND: "no such datastore, mapping, path, task, container or account",
    CONFLICT: "exists already, or is in use",
    UNREACHABLE: "the storage cannot be reached now",
    INTERRUPTED: "interrupted",
}

BY_ERROR = {
    "bad_request": USAGE,
    "invalid_definition": USAGE,
    "configuration": USAGE,
    "name_refused": USAGE,
    "name_too_long": USAGE,
    "not_a_directory": USAGE,
    "is_a_directory": USAGE,
    "daemon_not_running": NOT_RUNNING,
    "role_refused": REFUSED,
    "owned_by_file": REFUSED,
    "denied": REFUSED,
    "expired": REFUSED,
    "clock_skew": REFUSED,
    "cannot_tell": REFUSED,
    "permission": REFUSED,
    "read_only": REFUSED,
    "unknown_datastore": NOT_FOUND,
    "unknown_mapping": NOT_FOUND,
    "unknown_task": NOT_FOUND,
    "no_entry": NOT_FOUND,
    "not_found": NOT_FOUND,
    "no_container": NOT_FOUND,
    "unknown_account": NOT_FOUND,
    "datastore_exists": CONFLICT,
    "datastore_in_use": CONFLICT,
    "already_exists": CONFLICT,
    "already_running": CONFLICT,
    "unavailable": UNREACHABLE,
    "timeout": UNREACHABLE,
    "throttled": UNREACHABLE,
}


def exit_code(error_code: str) -> int:
    return BY_ERROR.get(error_code, FAILURE)


def table() -> str:
    return "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())

"""Opening a state directory's registry: its key, its file, and what exists at the first start.

A registry whose key is missing or wrong, or whose file is damaged or newer, is refused; nothing is made in its place.
"""

from pathlib import Path

from mountd.definitions import DatastoreDefinition, DatastoreKind, Origin
from mountd.errors import RegistryDamaged, WrongKey
from mountd.ownership import private_directory
from mountd.registry.database import FILE_NAME, Database, create
from mountd.registry.secrets import Cipher, credential_file, make_key, read_key

KEY_NAME = "registry.key"
BLOB_STORE, FILE_STORE = "workspaceblobstore", "workspacefilestore"

_CHECK = ("key check", "registry", "mountd registry")  # purpose, name and text that the right key opens


def open_files(directory: Path, key_file: Path | None = None) -> tuple[Database, Cipher]:
    """`key_file`: else the systemd credential, else DIRECTORY/registry.key, which is made at the first start."""
    directory = private_directory(directory, "state")
    path = directory / FILE_NAME
    key_path = key_file or credential_file() or directory / KEY_NAME
    if not path.exists():
        _refuse_orphan(path)
        own = key_path == directory / KEY_NAME
        key = read_key(key_path) if key_path.exists() or not own else make_key(key_path)
        purpose, name, text = _CHECK
        create(path, {"key_check": Cipher(key).seal(purpose, name, text)})
    cipher = Cipher(read_key(key_path))
    opened = Database(path)
    try:
        _check_key(opened, cipher, key_path)
    except BaseException:
        opened.close()
        raise
    return opened, cipher


def built_ins(directory: Path) -> tuple[DatastoreDefinition, ...]:
    """The two datastores of a first start, on local folders, so that mountd is useful before any cloud is."""
    return tuple(
        DatastoreDefinition(
            name=name,
            kind=DatastoreKind.LOCAL,
            folder=str(directory / "workspace" / name),
            origin=Origin.BUILT_IN,
            note=note,
        )
        for name, note in (
            (BLOB_STORE, "a local folder in the state directory: no storage account is configured for the workspace"),
            (FILE_STORE, "a local folder in the state directory: file shares are not a kind yet"),
        )
    )


def _refuse_orphan(path: Path) -> None:
    journal = path.with_name(path.name + "-wal")
    # SQLite would replay it into the new file.
    if journal.exists() and journal.stat().st_size:
        raise RegistryDamaged(
            f"The registry {path} is gone, but its journal {journal} is there.",
            remedy="Put the registry back, or move the journal away to begin anew.",
        )


def _check_key(opened: Database, cipher: Cipher, key_path: Path) -> None:
    purpose, name, text = _CHECK
    rows = opened.rows("SELECT value FROM facts WHERE name = 'key_check'")
    sealed = rows[0][0] if rows else None
    if not isinstance(sealed, bytes):
        raise RegistryDamaged(f"The registry {opened.path} is damaged: it has no key check.", remedy="Put back a copy.")
    try:
        fits = cipher.open(purpose, name, sealed) == text
    except WrongKey:
        fits = False
    if not fits:
        raise WrongKey(
            f"The key {key_path} is not the one that the registry {opened.path} was made with.",
            remedy="Put the right key back. Without it the credentials cannot be read: move the registry away and register again.",
        )

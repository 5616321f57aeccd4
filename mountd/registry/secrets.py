"""The cipher and its key. A sealed value opens only with the same key, for the same purpose and the same name.

The key is 32 bytes in a file (0600, made at the first start) or in a systemd credential; as raw bytes or as base64. AES-256-GCM
of `cryptography`: a sealed value is a format byte, a random 12-byte nonce, and ciphertext with its tag. Purpose and name are
authenticated beside it, so that one datastore's credential cannot be moved to another's row.
"""

import base64
import binascii
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mountd.errors import DirectoryUnsafe, RegistryUnavailable, WrongKey

CREDENTIAL = "mountd-registry-key"
"""Name of the systemd credential (LoadCredential=) that holds the key, where there is one."""

_FORMAT = b"\x01"
_KEY_BYTES = 32
_NONCE_BYTES = 12


class Cipher:
    """Seals and opens small values."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def __repr__(self) -> str:
        return "Cipher(***)"

    def seal(self, purpose: str, name: str, text: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, text.encode(), _associated(purpose, name))

    def open(self, purpose: str, name: str, sealed: bytes) -> str:
        """WrongKey if it was sealed with another key, for something else, or was changed since."""
        body = sealed[len(_FORMAT) :]
        try:
            if not sealed.startswith(_FORMAT):
                raise InvalidTag
            return self._cipher.decrypt(body[:_NONCE_BYTES], body[_NONCE_BYTES:], _associated(purpose, name)).decode()
        except (InvalidTag, ValueError):
            raise WrongKey(
                f"The registry's key does not open the {purpose} of {name!r}.",
                remedy="Put back the key this registry was made with; without it, register the datastore again.",
            ) from None


def _associated(purpose: str, name: str) -> bytes:
    return f"mountd\0{purpose}\0{name}".encode()


def credential_file() -> Path | None:
    """Where systemd put the key, if it did."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(directory, CREDENTIAL)
    return path if directory and path.exists() else None


def read_key(path: Path) -> bytes:
    """The key in `path`. WrongKey: missing or not a key. DirectoryUnsafe: others can read it."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            content = file.read(4096)
    except OSError as error:
        raise WrongKey(
            f"The registry's key file {path} cannot be read: {error.strerror}.",
            remedy="Put back the key this registry was made with.",
        ) from error
    # systemd shows credentials as 0440 with an access list that names only the service's user.
    by_systemd = path.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY") or os.devnull)
    if not by_systemd and (status.st_mode & 0o077 or status.st_uid not in (os.geteuid(), 0)):
        raise DirectoryUnsafe(
            f"The registry's key file {path} can be reached by others (uid {status.st_uid}, mode {status.st_mode & 0o7777:04o}).",
            remedy=f"chown it to uid {os.geteuid()} and chmod 0600 it; if others may have read it, rotate the credentials.",
        )
    return _decoded(content, path)


def make_key(path: Path) -> bytes:
    """A new key in `path`, on disk before this returns; the one that is there if somebody else was quicker."""
    try:
        _write_key(path)
    except OSError as error:
        raise RegistryUnavailable(
            f"The registry's key file {path} cannot be made: {error.strerror}.",
            remedy="Check the disk and the directory's permissions.",
        ) from error
    return read_key(path)


def _write_key(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # the other's key is the key
    finally:
        draft.unlink()
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """A name made or removed in `path` is on disk when this returns."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _decoded(content: bytes, path: Path) -> bytes:
    if len(content) == _KEY_BYTES:
        return content
    try:
        key = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != _KEY_BYTES:
        raise WrongKey(
            f"{path} is not a registry key: {_KEY_BYTES} bytes are expected, raw or as base64.",
            remedy="Put back the key this registry was made with.",
        )
    return key

"""What a datastore's definition must be before anybody asks its storage: names, addresses, credentials, each by itself.

`checked` gives the definition as it will be kept, with warnings; `problems` gives everything that is wrong at once. Each
problem names the argument and what to do, and never shows a secret. Pure but for the clock handed in.
"""

import base64
import binascii
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from mountd.definitions import (
    AccountKey,
    Anonymous,
    ClientCertificate,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    SasToken,
    Secret,
    WorkloadIdentity,
)
from mountd.errors import CredentialExpired, InvalidDefinition
from mountd.registry.credentials import mode_of, required_fields
from mountd.rules.azure_names import sas_expiry, sas_start

EXPIRES_SOON = 7 * 86400.0
"""Seconds before its end that a SAS warns: a week, so that a weekend and a holiday lie between warning and outage."""

_NAME = re.compile(r"[a-z0-9_]{1,255}")
_CONTAINER = re.compile(r"[a-z0-9](?!.*--)[a-z0-9-]{1,61}[a-z0-9]|\$(root|web|logs)")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_SUFFIX = re.compile(r"(?=.{1,200}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one argument. `sentence` begins where "ARGUMENT: " ends."""

    argument: str
    sentence: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.argument}: {self.sentence} {self.remedy}"


@dataclass(frozen=True, slots=True)
class Checked:
    """A definition as it will be kept, and what its owner should know."""

    definition: DatastoreDefinition
    warnings: tuple[str, ...] = ()


def checked(definition: DatastoreDefinition, now: float | None = None) -> Checked:
    """InvalidDefinition with every problem; CredentialExpired for a SAS that has ended. `now` in seconds since the epoch."""
    now = time.time() if now is None else now
    name, warning = datastore_name(definition.name)
    kept = tidied(replace(definition, name=name))
    found = problems(kept)
    if found:
        raise refusal(found)
    refuse_expired(kept.credential, now)
    return Checked(kept, tuple(filter(None, (warning, *credential_warnings(kept, now)))))


def refusal(found: list[Problem]) -> InvalidDefinition:
    if len(found) == 1:
        return InvalidDefinition(f"{found[0].argument}: {found[0].sentence}", remedy=found[0].remedy)
    return InvalidDefinition("\n".join(str(problem) for problem in found))


def datastore_name(text: str) -> tuple[str, str]:
    """The name as it is kept, and a warning if that is not as it was written."""
    lowered = text.lower()
    if lowered == text:
        return text, ""
    return lowered, f"name: {text!r} contains capital letters and is converted to lowercase: {lowered!r}."


def problems(definition: DatastoreDefinition) -> list[Problem]:
    found = []
    if not _NAME.fullmatch(definition.name):
        found.append(
            Problem(
                "name",
                f"{definition.name!r} is not lowercase letters, digits and underscores, 1 to 255 of them.",
                'Choose such a name; write "_" for "-".',
            )
        )
    match definition.kind:
        case DatastoreKind.BLOB:
            found += [*_blob_problems(definition), *credential_problems(definition.credential)]
        case DatastoreKind.LOCAL:
            if not definition.folder.startswith("/"):
                found.append(
                    Problem("folder", f"{definition.folder!r} is not an absolute path.", "A local datastore needs one.")
                )
            found += _foreign(definition, ("account", "container", "endpoint"))
        case DatastoreKind.MEMORY:
            found += _foreign(definition, ("account", "endpoint", "folder"))
    return found


def _blob_problems(definition: DatastoreDefinition) -> Iterator[Problem]:
    if not definition.account:
        yield Problem("account", "is missing.", "Name the storage account.")
    elif not _ACCOUNT.fullmatch(definition.account):
        yield Problem(
            "account",
            f"{definition.account!r} is not 3 to 24 lowercase letters and digits.",
            "Give the account's name alone, without the host's other parts.",
        )
    if not definition.container:
        yield Problem("container", "is missing.", "Name the container.")
    elif not _CONTAINER.fullmatch(definition.container):
        yield Problem(
            "container",
            f"{definition.container!r} is not 3 to 63 lowercase letters, digits and single inner dashes.",
            "Besides such names there are $root, $web and $logs.",
        )
    if definition.endpoint:
        yield from _endpoint_problems(definition)
    elif not _SUFFIX.fullmatch(definition.endpoint_suffix):
        yield Problem(
            "endpoint_suffix",
            f"{definition.endpoint_suffix!r} is not the end of a host's name.",
            'It is "core.windows.net" or a sovereign cloud\'s; a whole URL is the argument endpoint.',
        )
    yield from _foreign(definition, ("folder",))


def _endpoint_problems(definition: DatastoreDefinition) -> Iterator[Problem]:
    try:
        url = urlsplit(definition.endpoint)
        host, _ = url.hostname, url.port  # both can refuse
    except ValueError as error:
        yield Problem(
            "endpoint", f"is not a URL: {error}.", "Write https://HOST, or for emulators http://HOST:PORT/ACCOUNT."
        )
        return
    if url.scheme not in ("http", "https") or not host:
        yield Problem(
            "endpoint", "is not an http or https URL.", "Write https://HOST, or for emulators http://HOST:PORT/ACCOUNT."
        )
    elif url.scheme == "http" and not definition.allow_http:
        yield Problem(
            "endpoint", "is http, which anybody on the way can read.", "Use https, or set allow_http for an emulator."
        )
    if url.username or url.password:
        yield Problem("endpoint", "holds a user or password.", "Give the credential by its own argument.")
    if url.query or url.fragment:
        yield Problem("endpoint", "has a query or fragment.", "Give a SAS as sas_token; nothing may follow the path.")
    if url.path.rstrip("/").count("/") > 1:
        yield Problem(
            "endpoint",
            f"has the path {url.path!r}.",
            "It ends before the container: put that into the argument container.",
        )


def credential_problems(credential: Credential) -> Iterator[Problem]:
    """What is wrong with a credential by itself."""
    argument = _ARGUMENTS.get(type(credential), mode_of(credential))
    match credential:
        case AccountKey(key):
            if not _is_base64(key.reveal()):
                yield Problem(argument, "is not base64.", "Copy the whole key from the portal's Access keys.")
        case SasToken(token):
            if "sig" not in parse_qs(token.reveal()):
                yield Problem(
                    argument,
                    "has no signature (sig=).",
                    "Copy the whole token, without the URL before the question mark.",
                )
        case _:
            yield from _identity_problems(credential)


def _identity_problems(credential: Credential) -> Iterator[Problem]:
    mode = mode_of(credential)
    for name in required_fields(type(credential)):
        value = getattr(credential, name)
        if not (value.reveal() if isinstance(value, Secret) else value):
            yield Problem(_FIELD_ARGUMENTS.get((mode, name), name), "is missing.", f"The mode {mode} needs it.")
    authority = getattr(credential, "authority_url", "")
    if authority and urlsplit(authority).scheme != "https":
        yield Problem("authority_url", "is not an https URL.", "Write for example https://login.microsoftonline.com.")
    if isinstance(credential, ClientCertificate):
        text = credential.certificate.reveal()
        for part in ("CERTIFICATE-----", "PRIVATE KEY-----"):
            if text and part not in text:
                yield Problem(
                    "certificate", f"has no {part.rstrip('-').lower()} in PEM form.", "Give both in one text."
                )
    if isinstance(credential, WorkloadIdentity) and credential.token_file and not credential.token_file.startswith("/"):
        yield Problem("token_file", f"{credential.token_file!r} is not an absolute path.", "Write the whole path.")


def refuse_expired(credential: Credential, now: float) -> None:
    ends = expiry(credential)
    if ends is not None and ends <= now:
        raise CredentialExpired(f"sas_token: ended at {moment(ends)}.", remedy="Give one that is still valid.")


def credential_warnings(definition: DatastoreDefinition, now: float) -> tuple[str, ...]:
    """What will soon be wrong, or is unwise; each names the datastore."""
    found = []
    ends, begins = expiry(definition.credential), None
    if isinstance(definition.credential, SasToken):
        begins = sas_start(definition.credential.token.reveal())
    if ends is not None and ends <= now:
        found.append(f"{definition.name}: the SAS ended at {moment(ends)}; rotate it.")
    elif ends is not None and ends - now < EXPIRES_SOON:
        found.append(f"{definition.name}: the SAS ends at {moment(ends)}; rotate it before.")
    if begins is not None and begins > now:
        found.append(f"{definition.name}: the SAS is valid only from {moment(begins)}, by this node's clock not yet.")
    if definition.endpoint.startswith("http:") and not _stays_here(definition.endpoint):
        found.append(
            f"{definition.name}: {definition.endpoint} is plain http to another host: data and tokens can be read on the way."
        )
    return tuple(found)


def expiry(credential: Credential) -> float | None:
    """When a credential ends by its own word, seconds since the epoch."""
    return sas_expiry(credential.token.reveal()) if isinstance(credential, SasToken) else None


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def tidied(definition: DatastoreDefinition) -> DatastoreDefinition:
    """Without what copying a credential brings along: white space, and the question mark of a SAS."""
    match definition.credential:
        case AccountKey(key):
            return replace(definition, credential=AccountKey(Secret(key.reveal().strip())))
        case SasToken(token):
            return replace(definition, credential=SasToken(Secret(token.reveal().strip().removeprefix("?"))))
    return definition


def _foreign(definition: DatastoreDefinition, names: tuple[str, ...]) -> Iterator[Problem]:
    for name in names:
        if getattr(definition, name):
            yield Problem(name, f"means nothing for kind {definition.kind}.", "Leave it out, or choose another kind.")
    if definition.kind is not DatastoreKind.BLOB and not isinstance(definition.credential, Anonymous):
        argument = _ARGUMENTS.get(type(definition.credential), mode_of(definition.credential))
        yield Problem(argument, f"means nothing for kind {definition.kind}.", "Leave the credential out.")


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def _stays_here(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host == "localhost" or host == "::1" or host.startswith("127.")


_ARGUMENTS: dict[type[Credential], str] = {AccountKey: "account_key", SasToken: "sas_token"}
_FIELD_ARGUMENTS = {("client_secret", "secret"): "client_secret"}

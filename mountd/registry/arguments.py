"""Words to a credential and a definition: the one reading of `account_key`, `sas_token`, `connection_string`, … that the
YAML, the control API and the environment share.

Two ways of signing in at once are refused, naming both. Nothing is guessed: what is missing is a Problem, as is what is
too much. Argument names are those of api.CredentialWords and of the YAML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from mountd.definitions import AccountKey, Anonymous, Credential, DatastoreDefinition, SasToken, Secret
from mountd.errors import InvalidDefinition
from mountd.registry.credentials import MODES, required_fields, secret_fields
from mountd.registry.validation import Problem, credential_problems, refusal
from mountd.rules.azure_names import ConnectionString, parse_connection_string

CREDENTIAL_ARGUMENTS: Mapping[str, str] = {
    "method": "how to sign in, where nothing below says it: anonymous, managed_identity, azure_cli, default_chain, …",
    "account_key": "the storage account's key",
    "sas_token": "a shared access signature; a leading question mark is dropped",
    "connection_string": "as the portal shows it: account, key or SAS, endpoint in one",
    "tenant_id": "the directory of an identity",
    "client_id": "the application of an identity, or which user-assigned managed identity",
    "client_secret": "the application's secret",
    "certificate": "the application's certificate with its private key, PEM",
    "certificate_password": "of the certificate's private key",
    "token_file": "workload identity: the file whose token is exchanged",
    "authority_url": "where tokens are asked for, in a sovereign cloud",
}
SECRET_ARGUMENTS = (
    "account_key",
    "sas_token",
    "connection_string",
    "client_secret",
    "certificate",
    "certificate_password",
)

# An argument that says by itself which mode is meant.
_SAYING = {
    "account_key": "account_key",
    "sas_token": "sas",
    "connection_string": "connection_string",
    "client_secret": "client_secret",
    "certificate": "client_certificate",
    "token_file": "workload_identity",
}
_METHODS = (*MODES, "connection_string")
_FIELDS = {("client_secret", "secret"): "client_secret", ("client_certificate", "password"): "certificate_password"}


@dataclass(frozen=True, slots=True)
class Read:
    """A credential as read, everything wrong with its arguments, and what a connection string said beside it."""

    credential: Credential | None
    problems: tuple[Problem, ...] = ()
    connection: ConnectionString | None = None


def read_credential(words: Mapping[str, str]) -> Read:
    """`words`: argument → value; an empty value is as good as none. No word at all is anonymous."""
    given = {name: value for name, value in words.items() if value}
    saying = [name for name in _SAYING if name in given]
    if len(saying) > 1:
        return Read(None, (_both(saying[0], saying[1]),))
    method = given.pop("method", "")
    if method and method not in _METHODS:
        return Read(
            None, (Problem("method", f"{method!r} is not a way to sign in.", f"It is one of {', '.join(_METHODS)}."),)
        )
    if method and saying and _SAYING[saying[0]] != method:
        return Read(None, (_both(f"method {method}", saying[0]),))
    mode = method or (_SAYING[saying[0]] if saying else "anonymous")
    if mode == "connection_string":
        return _from_connection_string(given)
    return _from_mode(mode, given)


def credential_of(words: Mapping[str, str]) -> Credential:
    """As `read_credential`, for those who want one answer (rotation): InvalidDefinition with every problem."""
    read = read_credential(words)
    found = list(read.problems or (credential_problems(read.credential) if read.credential else ()))
    if found or read.credential is None:
        raise refusal(found)
    return read.credential


def with_credential(definition: DatastoreDefinition, words: Mapping[str, str]) -> DatastoreDefinition:
    """The definition with the credential the words say, and the address a connection string brings. InvalidDefinition with
    every problem; the rules of names and addresses are `validation.checked`'s."""
    read = read_credential(words)
    if read.problems or read.credential is None:
        raise refusal(list(read.problems))
    definition = replace(definition, credential=read.credential)
    if read.connection is None:
        return definition
    if found := disagreements(definition, read.connection):
        raise refusal(found)
    return completed(definition, read.connection)


def completed(definition: DatastoreDefinition, connection: ConnectionString) -> DatastoreDefinition:
    """With the address that a connection string brings, where it has none of its own."""
    return replace(
        definition,
        account=definition.account or connection.account or _account_in(connection.endpoint),
        endpoint=definition.endpoint or connection.endpoint,
        endpoint_suffix=connection.endpoint_suffix or definition.endpoint_suffix,
    )


def disagreements(definition: DatastoreDefinition, connection: ConnectionString) -> list[Problem]:
    """Where the definition and the connection string name two storages."""
    found = []
    if definition.account and connection.account and definition.account != connection.account:
        found.append(_disagree("account", definition.account, connection.account))
    if definition.endpoint and connection.endpoint and definition.endpoint.rstrip("/") != connection.endpoint:
        found.append(_disagree("endpoint", definition.endpoint, connection.endpoint))
    return found


def _account_in(endpoint: str) -> str:
    """https://ACCOUNT.blob.… or http://HOST:PORT/ACCOUNT."""
    host, _, path = endpoint.partition("://")[2].partition("/")
    return path.strip("/") or host.partition(".")[0]


def _from_connection_string(given: Mapping[str, str]) -> Read:
    extra = [name for name in given if name != "connection_string"]
    if extra:
        return Read(None, (_unused(extra[0], "connection_string"),))
    try:
        connection = parse_connection_string(given.get("connection_string", ""))
    except InvalidDefinition as error:
        return Read(None, (Problem("connection_string", _after_name(error.sentence), error.remedy),))
    if connection.key and connection.sas:
        return Read(None, (_both("AccountKey", "SharedAccessSignature", "connection_string"),))
    if connection.key:
        return Read(AccountKey(connection.key), connection=connection)
    if connection.sas:
        return Read(SasToken(connection.sas), connection=connection)
    return Read(Anonymous(), connection=connection)


def _from_mode(mode: str, given: Mapping[str, str]) -> Read:
    if mode in ("account_key", "sas"):
        name = "account_key" if mode == "account_key" else "sas_token"
        return _simple(mode, name, given)
    kind = MODES[mode]
    hidden = secret_fields(kind)
    arguments = {_FIELDS.get((mode, field.name), field.name): field.name for field in fields(kind)}
    found = [_unused(name, mode) for name in given if name not in arguments]
    values: dict[str, Any] = {}
    for argument, name in arguments.items():
        if argument in given:
            values[name] = Secret(given[argument]) if name in hidden else given[argument]
        elif name in required_fields(kind):
            found.append(Problem(argument, "is missing.", f"The method {mode} needs it."))
    if found:
        return Read(None, tuple(found))
    return Read(kind(**values))


def _simple(mode: str, name: str, given: Mapping[str, str]) -> Read:
    extra = [other for other in given if other != name]
    if extra:
        return Read(None, (_unused(extra[0], mode),))
    if name not in given:
        return Read(None, (Problem(name, "is missing.", f"The method {mode} needs it."),))
    secret = Secret(given[name])
    return Read(AccountKey(secret) if mode == "account_key" else SasToken(secret))


def _both(first: str, second: str, argument: str = "") -> Problem:
    return Problem(
        argument or second,
        f"{first} and {second} are both given.",
        "Leave one of them out: a datastore signs in one way.",
    )


def _unused(name: str, mode: str) -> Problem:
    saying = [argument for argument, said in _SAYING.items() if said == mode and argument != name]
    hint = "Say method: managed_identity or another identity's." if mode == "anonymous" else "Leave it out."
    return Problem(name, f"means nothing with {saying[0] if saying else 'method ' + mode}.", hint)


def _disagree(argument: str, given: str, connection: str) -> Problem:
    return Problem(argument, f"is {given!r}, but the connection_string says {connection!r}.", "Leave one of them out.")


def _after_name(sentence: str) -> str:
    return sentence.removeprefix("connection_string").lstrip(": ")

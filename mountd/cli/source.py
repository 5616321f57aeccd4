"""What `mountd mount SOURCE` names: a container by its URL, or a registered datastore. Words to a definition; asks nobody."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from mountd.definitions import (
    AccountKey,
    Anonymous,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    DefaultChain,
    Origin,
    SasToken,
    Secret,
)
from mountd.errors import BadRequest
from mountd.rules.azure_names import ConnectionString, parse_connection_string

KEY, SAS, CONNECTION_STRING = "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_STORAGE_CONNECTION_STRING"


@dataclass(frozen=True, slots=True)
class Named:
    """A registered datastore, and the prefix below it."""

    datastore: str
    prefix: str


@dataclass(frozen=True, slots=True)
class Located:
    """A container by its address, as a datastore that only this mount knows, and the prefix below it."""

    definition: DatastoreDefinition
    prefix: str


def parse(source: str, *, allow_http: bool, credential: Credential | None) -> Named | Located:
    """BadRequest says which part of SOURCE is wrong. `credential` is for addresses; a registered datastore has its own."""
    if "://" not in source:
        name, _, rest = source.partition("/")
        if not name:
            raise BadRequest(
                f"{source!r} names no datastore.", remedy="Write DATASTORE[/PREFIX], or the container's URL."
            )
        return Named(name, _folder(rest))
    try:
        address = urlsplit(source)
    except ValueError as error:
        raise BadRequest(f"{source.partition('?')[0]} is not a URL: {error}.") from None
    _check(source, address.scheme, address.query, allow_http)
    host = address.hostname or ""
    segments = [unquote(segment) for segment in address.path.lstrip("/").split("/")]
    in_host = ".blob." in host
    account = host.partition(".")[0] if in_host else segments.pop(0)
    container = segments.pop(0) if segments else ""
    if not account or not container:
        shape = (
            "https://ACCOUNT.blob.SUFFIX/CONTAINER[/PREFIX]" if in_host else "SCHEME://HOST/ACCOUNT/CONTAINER[/PREFIX]"
        )
        raise BadRequest(f"{source} names no container.", remedy=f"Write {shape}.")
    definition = DatastoreDefinition(
        name="source",
        kind=DatastoreKind.BLOB,
        account=account,
        container=container,
        endpoint=f"{address.scheme}://{address.netloc}" + ("" if in_host else f"/{account}"),
        allow_http=allow_http,
        credential=credential or DefaultChain(),
        origin=Origin.FILE,
    )
    return Located(definition, _folder("/".join(segments)))


def _check(source: str, scheme: str, query: str, allow_http: bool) -> None:
    if query:
        raise BadRequest(
            f"{source.partition('?')[0]}?…: a SAS in an address shows in every process list.",
            remedy=f"Put it into ${SAS} instead.",
        )
    if "#" in source:
        raise BadRequest(f"{source}: what stands behind # is no part of an address.", remedy="Write %23 for it.")
    if scheme not in ("http", "https"):
        raise BadRequest(f"{source}: {scheme}:// is no storage mountd knows.", remedy="Use https://.")
    if scheme == "http" and not allow_http:
        raise BadRequest(
            f"{source} is not encrypted, and the credential would travel in clear.",
            remedy="For an emulator say --allow-http; for a storage account use https://.",
        )


def _folder(prefix: str) -> str:
    return prefix.rstrip("/") + "/" if prefix.strip("/") else ""


def credential_from_environment(
    environment: Mapping[str, str] = os.environ, *, anonymous: bool = False
) -> Credential | None:
    """The credential the environment names; None: the identity chain. BadRequest where it names two."""
    given = [name for name in (KEY, SAS, CONNECTION_STRING) if environment.get(name)]
    if anonymous and given:
        raise BadRequest(f"--anonymous and ${given[0]} together.", remedy="Leave one of them out.")
    if len(given) > 1:
        raise BadRequest(f"${given[0]} and ${given[1]} are both set.", remedy="Unset one of them.")
    if anonymous:
        return Anonymous()
    if not given:
        return None
    if given[0] == CONNECTION_STRING:
        return _credential_in(parse_connection_string(environment[CONNECTION_STRING]))
    secret = Secret(environment[given[0]].strip().removeprefix("?"))
    return AccountKey(secret) if given[0] == KEY else SasToken(secret)


def _credential_in(connection: ConnectionString) -> Credential:
    if connection.key:
        return AccountKey(connection.key)
    return SasToken(connection.sas) if connection.sas else Anonymous()

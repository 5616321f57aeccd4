"""What Azure's names and credentials say by themselves: connection strings, and the times inside a SAS. Pure.

It must not know HTTP or a clock: who calls compares with its own. Errors are errors.InvalidDefinition and never hold a secret.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from mountd.definitions import Secret
from mountd.errors import InvalidDefinition

# The account that every emulator knows; its key is public documentation, not a secret.
EMULATOR_ACCOUNT = "devstoreaccount1"
EMULATOR_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_DEVELOPMENT = (
    f"AccountName={EMULATOR_ACCOUNT};AccountKey={EMULATOR_KEY};BlobEndpoint=http://127.0.0.1:10000/{EMULATOR_ACCOUNT}"
)


@dataclass(frozen=True, slots=True)
class ConnectionString:
    """Its parts; empty where it does not say. `endpoint` is a whole URL, `endpoint_suffix` a host's end."""

    account: str = ""
    key: Secret | None = None
    sas: Secret | None = None
    endpoint: str = ""
    endpoint_suffix: str = ""


def parse_connection_string(text: str) -> ConnectionString:
    """InvalidDefinition names the part that is wrong."""
    parts: dict[str, str] = {}
    for number, part in enumerate(filter(None, (piece.strip() for piece in text.split(";"))), 1):
        name, equals, value = part.partition("=")
        if not equals:
            raise InvalidDefinition(
                f"connection_string: part {number} is not NAME=VALUE.",
                remedy="Copy it whole from the portal's Access keys.",
            )
        parts[name.strip().lower()] = value.strip()
    if parts.pop("usedevelopmentstorage", "").lower() == "true":
        return parse_connection_string(_DEVELOPMENT)
    account, suffix = parts.get("accountname", ""), parts.get("endpointsuffix", "")
    endpoint = parts.get("blobendpoint", "").rstrip("/")
    if not endpoint and parts.get("defaultendpointsprotocol", "").lower() == "http" and account:
        endpoint = f"http://{account}.blob.{suffix or 'core.windows.net'}"
    if not account and not endpoint:
        raise InvalidDefinition(
            "connection_string has neither AccountName nor BlobEndpoint.",
            remedy="Copy it whole from the portal's Access keys.",
        )
    key, sas = parts.get("accountkey", ""), parts.get("sharedaccesssignature", "").removeprefix("?")
    return ConnectionString(
        account=account,
        key=Secret(key) if key else None,
        sas=Secret(sas) if sas else None,
        endpoint=endpoint,
        endpoint_suffix=suffix,
    )


def sas_expiry(token: str) -> float | None:
    """When a SAS ends (`se=`), seconds since the epoch; None if it does not say (a stored access policy does) or not readably."""
    return _sas_time(token, "se")


def sas_start(token: str) -> float | None:
    """When a SAS begins to be valid (`st=`), seconds since the epoch."""
    return _sas_time(token, "st")


def _sas_time(token: str, field: str) -> float | None:
    written = dict(parse_qsl(token.removeprefix("?"))).get(field, "")
    # The service takes dates, minutes, seconds, and up to seven digits of fractions; Python takes at most six of them.
    whole, _, fraction = written.partition(".")
    try:
        moment = datetime.fromisoformat(whole + "Z" if fraction else whole)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()

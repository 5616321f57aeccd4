"""The modes of proving who we are: each one's name, its arguments, and its form in JSON.

The one table from which the YAML, the control API and the database read and write credentials; a mode added to
definitions.py is added here, and a test compares the two. `to_json` reveals secrets: its result is for the cipher only.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from mountd.definitions import (
    AccountKey,
    Anonymous,
    AzureCli,
    ClientCertificate,
    ClientSecret,
    Credential,
    DefaultChain,
    ManagedIdentity,
    SasToken,
    Secret,
    WorkloadIdentity,
)

MODES: Mapping[str, type[Credential]] = MappingProxyType(
    {
        "anonymous": Anonymous,
        "account_key": AccountKey,
        "sas": SasToken,
        "managed_identity": ManagedIdentity,
        "client_secret": ClientSecret,
        "client_certificate": ClientCertificate,
        "workload_identity": WorkloadIdentity,
        "azure_cli": AzureCli,
        "default_chain": DefaultChain,
    }
)
_NAMES = {kind: name for name, kind in MODES.items()}

IDENTITIES = tuple(name for name in MODES if name not in ("anonymous", "account_key", "sas"))
"""Modes that ask azure-identity for tokens."""


def mode_of(credential: Credential) -> str:
    return _NAMES[type(credential)]


def secret_fields(kind: type[Credential]) -> frozenset[str]:
    """Which of a mode's fields hold secrets."""
    hints = get_type_hints(kind)
    return frozenset(name for name, hint in hints.items() if hint is Secret or Secret in get_args(hint))


def required_fields(kind: type[Credential]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING)


def secrets_of(credential: Credential) -> tuple[Secret, ...]:
    """Every secret value in it, so that logs can be told what never to show."""
    values = (getattr(credential, name) for name in sorted(secret_fields(type(credential))))
    return tuple(value for value in values if isinstance(value, Secret))


def to_json(credential: Credential) -> str:
    """With secrets in clear."""
    kind = type(credential)
    values: dict[str, Any] = {field.name: getattr(credential, field.name) for field in fields(kind)}
    shown = {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}
    return json.dumps({"mode": mode_of(credential)} | shown, ensure_ascii=False)


def from_json(text: str) -> Credential:
    values: dict[str, Any] = json.loads(text)
    kind = MODES[values.pop("mode")]
    hidden = secret_fields(kind)
    arguments: dict[str, Any] = {
        name: Secret(value) if name in hidden and value is not None else value for name, value in values.items()
    }
    return kind(**arguments)

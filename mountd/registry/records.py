"""A definition as a row of the database and back. Credentials are not in here: they travel sealed, by credentials.py."""

import json
from dataclasses import asdict, fields
from typing import Any

from mountd.definitions import (
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    Freshness,
    MappingDefinition,
    MappingOptions,
    Origin,
)

_STORED = tuple(field.name for field in fields(DatastoreDefinition) if field.name not in ("name", "credential"))


def datastore_to_json(definition: DatastoreDefinition) -> str:
    """Without its name, which is the row's key, and without its credential."""
    return json.dumps({name: getattr(definition, name) for name in _STORED}, ensure_ascii=False)


def datastore_from_json(name: str, text: str, credential: Credential) -> DatastoreDefinition:
    values: dict[str, Any] = json.loads(text)
    values |= {"kind": DatastoreKind(values["kind"]), "origin": Origin(values["origin"])}
    return DatastoreDefinition(name=name, credential=credential, **values)


def mapping_to_json(mapping: MappingDefinition) -> str:
    return json.dumps(asdict(mapping), ensure_ascii=False)


def mapping_from_json(text: str) -> MappingDefinition:
    values: dict[str, Any] = json.loads(text)
    options: dict[str, Any] = values.pop("options")
    options["freshness"] = Freshness(options["freshness"])
    values |= {"origin": Origin(values["origin"]), "options": MappingOptions(**options)}
    return MappingDefinition(**values)

"""One store of every kind, empty, for one suite of promises (stores/interface.py)."""

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mountd.definitions import AccountKey, DatastoreDefinition, DatastoreKind, Secret
from mountd.emulator import Emulator
from mountd.stores.config import StoreConfig
from mountd.stores.live import LiveStore, Raw
from mountd.stores.opening import raw_store

AZURITE = pytest.param("azurite", marks=pytest.mark.azurite)
KINDS = ["memory", "local", "live", "emulator", AZURITE]


def _emulator(request: pytest.FixtureRequest) -> DatastoreDefinition:
    emulator: Emulator = request.getfixturevalue("emulator")
    emulator.container("data")
    return DatastoreDefinition(
        "emulator",
        DatastoreKind.BLOB,
        account=emulator.account,
        container="data",
        endpoint=emulator.endpoint,
        allow_http=True,
        credential=AccountKey(Secret(emulator.key)),
    )


def _local(request: pytest.FixtureRequest) -> DatastoreDefinition:
    folder: Path = request.getfixturevalue("tmp_path") / "store"
    folder.mkdir()
    return DatastoreDefinition("local", DatastoreKind.LOCAL, folder=str(folder))


DEFINITIONS: dict[str, Callable[[pytest.FixtureRequest], DatastoreDefinition]] = {
    "memory": lambda _: DatastoreDefinition("memory", DatastoreKind.MEMORY, container="memory"),
    "live": lambda _: DatastoreDefinition("live", DatastoreKind.MEMORY, container="live"),
    "local": _local,
    "emulator": _emulator,
    "azurite": lambda request: request.getfixturevalue("azurite").definition(),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def definition(kind: str, request: pytest.FixtureRequest) -> DatastoreDefinition:
    return DEFINITIONS[kind](request)


@pytest.fixture
async def store(kind: str, definition: DatastoreDefinition) -> AsyncIterator[Raw]:
    raw = raw_store(definition, StoreConfig())
    if kind == "live":
        memory = raw
        raw = LiveStore(definition, StoreConfig(), lambda _: memory, chance=random.Random(0))
    yield raw
    await raw.aclose()


@pytest.fixture
async def missing(definition: DatastoreDefinition) -> AsyncIterator[Raw]:
    """The same account or disk, a container that is not there."""
    elsewhere = replace(definition, container="no-such-container", folder=f"{definition.folder}/no-such-folder")
    raw = raw_store(elsewhere, StoreConfig())
    yield raw
    await raw.aclose()

"""That plain keys really are read by obstore, in one request, with every credential and whatever the environment says.

Its failures are asked again through REST, so that without these tests a configuration it cannot use would only be slow.
"""

from pathlib import Path
from typing import NoReturn

import pytest

from mountd.definitions import AccountKey, Credential, DatastoreDefinition, SasToken, Secret
from mountd.emulator import Emulator
from mountd.errors import AccessDenied, CannotTell
from mountd.stores.blob import BlobStore
from tests.unit.blob.conftest import on_emulator, opened
from tests.unit.blob.test_credentials import filled, identity_of
from tests.unit.blob.test_network import Proxy, proxy

__all__ = ["proxy"]
HOSTILE = {
    "AZURE_STORAGE_TOKEN": "x",
    "AZURE_STORAGE_SAS_KEY": "sv=1&sig=x",
    "AZURE_STORAGE_ACCOUNT_KEY": "eA==",
    "AZURE_STORAGE_ACCOUNT_NAME": "other",
    "AZURE_STORAGE_USE_EMULATOR": "true",
    "AZURE_USE_FABRIC_ENDPOINT": "true",
    "AZURE_SKIP_SIGNATURE": "true",
    "AZURE_STORAGE_ENDPOINT": "http://127.0.0.1:1",
    "AZURE_CONTAINER_NAME": "other",
    "AZURE_CREDENTIAL_TYPE": "azure_cli",
    "AZURE_STORAGE_CLIENT_ID": "x",
    "AZURE_STORAGE_CLIENT_SECRET": "x",
    "AZURE_STORAGE_TENANT_ID": "x",
}


async def one_get(emulator: Emulator, definition: DatastoreDefinition, **network: object) -> None:
    async with opened(definition, **network) as store:
        version = (await store.stat("plain")).version
        emulator.requests.clear()
        only_obstore(store)
        assert bytes(await store.read(version, 0, 7)) == b"content"
        assert emulator.requests.count() == 1


def only_obstore(store: BlobStore) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError("obstore failed, and REST was to help")

    store._objects._through_rest = refuse


def credentials(emulator: Emulator) -> list[Credential]:
    return [
        AccountKey(Secret(emulator.key)),
        SasToken(Secret(emulator.sas("data"))),
        SasToken(Secret("?" + emulator.account_sas())),
    ]


async def test_key_and_sas_in_one_request(emulator: Emulator) -> None:
    filled(emulator)
    for credential in credentials(emulator):
        await one_get(emulator, on_emulator(emulator, credential=credential))


async def test_the_environment_changes_nothing(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(emulator)
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    for credential in credentials(emulator):
        await one_get(emulator, on_emulator(emulator, credential=credential))


async def test_a_token_in_one_request_over_a_private_authority(
    tls_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(tls_emulator)
    credential = identity_of(tls_emulator, "secret", tmp_path, monkeypatch)
    ca = str(tls_emulator.certificate_authority)
    await one_get(tls_emulator, on_emulator(tls_emulator, credential=credential), ca_file=ca)


async def test_anonymous_sends_nothing_that_the_environment_has(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mountd.definitions import Anonymous
    from mountd.types import Version

    filled(emulator)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", emulator.key)
    async with opened(on_emulator(emulator, credential=Anonymous())) as store:
        with pytest.raises((CannotTell, AccessDenied)):
            await store.read(Version("plain", emulator.container("data").blob("plain").etag.strip('"'), 7, 0), 0, 7)


async def test_the_environments_proxy_serves_both(
    emulator: Emulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(emulator)
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    await one_get(emulator, on_emulator(emulator))
    assert len(proxy.asked) == 2, "the stat of our client, the read of obstore"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    await one_get(emulator, on_emulator(emulator))
    assert len(proxy.asked) == 2


async def test_a_renewed_token_reaches_obstore(
    tls_emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mountd.stores import tokens

    filled(tls_emulator)
    monkeypatch.setattr(tokens, "YOUNG_SECONDS", 0.0)
    credential = identity_of(tls_emulator, "secret", tmp_path, monkeypatch)
    ca = str(tls_emulator.certificate_authority)
    async with opened(on_emulator(tls_emulator, credential=credential), ca_file=ca) as store:
        version = (await store.stat("plain")).version
        await store.read(version, 0, 7)
        tls_emulator.identity.authority.revoke()
        assert bytes(await store.read(version, 0, 7)) == b"content"
        tls_emulator.requests.clear()
        only_obstore(store)
        assert bytes(await store.read(version, 0, 7)) == b"content"
        assert tls_emulator.requests.count() == 1

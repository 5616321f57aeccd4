"""Every way of proving who we are, exercised against a server that checks: the emulator and its token endpoints."""

import threading
import time
from pathlib import Path

import pytest

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
from mountd.emulator import Emulator
from mountd.errors import AccessDenied, CannotTell, CredentialExpired, InvalidDefinition, StoreError, Unavailable
from mountd.stores.blob import BlobStore
from mountd.stores.config import NetworkConfig
from mountd.stores.credentials import Outgoing, signer_for
from mountd.stores.tokens import TokenSource, token_source
from tests.fixtures.azurite import Azurite
from tests.unit.blob.conftest import on_emulator, opened

CLIENT = "11111111-2222-3333-4444-555555555555"


async def reads(store: BlobStore) -> bytes:
    """Once through everything: a listing, a stat, obstore and REST."""
    keys: list[str] = []
    async for page in store.list("", recursive=True):
        keys += page.keys
    assert keys == ["a//b", "plain"]
    for key in keys:
        version = (await store.stat(key)).version
        content = bytes(await store.read(version, 0, version.size))
    return content


def filled(emulator: Emulator) -> Emulator:
    container = emulator.container("data")
    container.put("plain", b"content")
    container.put("a//b", b"content")
    return emulator


async def test_account_key_and_sas(emulator: Emulator) -> None:
    filled(emulator)
    for credential in (
        AccountKey(Secret(emulator.key)),
        SasToken(Secret(emulator.sas("data"))),
        SasToken(Secret("?" + emulator.account_sas())),
    ):
        async with opened(on_emulator(emulator, credential=credential)) as store:
            assert await reads(store) == b"content"


async def test_sas_of_azurite(azurite: Azurite) -> None:
    from datetime import UTC, datetime, timedelta

    from azure.storage.blob import generate_container_sas

    definition = azurite.definition()
    sas = generate_container_sas(
        azurite.account,
        definition.container,
        azurite.key,
        permission="rlw",
        expiry=datetime.now(UTC) + timedelta(hours=1),
    )
    async with opened(definition) as store:
        await store.put("plain", b"content")
        await store.put("a//b", b"content")
    async with opened(azurite.definition(definition.container, SasToken(Secret(sas)))) as store:
        assert await reads(store) == b"content"


async def test_a_copy_within_the_container_works_with_a_sas(emulator: Emulator) -> None:
    filled(emulator)
    async with opened(on_emulator(emulator, credential=SasToken(Secret(emulator.account_sas())))) as store:
        copied = await store.copy((await store.stat("a//b")).version, "c d")
        assert bytes(await store.read(copied, 0, copied.size)) == b"content"


async def test_an_expired_sas_says_so(emulator: Emulator) -> None:
    filled(emulator)
    ended = SasToken(Secret(emulator.sas("data", expiry=time.time() - 100)))
    async with opened(on_emulator(emulator, credential=ended)) as store:
        with pytest.raises(CredentialExpired, match="ended at 20"):
            await store.stat("plain")


async def test_wrong_key_is_denied_and_never_said(emulator: Emulator) -> None:
    filled(emulator)
    wrong = "d3JvbmcgYnV0IGJhc2U2NA=="
    async with opened(on_emulator(emulator, credential=AccountKey(Secret(wrong)))) as store:
        for ask in (store.stat("plain"), store.list("").__anext__()):
            with pytest.raises(AccessDenied) as caught:
                await ask
            assert caught.value.request_id
            assert wrong not in repr(caught.value)
    with pytest.raises(InvalidDefinition) as malformed:
        signer_for(AccountKey(Secret("not base64!")), "acct", NetworkConfig())
    assert "not base64!" not in str(malformed.value)


async def test_anonymous_cannot_tell(emulator: Emulator) -> None:
    filled(emulator)
    async with opened(on_emulator(emulator, credential=Anonymous())) as store:
        with pytest.raises(CannotTell):
            await store.list("").__anext__()


def identity_of(emulator: Emulator, mode: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Credential:
    identity = emulator.identity
    tenant, authority = identity.authority.tenant, emulator.origin
    match mode:
        case "managed":
            monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.metadata_endpoint)
            return ManagedIdentity()
        case "secret":
            identity.application(CLIENT, secret="s3cret")
            return ClientSecret(tenant, CLIENT, Secret("s3cret"), authority)
        case "certificate":
            pem = identity.application(CLIENT, certificate=True).certificate
            return ClientCertificate(tenant, CLIENT, Secret(pem), None, authority)
        case "workload":
            identity.application(CLIENT, subject="system:job")
            (folder / "token").write_text(identity.federated_token("system:job"))
            return WorkloadIdentity(tenant, CLIENT, str(folder / "token"), authority)
        case "cli":
            tool = folder / "az"
            token = identity.authority.issue("cli", "rl", "https://storage.azure.com", time.time())
            answer = f'{{"accessToken": "{token}", "expires_on": {int(time.time()) + 3600}, "tenant": "t", "tokenType": "Bearer"}}'
            tool.write_text(f"#!/bin/sh\necho '{answer}'\n")
            tool.chmod(0o755)
            monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
            return AzureCli()
        case _:
            identity.application(CLIENT, secret="s3cret")
            for name, value in (("TENANT_ID", tenant), ("CLIENT_ID", CLIENT), ("CLIENT_SECRET", "s3cret")):
                monkeypatch.setenv(f"AZURE_{name}", value)
            monkeypatch.setenv("AZURE_AUTHORITY_HOST", authority)
            return DefaultChain()


@pytest.mark.parametrize("mode", ["managed", "secret", "certificate", "workload", "cli", "default"])
async def test_identities(tls_emulator: Emulator, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(tls_emulator)
    credential = identity_of(tls_emulator, mode, tmp_path, monkeypatch)
    definition = on_emulator(tls_emulator, credential=credential)
    async with opened(definition, ca_file=str(tls_emulator.certificate_authority)) as store:
        assert await reads(store) == b"content"


async def test_a_wrong_secret_is_denied(tls_emulator: Emulator) -> None:
    filled(tls_emulator)
    tls_emulator.identity.application(CLIENT, secret="s3cret")
    credential = ClientSecret(tls_emulator.identity.authority.tenant, CLIENT, Secret("wr0ng"), tls_emulator.origin)
    async with opened(
        on_emulator(tls_emulator, credential=credential), ca_file=str(tls_emulator.certificate_authority)
    ) as store:
        with pytest.raises(AccessDenied, match="token service refused") as caught:
            await store.stat("plain")
    assert "wr0ng" not in repr(caught.value)


class Service:
    """A token service that counts, and fails when told."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 1000.0
        self.failure: StoreError | None = None

    def fetch(self) -> tuple[str, float]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return f"token-{self.asked}", self.now + 3600

    def clock(self) -> float:
        return self.now


def test_a_token_is_kept_and_renewed_early() -> None:
    service = Service()
    tokens = TokenSource(service.fetch, service.clock)
    assert {tokens.current().value.reveal() for _ in range(5)} == {"token-1"}
    service.now += 3600 - 301
    assert tokens.current().value.reveal() == "token-1"
    service.now += 2
    assert tokens.current().value.reveal() == "token-2"
    assert tokens.generation == 2


def test_a_token_service_that_is_down_is_not_noticed_while_the_token_is_good() -> None:
    service = Service()
    tokens = TokenSource(service.fetch, service.clock)
    tokens.current()
    service.failure = Unavailable("down")
    service.now += 3600 - 100
    assert tokens.current().value.reveal() == "token-1"
    assert tokens.current().value.reveal() == "token-1"
    assert service.asked == 2, "not asked at each request"
    service.now += 100
    with pytest.raises(Unavailable):
        tokens.current()


def test_a_slow_renewal_holds_up_nobody_while_the_token_is_valid() -> None:
    service = Service()
    entered, finish = threading.Event(), threading.Event()
    slow = False

    def fetch() -> tuple[str, float]:
        if slow:
            entered.set()
            assert finish.wait(10)
        return service.fetch()

    tokens = TokenSource(fetch, service.clock)
    tokens.current()
    service.now += 3600 - 100
    slow = True
    renewing = threading.Thread(target=tokens.current)
    renewing.start()
    assert entered.wait(10)
    assert tokens.current().value.reveal() == "token-1"
    finish.set()
    renewing.join(10)
    assert tokens.current().value.reveal() == "token-2"


def test_a_refused_token_is_renewed_unless_it_is_new() -> None:
    service = Service()
    tokens = TokenSource(service.fetch, service.clock)
    tokens.current()
    assert not tokens.refused()
    service.now += 61
    assert tokens.refused()
    assert tokens.current().value.reveal() == "token-2"


async def test_a_revoked_token_is_renewed_in_the_same_call(
    tls_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mountd.stores import tokens

    filled(tls_emulator)
    tls_emulator.identity.application(CLIENT, secret="s3cret")
    credential = ClientSecret(tls_emulator.identity.authority.tenant, CLIENT, Secret("s3cret"), tls_emulator.origin)
    monkeypatch.setattr(tokens, "YOUNG_SECONDS", 0.0)
    async with opened(
        on_emulator(tls_emulator, credential=credential), ca_file=str(tls_emulator.certificate_authority)
    ) as store:
        assert await reads(store) == b"content"
        tls_emulator.identity.authority.revoke()
        assert await reads(store) == b"content"


def test_a_request_shows_neither_its_signature_nor_its_token() -> None:
    sas = Outgoing("GET", "/c")
    signer_for(SasToken(Secret("sv=1&sig=s3cret")), "acct", NetworkConfig()).sign(sas)
    bearer = Outgoing("GET", "/c", headers={"Authorization": "Bearer s3cret"})
    assert "s3cret" in sas.target
    assert "s3cret" not in repr(sas) + repr(bearer)


def test_a_token_file_that_is_not_there_is_a_refusal_that_names_it(tmp_path: Path) -> None:
    identity = WorkloadIdentity("t", "c", str(tmp_path / "absent"), "https://127.0.0.1:1")
    with pytest.raises(AccessDenied, match=r"absent cannot be read: No such file"):
        token_source(identity, NetworkConfig()).current()


class Line:
    """A lock that tells who has come to it."""

    def __init__(self) -> None:
        self.asked = threading.Semaphore(0)
        self._lock = threading.Lock()
        self.release = self._lock.release

    def acquire(self, blocking: bool = True) -> bool:
        self.asked.release()
        return self._lock.acquire(blocking)


def test_who_waited_for_a_token_that_was_refused_does_not_ask_again() -> None:
    """Sixty readers of a dead token service would otherwise stand in line, each for a timeout of its own."""
    service, failures = Service(), []
    entered, finish = threading.Event(), threading.Event()

    def fetch() -> tuple[str, float]:
        entered.set()
        assert finish.wait(10)
        service.failure = Unavailable("down", remedy="Look.")
        return service.fetch()

    tokens = TokenSource(fetch, service.clock)
    line = tokens._lock = Line()

    def ask() -> None:
        try:
            tokens.current()
        except Unavailable as error:
            failures.append(str(error))

    threads = [threading.Thread(target=ask) for _ in range(5)]
    threads[0].start()
    assert entered.wait(10)
    for thread in threads[1:]:
        thread.start()
    for _ in threads:
        assert line.asked.acquire(timeout=10)
    finish.set()
    for thread in threads:
        thread.join(10)
    assert failures == ["down Look."] * 5
    assert service.asked == 1
    with pytest.raises(Unavailable):
        tokens.current()
    assert service.asked == 2, "who comes later asks for itself"

"""Every mode of azure-identity gets its token here for real, over TLS with the emulator's own authority where Entra has it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import (
    AzureCliCredential,
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.storage.blob import BlobServiceClient, generate_blob_sas

from mountd.emulator import Emulator, Fault
from mountd.emulator.identity import MANAGED_CLIENT

SCOPE = "https://storage.azure.com/.default"
CLIENT = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture
def trusting(tls_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator over TLS, in a process whose HTTP clients trust it, and with no identity from outside."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls_emulator.certificate_authority))
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.delenv(name, raising=False)
    tls_emulator.container("data").put("x", b"seen")
    return tls_emulator


@pytest.fixture
def authority(trusting: Emulator) -> dict[str, object]:
    return {"authority": trusting.origin, "disable_instance_discovery": True}


def read(emulator: Emulator, credential: object) -> bytes:
    with BlobServiceClient(emulator.endpoint, credential=credential, retry_total=0) as service:
        return service.get_blob_client("data", "x").download_blob().readall()


def test_client_secret(trusting: Emulator, authority: dict[str, object]) -> None:
    trusting.identity.application(CLIENT, secret="right")
    with ClientSecretCredential(trusting.identity.authority.tenant, CLIENT, "right", **authority) as credential:
        assert read(trusting, credential) == b"seen"


def test_a_wrong_client_secret_is_refused(trusting: Emulator, authority: dict[str, object]) -> None:
    trusting.identity.application(CLIENT, secret="right")
    with (
        ClientSecretCredential(trusting.identity.authority.tenant, CLIENT, "wrong", **authority) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(SCOPE)


def test_an_unknown_application_is_refused(trusting: Emulator, authority: dict[str, object]) -> None:
    with (
        ClientSecretCredential(trusting.identity.authority.tenant, CLIENT, "x", **authority) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS700016"),
    ):
        credential.get_token(SCOPE)


def test_an_unknown_tenant_is_refused(trusting: Emulator, authority: dict[str, object]) -> None:
    with (
        ClientSecretCredential("00000000-0000-0000-0000-000000000001", CLIENT, "x", **authority) as credential,
        pytest.raises(ClientAuthenticationError),
    ):
        credential.get_token(SCOPE)


def test_client_certificate(trusting: Emulator, authority: dict[str, object]) -> None:
    pem = trusting.identity.application(CLIENT, certificate=True).certificate.encode()
    tenant = trusting.identity.authority.tenant
    with CertificateCredential(tenant, CLIENT, certificate_data=pem, **authority) as credential:
        assert read(trusting, credential) == b"seen"


def test_another_certificate_is_refused(trusting: Emulator, authority: dict[str, object]) -> None:
    other = trusting.identity.application("other", certificate=True).certificate.encode()
    trusting.identity.application(CLIENT, certificate=True)
    tenant = trusting.identity.authority.tenant
    with (
        CertificateCredential(tenant, CLIENT, certificate_data=other, **authority) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS700027"),
    ):
        credential.get_token(SCOPE)


def test_workload_identity(trusting: Emulator, authority: dict[str, object], tmp_path: Path) -> None:
    trusting.identity.application(CLIENT, subject="system:serviceaccount:jobs:train")
    file = tmp_path / "token"
    file.write_text(trusting.identity.federated_token("system:serviceaccount:jobs:train"))
    words = {"tenant_id": trusting.identity.authority.tenant, "client_id": CLIENT, "token_file_path": str(file)}
    with WorkloadIdentityCredential(**words, **authority) as credential:
        assert read(trusting, credential) == b"seen"


def test_workload_identity_of_another_subject_is_refused(
    trusting: Emulator, authority: dict[str, object], tmp_path: Path
) -> None:
    trusting.identity.application(CLIENT, subject="system:serviceaccount:jobs:train")
    file = tmp_path / "token"
    file.write_text(trusting.identity.federated_token("system:serviceaccount:jobs:other"))
    words = {"tenant_id": trusting.identity.authority.tenant, "client_id": CLIENT, "token_file_path": str(file)}
    with (
        WorkloadIdentityCredential(**words, **authority) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS70021"),
    ):
        credential.get_token(SCOPE)


def test_managed_identity_by_instance_metadata(trusting: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", trusting.metadata_endpoint)
    with ManagedIdentityCredential() as credential:
        assert read(trusting, credential) == b"seen"


def test_managed_identity_of_a_chosen_client(trusting: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", trusting.metadata_endpoint)
    trusting.identity.application(CLIENT)
    with ManagedIdentityCredential(client_id=CLIENT) as credential:
        assert read(trusting, credential) == b"seen"


def test_managed_identity_that_is_not_there(trusting: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", trusting.metadata_endpoint)
    trusting.identity.principals[MANAGED_CLIENT].enabled = False
    with (
        ManagedIdentityCredential() as credential,
        pytest.raises((CredentialUnavailableError, ClientAuthenticationError)),
    ):
        credential.get_token(SCOPE)


def test_managed_identity_of_app_service(trusting: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{trusting.metadata_endpoint}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", trusting.identity.header)
    with ManagedIdentityCredential() as credential:
        assert read(trusting, credential) == b"seen"


def test_az_command_line(trusting: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    trusting.identity.az(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with AzureCliCredential() as credential:
        assert read(trusting, credential) == b"seen"


def test_default_chain_from_the_environment(trusting: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    trusting.identity.application(CLIENT, secret="right")
    monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT)
    monkeypatch.setenv("AZURE_TENANT_ID", trusting.identity.authority.tenant)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "right")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", trusting.origin)
    with DefaultAzureCredential(disable_instance_discovery=True) as credential:
        assert read(trusting, credential) == b"seen"


def test_token_requests_are_counted_and_can_fail(trusting: Emulator, plain: requests.Session) -> None:
    url = f"{trusting.metadata_endpoint}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={SCOPE}"
    trusting.faults.set(
        Fault("busy", operations=("Token",), count=1, status=429), Fault("busy", operations=("GetBlob",))
    )
    answers = [plain.get(url, headers={"Metadata": "true"}).status_code for _ in range(2)]
    assert answers == [429, 200]
    assert trusting.requests.count("Token") == 2


def test_a_revoked_token_is_refused(trusting: Emulator, authority: dict[str, object]) -> None:
    trusting.identity.application(CLIENT, secret="right")
    with ClientSecretCredential(trusting.identity.authority.tenant, CLIENT, "right", **authority) as credential:
        credential.get_token(SCOPE)
        trusting.identity.authority.revoke()
        with pytest.raises(HttpResponseError) as caught:
            read(trusting, credential)
    assert caught.value.status_code == 401
    assert caught.value.error_code == "InvalidAuthenticationInfo"


def test_a_principal_without_the_permission_is_refused(trusting: Emulator, authority: dict[str, object]) -> None:
    trusting.identity.application(CLIENT, secret="right", permissions="l")
    with (
        ClientSecretCredential(trusting.identity.authority.tenant, CLIENT, "right", **authority) as credential,
        pytest.raises(HttpResponseError) as caught,
    ):
        read(trusting, credential)
    assert caught.value.error_code == "AuthorizationPermissionMismatch"


def test_user_delegation_sas(trusting: Emulator, authority: dict[str, object]) -> None:
    trusting.identity.application(CLIENT, secret="right")
    now = datetime.now(UTC)
    with (
        ClientSecretCredential(trusting.identity.authority.tenant, CLIENT, "right", **authority) as credential,
        BlobServiceClient(trusting.endpoint, credential=credential) as service,
    ):
        key = service.get_user_delegation_key(now, now + timedelta(hours=1))
    sas = generate_blob_sas(
        trusting.account, "data", "x", user_delegation_key=key, permission="r", expiry=now + timedelta(hours=1)
    )
    assert read(trusting, sas) == b"seen"
    with pytest.raises(HttpResponseError):
        read(trusting, sas[:-6] + "AAAA%3D")


@pytest.fixture
def plain(trusting: Emulator) -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


def test_instance_metadata_wants_its_header(trusting: Emulator, plain: requests.Session) -> None:
    url = f"{trusting.metadata_endpoint}/metadata/identity/oauth2/token?api-version=2018-02-01&resource={SCOPE}"
    assert plain.get(url).status_code == 400
    assert plain.get(url, headers={"Metadata": "true"}).json()["token_type"] == "Bearer"


def test_openid_discovery_names_the_key_that_signs(trusting: Emulator, plain: requests.Session) -> None:
    tenant = trusting.identity.authority.tenant
    found = plain.get(f"{trusting.origin}/{tenant}/v2.0/.well-known/openid-configuration").json()
    keys = plain.get(found["jwks_uri"]).json()["keys"]
    assert keys[0]["kid"] == trusting.identity.authority.identifier


def test_without_trust_there_is_no_connection(tls_emulator: Emulator) -> None:
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(tls_emulator.endpoint, timeout=10)

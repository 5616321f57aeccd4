"""Credentials: what the differential cases cannot reach, with a clock of our own."""

import http.client
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob import (
    AccessPolicy,
    BlobServiceClient,
    ContainerSasPermissions,
    generate_account_sas,
    generate_blob_sas,
    generate_container_sas,
)

from mountd.emulator import Emulator, EmulatorSettings


class Clock:
    """A time that only tests move."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now


def get(emulator: Emulator, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=10)
    connection.request("GET", path, headers=dict(headers or {}))
    response = connection.getresponse()
    found = response.status, response.getheader("x-ms-error-code"), response.read()
    connection.close()
    return found


def code(emulator: Emulator, credential: object, container: str = "data", key: str = "x") -> str | None:
    """The error code of a read with this credential; None if it worked."""
    with BlobServiceClient(emulator.endpoint, credential=credential, retry_total=0) as service:
        try:
            service.get_blob_client(container, key).download_blob().readall()
        except HttpResponseError as error:
            return error.error_code
    return None


def test_a_sas_expires_by_the_service_s_clock() -> None:
    clock = Clock()
    with Emulator(settings=EmulatorSettings(clock=clock)) as emulator:
        emulator.container("data").put("x", b"1")
        path = f"/{emulator.account}/data/x?{emulator.sas('data', 'r', clock.now + 60)}"
        assert get(emulator, path)[0] == 200
        clock.now += 61
        status, failure, body = get(emulator, path)
    assert (status, failure) == (403, "AuthenticationFailed")
    assert b"Signature not valid in the specified time frame" in body


def test_an_account_key_too_old_or_too_young_is_refused() -> None:
    clock = Clock()
    with Emulator(settings=EmulatorSettings(clock=clock)) as emulator:
        emulator.container("data").put("x", b"1")
        assert code(emulator, emulator.key) is None
        clock.now += 16 * 60
        assert code(emulator, emulator.key) == "AuthenticationFailed"
        clock.now -= 32 * 60
        assert code(emulator, emulator.key) == "AuthenticationFailed"


def test_an_account_has_two_keys_while_one_is_replaced(emulator: Emulator) -> None:
    emulator.container("data").put("x", b"1")
    first, sas = emulator.key, emulator.sas("data")
    emulator.rotate_key("bmV3", keep_old=True)
    assert code(emulator, first) is None
    assert code(emulator, sas) is None
    assert code(emulator, "bmV3") is None
    emulator.rotate_key("bmV3")
    assert code(emulator, first) == "AuthenticationFailed"
    assert code(emulator, sas) == "AuthenticationFailed"


def test_a_rotated_key_ends_the_old_one(emulator: Emulator) -> None:
    emulator.container("data").put("x", b"1")
    old, sas = emulator.key, emulator.sas("data", "r")
    emulator.rotate_key("bmV3")
    assert code(emulator, old) == "AuthenticationFailed"
    assert code(emulator, sas) == "AuthenticationFailed"
    assert code(emulator, "bmV3") is None


def test_microsoft_s_own_signatures_are_understood(emulator: Emulator) -> None:
    emulator.container("data").put("x", b"1")
    expiry = datetime.fromtimestamp(emulator.state.clock() + 600, UTC)
    words = {"account_name": emulator.account, "account_key": emulator.key, "expiry": expiry}
    assert code(emulator, generate_container_sas(container_name="data", permission="r", **words)) is None
    assert code(emulator, generate_blob_sas(container_name="data", blob_name="x", permission="r", **words)) is None
    assert code(emulator, generate_account_sas(resource_types="o", permission="r", **words)) is None
    other = generate_blob_sas(container_name="data", blob_name="y", permission="r", **words)
    assert code(emulator, other) == "AuthenticationFailed"
    only_https = generate_blob_sas(container_name="data", blob_name="x", permission="r", protocol="https", **words)
    assert code(emulator, only_https) == "AuthorizationProtocolMismatch"
    elsewhere = generate_blob_sas(container_name="data", blob_name="x", permission="r", ip="10.0.0.1-10.0.0.9", **words)
    assert code(emulator, elsewhere) == "AuthorizationSourceIPMismatch"
    here = generate_blob_sas(container_name="data", blob_name="x", permission="r", ip="127.0.0.1", **words)
    assert code(emulator, here) is None


def test_a_stored_policy_gives_and_takes_away(emulator: Emulator) -> None:
    emulator.container("data").put("x", b"1")
    expiry = datetime.fromtimestamp(emulator.state.clock() + 600, UTC)
    sas = generate_container_sas(emulator.account, "data", emulator.key, policy_id="readers")
    with BlobServiceClient(emulator.endpoint, credential=emulator.key) as service:
        container = service.get_container_client("data")
        assert code(emulator, sas) == "AuthenticationFailed"
        container.set_container_access_policy({"readers": AccessPolicy(ContainerSasPermissions(read=True), expiry)})
        assert code(emulator, sas) is None
        container.set_container_access_policy({})
    assert code(emulator, sas) == "AuthenticationFailed"


def test_a_sas_may_ask_for_response_headers(emulator: Emulator) -> None:
    emulator.container("data").put("x", b"1")
    expiry = datetime.fromtimestamp(emulator.state.clock() + 600, UTC)
    sas = generate_blob_sas(
        emulator.account, "data", "x", account_key=emulator.key, permission="r", expiry=expiry, content_type="text/odd"
    )
    connection = http.client.HTTPConnection("127.0.0.1", emulator.port, timeout=10)
    connection.request("GET", f"/{emulator.account}/data/x?{sas}")
    assert connection.getresponse().getheader("content-type") == "text/odd"
    connection.close()


def test_another_account_is_refused(emulator: Emulator) -> None:
    assert get(emulator, "/someoneelse/data/x")[:2] == (403, "AuthenticationFailed")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer a.b.c", "Bearer e30.e30.AAAA"])
def test_a_token_that_is_none_is_401_with_a_challenge(emulator: Emulator, header: str) -> None:
    status, failure, _ = get(emulator, f"/{emulator.account}/data/x", {"Authorization": header})
    assert (status, failure) == (401, "InvalidAuthenticationInfo")


def test_no_failure_tells_the_key(emulator: Emulator) -> None:
    _, _, body = get(emulator, f"/{emulator.account}/data/x", {"Authorization": f"SharedKey {emulator.account}:AAAA"})
    assert emulator.key.encode() not in body

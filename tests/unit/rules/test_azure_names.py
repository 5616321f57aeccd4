"""Connection strings and the times inside a SAS."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.definitions import Secret
from mountd.errors import InvalidDefinition
from mountd.rules.azure_names import EMULATOR_ACCOUNT, ConnectionString, parse_connection_string, sas_expiry, sas_start


def test_the_portals_form() -> None:
    text = "DefaultEndpointsProtocol=https;AccountName=acct;AccountKey=a2V5PT0=;EndpointSuffix=core.chinacloudapi.cn"
    expected = ConnectionString("acct", Secret("a2V5PT0="), None, "", "core.chinacloudapi.cn")
    assert parse_connection_string(text) == expected


def test_an_endpoint_and_a_sas() -> None:
    text = (
        "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=?sv=1&sig=a%3D;QueueEndpoint=https://q"
    )
    parsed = parse_connection_string(text)
    assert parsed.endpoint == "https://acct.blob.core.windows.net"
    assert parsed.sas == Secret("sv=1&sig=a%3D")
    assert parsed.key is None


def test_development_storage_is_the_emulators_account() -> None:
    parsed = parse_connection_string("UseDevelopmentStorage=true;")
    assert parsed.account == EMULATOR_ACCOUNT
    assert parsed.endpoint == "http://127.0.0.1:10000/devstoreaccount1"
    assert parsed.key is not None


def test_http_is_said_as_an_endpoint() -> None:
    parsed = parse_connection_string("DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=eA==")
    assert parsed.endpoint == "http://acct.blob.core.windows.net"


@pytest.mark.parametrize(("text", "says"), [("nonsense", "part 1"), ("AccountKey=s3cret", "neither"), ("", "neither")])
def test_what_is_wrong_is_named_without_the_secret(text: str, says: str) -> None:
    with pytest.raises(InvalidDefinition, match=says) as raised:
        parse_connection_string(text)
    assert "s3cret" not in str(raised.value)


@given(st.text(max_size=200))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidDefinition):
        parsed = parse_connection_string(text)
        assert parsed.account or parsed.endpoint


@pytest.mark.parametrize(
    "written",
    ["2026-01-02T03:04:05Z", "2026-01-02T03%3A04%3A05Z", "2026-01-02T03:04:05.1234567Z", "2026-01-02T04:04:05%2B01:00"],
)
def test_times_of_a_sas(written: str) -> None:
    assert sas_expiry(f"?sv=1&se={written}&sig=x") == 1767323045.0


def test_coarser_times_and_none() -> None:
    assert sas_expiry("se=2026-01-02T03:04Z") == 1767323040.0
    assert sas_start("st=2026-01-02&se=x") == 1767312000.0
    assert sas_expiry("sv=1&si=policy&sig=x") is None
    assert sas_expiry("se=soon") is None

"""URLs of definitions."""

import pytest

from mountd.definitions import DatastoreDefinition, DatastoreKind
from mountd.errors import InvalidDefinition
from mountd.stores.blob.endpoint import endpoint_of


def defined(**fields: object) -> DatastoreDefinition:
    return DatastoreDefinition(name="d", kind=DatastoreKind.BLOB, **{"account": "acct", "container": "c"} | fields)


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "https://acct.blob.core.windows.net/c/k"),
        ({"endpoint_suffix": "core.chinacloudapi.cn"}, "https://acct.blob.core.chinacloudapi.cn/c/k"),
        (
            {"endpoint": "https://acct.privatelink.blob.core.windows.net/"},
            "https://acct.privatelink.blob.core.windows.net/c/k",
        ),
        ({"endpoint": "https://storage.corp:8443/acct"}, "https://storage.corp:8443/acct/c/k"),
        ({"endpoint": "http://127.0.0.1:10000/acct", "allow_http": True}, "http://127.0.0.1:10000/acct/c/k"),
        ({"endpoint": "http://[::1]:10000/acct", "allow_http": True}, "http://[::1]:10000/acct/c/k"),
        ({"container": "$root"}, "https://acct.blob.core.windows.net/$root/k"),
    ],
)
def test_where_a_key_is(fields: dict[str, object], url: str) -> None:
    assert endpoint_of(defined(**fields)).url("k") == url


@pytest.mark.parametrize(
    ("endpoint", "account"), [("https://other.blob.core.windows.net", "other"), ("https://storage.corp/one", "one")]
)
def test_an_account_that_is_not_named_is_the_endpoints(endpoint: str, account: str) -> None:
    assert endpoint_of(defined(account="", endpoint=endpoint)).account == account


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1/acct", "ftp://x/y", "nonsense", "https://"])
def test_refused(endpoint: str) -> None:
    with pytest.raises(InvalidDefinition):
        endpoint_of(defined(endpoint=endpoint))


def test_a_query_of_a_refused_endpoint_is_not_said() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        endpoint_of(defined(endpoint="http://x/acct?sig=SECRET"))
    assert "SECRET" not in str(caught.value)


def test_identity_is_the_place_and_not_the_name() -> None:
    identity = endpoint_of(defined()).identity
    assert str(identity) == "blob|https://acct.blob.core.windows.net|acct|c"

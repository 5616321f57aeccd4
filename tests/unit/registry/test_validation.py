"""What a datastore may be: names, addresses, credentials; each refusal names the argument and shows no secret."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mountd.definitions import (
    AccountKey,
    Anonymous,
    ClientCertificate,
    ClientSecret,
    Credential,
    DatastoreDefinition,
    DatastoreKind,
    SasToken,
    Secret,
    WorkloadIdentity,
)
from mountd.errors import CredentialExpired, InvalidDefinition
from mountd.registry.arguments import CREDENTIAL_ARGUMENTS, credential_of, read_credential, with_credential
from mountd.registry.credentials import MODES, mode_of
from mountd.registry.validation import checked, credential_warnings, problems
from mountd.rules.azure_names import sas_expiry

NOW = sas_expiry("se=2026-06-01") or 0.0
BLOB = DatastoreDefinition("images", DatastoreKind.BLOB, account="acct", container="cont")
PEM = Secret(
    "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\ny\n-----END PRIVATE KEY-----"
)


def wrong(definition: DatastoreDefinition) -> list[str]:
    return [problem.argument for problem in problems(definition)]


@pytest.mark.parametrize("name", ["a", "images_2024", "0", "_", "x" * 255])
def test_names_that_may_be(name: str) -> None:
    assert wrong(replace(BLOB, name=name)) == []


@pytest.mark.parametrize("name", ["", "with-dash", "a.b", "a b", "a/b", "é", "x" * 256, "a\n"])
def test_names_that_may_not(name: str) -> None:
    assert wrong(replace(BLOB, name=name)) == ["name"]


@pytest.mark.parametrize("container", ["abc", "a-b-c", "x" * 63, "$root", "$web", "$logs", "123"])
def test_containers_that_may_be(container: str) -> None:
    assert wrong(replace(BLOB, container=container)) == []


@pytest.mark.parametrize("container", ["", "ab", "-ab", "ab-", "a--b", "Abc", "a_b", "x" * 64, "$other", "abc\n"])
def test_containers_that_may_not(container: str) -> None:
    assert wrong(replace(BLOB, container=container)) == ["container"]


@pytest.mark.parametrize("account", ["", "ab", "Account", "a-b", "x" * 25, "acct.blob.core.windows.net"])
def test_accounts_that_may_not(account: str) -> None:
    assert wrong(replace(BLOB, account=account)) == ["account"]


@pytest.mark.parametrize(
    "endpoint", ["https://h", "https://h:8443/acct", "https://[::1]:10000/acct/", "https://a.b.example"]
)
def test_endpoints_that_may_be(endpoint: str) -> None:
    assert wrong(replace(BLOB, endpoint=endpoint)) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        "acct.blob.core.windows.net",
        "ftp://h",
        "https://",
        "https://h:port",
        "https://[::1",
        "https://user:secret9@h",
        "https://h?sig=secret9",
        "https://h#x",
        "https://h/acct/cont",
        "http://h",
    ],
)
def test_endpoints_that_may_not(endpoint: str) -> None:
    found = problems(replace(BLOB, endpoint=endpoint))
    assert {problem.argument for problem in found} == {"endpoint"}
    assert "secret9" not in str(found)


def test_http_needs_the_explicit_switch_and_warns_beyond_this_machine() -> None:
    here = replace(BLOB, endpoint="http://127.0.0.1:10000/acct", allow_http=True)
    assert checked(here, NOW).warnings == ()
    there = replace(BLOB, endpoint="http://storage.example/acct", allow_http=True)
    assert "plain http" in checked(there, NOW).warnings[0]


@pytest.mark.parametrize("suffix", ["", "core", "https://core.windows.net", ".windows.net", "core.windows.net/"])
def test_suffixes_that_may_not(suffix: str) -> None:
    assert wrong(replace(BLOB, endpoint_suffix=suffix)) == ["endpoint_suffix"]


def test_other_kinds_take_no_cloud() -> None:
    local = DatastoreDefinition("x", DatastoreKind.LOCAL, folder="/data")
    assert wrong(local) == []
    assert wrong(replace(local, folder="data")) == ["folder"]
    assert wrong(replace(local, account="acct", credential=AccountKey(Secret("eA==")))) == ["account", "account_key"]
    assert wrong(DatastoreDefinition("x", DatastoreKind.MEMORY, container="any")) == []
    assert wrong(DatastoreDefinition("x", DatastoreKind.MEMORY, folder="/data")) == ["folder"]
    assert wrong(replace(BLOB, folder="/data")) == ["folder"]


@pytest.mark.parametrize(
    ("credential", "arguments"),
    [
        (AccountKey(Secret("not base64 secret9")), ["account_key"]),
        (AccountKey(Secret("")), ["account_key"]),
        (SasToken(Secret("sv=1&se=secret9")), ["sas_token"]),
        (ClientSecret("", "client", Secret("")), ["tenant_id", "client_secret"]),
        (ClientSecret("t", "c", Secret("secret9"), "http://login"), ["authority_url"]),
        (ClientCertificate("t", "c", Secret("secret9")), ["certificate", "certificate"]),
        (ClientCertificate("t", "c", PEM), []),
        (WorkloadIdentity("t", "c", "token"), ["token_file"]),
        (Anonymous(), []),
    ],
)
def test_credentials(credential: Credential, arguments: list[str]) -> None:
    found = problems(replace(BLOB, credential=credential))
    assert [problem.argument for problem in found] == arguments
    assert "secret9" not in str(found)


def test_every_problem_is_said_at_once() -> None:
    with pytest.raises(InvalidDefinition) as raised:
        checked(DatastoreDefinition("a-b", DatastoreKind.BLOB, account="A", credential=AccountKey(Secret("?"))), NOW)
    assert [line.split(":")[0] for line in str(raised.value).splitlines()] == [
        "name",
        "account",
        "container",
        "account_key",
    ]


def test_what_copying_brings_along_is_dropped() -> None:
    assert checked(replace(BLOB, credential=SasToken(Secret("?sig=x \n"))), NOW).definition.credential == SasToken(
        Secret("sig=x")
    )
    assert checked(replace(BLOB, credential=AccountKey(Secret("eA==\n"))), NOW).definition.credential == AccountKey(
        Secret("eA==")
    )


def test_an_expired_sas_is_refused_with_its_time() -> None:
    with pytest.raises(CredentialExpired, match=r"2026-05-31 23:59:59 UTC"):
        checked(replace(BLOB, credential=SasToken(Secret("sig=x&se=2026-05-31T23:59:59Z"))), NOW)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ("se=2026-06-07T23:59:59Z", "ends at 2026-06-07 23:59:59 UTC; rotate it before"),
        ("se=2026-06-08T00:00:01Z", ""),
        ("se=2026-05-01", "ended at 2026-05-01 00:00:00 UTC; rotate it"),
        ("se=2027-01-01&st=2026-06-02", "valid only from 2026-06-02 00:00:00 UTC"),
        ("si=policy", ""),
    ],
)
def test_a_sas_warns_before_it_ends(times: str, says: str) -> None:
    warnings = credential_warnings(replace(BLOB, credential=SasToken(Secret(f"sig=x&{times}"))), NOW)
    assert says in "".join(warnings)
    assert bool(says) == bool(warnings)


# Words to credentials ----------------------------------------------------------------------------------------------


def test_key_and_sas_together_are_refused_naming_both() -> None:
    with pytest.raises(InvalidDefinition, match="account_key and sas_token are both given") as raised:
        credential_of({"account_key": "c2VjcmV0OQ==", "sas_token": "sig=secret9"})
    assert "secret9" not in str(raised.value)
    assert "c2VjcmV0OQ" not in str(raised.value)


@pytest.mark.parametrize(
    ("words", "mode"),
    [
        ({}, "anonymous"),
        ({"account_key": "eA=="}, "account_key"),
        ({"sas_token": "sig=x"}, "sas"),
        ({"method": "sas", "sas_token": "sig=x"}, "sas"),
        ({"connection_string": "AccountName=acct;AccountKey=eA=="}, "account_key"),
        ({"method": "managed_identity"}, "managed_identity"),
        ({"method": "managed_identity", "client_id": "c", "tenant_id": ""}, "managed_identity"),
        ({"tenant_id": "t", "client_id": "c", "client_secret": "s"}, "client_secret"),
        ({"tenant_id": "t", "client_id": "c", "certificate": PEM.reveal()}, "client_certificate"),
        ({"tenant_id": "t", "client_id": "c", "token_file": "/t"}, "workload_identity"),
        ({"method": "azure_cli"}, "azure_cli"),
        ({"method": "default_chain"}, "default_chain"),
    ],
)
def test_what_is_given_says_the_mode(words: dict[str, str], mode: str) -> None:
    assert mode_of(credential_of(words)) == mode


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"method": "magic"}, "method: 'magic'"),
        ({"method": "sas", "account_key": "eA=="}, "method sas and account_key"),
        ({"method": "account_key"}, "account_key: is missing"),
        ({"tenant_id": "t", "client_secret": "s"}, "client_id: is missing"),
        ({"client_id": "c"}, "client_id: means nothing"),
        ({"sas_token": "sig=x", "client_id": "c"}, "client_id: means nothing"),
        ({"connection_string": "nonsense"}, "connection_string: part 1"),
        (
            {"connection_string": "AccountName=a;AccountKey=eA==;SharedAccessSignature=sig=x"},
            "AccountKey and SharedAccessSignature",
        ),
        ({"account_key": "?"}, "account_key: is not base64"),
    ],
)
def test_words_that_cannot_be(words: dict[str, str], says: str) -> None:
    with pytest.raises(InvalidDefinition, match=says.replace("?", r"\?")):
        credential_of(words)


def test_a_connection_string_brings_the_address() -> None:
    empty = replace(BLOB, account="")
    words = {"connection_string": "AccountName=other;AccountKey=eA==;EndpointSuffix=core.chinacloudapi.cn"}
    assert with_credential(empty, words) == replace(
        BLOB, account="other", endpoint_suffix="core.chinacloudapi.cn", credential=AccountKey(Secret("eA=="))
    )
    with pytest.raises(InvalidDefinition, match="account: is 'acct', but the connection_string says 'other'"):
        with_credential(BLOB, words)
    sas = {"connection_string": "BlobEndpoint=https://third.blob.core.windows.net/;SharedAccessSignature=sig=x"}
    assert with_credential(empty, sas).account == "third"
    emulator = with_credential(empty, {"connection_string": "UseDevelopmentStorage=true"})
    assert (emulator.account, emulator.endpoint) == ("devstoreaccount1", "http://127.0.0.1:10000/devstoreaccount1")
    assert wrong(emulator) == ["endpoint"]  # http, until allowed


@given(
    st.dictionaries(
        st.sampled_from(sorted(CREDENTIAL_ARGUMENTS)), st.sampled_from(["", "x", "sas", "sig=x", "eA==", *MODES])
    )
)
def test_any_words_are_a_credential_or_problems_never_both_nor_neither(words: dict[str, str]) -> None:
    read = read_credential(words)
    assert (read.credential is None) == bool(read.problems)

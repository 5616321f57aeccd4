"""What SOURCE and the environment mean to `mountd mount`."""

import pytest

from mountd.cli.source import Located, Named, credential_from_environment, parse
from mountd.definitions import AccountKey, Anonymous, DefaultChain, SasToken, Secret
from mountd.errors import BadRequest


def located(source, **options):
    found = parse(source, allow_http=options.get("allow_http", False), credential=options.get("credential"))
    assert isinstance(found, Located)
    return found


def test_a_containers_address():
    found = located("https://acct.blob.core.windows.net/data/train/v1/")
    assert (found.definition.account, found.definition.container, found.prefix) == ("acct", "data", "train/v1/")
    assert found.definition.endpoint == "https://acct.blob.core.windows.net"
    assert isinstance(found.definition.credential, DefaultChain)


def test_a_sovereign_clouds_address():
    assert located("https://acct.blob.core.chinacloudapi.cn/c").definition.endpoint.endswith(".chinacloudapi.cn")


def test_an_emulators_address():
    found = located("http://127.0.0.1:10000/devstoreaccount1/c/p%20q", allow_http=True)
    assert found.definition.endpoint == "http://127.0.0.1:10000/devstoreaccount1"
    assert (found.definition.account, found.definition.container, found.prefix) == ("devstoreaccount1", "c", "p q/")


def test_a_registered_datastore():
    assert parse("mydata/train", allow_http=False, credential=None) == Named("mydata", "train/")
    assert parse("mydata", allow_http=False, credential=None) == Named("mydata", "")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("http://127.0.0.1:1/a/c", "--allow-http"),
        ("https://acct.blob.core.windows.net/", "names no container"),
        ("https://127.0.0.1/acct", "names no container"),
        ("ftp://host/a/c", "ftp://"),
        ("/x", "names no datastore"),
    ],
)
def test_what_is_wrong_is_named(source, says):
    with pytest.raises(BadRequest, match=says):
        parse(source, allow_http=False, credential=None)


def test_a_signature_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(BadRequest) as refused:
        parse("https://acct.blob.core.windows.net/c?sv=1&sig=SECRETSECRET", allow_http=False, credential=None)
    assert "SECRET" not in str(refused.value)
    assert "AZURE_STORAGE_SAS_TOKEN" in str(refused.value)


def test_credentials_of_the_environment():
    assert credential_from_environment({}) is None
    assert credential_from_environment({"AZURE_STORAGE_KEY": "a2V5"}) == AccountKey(Secret("a2V5"))
    assert credential_from_environment({"AZURE_STORAGE_SAS_TOKEN": "?sv=1&sig=x"}) == SasToken(Secret("sv=1&sig=x"))
    assert credential_from_environment({}, anonymous=True) == Anonymous()
    connection = "AccountName=a;AccountKey=a2V5;EndpointSuffix=core.windows.net"
    assert credential_from_environment({"AZURE_STORAGE_CONNECTION_STRING": connection}) == AccountKey(Secret("a2V5"))


def test_two_credentials_are_refused_naming_both():
    with pytest.raises(BadRequest, match=r"AZURE_STORAGE_KEY and \$AZURE_STORAGE_SAS_TOKEN"):
        credential_from_environment({"AZURE_STORAGE_KEY": "k", "AZURE_STORAGE_SAS_TOKEN": "s"})
    with pytest.raises(BadRequest, match="--anonymous and"):
        credential_from_environment({"AZURE_STORAGE_KEY": "k"}, anonymous=True)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("https://[x/c", "is not a URL"),
        ("https://acct.blob.core.windows.net/data/a#b", "%23"),
    ],
)
def test_an_address_that_would_be_read_as_another_is_refused(source, says):
    with pytest.raises(BadRequest, match=says):
        parse(source, allow_http=False, credential=None)

"""Secrets and datastores of a file: from where they are kept, never in a message."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mountd.config import load
from mountd.definitions import (
    AccountKey,
    ClientSecret,
    Secret,
)
from mountd.errors import ConfigurationInvalid

Write = Callable[[str], Path]


def problems(path: Path) -> list[str]:
    """Without the file's name in front."""
    with pytest.raises(ConfigurationInvalid) as raised:
        load(path)
    return [problem.removeprefix(f"{path}:") for problem in raised.value.problems]


DATASTORE = "mountpoint: /m\ndatastores: {{x: {{account: acct, container: cont, account_key: {secret}}}}}\n"


def test_secrets_come_from_a_file_the_environment_or_systemd(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("a2V5\n")
    monkeypatch.setenv("THE_KEY", "a2V5")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    for secret in (f"{{file: {tmp_path}/key}}", "{env: THE_KEY}", "{credential: key}", "a2V5"):
        (datastore,) = load(write(DATASTORE.format(secret=secret))).datastores
        assert datastore.credential == AccountKey(Secret("a2V5"))


@pytest.mark.parametrize(
    ("secret", "says"),
    [
        ("{file: /nothing/here}", "account_key.file: /nothing/here cannot be read: No such file"),
        ("{file: relative}", "'relative' is not an absolute path"),
        ("{env: NOT_SET_ANYWHERE}", "account_key.env: the environment variable NOT_SET_ANYWHERE is not set"),
        ("{env: EMPTY}", "account_key.env: the env EMPTY is empty"),
        ("{credential: key}", "$CREDENTIALS_DIRECTORY is not set"),
        ("{vault: key}", "is not one of {file: PATH}"),
        ("{}", "is not one of {file: PATH}"),
        ("{file: /a, env: B}", "is not one of {file: PATH}"),
        ("[a]", "is a list, where a value is expected"),
        ("not-base64-secret9", "account_key: is not base64"),
    ],
)
def test_secrets_that_cannot_be_read(write: Write, monkeypatch: pytest.MonkeyPatch, secret: str, says: str) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    (found,) = problems(write(DATASTORE.format(secret=secret)))
    assert says in found
    assert "secret9" not in found


def test_a_credential_is_named_not_addressed(write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert "is not the name of a credential" in problems(write(DATASTORE.format(secret="{credential: ../key}")))[0]


def test_a_secret_in_a_file_others_can_read_warns(write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write(DATASTORE.format(secret="c2VjcmV0OQ=="))
    assert load(path).warnings == ()
    path.chmod(0o640)
    (warning,) = load(path).warnings
    assert warning.startswith(f"{path}:2: datastores.x.account_key: a secret stands in a file that others can read")
    assert warning in caplog.text
    assert "c2VjcmV0OQ" not in caplog.text + repr(load(path))


def test_an_expired_sas_and_a_capital_name_warn(write: Write) -> None:
    configuration = load(
        write("mountpoint: /m\ndatastores: {X: {account: acct, container: cont, sas_token: 'sig=s&se=2001-01-01'}}\n")
    )
    assert [datastore.name for datastore in configuration.datastores] == ["x"]
    named, ended = configuration.warnings
    assert "converted to lowercase" in named
    assert "the SAS ended at 2001-01-01" in ended


def test_a_connection_string_brings_the_account(write: Write) -> None:
    text = "mountpoint: /m\ndatastores: {{x: {{container: cont, connection_string: '{string}'{more}}}}}\n"
    string = "AccountName=acct;AccountKey=a2V5;EndpointSuffix=core.windows.net"
    (datastore,) = load(write(text.format(string=string, more=""))).datastores
    assert (datastore.account, datastore.credential) == ("acct", AccountKey(Secret("a2V5")))
    (found,) = problems(write(text.format(string=string, more=", account: other")))
    assert "the connection_string says 'acct'" in found


def test_an_identity(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_SECRET", "s")
    identity = "tenant_id: t, client_id: c, client_secret: {env: APP_SECRET}"
    text = f"mountpoint: /m\ndatastores: {{x: {{account: acct, container: cont, {identity}}}}}\n"
    (datastore,) = load(write(text)).datastores
    assert datastore.credential == ClientSecret("t", "c", Secret("s"))

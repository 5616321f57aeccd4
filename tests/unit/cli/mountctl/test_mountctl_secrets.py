"""mountctl: secrets come from a file, standard input or the environment, never from argv."""

import io
import sys

import pytest

from mountd.cli import mountctl
from mountd.cli.ctl import exits
from tests.unit.control.served import KEY, OTHER_KEY

BLOB = ("datastore", "register", "photos", "--account", "account1", "--container", "photos")


def revealed(daemon):
    return daemon.house.workspace.datastores.access("photos").credential.account_key


def test_a_secret_from_a_file(daemon, run, tmp_path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    code, out, err = run(*BLOB, "--account-key-file", str(tmp_path / "key"))
    assert (code, revealed(daemon)) == (0, KEY)
    assert KEY not in out + err


def test_a_secret_from_the_environment(daemon, run, monkeypatch):
    monkeypatch.setenv("THE_KEY", KEY)
    assert run(*BLOB, "--account-key-env", "THE_KEY")[0] == 0
    monkeypatch.setenv("THE_KEY", OTHER_KEY)
    assert run("datastore", "rotate", "photos", "--account-key-env", "THE_KEY")[0] == 0
    assert revealed(daemon) == OTHER_KEY


def test_a_secret_from_standard_input(daemon, run, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{KEY}\n"))
    assert run(*BLOB, "--account-key-file", "-")[0] == 0
    assert revealed(daemon) == KEY


@pytest.mark.parametrize("option", ["--account-key", "--sas-token", "--connection-string", "--client-secret"])
def test_a_secret_in_argv_is_refused_and_not_repeated(run, capsys, option):
    for words in ([option, KEY], [f"{option}={KEY}"]):
        with pytest.raises(SystemExit) as caught:
            mountctl.main([*BLOB, *words])
        told = capsys.readouterr().err
        assert caught.value.code == exits.USAGE
        assert f"{option}-file" in told
        assert KEY not in told


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--account-key-file", "/none"), "/none"),
        (("--account-key-env", "NOT_SET"), "NOT_SET"),
        (("--account-key-file", "-", "--sas-token-file", "-"), "--sas-token-file"),
    ],
)
def test_a_secret_that_cannot_be_read(run, words, named):
    code, _, err = run(*BLOB, *words)
    assert code == exits.USAGE
    assert named in err


def test_key_and_sas_together_are_refused_naming_both(run, tmp_path):
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "sas").write_text("sig=abc")
    code, _, err = run(*BLOB, "--account-key-file", str(tmp_path / "key"), "--sas-token-file", str(tmp_path / "sas"))
    assert code == exits.USAGE
    assert "account_key" in err
    assert "sas_token" in err

"""The `mountd` command line: what it refuses, and with which status."""

import subprocess
import sys

import pytest

from mountd.cli.mountd import main


def test_no_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        main([])
    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_unknown_arguments_are_named(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["unmount", "--frobnicate", "/x"])
    assert ended.value.code == 2
    assert "--frobnicate" in capsys.readouterr().err


def test_check_says_every_problem_and_exits_2(tmp_path, capsys):
    file = tmp_path / "config.yaml"
    file.write_text("mountpiont: /x\ncache:\n  memory: lots\n")
    assert main(["check", str(file)]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) >= 2
    assert all(line.startswith(f"{file}:") for line in said)


def test_check_of_a_good_file(tmp_path, capsys):
    file = tmp_path / "config.yaml"
    file.write_text("mountpoint: /mnt/data\n")
    assert main(["check", str(file)]) == 0
    assert "good" in capsys.readouterr().out


def test_a_missing_configuration_is_one_sentence(tmp_path, capsys):
    assert main(["serve", "--config", str(tmp_path / "none.yaml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_nothing_mounted_is_said(tmp_path, capsys):
    assert main(["unmount", str(tmp_path)]) == 1
    assert "Nothing of mountd is mounted" in capsys.readouterr().err


def test_two_credentials_are_refused_before_anything_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_KEY", "a2V5")
    monkeypatch.setenv("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=verysecret")
    assert main(["mount", "https://a.blob.core.windows.net/c", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "AZURE_STORAGE_KEY" in said
    assert "AZURE_STORAGE_SAS_TOKEN" in said
    assert "verysecret" not in said


def test_help_starts_without_the_daemons_libraries():
    program = (
        "import sys; from mountd.cli.mountd import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'trio', 'pyfuse3', 'azure', 'lxml', 'fastapi', 'yaml'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

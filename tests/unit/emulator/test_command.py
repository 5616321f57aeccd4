"""The emulator as a process: its first line, its options, its end."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mountd.emulator.__main__ import main

WORDS = [sys.executable, "-m", "mountd.emulator", "--port", "0"]


def test_it_says_where_it_listens_and_ends_on_sigterm() -> None:
    words = [
        *WORDS,
        "--account",
        "mine",
        "--container",
        "one",
        "--fault",
        "kind=busy,operations=GetBlob",
        "--seed",
        "3",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        line = process.stdout.readline()
        try:
            assert line.startswith("listening on http://127.0.0.1:")
            assert line.rstrip().endswith("/mine")
            origin = line.split()[-1].rpartition("/")[0]
            with urllib.request.urlopen(f"{origin}/__emulator/faults", timeout=5) as answer:
                assert json.load(answer)["faults"][0]["operations"] == ["GetBlob"]
        finally:
            process.terminate()
            assert process.wait(10) == 0


def test_with_tls_it_names_its_authority() -> None:
    with subprocess.Popen([*WORDS, "--tls"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline().startswith("listening on https://")
            authority = Path(process.stdout.readline().split()[-1])
            assert authority.read_text().startswith("-----BEGIN CERTIFICATE")
            assert process.stdout.readline().startswith("instance metadata http://127.0.0.1:")
        finally:
            process.terminate()
            process.wait(10)
    assert not authority.exists()


@pytest.mark.parametrize("words", [["--host", "0.0.0.0"], ["--fault", "kind=earthquake"], ["--fault", "nonsense"]])
def test_what_it_will_not_do_it_says(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "0", *words]) == 2
    assert capsys.readouterr().err.startswith("mountd emulator: ")


def test_a_key_file_that_holds_no_key_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "key"
    file.write_text("no key!")
    assert main(["--port", "0", "--key-file", str(file)]) == 2
    assert capsys.readouterr().err.startswith("mountd emulator: ")


def test_a_taken_port_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(WORDS, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline().split(":")[-1].partition("/")[0]
            assert main(["--port", port]) == 2
        finally:
            process.terminate()
    assert "in use" in capsys.readouterr().err

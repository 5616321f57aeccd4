"""mountctl: what the shells offer."""

import subprocess
import sys

import pytest

from mountd.cli import mountctl


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ((), {"datastore", "mapping", "cache", "status", "stop"}),
        (("da",), {"datastore"}),
        (("datastore", "re"), {"register"}),
        (("datastore", "show", ""), {"data", "workspaceblobstore", "workspacefilestore"}),
        (("mapping", "add", "/x", "d"), {"data"}),
        (("datastore", "register", "x", "--kind", ""), {"blob", "local", "memory"}),
        (("datastore", "register", "x", "--account-key-"), {"--account-key-file", "--account-key-env"}),
        (("datastore", "register", "x", "--account-key-file", ""), set()),
        (("log-level", ""), {"debug", "info", "warning", "error"}),
        (("completion", ""), {"bash", "zsh", "fish"}),
        (("stat", ""), set()),
    ],
)
def test_completion_offers_the_grammar_and_the_names(run, data, words, offered):
    code, out, _ = run(mountctl.COMPLETE, *words)
    assert code == 0
    assert offered <= set(out.splitlines())
    if words:
        assert offered == set(out.splitlines())


def test_completion_is_silent_where_no_daemon_runs(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("MOUNTD_SOCKET", str(tmp_path / "none"))
    assert mountctl.main([mountctl.COMPLETE, "datastore", "show", ""]) == 0
    assert capsys.readouterr() == ("", "")


def test_bash_completes(run):
    script = run("completion", "bash")[1]
    program = f"""
mountctl() {{ {sys.executable} -m mountd.cli.mountctl "$@"; }}
{script}
COMP_WORDS=(mountctl datastore re); COMP_CWORD=2
_mountctl; echo "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", program], check=False, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("register\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_a_script_that_asks_mountctl(run, shell):
    code, out, _ = run("completion", shell)
    assert code == 0
    assert mountctl.COMPLETE in out

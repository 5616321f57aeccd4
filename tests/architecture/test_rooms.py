"""The house rules a machine can check: floors, sizes, names, and that every module says what it owns."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for folder in ("mountd", "tests", "bench") for path in (ROOT / folder).rglob("*.py"))
PACKAGE = [path for path in MODULES if path.is_relative_to(ROOT / "mountd")]
VAGUE = {"utils", "util", "helpers", "helper", "common", "manager", "base", "core", "impl", "misc"}


def named(paths):
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def functions(path):
    tree = ast.parse(path.read_text())
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_floors():
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("path", named(MODULES))
def test_no_module_outgrows_its_room(path):
    assert path.read_text().count("\n") <= 400


@pytest.mark.parametrize("path", named(MODULES))
def test_no_function_is_longer_than_a_page(path):
    long = [f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno + 1 > 60]
    assert not long


@pytest.mark.parametrize("path", named(PACKAGE))
def test_no_function_takes_more_than_six_parameters(path):
    def parameters(function):
        positional = [*function.args.posonlyargs, *function.args.args]
        return [a for a in (*positional, *function.args.kwonlyargs) if a.arg not in ("self", "cls")]

    # The SDK repeats the names and arguments of Azure ML's v1 SDK: a contract, not a choice.
    if path.is_relative_to(ROOT / "mountd" / "sdk"):
        return
    wide = [f.name for f in functions(path) if len(parameters(f)) > 6]
    assert not wide


@pytest.mark.parametrize("path", named(PACKAGE))
def test_every_module_says_what_it_owns(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    assert text
    assert len(text.splitlines()) <= 24


def test_names_say_what_things_are():
    vague = [path for path in PACKAGE if VAGUE & set(re.split(r"[_./]", str(path.relative_to(ROOT).with_suffix(""))))]
    assert not vague


def test_documents_name_files_that_exist():
    missing = []
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = document.read_text()
        targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", text)
        missing += [(document.name, t) for t in targets if not (document.parent / t).exists()]
        rooms = re.findall(r"`((?:mountd|tests|bench|systemd|deploy)/[\w./-]+)`", text)
        missing += [(document.name, room) for room in rooms if not (ROOT / room).exists()]
    assert not missing


def test_documents_never_name_line_numbers():
    bad = [d.name for d in (ROOT / "docs").glob("*.md") if re.search(r"\.py:\d+", d.read_text())]
    assert not bad

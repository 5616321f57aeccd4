"""config.example.yaml and docs/CONFIGURATION.md: current, complete, and true."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from mountd.config import Configuration, example, load, markdown, with_places
from mountd.config.configuration import ABOUT, SECTIONS
from mountd.config.datastores import ADDRESS
from mountd.config.mappings import OPTIONS
from mountd.config.sections import settings_of
from mountd.registry.arguments import CREDENTIAL_ARGUMENTS

ROOT = Path(__file__).parents[3]


def test_the_files_in_the_tree_are_current() -> None:
    assert (ROOT / "config.example.yaml").read_text(encoding="utf-8") == example(), "run `make docs`"
    assert (ROOT / "docs" / "CONFIGURATION.md").read_text(encoding="utf-8") == markdown(), "run `make docs`"


def test_the_example_says_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "example.yaml"
    path.write_text(example(), encoding="utf-8")
    assert load(path) == with_places(Configuration(mountpoint="/mnt/data"))


def test_what_the_example_comments_out_is_right_too(tmp_path: Path) -> None:
    text = re.sub(r"^# ((?:storage|datastores|presets|mappings):|  +[\w/#])", r"\1", example(), flags=re.MULTILINE)
    key = tmp_path / "key"
    key.write_text("a2V5")
    path = tmp_path / "example.yaml"
    path.write_text(text.replace("/etc/mountd/images.account_key", str(key)), encoding="utf-8")
    configuration = load(path)
    assert [datastore.name for datastore in configuration.datastores] == ["workspaceblobstore", "images"]
    assert [mapping.path for mapping in configuration.mappings] == ["/train/images"]
    assert "scratch" in configuration.presets


def test_every_key_is_in_both() -> None:
    names = [*settings_of(Configuration), *ABOUT, *OPTIONS, *ADDRESS, *CREDENTIAL_ARGUMENTS]
    for config in SECTIONS.values():
        names += settings_of(config)
    for name in names:
        assert re.search(rf"^[ #]*{name}:", example(), re.MULTILINE), name
        assert f"`{name}`" in markdown(), name


def test_the_example_is_yaml_of_every_section() -> None:
    assert set(yaml.safe_load(example())) == {*settings_of(Configuration), *SECTIONS, "mapping_defaults"}


def test_the_command_prints_them() -> None:
    for option, made in (("--example", example()), ("--markdown", markdown())):
        run = subprocess.run(
            [sys.executable, "-m", "mountd.config", option], capture_output=True, text=True, check=True
        )
        assert run.stdout == made

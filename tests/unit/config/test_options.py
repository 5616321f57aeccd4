"""`-o` of the one-shot mount, and that every setting is one."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from mountd.config import Configuration, load, options_of
from mountd.config.combinations import impossible
from mountd.config.configuration import SECTIONS
from mountd.config.mappings import OPTIONS, PRESETS
from mountd.config.sections import settings_of
from mountd.definitions import (
    MappingOptions,
)
from mountd.errors import BadRequest
from mountd.fuse.config import MountConfig

Write = Callable[[str], Path]


def test_options_as_mount_knows_them() -> None:
    mapping, mount = options_of(
        ["ro,allow_other,uid=7,umask=022", "ttl=5m,nofail,x-systemd.automount,fsname=data"], Configuration()
    )
    assert mapping == MappingOptions(read_only=True, uid=7, umask=0o022, ttl=300.0)
    assert mount == MountConfig(allow_other=True, read_only=True, name="data")


def test_later_options_stand_and_rw_is_both() -> None:
    mapping, mount = options_of(["ro,ttl=1", "rw,ttl=2"], Configuration())
    assert (mapping.read_only, mapping.ttl, mount.read_only) == (False, 2.0, False)


def test_options_lie_over_the_file(write: Write) -> None:
    base = load(
        write("mapping_defaults: {ttl: 3}\nmount: {read_ahead: 1MiB}\npresets: {p: {prefetch: false}}\n"), service=False
    )
    assert options_of([], base) == (MappingOptions(ttl=3.0), MountConfig(read_ahead=1 << 20))
    mapping, _ = options_of(["preset=p,ttl=1"], base)
    assert mapping == MappingOptions(prefetch=False, ttl=1.0, preset="p")


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("ttll=3", "-o ttll: is not known. Did you mean ttl?"),
        ("ttl=x", "-o ttl: 'x' is not a duration"),
        ("freshness=never", "-o freshness: 'never' is none of ttl, close-to-open, immutable"),
        ("freshness=immutable,ttl=3", "-o ttl: means nothing with freshness immutable"),
        ("preset=none", "-o preset: 'none' is not a preset"),
        ("max_tasks=0", "-o max_tasks: must be more than 0"),
        ("read_ahead=lots", "-o read_ahead: 'lots' is not a size"),
        ("noexec", "-o noexec: is not known"),
    ],
)
def test_options_that_cannot_be(option: str, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        options_of([option], Configuration())


# What keeps the configuration whole --------------------------------------------------------------------------------


def test_every_option_of_a_mapping_can_be_said() -> None:
    assert set(OPTIONS) == {field.name for field in fields(MappingOptions)}
    for preset in PRESETS.values():
        assert set(preset.options) <= set(OPTIONS)


def test_every_field_of_every_section_is_a_setting() -> None:
    for name, config in SECTIONS.items():
        assert set(settings_of(config)) == {field.name for field in fields(config)}, name
        for setting in settings_of(config).values():
            assert setting.why, setting.name


def test_the_defaults_are_possible() -> None:
    assert list(impossible({name: config() for name, config in SECTIONS.items()})) == []

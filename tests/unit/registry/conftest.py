"""A registry in a state directory of its own."""

from pathlib import Path

import pytest

from mountd.registry.registry import Registry


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def registry(state: Path):
    opened = Registry.open(state)
    yield opened
    opened.close()

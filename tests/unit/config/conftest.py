"""A configuration file of a test."""

from collections.abc import Callable
from pathlib import Path

import pytest

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(text: str) -> Path:
        path = tmp_path / "mountd.yaml"
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    return written

"""A registry with a model of two versions, the first of which is in production."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conducting_cases import fill

from modelport.registry.opening import RegistrySettings, open_registry
from modelport.registry.sql import SqlRegistry


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[SqlRegistry]:
    """In `tmp_path / "home"`."""
    opened = open_registry(RegistrySettings(str(tmp_path / "home")))
    fill(opened, tmp_path)
    yield opened
    opened.close()

"""Programs that some tests need beside Python: without them those tests are skipped, or in CI fail."""

from __future__ import annotations

import os
import shutil

import pytest


def require(program: str, package: str) -> str:
    """The path of `program`. Without it the test is skipped, or fails where MODELPORT_REQUIRE_SERVICES=1."""
    path = shutil.which(program)
    if path is not None:
        return path
    missing = f"{program} is not installed (Debian: apt install {package})"
    if os.environ.get("MODELPORT_REQUIRE_SERVICES") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)

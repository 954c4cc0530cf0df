"""The allocator's settings: taken where glibc has them, and never against the environment."""

import subprocess
import sys

from modelport.server.allocator import keep_buffers


def test_buffers_are_kept_unless_the_environment_says_otherwise(monkeypatch):
    script = "from modelport.server.allocator import keep_buffers; print(keep_buffers())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() in ("True", "False")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    assert keep_buffers() is False

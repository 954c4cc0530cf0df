import pytest

from modelport.runtimes import catalog
from modelport.runtimes.detection import Look


@pytest.fixture
def _fake_format(monkeypatch):
    """Files named `*.fake` are models of `FakeRuntime`."""
    entry = catalog.Entry("modelport.testing.fakes:FakeRuntime", "nothing")
    monkeypatch.setitem(catalog.BUILT_IN, "fake", entry)
    look_at = catalog.look_at
    monkeypatch.setattr(
        catalog, "look_at", lambda path: Look("fake", "a fake") if path.suffix == ".fake" else look_at(path)
    )

import pytest

from modelport.registry.releases import GateRules
from modelport.release.promotion.datasets import store_data
from release.cancer_models import BY, open_sqlite, push, train


@pytest.fixture(scope="session")
def cancer(tmp_path_factory):
    """A folder of trained models and their data."""
    return train(tmp_path_factory.mktemp("cancer"))


@pytest.fixture
def registry(tmp_path, cancer):
    """A registry on SQLite with fraud@1, a good model."""
    made = open_sqlite(tmp_path / "home")
    push(made, cancer / "good.onnx")
    yield made
    made.close()


@pytest.fixture
def set_gates(registry, cancer):
    """Gives the model gates; with `data`, those rows."""

    def give(*rules, data=True):
        stored = store_data(registry.store, cancer / "test.csv", "label")
        words = {"data": stored.digest, "data_name": stored.name, "label": stored.label} if data else {}
        registry.set_gates("fraud", GateRules(rules, **words), BY)

    return give

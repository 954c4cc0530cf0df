import pytest

from release.cancer_models import train


@pytest.fixture(scope="session")
def cancer(tmp_path_factory):
    """A folder of trained models and their data."""
    return train(tmp_path_factory.mktemp("cancer"))

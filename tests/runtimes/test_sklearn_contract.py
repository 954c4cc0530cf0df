"""scikit-learn's runtimes hold to the contract, with estimators of every kind, from pickle, joblib and skops files."""

import pickle

import pytest

pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")
pytest.importorskip("pandas")

from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.runtimes.sklearn.runtime import PickleRuntime  # noqa: E402
from modelport.testing.runtime_contract import ModelCase, RuntimeContract  # noqa: E402
from runtimes.sklearn_models import MODELS, Fitted  # noqa: E402


def case_of(made: Fitted, path, **options) -> ModelCase:
    if made.methods:
        options["methods"] = made.methods
    return ModelCase(path, made.inputs, made.expected, LoadSpec(threads=1, options=options))


@pytest.fixture(scope="module")
def made():
    """Each estimator is fitted once."""
    held: dict[str, Fitted] = {}

    def made(name: str) -> Fitted:
        if name not in held:
            held[name] = MODELS[name]()
        return held[name]

    return made


class TestPickles(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return PickleRuntime()

    @pytest.fixture(params=MODELS)
    def case(self, request, tmp_path, made):
        path = tmp_path / "model.pkl"
        path.write_bytes(pickle.dumps(made(request.param).estimator))
        return case_of(made(request.param), path)


class TestJoblib(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return PickleRuntime()

    @pytest.fixture(params=[("mixed_columns", 0), ("neighbours", 3)])
    def case(self, request, tmp_path, made):
        name, compress = request.param
        path = tmp_path / "model.joblib"
        joblib.dump(made(name).estimator, path, compress=compress)
        return case_of(made(name), path)


class TestSkops(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        pytest.importorskip("skops")
        from modelport.runtimes.sklearn.skops import SkopsRuntime

        return SkopsRuntime()

    @pytest.fixture(params=MODELS)
    def case(self, request, tmp_path, made):
        skops = pytest.importorskip("skops.io")
        path = tmp_path / "model.skops"
        skops.dump(made(request.param).estimator, path)
        unknown = skops.get_untrusted_types(file=path)
        options = {"trusted_types": ", ".join(unknown)} if unknown else {}
        return case_of(made(request.param), path, **options)

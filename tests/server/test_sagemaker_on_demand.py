"""Loading by name: what does not fit is told from what is broken."""

import asyncio

import pytest

from modelport.core.errors import ConflictError, InvalidModelError, Kind, NotFoundError, OutOfResourcesError
from modelport.engine.engine import Engine
from modelport.engine.lifecycle import loading
from modelport.engine.lifecycle.admission import Admission
from modelport.engine.lifecycle.on_demand import OnDemand
from modelport.server.asgi.sagemaker import multi_model_router
from modelport.wire import sagemaker
from runtimes import onnx_graphs


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx_graphs.identity().SerializeToString())
    return path


async def test_a_model_is_loaded_once_and_unloaded(model):
    engine = Engine()
    control = OnDemand(engine)
    outcomes = await asyncio.gather(control.load("a", model), control.load("a", model), return_exceptions=True)
    assert sorted(type(outcome) for outcome in outcomes if outcome) == [ConflictError]
    assert engine.find("a").version == 1
    with pytest.raises(ConflictError):
        await control.load("a", model)
    await control.unload("a")
    assert not engine.has("a")
    with pytest.raises(NotFoundError):
        await control.unload("a")
    engine.close()


async def test_a_model_larger_than_the_memory_that_is_left_is_refused(model):
    with pytest.raises(OutOfResourcesError, match=r"a@1 does not fit: .* of memory, but 10 bytes are left"):
        await OnDemand(Engine(), Admission(available=lambda: 10)).load("a", model)
    assert sagemaker.ERRORS[Kind.OUT_OF_RESOURCES][0] == 507


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (MemoryError(), OutOfResourcesError),
        (RuntimeError("Failed to allocate memory"), OutOfResourcesError),
        (ValueError("odd"), InvalidModelError),
    ],
)
async def test_a_load_that_fails_for_lack_of_memory_is_told_from_others(model, monkeypatch, cause, expected):
    def load_version(*arguments):
        raise InvalidModelError(str(cause)) from cause

    monkeypatch.setattr(loading, "load_version", load_version)
    engine = Engine()
    with pytest.raises(expected):
        await OnDemand(engine).load("a", model)
    assert not engine.has("a")


async def test_a_folder_of_several_models_is_none(model):
    (model.parent / "n.onnx").write_bytes(model.read_bytes())
    with pytest.raises(NotFoundError, match="it holds: m, n"):
        await OnDemand(Engine()).load("a", model.parent)


def test_the_router_takes_the_place_of_torchserves_only_where_it_should():
    def has_get(router):
        return any("GET" in route.methods for route in router.routes)

    assert not has_get(multi_model_router(Engine()))
    assert has_get(multi_model_router(Engine(), multi_model=True))

"""What every runtime must hold to, as a pytest suite: subclass `RuntimeContract` and say which models to try it on.

class TestMyRuntime(RuntimeContract):
    @pytest.fixture
    def runtime(self):
        return MyRuntime()

    @pytest.fixture(params=["small", "text"])
    def case(self, request, tmp_path):
        return ModelCase(path=..., inputs={...}, expected={...})
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modelport.core.datatypes import BYTES, Array, dtype_of
from modelport.core.errors import InvalidInputError, InvalidModelError
from modelport.core.runtime import LoadedModel, LoadSpec, Runtime

Arrays = dict[str, Array]

#: One thread gives the same bits each time, whatever the host.
ONE_THREAD = LoadSpec(threads=1)


@dataclass(frozen=True)
class ModelCase:
    """A model, inputs that fit it, and what its framework gives for them when it is called directly.

    `refused` are inputs that fit the signature and that the model can't take for their values. `damaged` False leaves
    out the test of a file cut in half, for formats in which half a file is a whole one.
    """

    path: Path
    inputs: Arrays
    expected: Arrays
    spec: LoadSpec = ONE_THREAD
    refused: tuple[Arrays, ...] = ()
    damaged: bool = True


class RuntimeContract:
    """The suite. Override the fixtures `runtime` and `case`."""

    @pytest.fixture
    def runtime(self) -> Runtime:
        """The runtime under test."""
        raise NotImplementedError("override the fixture `runtime`")

    @pytest.fixture
    def case(self) -> ModelCase:
        """A model to try it on."""
        raise NotImplementedError("override the fixture `case`")

    @pytest.fixture
    def model(self, runtime: Runtime, case: ModelCase) -> LoadedModel:
        """The case's model in memory."""
        return runtime.load(case.path, case.spec)

    def test_it_is_a_runtime(self, runtime: Runtime, model: LoadedModel) -> None:
        assert isinstance(runtime, Runtime)
        assert isinstance(model, LoadedModel)
        assert model.info.format
        assert model.info.platform
        assert model.info.framework

    def test_the_inputs_fit_the_signature(self, model: LoadedModel, case: ModelCase) -> None:
        model.signature.check_inputs(case.inputs)
        names = [spec.name for spec in (*model.signature.inputs, *model.signature.outputs)]
        assert all(names)
        for specs in (model.signature.inputs, model.signature.outputs):
            assert len({spec.name for spec in specs}) == len(specs)

    def test_the_signature_is_stable(self, runtime: Runtime, model: LoadedModel, case: ModelCase) -> None:
        before = model.signature
        model.predict(case.inputs)
        assert model.signature == before
        assert runtime.load(case.path, case.spec).signature == before

    def test_it_gives_what_the_framework_gives(self, model: LoadedModel, case: ModelCase) -> None:
        assert_same(model.predict(case.inputs), case.expected)

    def test_outputs_are_as_the_signature_says(self, model: LoadedModel, case: ModelCase) -> None:
        given = model.predict(case.inputs)
        assert list(given) == [spec.name for spec in model.signature.outputs]
        for spec in model.signature.outputs:
            array = given[spec.name]
            assert isinstance(array, np.ndarray)
            assert array.dtype == dtype_of(spec.datatype)
            assert array.flags.c_contiguous
            assert spec.fits(array.shape), f"{array.shape} is no {spec.describe()}"
            if spec.datatype == BYTES:
                assert all(type(item) is bytes for item in array.ravel().tolist())

    def test_it_gives_the_outputs_asked_for_in_that_order(self, model: LoadedModel, case: ModelCase) -> None:
        names = tuple(case.expected)
        for wanted in (names, names[::-1], names[:1], names[-1:], ()):
            given = model.predict(case.inputs, wanted)
            assert tuple(given) == wanted
            assert_same(given, {name: case.expected[name] for name in wanted})

    def test_an_output_that_it_does_not_have(self, model: LoadedModel, case: ModelCase) -> None:
        with pytest.raises(InvalidInputError, match="no_such_output"):
            model.predict(case.inputs, ("no_such_output",))

    def test_a_missing_input(self, model: LoadedModel, case: ModelCase) -> None:
        for spec in model.signature.inputs:
            if not spec.optional:
                rest = {name: array for name, array in case.inputs.items() if name != spec.name}
                with pytest.raises(InvalidInputError, match=spec.name):
                    model.predict(rest)

    def test_the_order_of_inputs_does_not_matter(self, model: LoadedModel, case: ModelCase) -> None:
        assert_same(model.predict(dict(reversed(case.inputs.items()))), case.expected)

    def test_inputs_are_not_written_to(self, model: LoadedModel, case: ModelCase) -> None:
        held = {name: array.copy() for name, array in case.inputs.items()}
        for array in held.values():
            array.setflags(write=False)
        given = model.predict(held)
        assert_same(given, case.expected)
        assert_same(held, case.inputs)
        for array in given.values():
            assert not any(np.shares_memory(array, other) for other in held.values())

    def test_inputs_need_not_be_contiguous(self, model: LoadedModel, case: ModelCase) -> None:
        scattered = {name: _scattered(array) for name, array in case.inputs.items()}
        assert_same(model.predict(scattered), case.expected)

    def test_several_threads_at_once(self, model: LoadedModel, case: ModelCase) -> None:
        failures: list[BaseException] = []
        start = threading.Barrier(4)

        def work() -> None:
            try:
                start.wait(10)
                for _ in range(25):
                    assert_same(model.predict(case.inputs), case.expected)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not failures

    def test_values_that_it_refuses(self, model: LoadedModel, case: ModelCase) -> None:
        for inputs in case.refused:
            model.signature.check_inputs(inputs)
            with pytest.raises(InvalidInputError):
                model.predict(inputs)
            assert_same(model.predict(case.inputs), case.expected)

    def test_two_models_of_one_file(self, runtime: Runtime, model: LoadedModel, case: ModelCase) -> None:
        other = runtime.load(case.path, case.spec)
        other.close()
        assert_same(model.predict(case.inputs), case.expected)

    def test_it_can_be_closed_twice(self, model: LoadedModel) -> None:
        model.close()
        model.close()

    def test_a_file_cut_in_half(self, runtime: Runtime, case: ModelCase, tmp_path: Path) -> None:
        if not case.damaged or not case.path.is_file():
            pytest.skip("half of such a model may be a whole one")
        content = case.path.read_bytes()
        broken = tmp_path / case.path.name
        broken.write_bytes(content[: len(content) // 2])
        with pytest.raises(InvalidModelError, match=case.path.name):
            runtime.load(broken, case.spec)

    @pytest.mark.parametrize("content", [b"", b"this is no model\n" * 40, bytes(range(256)) * 4])
    def test_a_file_that_is_no_model(self, runtime: Runtime, case: ModelCase, tmp_path: Path, content: bytes) -> None:
        garbage = tmp_path / f"garbage{case.path.suffix}"
        garbage.write_bytes(content)
        with pytest.raises(InvalidModelError, match="garbage"):
            runtime.load(garbage, case.spec)

    def test_a_file_that_is_not_there(self, runtime: Runtime, case: ModelCase, tmp_path: Path) -> None:
        with pytest.raises(InvalidModelError, match="nowhere"):
            runtime.load(tmp_path / f"nowhere{case.path.suffix}", case.spec)


def assert_same(given: Arrays, expected: Arrays) -> None:
    """The same names in the same order, and the same arrays, bit for bit (any NaN equals itself only)."""
    assert list(given) == list(expected)
    for name, want in expected.items():
        have = given[name]
        assert (have.dtype, have.shape) == (want.dtype, want.shape), name
        if want.dtype == np.object_:
            assert have.tolist() == want.tolist(), name
        else:
            assert have.tobytes() == want.tobytes(), name


def _scattered(array: Array) -> Array:
    """The same values, not next to each other in memory."""
    if not array.ndim:
        return array
    room = np.empty((*array.shape[:-1], array.shape[-1] * 2), array.dtype)
    room[..., ::2] = array
    view: Array = room[..., ::2]
    return view

"""What PyTorch's models take and give: from the file, from an example, from modelport.toml, or asked for."""

import dataclasses
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from torch_models import ToDict, exported, rows, scripted, traced, trained  # noqa: E402

from modelport.core.declared import DeclaredTensor  # noqa: E402
from modelport.core.errors import InvalidInputError, InvalidModelError, ModelFailedError  # noqa: E402
from modelport.core.meaning import Labels, Probabilities  # noqa: E402
from modelport.core.runtime import LoadSpec  # noqa: E402
from modelport.core.signature import TensorSpec  # noqa: E402
from modelport.runtimes.catalog import load  # noqa: E402

PIXELS = DeclaredTensor("pixels", "FP32", (-1, 64))


def opened(path, *inputs, outputs=(), **more):
    return load(path, LoadSpec(threads=1, inputs=inputs, outputs=outputs, **more))


def refusal(path, *inputs, **more):
    with pytest.raises(InvalidModelError) as caught:
        opened(path, *inputs, **more)
    return str(caught.value)


def specs(tensors):
    return [(spec.name, spec.datatype, spec.shape) for spec in tensors]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.pt"


def test_a_script_says_what_it_lacks(path):
    assert refusal(scripted(trained(), path)) == (
        "net.pt does not say what its input 'pixels' is. Write datatype and shape (-1: any length) into "
        'modelport.toml beside it, for example:\n[inputs.pixels]\ndatatype = "FP32"\nshape = [-1, 64]'
    )


def test_a_name_that_is_no_argument(path):
    says = refusal(scripted(trained(), path), DeclaredTensor("pixel", "FP32", (-1, 64)))
    assert says == "net.pt has no input 'pixel' (did you mean 'pixels'?); its arguments are pixels"


def test_a_shape_that_the_model_does_not_take(path):
    says = refusal(scripted(trained(), path), DeclaredTensor("pixels", "FP32", (-1, 63)))
    assert says.startswith("net.pt failed on a trial run with zeros for pixels FP32 [-1, 63]: shape '[-1, 1, 8, 8]' is")
    assert says.endswith("[inputs.NAME] in modelport.toml says them")


def test_a_traced_model_keeps_its_example(path):
    model = opened(traced(trained(), path, torch.from_numpy(rows(3))))
    assert specs(model.signature.inputs) == [("pixels", "FP32", (-1, 64))]
    assert specs(model.signature.outputs) == [("output_0", "FP32", (-1, 10))]
    assert model.signature.batched


class Fixed(torch.nn.Module):
    def forward(self, x):
        return x.reshape(6)


def test_an_example_whose_first_axis_is_not_free(path):
    model = opened(traced(Fixed(), path, torch.ones(2, 3)))
    assert specs(model.signature.inputs) == [("x", "FP32", (2, 3))]
    assert specs(model.signature.outputs) == [("output_0", "FP32", (6,))]
    assert model.predict({"x": np.ones((2, 3), np.float32)})["output_0"].tolist() == [1] * 6


def test_the_document_that_an_archive_carries(path):
    document = {
        "description": "Reads a digit.",
        "inputs": {"pixels": {"datatype": "FP32", "shape": [-1, 64]}},
        "outputs": {"probabilities": {"kind": "probabilities", "labels": list("0123456789")}},
    }
    model = opened(scripted(ToDict(trained()), path, extra={"modelport": json.dumps(document)}))
    digit, probabilities = model.signature.outputs
    assert digit == TensorSpec("digit", "INT64", (-1,))
    assert probabilities.meaning == Probabilities(tuple("0123456789"))
    assert model.info.properties["description"] == "Reads a digit."


@pytest.mark.parametrize(
    ("text", "why"),
    [("{", "Expecting property"), ("[]", "it must be an object"), ('{"inputs": {"x": {"datatype": "FP31"}}}', "FP31")],
)
def test_a_document_that_is_none(path, text, why):
    says = refusal(scripted(trained(), path, extra={"modelport": text}))
    assert says.startswith("net.pt: the document 'modelport' that it carries can't be read: ")
    assert why in says


def test_outputs_by_names_of_the_owner(path):
    scripted(ToDict(trained()), path)
    labels = Labels(tuple("abcdefghij"))
    model = opened(path, PIXELS, outputs=(DeclaredTensor("digit", None, None, labels),))
    assert [(spec.name, spec.meaning) for spec in model.signature.outputs] == [
        ("digit", labels),
        ("probabilities", None),
    ]
    model = opened(path, PIXELS, outputs=(DeclaredTensor("class"), DeclaredTensor("scores", "FP32", (-1, 10))))
    assert [spec.name for spec in model.signature.outputs] == ["class", "scores"]
    given = model.predict({"pixels": rows(2)}, ("scores",))
    assert given["scores"].shape == (2, 10)


def test_outputs_declared_wrongly(path):
    scripted(ToDict(trained()), path)
    says = refusal(path, PIXELS, outputs=(DeclaredTensor("digits"),))
    assert says.startswith("net.pt has no output 'digits' (did you mean 'digit'?); it gives digit, probabilities: ")
    says = refusal(path, PIXELS, outputs=(DeclaredTensor("digit", "FP32"),))
    assert says == "net.pt: output 'digit' is declared FP32, but is INT64"


class Nested(torch.nn.Module):
    def forward(self, x, offset: torch.Tensor | None = None, steps: int = 2):
        y = x if offset is None else x + offset
        return y, (y.sum(), {"twice": y * steps})


def test_arguments_with_defaults_and_results_in_results(path):
    torch.save(Nested(), path)
    x = np.ones((2, 3), np.float32)
    model = opened(path, DeclaredTensor("x", "FP32", (-1, 3)))
    assert list(model.predict({"x": x})) == ["output_0", "output_1_0", "output_1_1_twice"]
    assert specs(model.signature.outputs)[1] == ("output_1_0", "FP32", ())
    model = opened(path, DeclaredTensor("x", "FP32", (-1, 3)), DeclaredTensor("offset", "FP32", (3,)))
    assert [spec.optional for spec in model.signature.inputs] == [False, True]
    assert model.predict({"x": x})["output_1_1_twice"].tolist() == [[2] * 3] * 2
    assert model.predict({"x": x, "offset": x[0]})["output_0"].tolist() == [[2] * 3] * 2


@dataclasses.dataclass
class Found:
    boxes: torch.Tensor
    count: int
    loss: torch.Tensor | None = None


class Detector(torch.nn.Module):
    def forward(self, image):
        return Found(image.mean((2, 3)), len(image))


def test_data_classes_and_lengths_that_are_free(path):
    torch.save(Detector(), path)
    model = opened(path, DeclaredTensor("image", "FP32", (-1, 3, -1, -1)))
    assert specs(model.signature.outputs) == [("boxes", "FP32", (-1, 3)), ("count", "INT64", ())]
    given = model.predict({"image": np.ones((5, 3, 40, 20), np.float32)})
    assert (given["boxes"].shape, given["count"].tolist()) == ((5, 3), 5)


class Strided(torch.nn.Module):
    """Takes pictures of at least 32 pixels."""

    def __init__(self):
        super().__init__()
        self.look = torch.nn.Conv2d(1, 2, 32, stride=8)

    def forward(self, image):
        return self.look(image)


def test_pictures_that_must_not_be_too_small(path):
    scripted(Strided().eval(), path)
    model = opened(path, DeclaredTensor("image", "FP32", (-1, 1, -1, -1)))
    assert specs(model.signature.outputs) == [("output_0", "FP32", (-1, 2, -1, -1))]
    with pytest.raises(InvalidInputError, match="Kernel size can't be greater than actual input size"):
        model.predict({"image": np.ones((1, 1, 8, 8), np.float32)})


class Moody(torch.nn.Module):
    """Gives another shape for zeros than for other values."""

    def forward(self, x):
        return x if x.sum() == 0 else x.sum()


def test_a_model_that_gives_another_shape_than_it_showed(path):
    torch.save(Moody(), path)
    model = opened(path, DeclaredTensor("x", "FP32", (-1, 3)))
    with pytest.raises(ModelFailedError, match=r"output 'output_0' has shape \[\], but is output_0 FP32 \[-1, 3\]"):
        model.predict({"x": np.ones((1, 3), np.float32)})


class Counting(torch.nn.Module):
    def forward(self, x, times: int):
        return x * times


def test_an_argument_that_is_no_tensor(path):
    scripted(Counting(), path)
    says = refusal(path, DeclaredTensor("x", "FP32", (-1,)), DeclaredTensor("times", "INT64", ()))
    assert "the argument 'times' is int, not a tensor" in says


class Limited(torch.nn.Module):
    def forward(self, x, table):
        return x @ table


def test_an_exported_program_says_all(tmp_path):
    path = tmp_path / "net.pt2"
    few = torch.export.Dim("few", min=2, max=16)
    exported(Limited(), path, torch.ones(3, 4), torch.ones(4, 2), shapes=({0: few}, None))
    model = opened(path)
    assert specs(model.signature.inputs) == [("x", "FP32", (-1, 4)), ("table", "FP32", (4, 2))]
    assert specs(model.signature.outputs) == [("output_0", "FP32", (-1, 2))]
    assert model.info.properties["sizes"] == "x axis 0: 2 to 16"
    table = np.ones((4, 2), np.float32)
    assert model.predict({"x": np.ones((16, 4), np.float32), "table": table})["output_0"].tolist() == [[4, 4]] * 16
    with pytest.raises(InvalidInputError, match=r"x.size\(\)\[0\] <= 16"):
        model.predict({"x": np.ones((17, 4), np.float32), "table": table})


def test_rows_that_have_a_limit_are_not_joined(tmp_path):
    few = torch.export.Dim("few", max=16)
    limited = exported(trained(), tmp_path / "a.pt2", torch.ones(3, 64), shapes=({0: few},))
    free = exported(trained(), tmp_path / "b.pt2", torch.ones(3, 64))
    assert [opened(file).signature.batched for file in (limited, free)] == [False, True]


def test_what_is_declared_of_an_exported_program(tmp_path):
    document = {"outputs": {"output_0": {"kind": "probabilities", "labels": list("0123456789")}}}
    path = exported(trained(), tmp_path / "a.pt2", torch.ones(3, 64), extra={"modelport": json.dumps(document)})
    model = opened(path, PIXELS)
    assert model.signature.outputs[0].meaning == Probabilities(tuple("0123456789"))
    says = refusal(path, DeclaredTensor("pixels", "FP64"))
    assert says == "a.pt2: input 'pixels' is declared otherwise, but is pixels FP32 [-1, 64]"
    assert "has no input 'pixl' (did you mean 'pixels'?)" in refusal(path, DeclaredTensor("pixl"))

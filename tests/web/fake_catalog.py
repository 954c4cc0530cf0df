"""Models to show on the pages, without an engine."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelport.core.meaning import (
    Audio,
    Column,
    Embedding,
    Image,
    Labels,
    Meaning,
    Probabilities,
    Quantity,
    Ranking,
    Tabular,
    Text,
)
from modelport.core.runtime import ModelInfo
from modelport.core.signature import Shape, Signature, TensorSpec

ONNX = ModelInfo("onnx", "onnx_onnxv1", "ONNX Runtime")


@dataclass
class FakeVersion:
    """One version, with what the pages show of it."""

    signature: Signature
    version: int = 1
    info: ModelInfo = ONNX
    digest: str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    loaded_at: float = 1_763_713_800.0
    execution: str = "inline"
    batching: str = "off: it does not pay"
    cost_curve: tuple = ((1, 0.01), (2, 0.02))
    cost_ms: float = 0.0142


@dataclass
class FakeModel:
    """One model; ready when it has versions, unless something else is said."""

    name: str
    versions: list[FakeVersion] = field(default_factory=list)
    state: str = "ready"
    error: str | None = None

    @property
    def default(self) -> FakeVersion | None:
        return self.versions[-1] if self.versions else None


@dataclass
class FakeCatalog:
    """What is served; tests change the list."""

    served: list[FakeModel] = field(default_factory=list)

    def models(self) -> list[FakeModel]:
        return sorted(self.served, key=lambda model: model.name)


def tensor(
    name: str, shape: Shape, meaning: Meaning | None = None, datatype: str = "FP32", optional: bool = False
) -> TensorSpec:
    return TensorSpec(name, datatype, shape, meaning, optional)


def served(
    name: str, inputs: list[TensorSpec], outputs: list[TensorSpec], about: str = "", count: int = 1
) -> FakeModel:
    """A ready model with `count` versions of that signature."""
    properties = {"description": about} if about else {}
    info = ModelInfo(ONNX.format, ONNX.platform, ONNX.framework, properties)
    signature = Signature(tuple(inputs), tuple(outputs))
    return FakeModel(name, [FakeVersion(signature, number, info) for number in range(1, count + 1)])


#: What is measured of a cell nucleus: its usual least, greatest and middle value, and the unit.
_MEASURES = {
    "radius": (6.981, 28.11, 14.13, "µm"),
    "texture": (9.71, 39.28, 19.29, ""),
    "perimeter": (43.79, 188.5, 91.97, "µm"),
    "area": (143.5, 2501.0, 654.9, "µm²"),
    "smoothness": (0.05263, 0.1634, 0.09636, ""),
    "compactness": (0.01938, 0.3454, 0.1043, ""),
    "concavity": (0.0, 0.4268, 0.0888, ""),
    "concave points": (0.0, 0.2012, 0.04892, ""),
    "symmetry": (0.106, 0.304, 0.1812, ""),
    "fractal dimension": (0.04996, 0.09744, 0.0628, ""),
}
_DIAGNOSES = ("malignant", "benign")


def _measured(pattern: str, factor: float) -> list[Column]:
    def rough(value: float) -> float:
        return float(f"{value * factor:.4g}")

    return [
        Column(
            pattern.format(name),
            f"{name} of the cell nuclei in the sample",
            unit,
            rough(low),
            rough(high),
            rough(middle),
        )
        for name, (low, high, middle, unit) in _MEASURES.items()
    ]


def breast_cancer() -> FakeModel:
    columns = (*_measured("mean {}", 1.0), *_measured("{} error", 0.08), *_measured("worst {}", 1.25))
    return served(
        "breast-cancer",
        [tensor("X", (-1, 30), Tabular(columns))],
        [
            tensor("label", (-1,), Labels(_DIAGNOSES), "INT64"),
            tensor("probabilities", (-1, 2), Probabilities(_DIAGNOSES)),
        ],
        "Diagnosis of a breast mass from measurements of cell nuclei in a digitised fine needle aspirate.",
        count=2,
    )


def diabetes() -> FakeModel:
    columns = (
        Column("age", "years", "", 19, 79, 48),
        Column("sex", categories=("female", "male")),
        Column("bmi", "body mass index", "kg/m²", 18.0, 42.2, 26.4),
        Column("bp", "average blood pressure", "mmHg", 62, 133, 94.6),
        Column("glucose", "blood sugar level", "mg/dL", 58, 124, 91.3),
    )
    return served(
        "diabetes",
        [tensor("X", (-1, 5), Tabular(columns))],
        [tensor("progression", (-1, 1), Quantity("points", "disease progression one year after baseline"))],
        "How far diabetes has progressed a year after baseline.",
    )


def digits(size: int = 8, ink: str | None = "light") -> FakeModel:
    labels = tuple("0123456789")
    return served(
        "digits",
        [tensor("image", (-1, size * size), Image(size, size, layout="flat", scale=16 / 255, ink=ink))],
        [tensor("label", (-1,), Labels(labels), "INT64"), tensor("probabilities", (-1, 10), Probabilities(labels))],
        "Which handwritten digit a small picture shows.",
    )


def sentiment() -> FakeModel:
    labels = ("negative", "neutral", "positive")
    return served(
        "sentiment",
        [tensor("text", (-1, 1), Text(), "BYTES")],
        [tensor("label", (-1,), Labels(labels), "BYTES"), tensor("scores", (-1, 3), Probabilities(labels))],
        "Whether a review is kind.",
    )


def sounds() -> FakeModel:
    items = ("dog", "rain", "siren")
    return served(
        "sounds",
        [tensor("waveform", (-1, -1), Audio(16000))],
        [tensor("heard", (-1, 3), Ranking(items, top_k=2)), tensor("vector", (-1, 4), Embedding())],
        "What is heard in a recording.",
    )


def generic() -> FakeModel:
    return served(
        "ranker",
        [tensor("query", (-1, 3)), tensor("weights", (2, 2), datatype="FP64"), tensor("bias", (-1,), optional=True)],
        [tensor("ranks", (-1, 4)), tensor("norm", (-1,))],
    )


def scalars() -> FakeModel:
    inputs = [
        tensor("amount", (-1, 1)),
        tensor("count", (-1, 1), datatype="INT64"),
        tensor("new", (-1,), datatype="BOOL"),
    ]
    return served("fraud", [*inputs, tensor("country", (-1, 1), datatype="BYTES")], [tensor("score", (-1, 1))])


def failed() -> FakeModel:
    text = "'churn.onnx' is not an ONNX model: it ends after 4,096 bytes in the middle of a tensor"
    return FakeModel("churn", state="failed", error=text)


def loading() -> FakeModel:
    return FakeModel("whisper", state="loading")


def everything() -> FakeCatalog:
    makers = (breast_cancer, diabetes, digits, sentiment, sounds, generic, scalars, failed, loading)
    return FakeCatalog([make() for make in makers])

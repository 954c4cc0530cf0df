"""What a PMML document says of itself, read without Java."""

from __future__ import annotations

from pathlib import Path

from modelport.runtimes.outlines import Outline, trees_text
from modelport.runtimes.pmml.file import PmmlFile, read_pmml

#: How to call what is counted, in the order in which it is said.
_WORDS = (
    ("NumericPredictor", "coefficient"),
    ("CategoricalPredictor", "category coefficient"),
    ("PredictorTerm", "interaction coefficient"),
    ("PCell", "coefficient"),
    ("Neuron", "neuron"),
    ("Con", "connection"),
    ("SupportVector", "support vector"),
    ("Coefficient", "vector coefficient"),
)


def outline(path: Path, _format: str) -> Outline:
    """The outline of a document. Raises InvalidModelError."""
    file = read_pmml(path)
    name, _, version = file.producer.rpartition(" ")
    active = [field for field in file.fields if file.treatments.get(field, {}).get("usageType", "active") == "active"]
    properties = {
        "pmml_version": file.version,
        "model": file.model,
        "description": file.description,
        "fields": ", ".join(active),
    }
    return Outline(
        writer=name or version,
        version=version if name else "",
        parameters=parameters_text(file),
        properties={key: text for key, text in properties.items() if text},
    )


def parameters_text(file: PmmlFile) -> str:
    """The size of what the document holds, in words: `5 trees, 61 nodes`, `10 coefficients`."""
    trees = trees_text(file.counts["TreeModel"], file.counts["Node"])
    parts = [f"{count} {word}{'s' * (count != 1)}" for name, word in _WORDS if (count := file.counts[name])]
    return ", ".join(text for text in (trees, *parts) if text)

"""What TensorFlow Lite Metadata says of a model's inputs: pictures, and how their pixels are normalised.

Source: TensorFlow Lite Support's `metadata_schema.fbs`; a buffer of the model's own tables holds it.
"""

from __future__ import annotations

from collections.abc import Sequence

from modelport.core.datatypes import FLOATS
from modelport.core.meaning import Image
from modelport.core.signature import TensorSpec
from modelport.runtimes.flatbuffer_wire import Table, root

_METADATA = "TFLITE_METADATA"
#: Members of the unions `ContentProperties` and `ProcessUnitOptions`.
_IMAGE, _NORMALISED = 2, 1
#: (mean, std) for each channel, or for all of them.
Normalisation = tuple[tuple[float, ...], tuple[float, ...]]


def pictures_in(content: bytes) -> dict[int, Normalisation]:
    """The tensors of the model's inputs that are pictures, by their place in the graph; none where nothing is said."""
    try:
        model = root(content)
        graph = model.tables(2)[0]
        described = _subgraph(model)
        places = graph.numbers(1, "i")
        tensors = [] if described is None else described.tables(2)
        found = zip(places, tensors, strict=False)
        return {place: _normalisation(tensor) for place, tensor in found if _is_picture(tensor)}
    except (ValueError, IndexError, OverflowError):  # a help, not needed to serve the model
        return {}


def picture_of(spec: TensorSpec, normalisation: Normalisation) -> Image | None:
    """What an input of pictures means; None where its shape is no picture's, or its numbers can't be made of one."""
    shape, (mean, std) = spec.shape or (), normalisation
    if len(shape) != 4 or min(shape[1:]) < 1 or shape[3] not in (1, 3):
        return None
    height, width, channels = shape[1:]
    plain = all(value == 0 for value in mean) and all(value == 1 for value in std)
    if not all(std) or len(mean) != len(std) or len(mean) not in (0, 1, channels):
        return None
    if spec.datatype not in FLOATS and not plain:  # whole numbers as they are in the file
        return None
    mean, std = ((), ()) if plain else (_each(mean, channels), _each(std, channels))
    return Image(height, width, 1 if channels == 1 else 3, "HWC", 1.0, mean, std)


def _each(values: Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(values) * (channels if len(values) == 1 else 1)


def _subgraph(model: Table) -> Table | None:
    for item in model.tables(6):
        if item.text(0) == _METADATA:
            data = model.tables(4)[item.number(1, "I")].structs(0, 1)
            subgraphs = root(data).tables(3)
            return subgraphs[0] if subgraphs else None
    return None


def _is_picture(tensor: Table) -> bool:
    described = tensor.table(3)
    return described is not None and described.number(0, "B") == _IMAGE


def _normalisation(tensor: Table) -> Normalisation:
    for unit in tensor.tables(4):
        options = unit.table(1)
        if unit.number(0, "B") == _NORMALISED and options is not None:
            return options.reals(0), options.reals(1)
    return (), ()

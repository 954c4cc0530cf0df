"""Forms of an output that an Open Inference request may ask for: its best classes, put into shared memory, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelport.core.datatypes import Array
from modelport.core.signature import TensorSpec
from modelport.wire.classification import best_classes, class_count
from modelport.wire.http import Buffer
from modelport.wire.shared_memory import OFFSET, REGION, SIZE, Place, Regions, check_room, place_of


class OutputForms:
    """What one request asks for, by output. False where it asks for nothing of the kind."""

    def __init__(self, regions: Regions) -> None:
        self.places: dict[str, Place] = {}
        self._regions = regions
        self._classes: dict[str, tuple[TensorSpec, int]] = {}

    def __bool__(self) -> bool:
        return bool(self.places or self._classes)

    def add(self, spec: TensorSpec, parameters: Mapping[str, Any] | None) -> None:
        """Note what the parameters of a requested output ask for. Raises InvalidInputError."""
        count = class_count((parameters or {}).get("classification"), spec)
        if count:
            self._classes[spec.name] = (spec, count)
        place = place_of(parameters, f"output {spec.name!r}")
        if place is not None:
            self.places[spec.name] = place

    def formed(self, name: str, array: Array) -> Array:
        """The output's values in their form."""
        asked = self._classes.get(name)
        return array if asked is None else best_classes(array, *asked)

    def placed(self, name: str, raw: Buffer) -> dict[str, Any]:
        """Put an output into its place; gives the parameters that say so. Raises ModelportError."""
        place = self.places[name]
        check_room(place, len(raw), name)
        self._regions.write(place, raw)
        return {REGION: place.region, OFFSET: place.offset, SIZE: len(raw)}

"""Inputs called by their places, as Triton calls those of TorchScript models: `INPUT__0`, `INPUT__1` …"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from modelport.core.declared import DeclaredTensor
from modelport.runtimes.torch.inputs import Argument

Call = Callable[[dict[str, Any]], Any]
_PLACE = re.compile(r"\w+?__(\d+)")


def names_by_place(arguments: Sequence[Argument], declared: Sequence[DeclaredTensor]) -> dict[str, str]:
    """An argument's own name → what it is called; empty where what is declared says no places."""
    found = [_PLACE.fullmatch(item.name) for item in declared]
    places = [int(match[1]) for match in found if match is not None]
    own = {argument.name for argument in arguments}
    if not places or len(places) != len(declared) or any(item.name in own for item in declared):
        return {}
    if len(set(places)) != len(places) or max(places) >= len(arguments):
        return {}
    return {arguments[place].name: item.name for place, item in zip(places, declared, strict=True)}


def renamed(arguments: Sequence[Argument], names: dict[str, str]) -> list[Argument]:
    """The arguments under the names that they are called by."""
    return [replace(argument, name=names.get(argument.name, argument.name)) for argument in arguments]


def called_by_place(call: Call, names: dict[str, str]) -> Call:
    """The call, which gives each argument its own name again."""
    own = {name: argument for argument, name in names.items()}
    return lambda tensors: call({own.get(name, name): tensor for name, tensor in tensors.items()})

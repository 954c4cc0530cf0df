"""All settings, read once: defaults, then the environment, then what the command line says."""

from __future__ import annotations

import os
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from modelport.bootstrap.platforms import read_platform
from modelport.core.errors import InvalidInputError
from modelport.engine.settings import EngineSettings
from modelport.registry.opening import RegistrySettings
from modelport.release.following.settings import FollowSettings
from modelport.server.http2 import Limits
from modelport.server.settings import LimitSettings, ServerSettings


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """What is served. Frozen; read once at start."""

    paths: tuple[Path, ...] = field(
        default=(), metadata={"help": "Model files, folders of model files, or version trees; separated by ':'."}
    )
    name: str = field(default="", metadata={"help": "Name of the only model, instead of its file's."})
    versions: str = field(
        default="latest", metadata={"help": "Which versions of a tree are served: latest, latest:N, all, or numbers."}
    )
    replace: str = field(
        default="availability",
        metadata={
            "help": "What a new version waits for. availability: nothing, the old one goes once it answers. "
            "resources: the old one is unloaded first, so that there are never two in memory."
        },
    )
    memory_reserve_mb: int = field(
        default=0,
        metadata={"help": "Memory that loading a model leaves free, in MB; one that would need it is refused."},
    )
    poll: float = field(
        default=0.0, metadata={"help": "Look for new, changed and removed models every so many seconds; 0 never looks."}
    )


_WORDS = {int: "a whole number", float: "a number"}
_S = TypeVar(
    "_S", SourceSettings, ServerSettings, LimitSettings, Limits, EngineSettings, RegistrySettings, FollowSettings
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Every capability's settings."""

    source: SourceSettings = field(default_factory=SourceSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    http2: Limits = field(default_factory=Limits)
    engine: EngineSettings = field(default_factory=EngineSettings)
    registry: RegistrySettings = field(default_factory=RegistrySettings)
    following: FollowSettings = field(default_factory=FollowSettings)

    @property
    def follows(self) -> bool:
        """Whether the registry says what is served: one is named, and no files are."""
        return self.registry.named and not self.source.paths


def read_settings(environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """The settings: `MODELPORT_<FIELD>` in the environment, and `given` fields that are not None, which win.

    Under both are a hosting platform's defaults (`platforms.py`).

    Raises InvalidInputError naming a variable that can't be read, or a field that does not exist.
    """
    environment = os.environ if environment is None else environment
    chosen = {name: value for name, value in given.items() if value is not None}
    platform = read_platform(environment).settings
    settings = Settings(
        source=_read(_with(SourceSettings(), platform), environment, chosen),
        server=_read(_with(ServerSettings(), platform), environment, chosen),
        limits=_read(_with(LimitSettings(), platform), environment, chosen),
        http2=_read(Limits(), environment, chosen, "http2_"),
        engine=_read(EngineSettings(), environment, chosen),
        registry=_read(RegistrySettings(), environment, chosen),
        following=_read(FollowSettings(), environment, chosen),
    )
    if chosen:
        raise InvalidInputError(f"there is no setting {next(iter(chosen))!r}")
    return settings


def parse_ports(text: str, name: str) -> tuple[int, ...]:
    """Ports separated by commas. Raises InvalidInputError naming where they come from."""
    ports = [part.strip() for part in text.split(",") if part.strip()]
    for port in ports:
        if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
            raise InvalidInputError(f"{name}: {port!r} is not a port; write numbers such as 8500,8501")
    return tuple(map(int, ports))


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"MODELPORT_{name.upper()}"


def _with(defaults: _S, platform: Mapping[str, Any]) -> _S:
    """The defaults, as a hosting platform's environment has them."""
    names = {item.name for item in fields(defaults)}
    return replace(defaults, **{name: value for name, value in platform.items() if name in names})


def _read(defaults: _S, environment: Mapping[str, str], chosen: dict[str, Any], prefix: str = "") -> _S:
    types = typing.get_type_hints(type(defaults))
    changed: dict[str, Any] = {}
    for item in fields(defaults):
        name = prefix + item.name
        if name in chosen:
            changed[item.name] = chosen.pop(name)
        elif variable(name) in environment:
            changed[item.name] = _parsed(variable(name), environment[variable(name)], types[item.name])
    return replace(defaults, **changed)


def _parsed(name: str, text: str, kind: Any) -> Any:
    if kind == tuple[Path, ...]:
        return tuple(Path(part) for part in text.split(os.pathsep) if part)
    if kind == tuple[int, ...]:
        return parse_ports(text, name)
    if typing.get_origin(kind) is typing.Literal:
        words = typing.get_args(kind)
        if text not in words:
            raise InvalidInputError(f"{name}={text!r} is none of {', '.join(words)}")
        return text
    try:
        return kind(text)
    except ValueError:
        raise InvalidInputError(f"{name}={text!r} is not {_WORDS.get(kind, kind.__name__)}") from None

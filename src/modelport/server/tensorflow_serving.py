"""What TensorFlow Serving's clients ask of the repository, over gRPC and REST alike: states, and changes."""

from __future__ import annotations

from typing import Any

from modelport.core.errors import InvalidModelError, ModelportError, NotFoundError, UnsupportedError
from modelport.engine.engine import Engine
from modelport.server.repository import Repository
from modelport.wire.tensorflow_serving_config import ModelConfig
from modelport.wire.tensorflow_serving_messages import ModelSpec, servable_error
from modelport.wire.tensorflow_serving_metadata import AVAILABLE, END, LOADING, status_response

_STATES = {"READY": AVAILABLE, "LOADING": LOADING, "UNAVAILABLE": END}


def model_status(engine: Engine, repository: Repository, spec: ModelSpec) -> Any:
    """The GetModelStatusResponse for a model, newest version first, or for one version.

    A model of which no version is known yet has the version 0. Raises NotFoundError or InvalidInputError.
    """
    spec.check()
    entries = [entry for entry in repository.index() if entry["name"] == spec.name]
    if not entries:
        raise NotFoundError(f"Could not find any versions of model {spec.name[:200]}")
    states = sorted((_state(entry) for entry in entries), key=lambda state: -state[0])
    if spec.asked is not None:
        try:
            number = engine.model(spec.name).number(spec.asked)
        except ModelportError as error:
            raise servable_error(error, spec) from None
        states = [state for state in states if state[0] == number]
        if not states:
            raise NotFoundError(f"Could not find version {number} of model {spec.name}")
    return status_response(states)


async def reload(engine: Engine, repository: Repository, configs: list[ModelConfig]) -> None:
    """Serve the models of a list, and no others. Raises ModelportError, and changes nothing where it asks too much.

    Models come from where the server was told to look: a `base_path` says nothing new.
    """
    known = {entry["name"] for entry in repository.index()}
    for config in configs:
        if config.name not in known:
            raise NotFoundError(
                f"there is no model {config.name[:200]!r} where this server looks for models; "
                f"a base_path ({config.base_path[:200]!r}) can't be added by a request"
            )
        _check(engine, config)
    wanted = {config.name for config in configs}
    for name in sorted(wanted):
        if engine.model(name).state != "ready":
            await repository.load(name)
    for name in sorted(known - wanted):
        if engine.has(name) and engine.model(name).state != "unloaded":
            await repository.unload(name)


def _check(engine: Engine, config: ModelConfig) -> None:
    """Refuse what would be passed over otherwise."""
    if config.labels:
        raise UnsupportedError(f"version labels can't be set by a request, as for {config.name!r}")
    served = set(engine.model(config.name).by_number)
    if config.specific and served and served != set(config.specific):
        raise UnsupportedError(
            f"the versions of {config.name!r} can't be chosen by a request: it serves {sorted(served)}; "
            "the server's setting --versions chooses them"
        )


def _state(entry: dict[str, str]) -> tuple[int, int, ModelportError | None]:
    """(version, state, error) of an entry of the repository's index."""
    version, state, reason = int(entry.get("version") or 0), _STATES[entry["state"]], entry.get("reason", "")
    failed = state == END and reason not in ("", "unloaded")
    return version, state, InvalidModelError(reason) if failed else None

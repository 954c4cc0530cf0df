"""`modelport predict TARGET [INPUT]`: one prediction from the shell, by a server or by a model file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
import orjson

from modelport.cli.model_opening import open_file, trust_of, trust_options
from modelport.cli.prediction_input import UnreadableError, read_input
from modelport.cli.prediction_text import prediction_text
from modelport.client import Client
from modelport.client.plain import plain_body
from modelport.core.datatypes import Array, datatype_of
from modelport.core.errors import InvalidInputError, ModelportError, NotFoundError, UnsupportedError
from modelport.core.messages import InferenceResponse
from modelport.core.signature import Signature, TensorSpec
from modelport.runtimes.trust import NO_TRUST, Trust
from modelport.wire.plain import inputs_from_body
from modelport.wire.predictions import predictions

Answer = list[dict[str, Any]] | dict[str, Any]

_MODEL_URL = re.compile(
    r"(?P<server>.*?)(?P<protocol>/v2)?/models/(?P<model>[^/]+)(/versions/(?P<version>[^/]+))?(/predict|/infer|/ready)?/?"
)
_ADDRESS = re.compile(r"(https?://.*|[A-Za-z0-9.\-]+:\d+(/.*)?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Target:
    """A model behind a URL. `by_protocol`: the URL is one of the Open Inference Protocol."""

    server: str
    model: str | None
    version: str | None
    by_protocol: bool


@click.command("predict")
@click.argument("target")
@click.argument("input_words", metavar="[INPUT]...", nargs=-1)
@click.option("--data", help="The input as JSON: '{\"amount\": 1000}'; a text is in quotes.")
@click.option("--model", help="The model, where TARGET is a server that serves several.")
@click.option("--version", help="The model's version; the server chooses where none is given.")
@click.option("--timeout", type=click.FloatRange(min=0.001), default=30.0, show_default=True, help="Seconds to wait.")
@click.option(
    "--header", "headers", multiple=True, metavar="NAME:VALUE", help="An HTTP header to send; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Write JSON instead of bars and tables.")
@trust_options
def predict(
    *,
    target: str,
    input_words: tuple[str, ...],
    data: str | None,
    model: str | None,
    version: str | None,
    timeout: float,
    headers: tuple[str, ...],
    as_json: bool,
    trusted: tuple[str, ...],
    trust_globals: tuple[str, ...],
) -> None:
    """Predict with a served model or a model file.

    TARGET is a model's URL (http://127.0.0.1:8000/models/fraud), a server's URL, or a model file, which is loaded
    here and needs no server. INPUT is a JSON, CSV, .npy, .npz, .txt or image file, `-` for stdin, or name=value
    words (amount=1000 time=2).

    Exits with 1 where the prediction fails, and with 2 where the command line or the input can't be read.
    """
    place = find_target(target, model, version)
    given = read_input(input_words, data)
    try:
        if isinstance(place, Path):
            answer = predict_by_file(place, given, trust_of(trusted, trust_globals))
        else:
            with Client(place.server, timeout=timeout, headers=_headers(headers), retries=0) as client:
                answer = predict_by_server(client, place, given)
    except ModelportError as error:
        raise click.ClickException(" ".join(str(error).split())) from None
    click.echo(json_text(answer) if as_json else prediction_text(answer))


def find_target(target: str, model: str | None, version: str | None) -> Target | Path:
    """What TARGET means. Raises UnreadableError where it is neither a file nor a URL."""
    if Path(target).exists():
        if model or version:
            raise UnreadableError(f"--model and --version are for servers, but {target!r} is a file")
        return Path(target)
    if _ADDRESS.fullmatch(target) is None:
        raise UnreadableError(
            f"{target!r} is neither a file that exists nor a URL such as http://127.0.0.1:8000/models/NAME"
        )
    address = target.partition("?")[0].partition("#")[0]
    found = _MODEL_URL.fullmatch(address)
    if found is None:
        server = re.sub(r"(/predict|/v2)?/?$", "", address)
        return Target(server, model, version, by_protocol=False)
    if model and model != unquote(found["model"]):
        raise UnreadableError(f"the URL names the model {unquote(found['model'])!r}, but --model says {model!r}")
    number = unquote(found["version"]) if found["version"] else None
    return Target(found["server"], unquote(found["model"]), version or number, bool(found["protocol"]))


def predict_by_file(path: Path, data: Any, trust: Trust = NO_TRUST) -> Answer:
    """Load the model, predict, and let go of it."""
    model = open_file(path, trust)
    try:
        return predict_by_signature(model.signature, data, model.predict)
    finally:
        model.close()


def predict_by_server(client: Client, target: Target, data: Any) -> Answer:
    """Plain prediction by a Modelport server, or the Open Inference Protocol where the URL or the server is of that."""
    name = target.model or only_model(client)
    if target.by_protocol:
        return predict_by_protocol(client, name, target.version, data)
    try:
        return client.predict(name, data, target.version)
    except (NotFoundError, UnsupportedError) as refused:
        try:
            return predict_by_protocol(client, name, target.version, data)
        except (NotFoundError, UnsupportedError):
            raise refused from None


def predict_by_protocol(client: Client, name: str, version: str | None, data: Any) -> Answer:
    """Read the input here by the model's signature, so that a server of any make can be asked."""

    def infer(inputs: dict[str, Array]) -> dict[str, Array]:
        return client.infer(name, inputs, version=version).outputs

    return predict_by_signature(client.signature(name, version), data, infer)


def predict_by_signature(
    signature: Signature, data: Any, infer: Callable[[dict[str, Array]], dict[str, Array]]
) -> Answer:
    """Plain prediction without a server of ours: the same reading and writing as there, around `infer`."""
    if not signature.inputs:
        raise InvalidInputError(
            "the server does not say what the model's inputs are, so plain data can't be made to fit them"
        )
    inputs = inputs_from_body(*plain_body(data), signature)
    outputs = infer(inputs)
    known = {spec.name for spec in signature.outputs}
    unsaid = (TensorSpec(name, datatype_of(array), None) for name, array in outputs.items() if name not in known)
    described = Signature(signature.inputs, (*signature.outputs, *unsaid))
    document = predictions(InferenceResponse("", 0, outputs), described)
    answer: Answer = document["predictions"] if "predictions" in document else document["outputs"]
    return answer


def only_model(client: Client) -> str:
    """The name of the one model that is served. Raises UnreadableError where there are others."""
    names = [str(item.get("name", "")) for item in client.models()]
    if len(names) != 1:
        served = ", ".join(names) or "none"
        raise UnreadableError(f"{client.url} serves these models: {served}; name one with --model")
    return names[0]


def json_text(answer: Answer) -> str:
    """The answer as the server writes it, less the model's name and version."""
    key = "predictions" if isinstance(answer, list) else "outputs"
    return orjson.dumps({key: answer}, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode()


def _headers(lines: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise UnreadableError(f"--header is NAME:VALUE, not {line!r}")
        headers[name.strip()] = value.strip()
    return headers

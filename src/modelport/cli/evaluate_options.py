"""What `modelport evaluate` can be told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from modelport.cli.model_opening import trust_options

_OPTIONS = (
    click.option(
        "--data",
        required=True,
        type=click.Path(exists=True, path_type=Path),
        help="The labelled data: .csv, .tsv, .jsonl, .json, .parquet, .npz, or a folder with a folder per class.",
    ),
    click.option(
        "--label", metavar="COLUMN", help="The column with the truth.  [default: label, target, y, class, the last]"
    ),
    click.option(
        "--compare", metavar="OTHER", help="Another model on the same rows: a file, a server's URL, or a version."
    ),
    click.option(
        "--slice", "slices", multiple=True, metavar="COLUMN", help="Metrics for each value too; may be repeated."
    ),
    click.option(
        "--ignore",
        "ignored",
        multiple=True,
        metavar="COLUMN",
        help="A column to leave out; may be repeated.",
    ),
    click.option("--gate", "gates", multiple=True, metavar="RULE", help='Such as "accuracy >= 0.95"; may be repeated.'),
    click.option("--task", type=click.Choice(["classification", "regression"]), help="Where it is not clear."),
    click.option("--output", metavar="NAME", help="The output that answers, where the model has several."),
    click.option("--model", help="The model, where MODEL is a server that serves several."),
    click.option("--version", help="The model's version on a server."),
    click.option("--batch", type=click.IntRange(min=1), default=256, show_default=True, help="Rows in one prediction."),
    click.option(
        "--resamples",
        type=click.IntRange(min=0),
        default=1000,
        show_default=True,
        help="Bootstrap samples for the intervals; 0: no intervals.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="Of the bootstrap."),
    click.option(
        "--timeout", type=click.FloatRange(min=0.001), default=30.0, show_default=True, help="Seconds to wait."
    ),
    click.option(
        "--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), help="Write all of it as JSON."
    ),
    click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a report as one HTML file."),
    click.option("--plots", type=click.Path(file_okay=False, path_type=Path), help="Write plots as SVG into a folder."),
)


def evaluate_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command all of its options."""
    command = trust_options(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command

"""The examples' README: it tells of every example, and names no extra and no model that does not exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from example_programs import EXAMPLES

README = (EXAMPLES / "README.md").read_text(encoding="utf-8")
PROGRAMS = sorted(path.parent.name for path in EXAMPLES.glob("*/train.py"))
SOURCES = {path: path.read_text(encoding="utf-8") for path in EXAMPLES.rglob("*.py")}


def test_every_example_is_in_the_table():
    assert re.findall(r"^\| \[`(\w+)`\]", README, re.MULTILINE) != []
    assert sorted(re.findall(r"^\| \[`(\w+)`\]", README, re.MULTILINE)) == PROGRAMS


def test_every_program_says_how_it_is_run_and_served():
    for name in PROGRAMS:
        text = SOURCES[EXAMPLES / name / "train.py"]
        assert f"python examples/{name}/train.py" in text, name
        assert f"modelport serve examples/{name}/models" in text, name


def test_every_extra_that_is_named_exists():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    named = {
        extra
        for text in (README, *SOURCES.values())
        for found in re.findall(r"modelport\[([\w,]+)\]", text)
        for extra in found.split(",")
    }
    assert {"examples", "sklearn", "tensorflow", "torch", "pmml"} <= named <= set(extras)


def test_every_model_that_is_asked_is_one_that_a_program_writes():
    written = "".join(SOURCES.values()) + "".join(path.read_text() for path in EXAMPLES.glob("*/modelport.toml"))
    asked = set(re.findall(r"/models/([\w-]+)/", README))
    assert len(asked) > len(PROGRAMS)
    for model in asked:
        assert re.search(rf"[\"/.]{model}[\].\"]", written), model

"""The documentation is true: every command, setting and error kind is in it, and what the README says works."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest

from modelport.bootstrap.settings import Settings, variable
from modelport.cli.main import COMMANDS
from modelport.core import errors
from modelport.core.errors import Kind
from modelport.wire.http import STATUS
from running import Running

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def documented(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def settings_rows() -> list[str]:
    rows = []
    for group in dataclasses.fields(Settings):
        prefix = "http2_" if group.name == "http2" else ""
        for item in dataclasses.fields(group.default_factory):
            default = item.default if not isinstance(item.default, tuple) else ""
            rows.append(f"| `{variable(prefix + item.name)}` | {default} | {item.metadata['help']} |")
    return rows


@pytest.mark.parametrize("row", settings_rows())
def test_every_setting_is_documented_as_it_is(row):
    assert row in documented("settings.md")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_error_is_documented_with_its_status(kind):
    assert re.search(rf"^\| `{kind}` \| {STATUS[kind]} \| .{{10,}} \|$", documented("errors.md"), re.M)


def test_every_kind_has_one_error_class():
    classes = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
    kinds = [item.kind for item in classes if item is not errors.ModelportError]
    assert sorted(kinds) == sorted(Kind)


def every_option() -> list[tuple[str, str]]:
    found = []
    for name, module in COMMANDS.items():
        command = getattr(import_module(module), name)
        found += [(name, option) for item in command.params if isinstance(item, click.Option) for option in item.opts]
    return found


@pytest.mark.parametrize(("command", "option"), every_option())
def test_every_command_and_option_is_documented(command, option):
    section = re.search(rf"^## modelport {command}$(.*?)(?=^## |\Z)", documented("cli.md"), re.M | re.S)
    assert section is not None
    assert f"`{option}" in section[1]


def test_the_links_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_files_that_the_architecture_names_exist():
    text = (ROOT / "ARCHITECTURE.md").read_text()
    for path in re.findall(r"`((?:server|engine|wire|runtimes|core|bootstrap|testing|cli|control|web)/[\w/.]*)`", text):
        assert (ROOT / "src" / "modelport" / path).exists(), path


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    """The three example models, served."""
    folder = tmp_path_factory.mktemp("examples")
    subprocess.run([sys.executable, ROOT / "examples" / "train.py", folder], check=True, capture_output=True)
    server = Running(folder).wait_ready()
    yield server, folder
    server.stop()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S)


def shell_commands() -> list[str]:
    lines = "".join(blocks("bash")).replace("\n  ", " ").splitlines()
    return [line for line in lines if line.startswith(("curl ", "modelport inspect", "modelport predict"))]


@pytest.mark.parametrize("command", shell_commands(), ids=lambda command: command[:40])
def test_the_readmes_commands_work(examples, command):
    server, folder = examples
    here = command.replace("http://127.0.0.1:8000", server.url).replace("examples/models", str(folder))
    words = shlex.split(here, comments=True)
    if words[0] == "modelport":
        words[:1] = [sys.executable, "-m", "modelport"]
    else:
        words[1:1] = ["--fail-with-body", "-sS", "--noproxy", "*"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout


def test_the_readmes_python_works(examples):
    server, _ = examples
    [code] = blocks("python")
    here = code.replace("http://127.0.0.1:8000", server.url)
    done = subprocess.run([sys.executable, "-c", here], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) >= 2


def test_the_readmes_first_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", "\n".join(blocks("bash")), re.M)
    assert targets[0] == "run"
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target

"""Models with requirements of their own run in an environment that is made for them, once."""

import base64
import hashlib
import os
import subprocess
import sys
import sysconfig
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from python_models import write

from modelport.core.errors import InvalidModelError
from modelport.core.runtime import LoadSpec
from modelport.runtimes.isolation import environments
from modelport.runtimes.isolation.environments import environment_for, interpreter_for
from modelport.runtimes.isolation.model import load_isolated
from modelport.runtimes.isolation.options import ProcessOptions

SOURCE = """
import sys
import modelport_tiny

class Tiny:
    def predict(self, text: str) -> str:
        return f"{modelport_tiny.greeting} {text}|{sys.prefix}|{sys.flags.safe_path}"
"""


def wheel(folder):
    """A package that no index has, with a way to the packages of these tests, so that nothing has to be fetched."""
    files = {
        "modelport_tiny.py": "greeting = 'hello'\n",
        "modelport_tiny.pth": f"{sysconfig.get_path('purelib')}\n",
        "modelport_tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: modelport-tiny\nVersion: 1.0\n",
        "modelport_tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},sha256={digest(text)},{len(text)}\n" for name, text in files.items())
    files["modelport_tiny-1.0.dist-info/RECORD"] = record + "modelport_tiny-1.0.dist-info/RECORD,,\n"
    path = folder / "modelport_tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return path


def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """A cache of its own, and no index: what is needed is found by the wheel's way."""
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setattr(environments, "NEEDED", ())


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "greeter"
    folder.mkdir()
    write(folder, SOURCE)
    (folder / "requirements.txt").write_text(f"./{wheel(folder).name}\n")
    return folder


def test_a_model_runs_with_what_lies_beside_it(folder, tmp_path, monkeypatch):
    model = load_isolated(folder / "model.py", "python")
    try:
        text = model.predict({"text": np.array([b"you"], np.object_)})["output"][0].decode()
    finally:
        model.close()
    said, prefix, _ = text.split("|")
    assert said == "hello you"
    assert Path(prefix).parent == tmp_path / "home" / "environments"
    with pytest.raises(ModuleNotFoundError):
        __import__("modelport_tiny")
    monkeypatch.setattr(environments, "_make", None)  # it is there, and is not made again
    load_isolated(folder / "model.py", "python").close()


def test_several_at_once_make_one_environment(folder, monkeypatch):
    made, found = [], []
    make = environments._make

    def counted(*arguments):
        made.append(arguments)
        make(*arguments)

    monkeypatch.setattr(environments, "_make", counted)
    threads = [
        threading.Thread(target=lambda: found.append(environment_for(folder / "requirements.txt", sys.executable)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(found)) == 1
    other = folder / "other.txt"
    other.write_text(f"# another\n./{wheel(folder).name}\n")
    assert environment_for(other, sys.executable) not in found


def test_what_pip_says_is_shown_and_nothing_half_made_stays(folder, tmp_path):
    (folder / "requirements.txt").write_text("no-such-package-of-anybody==1.0\n")
    with pytest.raises(
        InvalidModelError, match=r"requirements.txt can't be installed (.|\n)*no-such-package-of-anybody"
    ):
        load_isolated(folder / "model.py", "python")
    assert not [path for path in (tmp_path / "home" / "environments").iterdir() if path.is_dir()]


@pytest.mark.parametrize("name", ["../requirements.txt", "/etc/hosts"])
def test_requirements_outside_of_the_model(folder, name):
    with pytest.raises(InvalidModelError, match="lead out of the model's folder"):
        interpreter_for(folder / "model.py", "python", ProcessOptions(requirements=name))


def test_requirements_that_are_not_there(folder):
    with pytest.raises(InvalidModelError, match="no such file"):
        interpreter_for(folder / "model.py", "python", ProcessOptions(requirements="more.txt"))
    with pytest.raises(InvalidModelError, match="no such program"):
        interpreter_for(folder / "model.py", "python", ProcessOptions(python="python9.99"))


def test_requirements_are_read_for_python_models_only_unless_they_are_named(folder):
    assert interpreter_for(folder / "model.pkl", "pickle", ProcessOptions()) == (sys.executable, ())
    assert interpreter_for(folder / "model.py", "python", ProcessOptions(requirements="none")) == (sys.executable, ())


def test_an_interpreter_that_is_named_sees_modelport_and_nothing_beside_it(tmp_path):
    python, paths = interpreter_for(tmp_path / "model.py", "python", ProcessOptions(python=sys.executable))
    (path,) = paths
    assert os.listdir(path) == ["modelport"]
    command = [python, "-P", "-c", "import modelport; print(modelport.__file__)"]
    done = subprocess.run(command, env={"PYTHONPATH": str(path)}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(path))
    write(tmp_path, "class Same:\n    def predict(self, text: str) -> str:\n        return text\n")
    model = load_isolated(tmp_path / "model.py", "python", LoadSpec(), ProcessOptions(python=sys.executable))
    assert model.predict({"text": np.array([b"a"], np.object_)})["output"].tolist() == [b"a"]
    model.close()

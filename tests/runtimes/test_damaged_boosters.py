"""No changed byte in a booster's file ends the server: such files are tried out first, in a process of their own."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import httpx
import numpy as np
import pytest
from sklearn.datasets import load_iris

from modelport.core.errors import InvalidModelError
from modelport.runtimes import trials
from modelport.runtimes.boosting.structure import check_lightgbm
from modelport.runtimes.opening import open_model

DIGEST = "ab" * 32
#: File → its format.
FORMATS = {"model.ubj": "xgboost", "model.json": "xgboost", "model.txt": "lightgbm", "model.cbm": "catboost"}


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    """Trials of one test are not remembered by another."""
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path / "kept"))
    return tmp_path / "kept" / "trials"


def save(path):
    """A classifier of irises, as its library saves it."""
    pytest.importorskip(FORMATS[path.name])
    rows, classes = load_iris(return_X_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".txt":
            import lightgbm

            lightgbm.LGBMClassifier(n_estimators=6, verbose=-1).fit(rows, classes).booster_.save_model(path)
        elif path.suffix == ".cbm":
            import catboost

            made = catboost.CatBoostClassifier(
                iterations=6, depth=4, thread_count=1, verbose=0, allow_writing_files=False
            )
            made.fit(rows, classes).save_model(str(path))
        else:
            import xgboost

            xgboost.XGBClassifier(n_estimators=6, max_depth=4).fit(rows, classes).save_model(path)
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_what_passes_its_trial_ends_no_process(tmp_path, name, run_server):
    """Some hundreds of files with changed bytes; one that would have ended the server is refused by it."""
    path = save(tmp_path / name)
    program = Path(__file__).with_name("damaged_boosters.py")
    done = subprocess.run(
        [sys.executable, program, path, FORMATS[name], "120"], stdout=subprocess.PIPE, check=True, text=True
    )
    counts = json.loads(done.stdout)
    assert sum(counts["unprotected"].values()) == 120
    assert counts["passed"].keys() <= {"fine", "refused"}, counts
    assert counts["passed"]["fine"] > 10, counts
    ending = tmp_path / f"ending{path.suffix}"
    if ending.exists():
        (tmp_path / "models").mkdir()
        path.rename(tmp_path / "models" / f"good{path.suffix}")
        ending.rename(tmp_path / "models" / f"bad{path.suffix}")
        server = run_server(tmp_path / "models").wait_ready(60)
        server.wait_said(rf"bad{path.suffix}.*(damaged|ended by)")
        assert httpx.get(f"{server.url}/v2/models/good/ready").status_code == 200
        assert httpx.get(f"{server.url}/v2/models/bad/ready").status_code != 200


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_tried_out_once(tmp_path, name, kept, monkeypatch):
    path = save(tmp_path / name)
    open_model("m", DIGEST, path).close()
    assert [mark.name.split("-")[1] for mark in kept.iterdir() if mark.name != "lock"] == [FORMATS[name]]
    monkeypatch.setattr(trials, "_try", None)
    open_model("m", DIGEST, path).close()
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(TypeError):  # another content is tried out again
        open_model("m", DIGEST, path)


def test_what_fails_its_trial_is_not_remembered(tmp_path, kept):
    path = save(tmp_path / "model.txt")
    path.write_text(path.read_text().replace("left_child=1 ", "left_child=0 "))
    for _ in range(2):
        with pytest.raises(InvalidModelError, match=r"model.txt is damaged: the children in tree 0 can't be so"):
            open_model("m", DIGEST, path)
    assert [mark.name for mark in kept.iterdir()] == ["lock"]


def test_a_trial_that_does_not_end_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(trials, "_SECONDS", 0.01)
    with pytest.raises(InvalidModelError, match="did not come to an end"):
        open_model("m", DIGEST, save(tmp_path / "model.cbm"))


def test_where_nothing_can_be_kept_it_is_tried_out_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MODELPORT_HOME", str(tmp_path / "file"))
    model = open_model("m", DIGEST, save(tmp_path / "model.txt"))
    assert model.predict({"X": np.zeros((1, 4))})["label"].shape == (1,)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("right_child=", "right_child=99 ", "the number of nodes in tree 0"),
        ("split_feature=", "split_feature=9", "the column of a split in tree 0"),
        ("num_leaves=", "num_leaves=1", "the leaves of tree 0"),
        ("max_feature_idx=3", "max_feature_idx=-7", "its head"),
    ],
)
def test_trees_that_can_not_be(tmp_path, old, new, says):
    text = save(tmp_path / "model.txt").read_text()
    assert old in text
    check_lightgbm(text, "it")
    with pytest.raises(InvalidModelError, match=says):
        check_lightgbm(text.replace(old, new, 1), "it")

"""The linear regression (skops and a pickle) and the clusterer: scikit-learn's own answers, served."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

pytest.importorskip("skops")
pytest.importorskip("pandas")

import skops.io
from sklearn.metrics import adjusted_rand_score, r2_score

from example_programs import ask, figure, predict, program, train
from running import Running


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Each example's folder and what its program printed."""
    folders = {name: tmp_path_factory.mktemp(name) for name in ("regression", "clusters")}
    return {name: (folder, train(name, folder)) for name, folder in folders.items()}


@pytest.fixture(scope="module")
def server(trained):
    folders = [folder for folder, _ in trained.values()]
    running = Running(*folders, "--trust", "progression-pickle").wait_ready(120)
    yield running
    assert running.stop() == 0, running.output


@pytest.mark.parametrize("model", ["progression", "progression-pickle"])
def test_the_regression_gives_scikit_learns_numbers(server, trained, model):
    folder, printed = trained["regression"]
    _, held_out, _, wanted = program("regression").split()
    if model == "progression":
        fitted = skops.io.load(folder / "progression.skops")
    else:
        fitted = pickle.loads((folder / "progression-pickle.pkl").read_bytes())
    given = ask(server.url, model, {"X": held_out.to_numpy(np.float64)})
    # A DataFrame's columns lie one behind the other in memory, a request's rows do: sums are taken in another order.
    np.testing.assert_allclose(given["y"], fitted.predict(held_out), rtol=1e-13)
    assert round(r2_score(wanted, given["y"]), 2) == figure(printed, "progression", "R² ") >= 0.35


def test_a_patient_by_the_names_of_the_measurements(server):
    _, held_out, _, _ = program("regression").split()
    first = held_out.iloc[0]
    by_name = predict(server.url, "progression", {"instances": [first[::-1].to_dict()]})
    assert by_name == predict(server.url, "progression", {"instances": [first.tolist()]})


def test_a_pickle_is_refused_unless_it_is_trusted(trained, run_server):
    refused = run_server(trained["regression"][0])
    refused.wait_said("--trust progression-pickle")


def test_the_clusterer_gives_scikit_learns_groups(server, trained):
    folder, printed = trained["clusters"]
    _, held_out, _, growers = program("clusters").split()
    fitted = skops.io.load(folder / "wines.skops")
    given = ask(server.url, "wines", {"X": held_out.to_numpy(np.float64)})
    np.testing.assert_array_equal(given["label"], fitted.predict(held_out))
    np.testing.assert_allclose(given["transformed"], fitted.transform(held_out), rtol=1e-12)
    assert (given["transformed"].argmin(1) == given["label"]).all()
    agreement = adjusted_rand_score(growers, given["label"])
    assert round(agreement, 2) == figure(printed, "wines", "index against the growers: ") > 0.8


def test_a_group_has_a_name(server):
    _, held_out, _, _ = program("clusters").split()
    [answer] = predict(server.url, "wines", {"instances": [held_out.iloc[0].to_dict()]})
    assert answer["label"] in ("group 0", "group 1", "group 2")

"""From files to versions that answer, one change after the other, without a moment in which nothing does."""

import asyncio
import re
import shutil

import numpy as np
import pytest
from engine_cases import engine, request, write

from modelport.core.errors import InvalidInputError, ModelFailedError, NotFoundError, UnavailableError
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.lifecycle.manager import Lifecycle
from modelport.engine.lifecycle.policy import parse_policy
from modelport.engine.lifecycle.source import scan
from modelport.engine.lifecycle.warmup import measured_cost, rows_are_independent
from modelport.testing.fakes import FakeModel, Gate, echo_model, failing_model

pytestmark = pytest.mark.usefixtures("_fake_format")


class Served:
    """An engine that serves a folder; `look` is one poll, `versions` says what answers."""

    def __init__(self, folder, policy="latest"):
        self.engine = engine()
        self.lifecycle = Lifecycle(self.engine, lambda: scan((folder,)), parse_policy(policy))

    async def look(self, times=1):
        for _ in range(times):
            await self.lifecycle.poll()
        return self.versions()

    def versions(self):
        return {model.name: [version.version for version in model.versions] for model in self.engine.models()}

    def states(self):
        return {model.name: model.state for model in self.engine.models()}

    def gauge(self, name):
        return next(values[0] for (_, key, _), values in self.engine.metrics.collect().items() if key == name)


@pytest.fixture
def started(tmp_path):
    """Serves the test's folder, as it is then."""
    made = []

    async def start(policy="latest"):
        served = Served(tmp_path, policy)
        made.append(served)
        await served.lifecycle.start()
        return served

    yield start
    for served in made:
        served.engine.close()


async def test_everything_that_is_there_is_served_at_once(tmp_path, started):
    write(tmp_path / "a.fake")
    write(tmp_path / "b/1/model.fake")
    write(tmp_path / "b/2/model.fake")
    served = await started()
    assert served.versions() == {"a": [1], "b": [2]}
    found = served.engine.find("b")
    assert found.path == tmp_path / "b/2/model.fake"
    assert len(found.digest) == 64
    assert (found.info.format, found.execution != "pool", found.cost_ms > 0) == ("fake", True, True)
    assert served.gauge("models_ready") == 2


async def test_a_broken_model_is_kept_as_failed_and_the_others_serve(tmp_path, started):
    write(tmp_path / "good.fake")
    write(tmp_path / "bad.fake", kind=None)
    served = await started()
    assert served.states() == {"good": "ready", "bad": "failed"}
    assert "bad.fake describes no fake model" in served.engine.model("bad").error
    with pytest.raises(UnavailableError, match="model 'bad' failed to load: bad"):
        served.engine.find("bad")
    assert not served.engine.ready
    write(tmp_path / "bad.fake")
    assert await served.look(2) == {"good": [1], "bad": [1]}
    assert served.engine.ready
    assert served.engine.model("bad").error is None


async def test_a_new_version_is_loaded_on_the_second_look_and_replaces_the_old_one(tmp_path, started):
    write(tmp_path / "m/1/model.fake")
    served = await started()
    old = served.engine.find("m")
    write(tmp_path / "m/2/model.fake")
    assert await served.look() == {"m": [1]}
    assert served.engine.find("m") is old
    assert await served.look() == {"m": [2]}
    assert old.loaded.closed
    assert await served.look(3) == {"m": [2]}


async def test_a_file_that_is_still_being_written_is_left_alone(tmp_path, started):
    served = await started()
    for size in range(1, 5):
        write(tmp_path / "m.fake", kind=None, when=1000 + size)
        assert await served.look() == {}
    write(tmp_path / "m.fake", when=2000)
    assert await served.look() == {}
    assert await served.look() == {"m": [1]}


async def test_weights_that_come_after_the_model_make_it_load_again(tmp_path, started):
    write(tmp_path / "m/1/model.fake", kind=None)
    served = await started()
    assert served.states() == {"m": "failed"}
    write(tmp_path / "m/1/model.fake", when=(tmp_path / "m/1/model.fake").stat().st_mtime)
    write(tmp_path / "m/1/weights.bin")
    await served.look(2)
    assert served.states() == {"m": "ready"}


async def test_a_changed_file_is_loaded_again_and_the_old_one_answers_until_then(tmp_path, started):
    write(tmp_path / "m.fake", shape=(-1, 2), when=1000)
    served = await started()
    old = served.engine.find("m")
    write(tmp_path / "m.fake", shape=(-1, 3), when=2000)
    await served.look()
    assert served.engine.find("m") is old
    await served.look()
    new = served.engine.find("m")
    assert new.signature.inputs[0].shape == (-1, 3)
    assert new.digest != old.digest
    assert old.loaded.closed


@pytest.mark.parametrize("name", ["m/2/model.fake", "m/1/model.fake"])
async def test_a_broken_new_version_keeps_the_old_one_and_says_why_until_it_is_gone(tmp_path, started, name):
    write(tmp_path / "m/1/model.fake", when=1000)
    served = await started()
    write(tmp_path / name, kind=None, when=2000)
    assert await served.look(3) == {"m": [1]}
    model = served.engine.model("m")
    assert model.state == "ready"
    assert "describes no fake model" in model.error
    assert not served.engine.find("m").loaded.closed
    if name == "m/2/model.fake":
        shutil.rmtree(tmp_path / "m/2")
    else:
        write(tmp_path / name, when=3000)
    assert await served.look(2) == {"m": [1]}
    assert model.error is None


async def test_rolling_back_by_removing_the_newest_folder(tmp_path, started):
    write(tmp_path / "m/1/model.fake")
    write(tmp_path / "m/2/model.fake")
    served = await started()
    newest = served.engine.find("m")
    shutil.rmtree(tmp_path / "m/2")
    assert await served.look() == {"m": [1]}  # seen before and unchanged: there is nothing to wait for
    assert newest.loaded.closed


async def test_removed_renamed_and_brought_back(tmp_path, started):
    write(tmp_path / "a.fake", when=1000)
    write(tmp_path / "bad.fake", kind=None, when=1000)
    served = await started()
    gone = served.engine.find("a")
    (tmp_path / "a.fake").rename(tmp_path / "b.fake")
    (tmp_path / "bad.fake").rename(tmp_path / "elsewhere.part")
    assert await served.look() == {}
    assert gone.loaded.closed
    assert served.gauge("models_ready") == 0
    with pytest.raises(NotFoundError):
        served.engine.find("a")
    assert await served.look() == {"b": [1]}
    assert served.gauge("models_ready") == 1
    (tmp_path / "b.fake").rename(tmp_path / "a.fake")
    (tmp_path / "elsewhere.part").rename(tmp_path / "bad.fake")
    await served.look(2)
    assert served.states() == {"a": "ready", "bad": "failed"}


POLICIES = [("all", [1, 2, 3]), ("latest:2", [2, 3]), ("1,3", [1, 3]), ("2", [2]), ("latest", [3])]


@pytest.mark.parametrize(("policy", "versions"), POLICIES)
async def test_the_policy_chooses(tmp_path, started, policy, versions):
    for number in (1, 2, 3):
        write(tmp_path / f"m/{number}/model.fake")
    served = await started(policy)
    assert served.versions() == {"m": versions}
    assert await served.look(2) == {"m": versions}


async def test_a_policy_that_nothing_matches_is_a_failure_in_words(tmp_path, started):
    write(tmp_path / "m/1/model.fake")
    write(tmp_path / "m/4/model.fake")
    served = await started("2,7")
    assert served.states() == {"m": "failed"}
    with pytest.raises(UnavailableError, match="its versions are 1, 4; the setting --versions asks for 2,7"):
        served.engine.find("m")
    assert await served.look(2) == {"m": []}
    write(tmp_path / "m/7/model.fake")
    assert await served.look(2) == {"m": [7]}
    assert served.engine.model("m").error is None


async def test_one_broken_version_does_not_hold_the_others_that_went(tmp_path, started):
    write(tmp_path / "m/1/model.fake", kind=None)
    write(tmp_path / "m/2/model.fake")
    write(tmp_path / "m/3/model.fake")
    served = await started("all")
    assert served.versions() == {"m": [2, 3]}
    shutil.rmtree(tmp_path / "m/2")
    assert await served.look(2) == {"m": [3]}


async def test_two_models_of_one_name_leave_what_is_served_alone(tmp_path, started):
    write(tmp_path / "a.fake")
    served = await started()
    write(tmp_path / "a/1/model.fake")
    with pytest.raises(InvalidInputError, match="two models are called 'a'"):
        await served.look()
    assert served.versions() == {"a": [1]}


async def test_watching_outlives_a_source_that_fails(tmp_path, started, caplog):
    write(tmp_path / "a.fake")
    served = await started()
    fine, failures = served.lifecycle._source, iter([OSError("stale handle"), NotFoundError("it is away")])

    def source():
        for failure in failures:
            raise failure
        return fine()

    served.lifecycle._source = source
    watching = asyncio.create_task(served.lifecycle.watch(0.01))
    write(tmp_path / "b.fake")
    for _ in range(300):
        await asyncio.sleep(0.01)
        if served.versions().get("b"):
            break
    watching.cancel()
    assert served.versions() == {"a": [1], "b": [1]}
    assert "stale handle" in caplog.text
    assert "it is away" in caplog.text


async def test_a_request_in_flight_keeps_its_version_through_a_change(tmp_path, started):
    write(tmp_path / "m/1/model.fake")
    served = await started()
    old, gate = served.engine.find("m"), Gate()

    def answer(inputs):
        gate.pass_through()
        assert not old.loaded.closed
        return {"y": inputs["x"]}

    old.loaded._answer, old.execution = answer, "pool"
    asked = request()
    asked.inputs = {"x": np.ones((1, 2), np.float32)}
    held = asyncio.create_task(served.engine.infer(old, asked))
    assert await asyncio.to_thread(gate.wait_until_reached)
    write(tmp_path / "m/2/model.fake")
    assert await served.look(2) == {"m": [2]}
    assert not old.loaded.closed
    gate.open()
    assert (await held).version == 1
    assert old.loaded.closed


async def test_models_that_are_not_loaded_yet_are_known_from_the_beginning(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.fake")
    served, seen = Served(tmp_path), []
    load = served.lifecycle._load

    async def slowly(model, number, artifact):
        seen.append(served.states())
        assert not served.engine.ready
        await load(model, number, artifact)

    monkeypatch.setattr(served.lifecycle, "_load", slowly)
    await served.lifecycle.start()
    assert seen[0] == dict.fromkeys("abc", "loading")
    assert seen[2] == {"a": "ready", "b": "ready", "c": "loading"}
    assert served.engine.ready
    served.engine.close()


def test_warming_up_takes_a_bounded_number_of_runs_and_outlives_any_model():
    model = echo_model("FP32", (-1, 2))
    assert measured_cost(model) >= 0
    assert 1 <= model.calls <= 15
    for error in (ModelFailedError("no"), ValueError(), KeyError("k"), ZeroDivisionError()):
        assert measured_cost(failing_model(error=error)) is None
        assert rows_are_independent(failing_model(error=error)) is False


@pytest.mark.parametrize("datatype", ["FP32", "BF16", "BOOL", "INT8", "BYTES"])
@pytest.mark.parametrize("shape", [None, (), (-1,), (-1, -1, 2), (3, 0)])
def test_warming_up_every_kind_of_input(datatype, shape):
    assert measured_cost(echo_model(datatype, shape)) is not None


def answering(shape, answer, rowwise=True):
    specs = (TensorSpec("x", "FP32", shape),), (TensorSpec("y", "FP32", shape),)
    return FakeModel(Signature(*specs, rowwise), lambda inputs: {"y": answer(inputs["x"])})


INDEPENDENT = [
    (answering((-1, 3), lambda x: x * 2), True),
    (answering((-1, 3), lambda x: x * 2, rowwise=False), False),
    (answering((1, 3), lambda x: x * 2), False),
    (answering((-1, 3), lambda x: x - x.mean(0)), False),
    (answering((-1, 3), lambda x: np.cumsum(x, 0)), False),
    (answering((-1,), lambda x: np.exp(x) / np.exp(x).sum()), False),
    (answering((-1, 3), lambda x: x[:1]), False),
    (answering((-1, 3), lambda x: x * np.nan), True),
]


@pytest.mark.parametrize(("model", "independent"), INDEPENDENT, ids=range(len(INDEPENDENT)))
def test_rows_are_joined_only_where_they_do_not_depend_on_each_other(model, independent):
    assert rows_are_independent(model) is independent


async def test_a_models_own_file_describes_it(tmp_path, started):
    write(tmp_path / "a.fake")
    toml = (
        '[models.a]\ndescription = "What it is for"\n[models.a.inputs.x]\nkind = "tabular"\ncolumns = ["one", "two"]\n'
    )
    (tmp_path / "modelport.toml").write_text(toml)
    served = (await started()).engine.find("a")
    assert served.info.properties["description"] == "What it is for"
    assert [column.name for column in served.signature.input("x").meaning.columns] == ["one", "two"]


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("[serving]\nmax_bach = 3", r"\[serving\] has no 'max_bach' \(did you mean 'max_batch'\?\)"),
        ("[serving]\nmax_batch = 'many'", r"\[serving\]: Expected `int`, got `str`"),
        ("[serving]\nqueue = -1", r"queue must not be negative"),
        ("[servin]", r"unknown 'servin' \(did you mean 'serving'\?\)"),
        ("[inputs.z]\nkind = 'text'", "unknown input 'z'"),
        ("[inputs.x]\ndatatype = 'FP23'", "unknown datatype 'FP23'"),
        ("description = 3", "description must be a text"),
        ("[", "can't be read"),
    ],
)
async def test_what_is_wrong_in_a_models_own_file_is_told(tmp_path, started, toml, text):
    write(tmp_path / "a.fake")
    (tmp_path / "modelport.toml").write_text(toml)
    failure = (await started()).engine.model("a").failure
    assert re.search(text, str(failure)), str(failure)

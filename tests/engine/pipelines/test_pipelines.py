"""Graphs of models: fan-out, combining, deciding, and what goes wrong on the way."""

import asyncio

import numpy as np
import pytest
from engine_cases import engine, request, serve

from modelport.core.deadline import Deadline
from modelport.core.errors import DeadlineExceededError, InvalidInputError, InvalidModelError, ModelFailedError
from modelport.core.signature import Signature, TensorSpec
from modelport.engine.pipelines import PipelineFront, PipelineOptions, Step, pipeline_model
from modelport.engine.pipelines.combining import mean, vote
from modelport.testing.fakes import FakeModel

X = TensorSpec("x", "FP32", (-1,))


def model(made, name, answer, output="y", datatype="FP32", execution="tick"):
    signature = Signature((X,), (TensorSpec(output, datatype, (-1,)),))
    served = serve(made, FakeModel(signature, lambda inputs: {output: answer(inputs["x"])}), name, execution=execution)
    served.joinable = True
    return served


def pipeline(made, steps, outputs):
    options = PipelineOptions(steps, outputs)
    served = serve(made, pipeline_model(options, made.find), "whole", execution="pipeline")
    served.front = PipelineFront(options, made.find, made.submit).submit
    served.special = True
    return served


def step(name, model=None, value="x", **more):
    return Step(name, model or name, {"x": value}, **more)


@pytest.fixture
def made():
    made = engine()
    model(made, "double", lambda x: x * 2)
    model(made, "negate", lambda x: -x)
    model(made, "sign", lambda x: (x > 0).astype(np.int64), "class", "INT64")
    yield made
    made.close()


async def test_one_model_after_the_other(made):
    served = pipeline(made, [step("second", "negate", "first.y"), step("first", "double")], {"out": "second.y"})
    assert [spec.describe() for spec in served.signature.inputs] == ["x FP32 [-1]"]
    assert [spec.describe() for spec in served.signature.outputs] == ["out FP32 [-1]"]
    response = await made.infer(served, request(1, 2, id="7"))
    assert (response.model, response.id, response.outputs["out"].tolist()) == ("whole", "7", [-2, -4])


async def test_fan_out_and_average_and_only_the_outputs_that_are_asked_for(made):
    steps = [step("a", "double"), step("b", "negate"), Step("m", mean=["a.y", "b.y"], weights=[3, 1])]
    served = pipeline(made, steps, {"mean": "m.y", "a": "a.y"})
    assert (await made.infer(served, request(4))).outputs["mean"].tolist() == [(3 * 8 - 4) / 4]
    assert list((await made.infer(served, request(4, outputs=("a",)))).outputs) == ["a"]


async def test_steps_of_several_requests_share_their_models_batches(made):
    served = pipeline(made, [step("a", "double"), step("b", "negate", "a.y")], {"out": "b.y"})
    outcomes = await asyncio.gather(*(made.infer(served, request(value)) for value in range(4)))
    assert [item.outputs["out"].tolist() for item in outcomes] == [[0], [-2], [-4], [-6]]
    assert made.find("double").loaded.rows == made.find("negate").loaded.rows == [4]


async def test_one_models_output_decides_the_next_row_by_row(made):
    decided = Step("next", inputs={"x": "x"}, switch="s.class", cases={"1": "double"}, default="negate")
    served = pipeline(made, [step("s", "sign"), decided], {"out": "next.y"})
    assert (await made.infer(served, request(1, -2, 3, -4))).outputs["out"].tolist() == [2, 2, 6, 4]
    assert made.find("double").loaded.rows == made.find("negate").loaded.rows == [2]
    strict = Step("next", inputs={"x": "x"}, switch="s.class", cases={"1": "double"})
    made.forget("whole")
    served = pipeline(made, [step("s", "sign"), strict], {"out": "next.y"})
    with pytest.raises(InvalidInputError, match=r"s\.class is '0', for which there is no case \(there are 1\)"):
        await made.infer(served, request(-1))


async def test_a_step_that_fails_is_named_and_keeps_its_kind(made):
    def fail(x):
        raise ModelFailedError("broken")

    model(made, "failing", fail)
    served = pipeline(made, [step("a", "double"), step("bad", "failing", "a.y")], {"out": "bad.y"})
    with pytest.raises(ModelFailedError, match="step 'bad' of 'whole': broken"):
        await made.infer(served, request(1))
    with pytest.raises(DeadlineExceededError, match="step 'a'"):
        await made.infer(served, request(1, deadline=Deadline.after(-1)))
    made.model("double").remove(1)
    with pytest.raises(Exception, match="step 'a' of 'whole': model 'double' is loading"):
        await made.infer(served, request(1))


async def test_a_pipeline_of_pipelines(made):
    pipeline(made, [step("a", "double")], {"x2": "a.y"})
    inner = made.model("whole")
    made.forget("whole")
    made._models["inner"] = inner
    served = pipeline(made, [step("i", "inner"), step("n", "negate", "i.x2")], {"out": "n.y"})
    assert (await made.infer(served, request(3))).outputs["out"].tolist() == [-6]


@pytest.mark.parametrize(
    ("steps", "outputs", "text"),
    [
        ([], {}, "must have"),
        ([step("a", "double")], {"o": "b.y"}, "no step 'b'"),
        ([step("a", "double")], {"o": "x"}, "must be an output of a step"),
        ([step("a", "double")], {"o": "a.z"}, r"'double' has no output 'z'; it has y FP32 \[-1\]"),
        ([step("a", "dubble")], {"o": "a.y"}, r"no model 'dubble' is served \(did you mean 'double'\?\)"),
        ([step("a", "double"), step("a", "negate")], {"o": "a.y"}, "must be unique"),
        ([step("a", "double", "b.y"), step("b", "negate", "a.y")], {"o": "a.y"}, "wait for each other: a, b"),
        ([Step("a", "double", {"z": "x"})], {"o": "a.y"}, "has no input 'z'"),
        ([Step("a", "double")], {"o": "a.y"}, "gives its model no inputs"),
        ([Step("a")], {"o": "a.y"}, "must say one of model, switch, mean and vote; it says nothing"),
        ([step("a", "double"), Step("m", mean=["a.y"], weights=[1, 2])], {"o": "m.y"}, "2 weights for 1 values"),
        ([step("s", "sign"), step("d", "double", "s.class")], {"o": "d.y"}, "s.class is INT64, but 'double' takes"),
        ([step("a", "double@x")], {"o": "a.y"}, "the model 'double@x'"),
        ([Step("v", vote=["x", "x"])], {"o": "v.y"}, "the input 'x' is given to no model"),
    ],
)
def test_what_does_not_fit_together_is_refused_at_load(made, steps, outputs, text):
    with pytest.raises(InvalidModelError, match=text):
        pipeline_model(PipelineOptions(steps, outputs), made.find)


def test_means_and_votes():
    assert mean([np.array([1, 2]), np.array([3, 4])]).tolist() == [2, 3]
    assert vote([np.array([b"a", b"b"], object), np.array([b"a", b"c"], object)]).tolist() == [b"a", b"b"]
    assert vote([np.array([1, 2]), np.array([3, 3]), np.array([3, 2])]).tolist() == [3, 2]
    with pytest.raises(ModelFailedError, match="different shapes"):
        mean([np.ones(2), np.ones(3)])
    with pytest.raises(ModelFailedError, match="no mean of object"):
        mean([np.array([b"a"], object)])

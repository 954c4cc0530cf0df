"""What the PMML runtime says of documents: fields and what they mean, missing and invalid values, broken XML, Java."""

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("modelport.runtimes.pmml.runtime")

import jpype

from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError
from modelport.core.meaning import Column, Labels, Probabilities, Quantity, Tabular
from modelport.core.runtime import LoadSpec
from modelport.runtimes.pmml import java as pmml_java
from modelport.runtimes.pmml.runtime import PmmlRuntime
from runtimes import pmml_documents, pmml_models

try:
    pmml_java.find_java()
except MissingExtraError as error:
    pytest.skip(str(error), allow_module_level=True)

CODED = (
    pmml_documents.HEAD + '<DataDictionary><DataField name="b" optype="categorical" dataType="boolean"/>'
    '<DataField name="n" optype="categorical" dataType="integer"><Value value="1"/><Value value="2"/></DataField>'
    '<DataField name="x" optype="continuous" dataType="double" displayName="the x">'
    '<Interval closure="closedClosed" leftMargin="0" rightMargin="9"/></DataField>'
    '<DataField name="c" optype="categorical" dataType="integer"><Value value="0"/><Value value="1"/></DataField>'
    '</DataDictionary><TreeModel functionName="classification"><MiningSchema><MiningField name="b"/>'
    '<MiningField name="n"/><MiningField name="x"/><MiningField name="c" usageType="target"/></MiningSchema>'
    '<Output><OutputField name="p(1)" feature="probability" value="1"/><OutputField name="class" feature='
    '"predictedValue"/><OutputField name="p(0)" feature="probability" value="0"/></Output>'
    '<Node score="0"><True/><Node score="1"><CompoundPredicate booleanOperator="and">'
    '<SimplePredicate field="b" operator="equal" value="true"/><SimplePredicate field="n" operator="equal" value="2"/>'
    '</CompoundPredicate><ScoreDistribution value="0" recordCount="1"/><ScoreDistribution value="1" recordCount="3"/>'
    '</Node><Node score="0"><True/><ScoreDistribution value="0" recordCount="9"/>'
    '<ScoreDistribution value="1" recordCount="1"/></Node></Node></TreeModel></PMML>'
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.pmml"


def load(path, content, **spec):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return PmmlRuntime().load(path, LoadSpec(**spec))


def failure(path, content):
    with pytest.raises(InvalidModelError) as caught:
        load(path, content)
    return str(caught.value)


def texts(*rows):
    return np.array([[row] for row in rows], object)


def test_fields_and_outputs_say_what_they_are(path):
    signature = load(path, CODED).signature
    assert [spec.describe() for spec in signature.inputs] == ["b BYTES [-1, 1]", "n FP64 [-1, 1]", "x FP64 [-1, 1]"]
    assert signature.input("x").meaning == Tabular((Column("x", description="the x", minimum=0, maximum=9),))
    assert [spec.describe() for spec in signature.outputs] == ["probabilities FP64 [-1, 2]", "class BYTES [-1]"]
    assert signature.output("probabilities").meaning == Probabilities(("0", "1"))
    assert signature.output("class").meaning == Labels(("0", "1"))
    applicant = load(path, pmml_documents.applicant()).signature
    assert applicant.input("job").meaning == Tabular((Column("job", categories=("clerk", "smith")),))
    assert applicant.output("predicted_risk").meaning == Quantity()
    assert [spec.optional for spec in applicant.inputs] == [True, False]


def test_classes_that_are_numbers(path):
    model = load(path, CODED)
    given = model.predict({"b": texts(b"true", b"false"), "n": np.array([[2.0], [2.0]]), "x": np.ones((2, 1))})
    assert given["class"].tolist() == [b"1", b"0"]
    assert given["probabilities"].tolist() == [[0.25, 0.75], [0.9, 0.1]]
    with pytest.raises(InvalidInputError, match="row 0 of 'n' is '3', which is not one of 1, 2"):
        model.predict({"b": texts(b"true"), "n": np.array([[3.0]]), "x": np.ones((1, 1))})


def test_missing_values_are_treated_as_the_document_says(path):
    model = load(path, pmml_documents.applicant())
    replaced = 1 + 2 * np.log(20) + 10
    for inputs in ({"age": np.array([[np.nan]])}, {}):
        given = model.predict({**inputs, "job": texts(b"smith")})["predicted_risk"]
        assert np.allclose(given, [replaced])
    with pytest.raises(InvalidInputError, match="missing input 'job'"):
        model.predict({"age": np.ones((1, 1))})


def test_invalid_values_are_treated_as_the_document_says(path):
    inputs = {"age": np.ones((1, 1)), "job": texts(b"king")}
    with pytest.raises(InvalidInputError, match="row 0 of 'job' is 'king', which is not one of clerk, smith"):
        load(path, pmml_documents.applicant()).predict(inputs)
    for treatment in ("asMissing", "asIs"):
        assert load(path, pmml_documents.applicant(treatment)).predict(inputs)["predicted_risk"].tolist() == [1]


def test_rows_that_are_not_as_many(path):
    model = load(path, pmml_documents.applicant())
    with pytest.raises(InvalidInputError, match="as many rows as each other: 'age' has 2, 'job' has 1"):
        model.predict({"age": np.ones((2, 1)), "job": texts(b"clerk")})


def test_no_rows(path):
    given = load(path, CODED).predict({"b": np.empty((0, 1), object), "n": np.ones((0, 1)), "x": np.ones((0, 1))})
    assert {name: array.shape for name, array in given.items()} == {"probabilities": (0, 2), "class": (0,)}


ENTITIES = {
    "growing": '<!DOCTYPE PMML [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>',
    "external": '<!DOCTYPE PMML [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
    "elsewhere": '<!DOCTYPE PMML SYSTEM "http://localhost/x.dtd">',
}


@pytest.mark.parametrize("kind", ENTITIES)
def test_document_types_are_refused(path, kind):
    dangerous = CODED.replace("<PMML", ENTITIES[kind] + "<PMML", 1).replace("<Header/>", "<Header>&a;</Header>")
    assert failure(path, dangerous) == (
        "m.pmml has a document type declaration (line 2), which could name entities that grow or that are other files; "
        "PMML needs none: remove it"
    )


def test_documents_that_are_broken(path):
    assert failure(path, CODED[:900]).startswith(
        "m.pmml is a PMML document that is cut short or damaged: unclosed token"
    )
    assert failure(path, "<html/>") == "m.pmml is an XML document, but not PMML: its root is 'html'"
    assert failure(path, "{}").startswith("m.pmml is not an XML document: ")
    assert failure(path, " \n") == "m.pmml is empty, not a PMML document"
    assert failure(path, pmml_documents.HEAD + "</PMML>") == "m.pmml is a PMML document without a model in it"
    deep = CODED.replace("<Header/>", "<Header>" + "<Extension>" * 500 + "</Extension>" * 500 + "</Header>")
    assert failure(path, deep) == "m.pmml has elements that are nested more than 400 deep"


def test_models_that_the_evaluator_does_not_have(path):
    other = CODED.replace("TreeModel", "BayesianNetworkModel")
    assert failure(path, other).startswith("m.pmml can't be loaded by PMML4S (pypmml ")
    assert "'BayesianNetworkModel' is not supported" in failure(path, other)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_encodings(path, encoding):
    document = pmml_documents.applicant().replace("smith", "Müller").replace("UTF-8", encoding)
    given = load(path, document.encode(encoding)).predict({"age": np.ones((1, 1)), "job": texts("Müller".encode())})
    assert given["predicted_risk"].tolist() == [11]


def test_an_encoding_that_hides_something(path):
    assert "save it as UTF-8" in failure(path, CODED.replace("UTF-8", "UTF-7"))
    assert failure(path, CODED.replace("UTF-8", "windows-1252")) == (
        "m.pmml has the encoding 'windows-1252': save it as UTF-8"
    )


def test_what_a_document_says_of_itself(path):
    head = '<Header description="Who pays back."><Application name="trainer" version="3"/></Header>'
    info = load(path, CODED.replace("<Header/>", head)).info
    assert (info.format, info.platform) == ("pmml", "pmml")
    assert info.framework.startswith("PMML4S (pypmml 1.")
    assert info.properties == {
        "pmml_version": "4.4",
        "producer": "trainer 3",
        "model": "TreeModel, classification",
        "parameters": "1 tree, 3 nodes",
        "description": "Who pays back.",
    }


def test_options_and_devices(path):
    with pytest.raises(InvalidInputError, match="unknown option 'x'; PMML models take none"):
        load(path, CODED, options={"x": "y"})
    with pytest.raises(InvalidInputError, match="unknown device 'cuda'; PMML models run on 'cpu'"):
        load(path, CODED, device="cuda")


def test_without_java(monkeypatch):
    def missing():
        raise jpype.JVMNotFoundException("No JVM")

    monkeypatch.setattr(jpype, "getDefaultJVMPath", missing)
    with pytest.raises(
        MissingExtraError, match=r"PMML models need Java, which is not found: install .*default-jre-head"
    ):
        pmml_java.find_java()
    monkeypatch.setattr(jpype, "getDefaultJVMPath", lambda: "/nowhere/libjvm.so")
    with pytest.raises(MissingExtraError, match=r"PMML models need Java, and /nowhere/libjvm.so is not there: install"):
        pmml_java.find_java()


def test_java_leaves_the_processs_signals_alone(path):
    path.write_text(pmml_models.trained("linear")[0])
    code = (
        "import signal, sys, os, time; from pathlib import Path; from modelport.runtimes.catalog import load;"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked to end'), sys.exit(0)));"
        f"load(Path({str(path)!r})); os.kill(os.getpid(), signal.SIGTERM); time.sleep(20); sys.exit(1)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "asked to end\n", "")

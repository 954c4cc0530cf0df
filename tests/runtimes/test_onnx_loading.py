"""What the ONNX runtime says of files that it can't load, of weights beside the model, and of its options."""

import json
import re
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto as T
from onnx_graphs import ML, identity, model, node, tensor, weight

from modelport.core.errors import InvalidInputError, InvalidModelError, MissingExtraError
from modelport.core.host import cpu_quota
from modelport.core.runtime import LoadSpec
from modelport.runtimes.onnx.runtime import OnnxRuntime
from modelport.runtimes.onnx.session import session_options

RUNTIME = f"ONNX Runtime {ort.__version__}"


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    return folder / "m.onnx"


def failure(path, made, error=InvalidModelError, **spec):
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    with pytest.raises(error) as caught:
        OnnxRuntime().load(path, LoadSpec(threads=1, **spec))
    return str(caught.value)


def with_operator(name, domain="", **options):
    return model(
        [node(name, ["x"], ["y"], domain=domain)], [tensor("x", T.FLOAT, [3])], [tensor("y", T.FLOAT, [3])], **options
    )


def test_a_too_new_opset(path):
    says = failure(path, identity(opset=99))
    assert says.startswith(f"m.onnx is made for opset 99; this {RUNTIME} knows up to ")
    assert says.endswith(": upgrade onnxruntime or export with a lower opset")


def test_a_too_new_opset_of_another_domain(path):
    assert "is made for opset 99 of ai.onnx.ml; this" in failure(path, identity(domains=[(ML[0], 99)]))


def test_a_too_new_ir_version(path):
    says = failure(path, identity(ir_version=99))
    assert says.startswith(f"m.onnx is made for ONNX IR version 99; this {RUNTIME} knows up to ")
    assert says.endswith(": upgrade onnxruntime or export with an older onnx")


def test_no_opset_at_all(path):
    made = identity()
    made.ClearField("opset_import")
    assert failure(path, made).startswith(f"m.onnx can't be loaded by {RUNTIME}: Missing opset in the model.")


def test_an_operator_that_does_not_exist(path):
    says = failure(path, with_operator("Conjure"))
    assert says == f"m.onnx uses the operator 'Conjure' of domain 'ai.onnx', which {RUNTIME} does not have in opset 18"


def test_an_operator_of_somebody_else(path):
    says = failure(path, with_operator("Conjure", "org.magic", domains=[("org.magic", 1)]))
    assert says == (
        f"m.onnx uses the operator 'Conjure' of domain 'org.magic', which {RUNTIME} does not have: "
        "custom operators need the library that defines them"
    )


def test_a_domain_without_an_opset(path):
    says = failure(path, with_operator("Conjure", "org.magic"))
    assert says == (
        "m.onnx uses the operator 'Conjure' of domain 'org.magic', "
        "but does not say which opset of that domain it is made for"
    )


def test_an_operator_that_is_not_implemented_for_the_types(path):
    made = model(
        [
            node("Cast", ["x"], ["i"], to=T.UINT4),
            node("Identity", ["i"], ["j"]),
            node("Cast", ["j"], ["y"], to=T.FLOAT),
        ],
        [tensor("x", T.FLOAT, [3])],
        [tensor("y", T.FLOAT, [3])],
        opset=21,
        ir_version=10,
    )
    says = failure(path, made, options={"graph_optimization_level": "disable"})
    assert re.fullmatch(
        r"m\.onnx uses the operator '(Identity|Cast)' of domain 'ai\.onnx' \(opset 21\), which .*", says
    )


def test_a_locale_that_the_host_lacks(path):
    made = model(
        [node("StringNormalizer", ["x"], ["y"], case_change_action="LOWER", locale="xx_XX.UTF-8")],
        [tensor("x", T.STRING, [None])],
        [tensor("y", T.STRING, [None])],
    )
    says = failure(path, made)
    assert says.startswith("m.onnx needs the locale 'xx_XX.UTF-8' to change the case of text, which this host lacks")


def test_a_graph_that_makes_no_sense(path):
    made = identity()
    made.graph.node[0].input[0] = "q"
    says = failure(path, made)
    assert says.startswith(f"m.onnx can't be loaded by {RUNTIME}: ")
    assert "'q'" in says
    assert "onnxruntime_src" not in says


def test_a_damaged_file_says_where(path):
    content = identity().SerializeToString()
    assert "cut short or damaged: at byte" in failure(path, content[:50])


@pytest.fixture
def external(path):
    """A model whose weight lies in another file; gives its path and the weight's bytes."""

    def external(location):
        array = np.arange(3, dtype=np.float32)
        proto = weight("w", array)
        onnx.external_data_helper.set_external_data(proto, location)
        proto.ClearField("raw_data")
        made = model(
            [node("Add", ["x", "w"], ["y"])],
            [tensor("x", T.FLOAT, ["n", 3])],
            [tensor("y", T.FLOAT, ["n", 3])],
            weights=[proto],
        )
        path.write_bytes(made.SerializeToString())
        return array.tobytes()

    return external


def test_weights_beside_the_model(path, external):
    content = external("w.bin")
    (path.parent / "w.bin").write_bytes(content)
    loaded = OnnxRuntime().load(path, LoadSpec(threads=1))
    assert loaded.predict({"x": np.zeros((1, 3), np.float32)})["y"].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("location", "says"),
    [
        ("w.bin", "m.onnx lacks the file 'w.bin', which holds its weight 'w'"),
        ("../w.bin", "m.onnx: its weight 'w' is in '../w.bin', outside of the model's folder, where no model may read"),
        ("a/../w.bin", "is in 'a/../w.bin', outside of the model's folder"),
        ("/etc/passwd", "is in '/etc/passwd', outside of the model's folder"),
    ],
)
def test_weights_that_are_not_there_or_may_not_be_read(path, external, location, says):
    content = external(location)
    (path.parent.parent / "w.bin").write_bytes(content)
    with pytest.raises(InvalidModelError) as caught:
        OnnxRuntime().load(path, LoadSpec())
    assert says in str(caught.value)


def test_weights_that_are_too_short(path, external):
    (path.parent / "w.bin").write_bytes(external("w.bin")[:5])
    with pytest.raises(
        InvalidModelError, match=r"lacks weights: 'w' takes 12 bytes from byte 0 of w\.bin, which has only 5$"
    ):
        OnnxRuntime().load(path, LoadSpec())


def test_weights_that_are_a_link_to_elsewhere(path, external):
    elsewhere = path.parent.parent / "secret"
    elsewhere.write_bytes(external("w.bin"))
    (path.parent / "w.bin").symlink_to(elsewhere)
    with pytest.raises(
        InvalidModelError, match=r"its file of weights 'w.bin' is a link to outside of the model's folder"
    ):
        OnnxRuntime().load(path, LoadSpec())


def test_a_cache_of_links_is_read(path, external):
    """Model and weights are links into one folder, as download caches lay them out."""
    content = external("w.bin")
    blobs = path.parent.parent / "blobs"
    blobs.mkdir()
    (blobs / "2").write_bytes(content)
    path.rename(blobs / "1")
    path.symlink_to(blobs / "1")
    (path.parent / "w.bin").symlink_to(blobs / "2")
    try:
        loaded = OnnxRuntime().load(path, LoadSpec(threads=1))
    except InvalidModelError as error:  # some versions of ONNX Runtime refuse the links themselves
        pytest.skip(str(error))
    assert loaded.predict({"x": np.zeros((1, 3), np.float32)})["y"].tolist() == [[0, 1, 2]]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            {"graph_optimisation_level": "all"},
            "unknown option 'graph_optimisation_level' (did you mean 'graph_optimization_level'?); ONNX models take "
            "'graph_optimization_level', 'execution_mode' and ONNX Runtime's own 'session.…' entries",
        ),
        (
            {"execution_mode": "paralel"},
            "option 'execution_mode' is 'paralel' (did you mean 'parallel'?); it is one of 'sequential', 'parallel'",
        ),
        ({"session.x": "y" * 10_000}, "option 'session.x' can't be "),
    ],
)
def test_options_that_do_not_exist(path, options, says):
    assert failure(path, identity(), InvalidInputError, options=options).startswith(says)


def test_options():
    spec = LoadSpec(threads=3, options={"graph_optimization_level": "basic", "session.set_denormal_as_zero": "1"})
    options = session_options(spec)
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (3, 1)
    assert options.graph_optimization_level == ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert options.get_session_config_entry("session.set_denormal_as_zero") == "1"
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert session_options(LoadSpec()).intra_op_num_threads == cpu_quota()


@pytest.mark.parametrize("device", ["gpu", "cpu:0", "cuda:x", "cuda:-1", ""])
def test_devices_that_do_not_exist(path, device):
    says = failure(path, identity(), InvalidInputError, device=device)
    assert (
        says
        == f"unknown device {device!r}; ONNX models run on 'cpu', 'cuda', 'tensorrt' (or with ':<number>') or 'auto'"
    )


@pytest.mark.skipif("CUDAExecutionProvider" in ort.get_available_providers(), reason="this ONNX Runtime has CUDA")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_cuda_without_cuda(path, device):
    says = failure(path, identity(), MissingExtraError, device=device)
    assert says.startswith(
        f"device {device!r} needs ONNX Runtime with CUDA, which is not installed: pip install onnxruntime-gpu"
    )


def test_cuda_that_does_not_start(path, monkeypatch):
    """ONNX Runtime goes on without a provider whose libraries are missing; a server must not do so quietly."""
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    made = ort.InferenceSession
    monkeypatch.setattr(
        ort,
        "InferenceSession",
        lambda *args, providers, **more: made(*args, providers=["CPUExecutionProvider"], **more),
    )
    assert failure(path, identity(), MissingExtraError, device="cuda").startswith("device 'cuda' could not be started")


def test_what_a_model_says_of_itself(path):
    document = {"description": "Three numbers."}
    made = identity(domains=[ML], metadata={"modelport": json.dumps(document)})
    path.write_bytes(made.SerializeToString())
    info = OnnxRuntime().load(path, LoadSpec()).info
    assert (info.format, info.platform, info.framework) == ("onnx", "onnx_onnxv1", RUNTIME)
    assert info.properties == {
        "description": "Three numbers.",
        "ir_version": "9",
        "opset": "ai.onnx 18, ai.onnx.ml 3",
        "producer": "hand 1.5",
        "providers": "CPUExecutionProvider",
    }


def test_importing_runtimes_imports_no_framework():
    code = (
        "import sys, modelport.runtimes, modelport.runtimes.catalog as c; c.formats(); "
        "print(sorted({'onnx', 'onnxruntime', 'sklearn', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"

"""Small ONNX models for the tests: graphs built by hand, and classifiers exported from scikit-learn."""

import functools
import warnings

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h

ML = ("ai.onnx.ml", 3)

#: ONNX element type → datatype of the protocol.
ELEMENTS = {
    T.FLOAT: "FP32",
    T.DOUBLE: "FP64",
    T.FLOAT16: "FP16",
    T.BFLOAT16: "BF16",
    T.INT8: "INT8",
    T.INT16: "INT16",
    T.INT32: "INT32",
    T.INT64: "INT64",
    T.UINT8: "UINT8",
    T.UINT16: "UINT16",
    T.UINT32: "UINT32",
    T.UINT64: "UINT64",
    T.BOOL: "BOOL",
    T.STRING: "BYTES",
}

#: What exporters aim at: known to every supported ONNX Runtime.
OPSETS = {"": 18, "ai.onnx.ml": 3}

tensor = h.make_tensor_value_info
node = h.make_node


def model(nodes, inputs, outputs, *, weights=(), opset=18, ir_version=9, domains=(), metadata=None):
    """A model's protobuf message."""
    graph = h.make_graph(nodes, "g", inputs, outputs, list(weights))
    opsets = [h.make_opsetid("", opset), *(h.make_opsetid(*domain) for domain in domains)]
    made = h.make_model(graph, opset_imports=opsets, producer_name="hand", producer_version="1.5")
    made.ir_version = ir_version
    if metadata:
        h.set_model_props(made, metadata)
    return made


def identity(element=T.FLOAT, shape=("n", 3), out=None, **options):
    """`y` is `x`."""
    out = shape if out is None else out
    return model(
        [node("Identity", ["x"], ["y"])], [tensor("x", element, shape)], [tensor("y", element, out)], **options
    )


def value(name, kind):
    return h.make_value_info(name, kind)


def tensor_type(element, shape):
    return h.make_tensor_type_proto(element, shape)


def sequence_of(kind):
    return h.make_sequence_type_proto(kind)


def optional_of(kind):
    return h.make_optional_type_proto(kind)


def map_of(key, kind):
    return h.make_map_type_proto(key, kind)


def zipmap(labels, width=None):
    """`z` is a map for each row of `x`."""
    width = len(labels) if width is None else width
    strings = isinstance(labels[0], str)
    name = "classlabels_strings" if strings else "classlabels_int64s"
    key = T.STRING if strings else T.INT64
    return model(
        [node("Identity", ["x"], ["p"]), node("ZipMap", ["p"], ["z"], domain=ML[0], **{name: labels})],
        [tensor("x", T.FLOAT, ["n", width])],
        [value("z", sequence_of(map_of(key, tensor_type(T.FLOAT, []))))],
        domains=[ML],
    )


def values_of(element, shape, seed=0):
    """Values of an element type that differ from each other; special ones among the floats."""
    random = np.random.default_rng(seed)
    count = int(np.prod(shape))
    if element == T.STRING:
        texts = ["", "plain", "ünïcødé ✓", "nul\0inside\0", "x" * 300]
        array = np.empty(count, object)
        array[:] = [texts[i % len(texts)].encode() for i in range(count)]
        return array.reshape(shape)
    if element == T.BOOL:
        return random.integers(0, 2, shape).astype(bool)
    dtype = ml_dtypes.bfloat16 if element == T.BFLOAT16 else h.tensor_dtype_to_np_dtype(element)
    bits = random.integers(0, 256, count * np.dtype(dtype).itemsize, dtype=np.uint8)
    return np.frombuffer(bits.tobytes(), dtype).reshape(shape)


def direct(path, feeds, outputs=None):
    """What ONNX Runtime gives when it is called directly, on one thread."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = outputs or [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def as_bytes(array):
    """Text as ONNX Runtime gives it → as the protocol has it."""
    out = np.empty(array.shape, object)
    for index in np.ndindex(array.shape):
        out[index] = array[index].encode()
    return out


@functools.cache
def classifier(labels="int", zipmap=True, kind="logistic"):
    """A classifier of scikit-learn's iris data as ONNX bytes, and three rows of that data."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    rows, classes = load_iris(return_X_y=True)
    rows = rows.astype(np.float32)
    if labels == "text":
        classes = np.array(["setosa", "versicolor", "virginica"])[classes]
    elif labels == "sparse":
        classes = np.array([7, 3, 5])[classes]
    made = LogisticRegression(max_iter=500) if kind == "logistic" else RandomForestClassifier(5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = to_onnx(made.fit(rows, classes), rows[:1], options={"zipmap": zipmap}, target_opset=OPSETS)
    return exported.SerializeToString(), rows[::50]


@functools.cache
def regressor():
    """A regression on scikit-learn's diabetes data as ONNX bytes, and three rows of that data."""
    from skl2onnx import to_onnx
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge

    rows, target = load_diabetes(return_X_y=True)
    rows = rows.astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = to_onnx(Ridge().fit(rows, target), rows[:1], target_opset=OPSETS)
    return exported.SerializeToString(), rows[:3]


@functools.cache
def text_classifier():
    """A classifier of short texts as ONNX bytes."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    texts = ["good fine nice", "bad poor awful", "nice and good", "awful bad"]
    made = make_pipeline(TfidfVectorizer(lowercase=False), LogisticRegression()).fit(
        texts, ["good", "bad", "good", "bad"]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exported = to_onnx(
            made,
            initial_types=[("text", StringTensorType([None]))],
            options={"zipmap": False},
            target_opset=OPSETS,
        )
    return exported.SerializeToString()


def weight(name, array):
    return onnx.numpy_helper.from_array(array, name)

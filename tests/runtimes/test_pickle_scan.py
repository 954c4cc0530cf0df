"""What a pickle would import is found without running it, whatever it is wrapped in; and it is refused when loaded."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import pickletools
import zipfile
import zlib
from collections import OrderedDict

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from modelport.core.errors import ForbiddenError, InvalidModelError, MissingExtraError
from modelport.runtimes.pickles import streams as pickle_streams
from modelport.runtimes.pickles.loading import allowed_globals, load_pickle
from modelport.runtimes.pickles.scan import scan_pickle

MODELS = {
    "logistic": LogisticRegression(max_iter=500),
    "forest": RandomForestClassifier(5, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=5),
    "neighbours": KNeighborsClassifier(algorithm="kd_tree"),
    "pipeline": make_pipeline(
        FunctionTransformer(np.log1p), StandardScaler(), SelectKBest(f_classif, k=2), LogisticRegression()
    ),
}


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.fixture
def marker(tmp_path):
    """A file that an attack makes, were it to run; it is not there at the end."""
    path = tmp_path / "harmed"
    yield path
    assert not path.exists()


def packed_in_joblib(value, compress=0):
    file = io.BytesIO()
    joblib.dump(value, file, compress=compress)
    return file.getvalue()


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def numpy_file(value):
    file = io.BytesIO()
    np.save(file, np.array([value], object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("name", MODELS)
def test_estimators_are_known_and_load_as_they_were(tmp_path, name, protocol):
    rows, classes = load_iris(return_X_y=True)
    model = MODELS[name].fit(rows, classes)
    for file, content in {
        "plain": pickle.dumps(model, protocol),
        "gzip": gzip.compress(pickle.dumps(model, protocol)),
        "bz2": bz2.compress(pickle.dumps(model, protocol)),
        "xz": lzma.compress(pickle.dumps(model, protocol)),
        "zlib": zlib.compress(pickle.dumps(model, protocol)),
    }.items():
        path = tmp_path / f"{file}.pkl"
        path.write_bytes(content)
        assert scan_pickle(path).only_data
        np.testing.assert_array_equal(load_pickle(path).predict(rows), model.predict(rows))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
@pytest.mark.parametrize("name", MODELS)
def test_joblib_files_are_read_without_joblib(tmp_path, name, compress):
    rows, classes = load_iris(return_X_y=True)
    model = MODELS[name].fit(rows, classes)
    path = tmp_path / "model.joblib"
    joblib.dump(model, path, compress=compress)
    report = scan_pickle(path)
    assert report.only_data, report
    assert "joblib.numpy_pickle.NumpyArrayWrapper" in report.globals
    np.testing.assert_array_equal(load_pickle(path).predict(rows), model.predict(rows))


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.zeros((0, 3), np.float32),
        np.array(7, np.int8),
        np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
        np.array(["one", None, 3.0], object),
        np.array(["2020-01-01"], "datetime64[D]"),
        np.array(["text", "é"]),
    ],
)
def test_arrays_of_joblib_come_back_bit_for_bit(tmp_path, array):
    path = tmp_path / "arrays.joblib"
    joblib.dump({"first": array, "second": np.arange(5)}, path)
    loaded = load_pickle(path)
    assert (loaded["first"].dtype, loaded["first"].shape) == (array.dtype, array.shape)
    assert loaded["first"].tolist() == array.tolist()
    assert loaded["first"].flags.f_contiguous == array.flags.f_contiguous
    np.testing.assert_array_equal(loaded["second"], np.arange(5))


def wrappings(attack):
    plain = pickle.dumps(attack)
    return {
        **{f"protocol {number}": pickle.dumps(attack, number) for number in range(6)},
        "optimized": pickletools.optimize(plain),
        "deep": pickle.dumps({"weights": [1, 2, {"x": (3, attack)}]}),
        "zlib": zlib.compress(plain),
        "gzip": gzip.compress(plain),
        "bz2": bz2.compress(plain),
        "xz": lzma.compress(plain),
        "joblib": packed_in_joblib({"a": np.arange(100.0), "b": attack}),
        "joblib, compressed": packed_in_joblib({"a": np.arange(100.0), "b": attack}, 3),
        "nested in joblib": packed_in_joblib({"a": np.array([attack], object)}),
        "archive of PyTorch": zipped("archive/data.pkl", plain),
        "array of objects": numpy_file(attack),
        "arrays of objects": zipped("x.npy", numpy_file(attack)),
        "old file of PyTorch": b"".join(
            pickle.dumps(item, 2) for item in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, attack, [])
        ),
        "name from the memo": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R.",
        "instance": b"(S'true'\nios\nsystem\n.",
        "object": b"(cos\nsystem\nS'true'\no.",
    }


@pytest.mark.parametrize("wrapping", list(wrappings(None)))
def test_attacks_are_seen_whatever_they_are_wrapped_in(tmp_path, marker, wrapping):
    path = tmp_path / "model.bin"
    path.write_bytes(wrappings(Attack(marker))[wrapping])
    report = scan_pickle(path)
    assert {"posix.system", "os.system"} & set(report.dangerous), report
    assert not report.only_data


@pytest.mark.parametrize(
    "wrapping", [name for name in wrappings(None) if "PyTorch" not in name and "array" not in name]
)
def test_attacks_do_not_run_when_they_are_loaded(tmp_path, marker, wrapping):
    path = tmp_path / "model.pkl"
    path.write_bytes(wrappings(Attack(marker))[wrapping])
    with pytest.raises(ForbiddenError, match=r"asks for (posix|os)\.system, which would start programs") as caught:
        load_pickle(path)
    assert "--trust" not in str(caught.value)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("builtins", "exec"),
        ("builtins", "getattr"),
        ("builtins", "__import__"),
        ("subprocess", "Popen"),
        ("socket", "create_connection"),
        ("runpy", "run_path"),
        ("importlib", "import_module"),
        ("webbrowser", "open"),
        ("shutil", "rmtree"),
        ("pty", "spawn"),
        ("ctypes", "CDLL"),
        ("functools", "partial"),
        ("operator", "attrgetter"),
        ("numpy", "load"),
        ("numpy._core", "_ufunc_reconstruct"),
        ("joblib", "load"),
        ("pickle", "loads"),
        ("torch", "load"),
        ("pandas", "read_pickle"),
    ],
)
def test_names_of_attacks_are_marked_and_refused(tmp_path, module, name):
    path = tmp_path / "model.pkl"
    path.write_bytes(f"c{module}\n{name}\n.".encode())
    assert scan_pickle(path).dangerous == (f"{module}.{name}",)
    with pytest.raises(ForbiddenError, match=name):
        load_pickle(path)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sklearn.utils.parallel", "Parallel.__init__"),
        ("sklearn.utils", "os.system"),
        ("sklearn", "os"),
        ("sklearn.utils.fixes", "subprocess.Popen"),
        ("numpy", "core.multiarray._reconstruct"),
        ("sklearn.datasets._base", "Path"),
        ("sklearn.externals._packaging.version", "Version"),
        ("numpy", "ndarray.tofile"),
        ("collections", "OrderedDict.fromkeys"),
    ],
)
def test_nothing_is_reached_by_way_of_what_is_known(tmp_path, module, name):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.PROTO + b"\x04" + b"".join(text(item) for item in (module, name)) + b"\x93.")
    assert scan_pickle(path).unknown == (f"{module}.{name}",)
    with pytest.raises(ForbiddenError):
        load_pickle(path)


def text(item):
    return b"\x8c" + bytes([len(item)]) + item.encode()


def test_what_a_known_package_only_imports_is_not_its_own(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"csklearn.utils.validation\nParameter\n.")  # inspect's
    assert scan_pickle(path).only_data  # by its name alone
    with pytest.raises(ForbiddenError, match="inspect"):
        load_pickle(path)


def test_names_that_only_running_would_tell_are_unknown(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04cbuiltins\nstr\n)R\x8c\x06system\x93.")
    assert "?.system" in scan_pickle(path).unknown


def test_an_owner_can_allow_a_name_or_a_package(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(TfidfVectorizer(tokenizer=str.split, token_pattern=None).fit(["a b", "b c"])))
    assert scan_pickle(path).unknown == ("builtins.getattr",)
    with pytest.raises(ForbiddenError, match=r"builtins\.getattr"):
        load_pickle(path)
    for allowed in ("builtins.getattr", "builtins.*", "*"):
        assert load_pickle(path, {allowed}).transform(["a"]).shape == (1, 3)
    with pytest.raises(ForbiddenError):
        load_pickle(path, {"builtin.*", "getattr", "builtins"})


def test_allowed_names_come_from_the_options():
    assert allowed_globals({"allow_globals": "a.b, c.*,"}) == {"a.b", "c.*"}
    assert allowed_globals({}) == frozenset()


def test_a_file_that_is_cut_short(tmp_path):
    content = packed_in_joblib({"a": np.arange(1000.0)})
    for count in (0, 1, 20, 100, len(content) // 2, len(content) - 1):
        path = tmp_path / "model.pkl"
        path.write_bytes(content[:count])
        assert scan_pickle(path).error
        with pytest.raises(InvalidModelError, match=r"model\.pkl"):
            load_pickle(path)


def test_what_comes_before_the_damage_is_still_seen(tmp_path, marker):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Attack(marker))[:-1] + b"\xff\xff")
    report = scan_pickle(path)
    assert report.dangerous == ("posix.system",)
    assert "can be followed" in report.error


def test_a_package_that_is_not_installed(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"cxgboost_of_somebody.core\nBooster\n.")
    with pytest.raises(MissingExtraError, match="xgboost_of_somebody"):
        load_pickle(path, {"xgboost_of_somebody.core.Booster"})


def test_what_does_not_fit_the_installed_versions(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(b"csklearn.linear_model\nNoSuchRegression\n.")
    with pytest.raises(InvalidModelError, match=r"versions that are installed.*NoSuchRegression"):
        load_pickle(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zlib.compress])
def test_a_decompression_bomb(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(pickle_streams, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(pickle_streams, "MAX_RATIO", 20)
    path = tmp_path / "model.pkl"
    path.write_bytes(pack(pickle.dumps(bytes(8 << 20))))
    with pytest.raises(InvalidModelError, match="decompression bomb"):
        load_pickle(path)
    assert "decompression bomb" in scan_pickle(path).error


def test_state_dictionaries_of_pytorch_hold_only_data(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.pt"
    torch.save(OrderedDict(torch.nn.Linear(3, 2).state_dict()), path)
    assert scan_pickle(path).only_data
    torch.save(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU()), path)
    report = scan_pickle(path)
    assert not report.dangerous
    assert "torch.nn.modules.linear.Linear" in report.globals


def test_a_folder_is_scanned_as_a_whole(tmp_path, marker):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "python_model.pkl").write_bytes(pickle.dumps(Attack(marker)))
    (tmp_path / "weights.bin").write_bytes(b"numbers")
    (tmp_path / "MLmodel").write_text("flavors: {}")
    report = scan_pickle(tmp_path)
    assert report.dangerous == ("posix.system",)
    assert not report.error

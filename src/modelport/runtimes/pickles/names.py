"""Which imports a pickle may ask for: the allow list that decides, and the names that are known from attacks.

A pickle is a program: it names functions and classes, and says with what to call them. What is on the list here makes
values and estimators and nothing else, whatever it is called with. The same list decides when a pickle is loaded
(`pickles.py`) and when one is looked at without loading it (`pickle_scan.py`).
"""

from __future__ import annotations

import re
from collections.abc import Collection

import numpy as np

#: Allows every import: for a file that its owner vouches for by its digest.
ANYTHING = "*"

_BUILTINS = "bool bytearray bytes complex dict float frozenset int list object range set slice str tuple"
_CONSTRUCTORS = "_reconstruct scalar"
_BYTES_OF_ARRAYS = "_frombuffer"

_EXACT: dict[str, str] = {
    "builtins": _BUILTINS,
    "__builtin__": f"{_BUILTINS} long unicode xrange",
    "collections": "OrderedDict defaultdict deque Counter",
    "copyreg": "_reconstructor __newobj__",
    "copy_reg": "_reconstructor __newobj__",
    "_codecs": "encode",
    "datetime": "date datetime time timedelta timezone",
    "decimal": "Decimal",
    "fractions": "Fraction",
    "uuid": "UUID",
    "torch": "Size device Tensor",
    "torch._utils": "_rebuild_tensor _rebuild_tensor_v2 _rebuild_tensor_v3 _rebuild_parameter "
    "_rebuild_parameter_with_state _rebuild_sparse_tensor _rebuild_qtensor",
    "torch._tensor": "_rebuild_from_type_v2",
    "numpy": "ndarray dtype matrix mean median sum std var min max amin amax argmin argmax clip nanmean nanmedian",
    "numpy.core.multiarray": _CONSTRUCTORS,
    "numpy._core.multiarray": _CONSTRUCTORS,
    "numpy.core.numeric": _BYTES_OF_ARRAYS,
    "numpy._core.numeric": _BYTES_OF_ARRAYS,
    "numpy.ma.core": "_mareconstruct MaskedArray",
    "numpy.ma": "_mareconstruct MaskedArray",
    "numpy.random": "RandomState Generator",
    "numpy.random._pickle": "__randomstate_ctor __generator_ctor __bit_generator_ctor",
    "numpy.random._mt19937": "MT19937",
    "numpy.random._pcg64": "PCG64 PCG64DXSM",
    "numpy.random._philox": "Philox",
    "numpy.random._sfc64": "SFC64",
    "numpy.random.bit_generator": "SeedSequence __pyx_unpickle_SeedSequence",
    "joblib.numpy_pickle": "NumpyArrayWrapper",
    "pandas": "DataFrame Series Index RangeIndex",
    "pandas.core.frame": "DataFrame",
    "pandas.core.series": "Series",
    "pandas.core.indexes.base": "Index _new_Index",
    "pandas.core.indexes.range": "RangeIndex",
    "xgboost.core": "Booster",
    "lightgbm.basic": "Booster",
    "catboost.core": "CatBoost CatBoostClassifier CatBoostRegressor CatBoostRanker",
    "sklearn.feature_selection._univariate_selection": "f_classif f_regression f_oneway r_regression chi2",
    "sklearn.feature_selection._mutual_info": "mutual_info_classif mutual_info_regression",
    "sklearn.preprocessing._function_transformer": "_identity",
    "sklearn.cluster._kmeans": "_kmeans_single_lloyd _kmeans_single_elkan",
    "scipy._lib.array_api_compat.numpy._aliases": "asarray",
}
_TORCH_DTYPES = (
    "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 bool float half double long int complex64 complex128"
)
_NUMPY = {name: getattr(np, name) for name in dir(np)}
_SCALARS = {name for name, item in _NUMPY.items() if isinstance(item, type) and issubclass(item, np.generic)}
_UFUNCS = {name for name, item in _NUMPY.items() if isinstance(item, np.ufunc)}
_KNOWN = {f"{module}.{name}" for module, names in _EXACT.items() for name in names.split()}
_KNOWN |= {f"torch.{name}" for name in _TORCH_DTYPES.split()}
_KNOWN |= {f"numpy.{name}" for name in _SCALARS | _UFUNCS}

#: A class by its manner of writing, or what Cython and scikit-learn's own types are made again with.
_CLASS = r"_*[A-Z]\w*"
_REMAKER = r"__pyx_unpickle_\w+|newObj"
_UNWANTED = r"(datasets|externals|tests|conftest|_testing|estimator_checks|_mocking)\b"
_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"sklearn(\.(?!{_UNWANTED})\w+)*\.({_CLASS}|{_REMAKER})",
        r"sklearn\.metrics\.(_classification|_regression|_ranking|pairwise)\.[a-z]\w*",
        r"scipy\.sparse\.(\w+\.)?\w+_(matrix|array)",
        rf"scipy\.(interpolate|spatial|stats)\.(\w+\.)*{_CLASS}",
        r"numpy\.dtypes\.\w+DType",
        rf"torch\.nn\.(modules|parameter)\.(\w+\.)*{_CLASS}",
        r"torch(\.storage)?\.\w+Storage",
        r"xgboost\.sklearn\.XGB\w+",
        r"lightgbm\.sklearn\.LGBM\w+",
    )
)

#: Modules that give away the machine, and functions that do so in modules that are otherwise harmless.
_DANGEROUS_MODULES_TEXT = (
    "os posix nt subprocess sys pty commands socket socketserver ssl asyncio multiprocessing threading _thread signal "
    "runpy importlib imp pkgutil zipimport webbrowser shutil tempfile pathlib glob ctypes cffi _ctypes code codeop "
    "pickle _pickle cPickle dill cloudpickle marshal shelve types inspect gc builtins __builtin__ platform "
    "urllib http ftplib smtplib telnetlib requests httpx aiohttp paramiko pdb bdb timeit cProfile profile trace pip "
    "ensurepip venv distutils setuptools linecache io _io fileinput mmap resource fcntl pwd sqlite3 antigravity"
)
_DANGEROUS_NAMES_TEXT = (
    "functools.partial functools.reduce operator.attrgetter operator.methodcaller operator.itemgetter "
    "numpy.testing._private.utils.runstring numpy.load numpy.memmap numpy.fromfile numpy.save numpy.savetxt "
    "numpy._core._ufunc_reconstruct numpy.core._ufunc_reconstruct numpy.f2py.compile joblib.load "
    "joblib.numpy_pickle.load torch.load torch.hub.load torch.jit.load pandas.read_pickle pandas.io.pickle.read_pickle "
    "sympy.sympify"
)
#: What no model needs while it is loaded, by what it does.
_ATTACKS_TEXT = {
    "start programs": "os posix nt subprocess pty commands webbrowser numpy.f2py.compile",
    "run code that stands in it": "builtins.eval builtins.exec builtins.compile builtins.execfile __builtin__.eval "
    "__builtin__.exec __builtin__.compile __builtin__.execfile code codeop timeit pdb bdb cProfile profile trace "
    "numpy.testing._private.utils.runstring sympy.sympify",
    "import and run any module": "builtins.__import__ __builtin__.__import__ importlib imp runpy pkgutil zipimport pip "
    "ensurepip venv distutils setuptools antigravity",
    "load another pickle out of sight": "pickle _pickle cPickle dill marshal shelve joblib.load "
    "joblib.numpy_pickle.load torch.load torch.hub.load pandas.read_pickle pandas.io.pickle.read_pickle",
    "read, write or delete files": "builtins.open __builtin__.open __builtin__.file io.open _io.open shutil fileinput "
    "linecache numpy.load numpy.memmap numpy.fromfile numpy.save numpy.savetxt",
    "reach the network": "socket socketserver ssl urllib http ftplib smtplib telnetlib requests httpx aiohttp paramiko",
    "reach into the memory of the process": "ctypes _ctypes cffi sys",
}
_ATTACKS = {name: does for does, names in _ATTACKS_TEXT.items() for name in names.split()}
_DANGEROUS_MODULES = frozenset(_DANGEROUS_MODULES_TEXT.split())
_DANGEROUS_NAMES = frozenset(_DANGEROUS_NAMES_TEXT.split())


def is_allowed(module: str, name: str, allowed: Collection[str] = ()) -> bool:
    """Whether a pickle may import `module.name`: it is known to make values only, or the owner allows it.

    `allowed` has names such as `my_package.steps.Cleaner`, `my_package.*` for all that is in a package, or `*`.
    """
    return is_known(module, name) or is_among(f"{module}.{name}", allowed)


def is_known(module: str, name: str) -> bool:
    """Whether `module.name` is on the built-in list. A name with a dot reaches into what a module imports: never."""
    full = f"{module}.{name}"
    if "." in name:
        return False
    return full in _KNOWN or any(pattern.fullmatch(full) for pattern in _PATTERNS)


def is_among(full: str, allowed: Collection[str]) -> bool:
    """Whether a whole name is one of the allowed, or lies in a package that is allowed as `package.*`."""
    if full in allowed or ANYTHING in allowed:
        return True
    return any(item.endswith(".*") and full.startswith(item[:-1]) for item in allowed)


def is_dangerous(module: str, name: str) -> bool:
    """Whether `module.name` is what attacks are made of: it starts programs, runs code, or reaches files and nets."""
    if is_known(module, name):
        return False
    return module.partition(".")[0] in _DANGEROUS_MODULES or f"{module}.{name}" in _DANGEROUS_NAMES


def attack_of(full: str) -> str:
    """What the import `module.name` would do that no model needs, in words; empty where it is no such import.

    Narrower than `is_dangerous`: a name that an honest model may have, such as `functools.partial`, is none of these.
    """
    module = full.rpartition(".")[0]
    if is_known(module, full[len(module) + 1 :]):
        return ""
    return _ATTACKS.get(full) or _ATTACKS.get(module.partition(".")[0]) or ""

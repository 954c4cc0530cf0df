"""A model of every format that can run code, or seem to, each with a payload that leaves a mark when it runs.

The mark is a file. Makers import their frameworks themselves; a payload is live: `test_inspect_payloads.py` shows that
those of trusted formats leave their mark once they are trusted.
"""

import io
import json
import os
import pickle
import zipfile


class Touch:
    """Pickled, it makes a file when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


def code(mark):
    """Python that makes the file when it is imported."""
    return f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"


def a_pickle(folder, mark):
    path = folder / "model.pkl"
    path.write_bytes(pickle.dumps(Touch(mark)))
    return path


def a_joblib(folder, mark):
    import joblib

    path = folder / "model.joblib"
    joblib.dump({"x": Touch(mark)}, path, compress=3)
    return path


def a_checkpoint(folder, mark):
    import torch

    path = folder / "model.pth"
    torch.save(Touch(mark), path)
    return path


def a_checkpoint_with_code(folder, mark):
    import torch

    (folder / "model.py").write_text(code(mark) + "import torch\nclass Net(torch.nn.Linear): pass\n")
    torch.save(torch.nn.Linear(2, 1).state_dict(), folder / "model.pth")
    return folder / "model.pth"


def safetensors(folder, mark):
    import torch
    from safetensors.torch import save_file

    save_file({"w": torch.zeros(3)}, folder / "model.safetensors")
    (folder / "model.py").write_text(code(mark))
    return folder / "model.safetensors"


def an_exported_program(folder, mark):
    """A size of the program is an expression, which PyTorch evaluates as Python; a constant of it is a pickle."""
    import torch

    path = folder / "model.pt2"
    rows = {0: torch.export.Dim("rows")}
    torch.export.save(torch.export.export(torch.nn.Linear(2, 1), (torch.zeros(3, 2),), dynamic_shapes=(rows,)), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    buffer = io.BytesIO()
    torch.save(Touch(mark), buffer)
    name = next(name for name in members if name.endswith("models/model.json"))
    document = json.loads(members[name])
    text = json.dumps(document)
    symbol = next(iter(document["range_constraints"]))
    plain = f"Symbol('{symbol}', positive=True, integer=True)"
    whole = text.replace(
        json.dumps(plain), json.dumps(f"{plain} if __import__('os').system('touch {mark}') else {plain}")
    )
    assert whole != text
    members[name] = whole.encode()
    members |= {name: buffer.getvalue() for name in members if name.endswith("sample_inputs/model.pt")}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def python(folder, mark):
    (folder / "model.py").write_text(
        code(mark) + "class Model:\n    def predict(self, x: float) -> float:\n        return x\n"
    )
    return folder / "model.py"


def an_mlflow_folder(folder, mark):
    made = folder / "model"
    made.mkdir()
    (made / "model.pkl").write_bytes(pickle.dumps(Touch(mark)))
    (made / "MLmodel").write_text(
        "flavors:\n  sklearn: {pickled_model: model.pkl, sklearn_version: 1.9.1}\n"
        "  python_function: {loader_module: evil, code: code}\n"
    )
    (made / "code").mkdir()
    (made / "code" / "evil.py").write_text(code(mark))
    return made


def a_triton_repository(folder, mark):
    made = folder / "model"
    (made / "1").mkdir(parents=True)
    (made / "config.pbtxt").write_text('name: "model"\nbackend: "python"\nmax_batch_size: 4\n')
    (made / "1" / "model.py").write_text(
        code(mark) + "class TritonPythonModel:\n    def execute(self, requests):\n        return []\n"
    )
    return made


def an_mlflow_function(folder, mark):
    """Its loader module lies in the folder; to run it takes MLflow itself."""
    made = folder / "model"
    (made / "code").mkdir(parents=True)
    (made / "code" / "loader.py").write_text(code(mark) + "def _load_pyfunc(path):\n    return None\n")
    (made / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: loader\n    code: code\n"
        'signature:\n  inputs: \'[{"type": "double", "name": "x"}]\'\n'
        '  outputs: \'[{"type": "double", "name": "y"}]\'\n'
    )
    return made


def an_mlserver_folder(folder, mark):
    made = folder / "model"
    made.mkdir()
    (made / "model.joblib").write_bytes(pickle.dumps(Touch(mark)))
    (made / "model-settings.json").write_text(
        json.dumps(
            {"name": "model", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "model.joblib"}}
        )
    )
    return made


def a_torchserve_archive(folder, mark):
    path = folder / "model.mar"
    manifest = {"model": {"modelName": "model", "serializedFile": "model.pt", "handler": "handler.py"}}
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest))
        archive.writestr("handler.py", code(mark))
        archive.writestr("model.pt", pickle.dumps(Touch(mark)))
    return path


def a_keras_lambda(folder, mark):
    """The function of a `Lambda` layer is marshalled bytecode."""
    from runtimes.tensorflow_models import keras, keras_file

    target = str(mark)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Lambda(lambda x, place=target: (open(place, "w").close(), x)[1])]
    )
    os.unlink(target)  # building the model has run it
    return keras_file(folder / "model.keras", model)


def a_saved_model(folder, mark):
    """It writes a file whenever it is asked, as `prove` and `--measure` do."""
    from runtimes.tensorflow_models import save, tf

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.float32, name="x")])
        def write(self, x):
            tf.io.write_file(str(mark), "harm")
            return {"y": x}

    module = Writer()
    return save(folder / "model", module, serving_default=module.write)


def torchscript(folder, mark):
    """A program that writes a file when it is loaded."""
    import torch

    from runtimes.torch_models import old_torchscript

    path = folder / "model.pt"
    with old_torchscript():
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), str(path))
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name, text in members.items() if name.endswith(".py") and b"def forward(" in text)
    members[name] += f'\n  def __setstate__(self, state: Tensor) -> None:\n    torch.save(state, "{mark}")\n'.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


#: Maker → the packages that it needs, and whether it is only loaded where it is trusted.
PAYLOADS = {
    a_pickle: (("sklearn",), True),
    a_joblib: (("sklearn", "joblib"), True),
    a_checkpoint: (("torch",), True),
    a_checkpoint_with_code: (("torch",), True),
    safetensors: (("torch", "safetensors"), True),
    an_exported_program: (("torch",), True),
    python: ((), True),
    an_mlflow_folder: (("sklearn", "yaml"), True),
    an_mlflow_function: (("yaml",), False),
    an_mlserver_folder: (("sklearn",), True),
    a_triton_repository: ((), False),
    a_torchserve_archive: (("torch",), False),
    torchscript: (("torch",), False),
    a_keras_lambda: (("tensorflow",), False),
    a_saved_model: (("tensorflow",), False),
}

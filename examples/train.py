"""Train three small models on data that scikit-learn brings, and write them as ONNX files that Modelport serves.

    python examples/train.py [FOLDER]         (default: examples/models)

What is there already is kept while this code and the libraries that it uses are the same; `--force` trains again.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = ("breast-cancer", "diabetes", "digits")
LIBRARIES = ("numpy", "onnx", "scikit-learn", "scipy", "skl2onnx", "threadpoolctl")
#: What is known of the trained files. Its name begins with a dot, so that a server of the folder passes it over.
RECORD = ".trained.json"


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the example models and write them as ONNX files.")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "models")
    parser.add_argument("--force", action="store_true", help="train again what is there already")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    record = {} if arguments.force else _record(arguments.folder)
    stale = [name for name in EXAMPLES if not _is_current(arguments.folder / f"{name}.onnx", record)]
    if stale:
        _train(stale, arguments.folder, record)


def _recipe() -> str:
    """A digest of everything that decides what the files hold."""
    digest = hashlib.sha256()
    for path in sorted(HERE.glob("*.py")):
        digest.update(path.read_bytes())
    for library in LIBRARIES:
        digest.update(f"{library} {version(library)}\n".encode())
    return digest.hexdigest()


def _record(folder: Path) -> dict[str, str]:
    """File name → digest of what this recipe made last time."""
    try:
        record = json.loads((folder / RECORD).read_text())
        return dict(record["files"]) if record["recipe"] == _recipe() else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _is_current(path: Path, record: dict[str, str]) -> bool:
    return path.is_file() and _digest(path) == record.get(path.name)


def _train(names: list[str], folder: Path, record: dict[str, str]) -> None:
    # Imported here, because scikit-learn takes a second that a later run need not spend.
    from export import export  # noqa: PLC0415
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    for name in names:
        began = time.perf_counter()
        # Small matrices: a second thread gains nothing, and loses much on a busy machine.
        with threadpool_limits(1):
            trained = importlib.import_module(name.replace("-", "_")).train()
        path, difference = export(trained, folder)
        record[path.name] = _digest(path)
        seconds, size = time.perf_counter() - began, path.stat().st_size / 1000
        print(
            f"{name}: {trained.summary}; {size:.0f} kB, {seconds:.1f} s, ONNX within {difference:.0e} of scikit-learn",
            flush=True,
        )
    (folder / RECORD).write_text(json.dumps({"recipe": _recipe(), "files": record}, indent=1))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()

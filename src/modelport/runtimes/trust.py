"""Whose code may run: a file that can run code when it is loaded is refused unless its owner said otherwise.

Three locks, one behind the other: the model is trusted by name or by digest; what a pickle imports is on the list of
what is known to be harmless, or its owner allows it by name; and it is loaded in a process of its own
(`isolation/`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelport.core.errors import ForbiddenError, InvalidInputError
from modelport.runtimes.pickles.names import attack_of, is_dangerous
from modelport.runtimes.pickles.scan import PickleReport, scan_pickle

_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_GLOBAL = re.compile(r"[A-Za-z_]\w*(\.\w+)*(\.\*)?")
#: Formats that run code because they are Python source, or have some beside them.
_SOURCE = frozenset(("python", "safetensors"))
#: Formats whose code, if any, lies in pickles, so that its imports can be told.
PICKLED = frozenset(("pickle", "pytorch", "mlflow", "torchserve"))
#: Formats of which pickles are a part, and code that is known to be code another: trust in them is trust in code.
_MIXED = frozenset(("mlflow",))
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Trust:
    """What the owner of the server trusts: every model, models by name, files by sha256; and imports of pickles."""

    all: bool = False
    models: frozenset[str] = frozenset()
    digests: frozenset[str] = frozenset()
    globals: frozenset[str] = frozenset()

    def knows(self, digest: str) -> bool:
        """Whether a file of that digest is vouched for, whatever it is called and whatever it imports."""
        return bare_digest(digest) in self.digests

    def names(self, model: str) -> bool:
        """Whether the model is trusted by its name."""
        return self.all or model in self.models


NO_TRUST = Trust()


def parse_trust(texts: Sequence[str], globals: Sequence[str] = ()) -> Trust:  # noqa: A002 - the word of pickles
    """What `--trust NAME|all|sha256:…` and `--trust-global package.name` say; several may stand in one, with commas.

    Raises InvalidInputError for a digest that is none, and for a global that is no name of Python.
    """
    items, allowed = _items(texts), _items(globals)
    digests = {item for item in items if item.startswith("sha256:")}
    for item in digests:
        if not _DIGEST.fullmatch(item.lower()):
            raise InvalidInputError(f"--trust {item}: a digest is sha256: and 64 hexadecimal digits")
    for item in allowed:
        if not _GLOBAL.fullmatch(item):
            raise InvalidInputError(
                f"--trust-global {item}: name an import such as my_package.steps.Cleaner, or my_package.*"
            )
    names = items - digests
    return Trust("all" in names, frozenset(names - {"all"}), frozenset(map(bare_digest, digests)), frozenset(allowed))


def bare_digest(digest: str) -> str:
    """The 64 hexadecimal digits, without what stands before them."""
    return digest.lower().removeprefix("sha256:")


def check_trust(model: str, digest: str, path: Path, format: str, trust: Trust) -> None:  # noqa: A002
    """Raise ForbiddenError unless a file of a format that runs code may be loaded. Runs nothing of it.

    The text shows first what the file would import, and then how to trust it.
    """
    if trust.knows(digest):
        return
    trusted = trust.names(model)
    if trusted and format in _SOURCE:
        return
    report = PickleReport() if format in _SOURCE or not holds_pickles(format) else scan_pickle(path)
    refused = report.not_in(trust.globals)
    if format in _MIXED:  # what makes classes and functions again is as much code as its modules are
        refused = tuple(name for name in refused if attack_of(name))
    if trusted and not refused and not report.error:
        return
    ways = _attacks(refused) or (_ways_by_global(refused, digest) if trusted else _ways(model, digest, refused))
    raise ForbiddenError(f"{_reason(path, format, trusted, report)}\n{describe(path, format, report)}\n{ways}")


def holds_pickles(format: str) -> bool:  # noqa: A002
    """Whether what runs code in such a file are pickles, which can be followed."""
    return format in PICKLED


def describe(path: Path, format: str, report: PickleReport | None = None) -> str:  # noqa: A002
    """What a file that runs code would import, in words: for errors and for `modelport inspect`."""
    if format in _SOURCE:
        return f"It imports: {_listed(source_imports(path))}"
    if not holds_pickles(format):
        return "What it would run can't be told without running it."
    report = report or scan_pickle(path)
    lines = [f"Its code imports: {_listed(source_imports(path))}"] if format in _MIXED else []
    if format in _MIXED and any(name.startswith("cloudpickle.") for name in report.globals):
        lines.append("It holds functions or classes that cloudpickle wrote, and what those do can't be told")
        report = report.without("cloudpickle.")
    lines += [f"Warning: {report.error}"] if report.error else []
    if report.only_data:
        lines.append(f"It asks for only known data types: {_listed(report.globals)}")
    if report.dangerous:
        lines.append(f"DANGEROUS, it asks for: {_listed(report.dangerous)}")
    others = [name for name in report.unknown if name not in report.dangerous]
    if others:
        lines.append(f"It asks for, and none of these is known to be harmless: {_listed(others)}")
    known = [name for name in report.globals if name not in report.unknown]
    if known and not report.only_data:
        lines.append(f"It asks for, known to be data types: {_listed(known)}")
    return "\n".join(lines)


def source_imports(path: Path) -> list[str]:
    """The modules that a model's Python files import, by name; those that reach beyond a model are marked.

    The files are the model itself, those in its folder, or the one beside it that it is loaded with.
    """
    beside = [path] if path.suffix == ".py" else [path.with_suffix(".py"), path.parent / "model.py"]
    files = sorted(path.rglob("*.py")) if path.is_dir() else beside
    found: set[str] = set()
    for file in files:
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module)
    return [f"{name} (!)" if is_dangerous(name, "") else name for name in sorted(found)]


def _items(texts: Iterable[str]) -> set[str]:
    return {item for text in texts for item in (part.strip() for part in text.split(",")) if item}


def _reason(path: Path, format: str, trusted: bool, report: PickleReport) -> str:  # noqa: A002
    if not trusted:
        return f"{path.name} ({format}) can run any code when it is loaded, and nobody said that it may be trusted."
    if report.error:
        return f"{path.name} is trusted by name, but what it would run can't be told to its end."
    return f"{path.name} is trusted by name, but asks for imports that are not known to be harmless."


def _attacks(refused: tuple[str, ...]) -> str:
    """What a file would do that no model does, so that nobody is told how to trust it; empty where it is not so."""
    found: dict[str, list[str]] = {}
    for name in refused:
        found.setdefault(attack_of(name), []).append(name)
    found.pop("", None)
    does = "; ".join(f"{what} ({_listed(names)})" for what, names in found.items())
    return does and (
        f"Loading it would {does}, which no model needs: do not use this file. Where it is your own, find out who "
        "changed it, and make it anew"
    )


def _ways(model: str, digest: str, refused: tuple[str, ...]) -> str:
    words = f"If you know where it comes from: --trust {model}{_globals(refused)}"
    return f"{words}, or for exactly this file: --trust sha256:{bare_digest(digest)}"


def _ways_by_global(refused: tuple[str, ...], digest: str) -> str:
    by_name = f"allow them:{_globals(refused)}, or " if refused else ""
    return f"If you know what it does, {by_name}trust exactly this file: --trust sha256:{bare_digest(digest)}"


def _globals(names: tuple[str, ...]) -> str:
    return "".join(f" --trust-global {name}" for name in names[:_SHOWN])


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    more = len(names) - _SHOWN
    return (shown or "nothing") + (f" and {more} more" if more > 0 else "")

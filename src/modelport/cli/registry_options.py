"""Which registry a command means, and who gives it."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import click
import msgspec
import orjson

from modelport.core.errors import InvalidInputError
from modelport.registry.base import Registry
from modelport.registry.opening import open_registry, registry_settings
from modelport.registry.records import By


@dataclass(frozen=True, slots=True)
class Where:
    """A registry as the options name it: in a home folder, in a database, or behind a server."""

    home: str = ""
    registry: str = ""
    server: str = ""

    @contextmanager
    def opened(self) -> Iterator[Registry]:
        """The registry, closed at the end. Raises InvalidInputError where two are named, and what opening it raises."""
        if self.server and (self.home or self.registry):
            raise InvalidInputError("--server has a registry of its own: leave out --home and --registry")
        registry = self._open()
        try:
            yield registry
        finally:
            registry.close()

    def _open(self) -> Registry:
        if self.server:
            from modelport.client.registry import RemoteRegistry  # noqa: PLC0415

            return RemoteRegistry(self.server)
        return open_registry(registry_settings(os.environ, self.home, self.registry))


def registry_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command `--home`, `--registry` and `--server`; it takes them as `where`."""

    def wrapped(*args: Any, home: str, registry: str, server: str, **words: Any) -> Any:
        return command(*args, where=Where(home, registry, server), **words)

    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--server", default="", metavar="URL", help="A server whose registry to use: http://host:8000"),
        click.option(
            "--registry", default="", metavar="URL", help="The registry's database: postgresql://…, sqlite:///…"
        ),
        click.option("--home", default="", metavar="FOLDER", help="Folder of the registry.  [default: ~/.modelport]"),
    ):
        wrapped = option(wrapped)
    return wrapped


def change_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command that changes something `--why` and `--who`; it takes them as `by`."""

    def wrapped(*args: Any, who: str, why: str, **words: Any) -> Any:
        return command(*args, by=By(who or _user(), why), **words)

    wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
    wrapped.__click_params__ = getattr(command, "__click_params__", [])  # type: ignore[attr-defined]
    for option in (
        click.option("--who", default="", help="Who does it, for the history.  [default: the user]"),
        click.option("--why", default="", help="Why it is done, for the history."),
    ):
        wrapped = option(wrapped)
    return wrapped


def pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    """`name=value` words as a dict. Raises click.BadParameter."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
        found[name] = value
    return found


def json_text(value: Any) -> str:
    """Records as JSON for people and programs."""
    return orjson.dumps(msgspec.to_builtins(value), option=orjson.OPT_INDENT_2).decode()


def _user() -> str:
    named = os.environ.get("MODELPORT_USER")
    if named:
        return named
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"uid {os.getuid()}"

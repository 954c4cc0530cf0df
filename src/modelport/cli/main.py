"""`modelport`: the group of all commands, and how their errors look."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from modelport import __version__
from modelport.core.errors import ModelportError

#: Command → the module that has it. Imported only when it is run or listed: start-up stays fast.
COMMANDS = {
    "serve": "modelport.cli.serve",
    "predict": "modelport.cli.predict",
    "inspect": "modelport.cli.inspect",
    "golden": "modelport.cli.golden",
    "bench": "modelport.cli.bench",
    "push": "modelport.cli.push",
    "pull": "modelport.cli.pull",
    "list": "modelport.cli.list",
    "show": "modelport.cli.show",
    "tag": "modelport.cli.tag",
    "alias": "modelport.cli.alias",
    "delete": "modelport.cli.delete",
    "history": "modelport.cli.history",
    "gc": "modelport.cli.gc",
    "evaluate": "modelport.cli.evaluate",
    "requests": "modelport.cli.requests",
    "replay": "modelport.cli.replay",
    "gate": "modelport.cli.gate",
    "promote": "modelport.cli.promote",
    "rollout": "modelport.cli.rollout",
    "rollback": "modelport.cli.rollback",
    "jobs": "modelport.cli.jobs",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = COMMANDS.get(cmd_name)
        return None if module is None else getattr(import_module(module), cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModelportError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="modelport")
def main() -> None:
    """Take a trained model file to a production API and web app."""

"""The `imagedrift` command: wiring only. Each command is loaded when it is named."""

import importlib
from typing import Final

import click

COMMANDS: Final = {
    "demo": "imagedrift_cli.demo:demo",
    "up": "imagedrift_cli.up:up",
    "scan": "imagedrift_cli.scan:scan",
    "status": "imagedrift_cli.operator:status",
    "outdated": "imagedrift_cli.operator:outdated",
    "image": "imagedrift_cli.operator:image",
    "host": "imagedrift_cli.operator:host",
    "registries": "imagedrift_cli.operator:registries",
    "errors": "imagedrift_cli.operator:errors",
    "why": "imagedrift_cli.operator:why",
    "migrate": "imagedrift_cli.deploy:migrate",
    "streams": "imagedrift_cli.deploy:make_streams",
    "maintain": "imagedrift_cli.upkeep:maintain",
    "rebuild": "imagedrift_cli.upkeep:rebuild",
    "bench": "imagedrift_cli.bench:bench",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imagedrift-cli", prog_name="imagedrift")
def main() -> None:
    """Tell which hosts run an image that its registry has since replaced.

    Start with `imagedrift demo`. The operator's commands read DATABASE_URL.
    """


if __name__ == "__main__":
    main()

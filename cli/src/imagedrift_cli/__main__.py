"""The `imagedrift` command: wiring only. Each command is loaded when it is named."""

import click

from imagedrift_cli.commands import COMMANDS
from imagedrift_cli.root import RootGroup


@click.command(
    cls=RootGroup, table=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="imagedrift-cli", prog_name="imagedrift")
def main() -> None:
    """Tell which hosts run an image that its registry has since replaced.

    Start with `imagedrift demo`. The operator's commands read DATABASE_URL.
    """
    import logging  # noqa: PLC0415 - not loaded for `--help`, which ends before

    from imagedrift_runtime import logs  # noqa: PLC0415 - as logging

    # What fails for good is an error of the command; what was tried again is nobody's concern.
    logs.configure("imagedrift", "console", least=logging.ERROR)


if __name__ == "__main__":
    main()

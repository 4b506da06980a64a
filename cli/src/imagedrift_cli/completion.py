"""`imagedrift completion`: the script by which a shell completes the command."""

import click
from click.shell_completion import get_completion_class

from imagedrift_cli.failures import BadUsage

VARIABLE = "_IMAGEDRIFT_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands and options.

    Bash: `eval "$(imagedrift completion bash)"` in ~/.bashrc; zsh in ~/.zshrc likewise;
    fish: `imagedrift completion fish > ~/.config/fish/completions/imagedrift.fish`.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise BadUsage(f"{shell}: no completion for it")
    root = context.find_root().command
    click.echo(kind(root, {}, "imagedrift", VARIABLE).source())

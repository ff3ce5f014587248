"""`routectl completion`."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell, to be evaluated in its start-up file.

    \b
    Examples:
      routectl completion bash >> ~/.bashrc
      routectl completion fish > ~/.config/fish/completions/routectl.fish
    """
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion is not None
    root = ctx.find_root().command
    click.echo(completion(root, {}, "routectl", "_ROUTECTL_COMPLETE").source())

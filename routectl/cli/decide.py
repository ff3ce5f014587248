"""`routectl decide`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("decide")
@options.routes_file
@click.option("--route", help="The route that is called; without it, the only one there is.")
@options.segment
@options.output
def command(routes_file: Path, route: str | None, segment: str | None, console: Console) -> None:
    """Say of prompts on standard input which model each gets, as the proxy would.

    A line is a prompt, or a request body or a list of turns as JSON. Of each, one line is
    printed: decision, strong win rate, model, reason. With --json, one JSON object a line.

    \b
    Examples:
      routectl decide --routes routes.json < prompts.txt
      routectl decide --routes routes.json --route smart --json < requests.jsonl
    """
    import json

    from routectl.proxy import decided_lines

    lines = options.standard_input("prompts")
    for decision in decided_lines(routes_file, route, lines, segment):
        if console.as_json:
            console.line(json.dumps(decision.to_json()))
            continue
        score = "-" if decision.score is None else f"{decision.score:.6f}"
        model = decision.model or "-"
        console.line(f"{decision.decision:<6}  {score:>8}  {model}  {decision.reason}")

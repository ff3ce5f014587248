"""`routectl explain`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console
from routectl.errors import InputError, UsageError


@click.command("explain")
@click.argument("request_id", metavar="REQUEST")
@options.route
@options.segment
@click.option(
    "--show-prompt", is_flag=True, help="Print the prompt, too. It is never printed without."
)
@options.database
@options.output
def command(
    request_id: str,
    route: str | None,
    segment: str | None,
    show_prompt: bool,
    db: str,
    console: Console,
) -> None:
    """Say why a request went where it went, and where it would go now.

    REQUEST is the id that the log has of a request or of its call, or - for a JSON body or a text
    on standard input, which is scored by the router of what the route runs. `routectl decide` says
    the same of many requests by a routes.json, without a database.

    \b
    Examples:
      routectl explain chatcmpl-4711
      routectl explain - --route smart < body.json
    """
    from routectl.cli.explain_table import print_explanation, to_json
    from routectl.proxy import LONGEST
    from routectl.workflow.watching.explaining import explain_body, explain_request

    if segment is not None and request_id != "-":
        raise UsageError("--segment is of a body on standard input: the log names a request's own")
    location = options.parse_database(db)
    console.database(location)
    if request_id == "-":
        data = options.standard_input("a JSON body or a text").read(LONGEST + 1)
        if len(data) > LONGEST:
            raise InputError(
                f"standard input is longer than {LONGEST // 2**20} MiB: give one request"
            )
        result = explain_body(location, data, route, segment)
    else:
        result = explain_request(location, request_id, route)
    if console.as_json:
        console.json(to_json(result, show_prompt=show_prompt))
    else:
        print_explanation(console, result, show_prompt=show_prompt)

"""`routectl serve`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.console import Console


@click.command("serve")
@options.routes_file
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on, this machine's."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8400,
    show_default=True,
    help="0 is any free one.",
)
@click.option(
    "--upstream",
    "upstreams",
    multiple=True,
    metavar="[MODEL=]URL",
    help="OpenAI-compatible endpoint that has the routes' models, or this one of them. May repeat. "
    "Without it, only decisions.",
)
@click.option(
    "--deadline",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Wait so long for a score; by default three times what a long prompt takes.",
)
@click.option(
    "--max-body",
    type=click.IntRange(min=1),
    default=10_485_760,
    show_default=True,
    metavar="BYTES",
    help="Refuse longer requests.",
)
@click.option(
    "--max-concurrent",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    metavar="N",
    help="Answer 503 to more requests at once.",
)
@click.option(
    "--segment-header",
    "segment_headers",
    multiple=True,
    metavar="FIELD=NAME",
    help="Header in which your gateway names a request's team, key_alias or model_group: "
    "team=X-Team. It must take the header off what clients send. May repeat.",
)
@click.option(
    "--log",
    "log",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Append each decision as a line of JSON, which `routectl import` reads.",
)
@click.option("--log-prompts", is_flag=True, help="With the texts that were scored.")
@click.option(
    "--allow-client-threshold",
    "allow_client_threshold",
    metavar="ROUTE",
    help="Decide a model name with a client's own threshold, as RouteLLM's clients write it, by "
    "this route's policy. Each client then chooses its cost.",
)
@options.output
def command(
    routes_file: Path,
    host: str,
    port: int,
    upstreams: tuple[str, ...],
    deadline: float | None,
    max_body: int,
    max_concurrent: int,
    segment_headers: tuple[str, ...],
    log: Path | None,
    log_prompts: bool,
    allow_client_threshold: str | None,
    console: Console,
) -> None:
    """Decide requests over HTTP, and pass them on to the model of their route.

    POST /v1/decide answers which model a request gets. With --upstream, /v1/chat/completions,
    /v1/completions, /v1/responses and /v1/messages take a route's name as their model and send the
    request to the model that the policy says. routes.json is read again while it changes.

    Clients send ROUTECTL_TOKEN as a bearer token, where it is set; on an address that is not this
    machine's alone it must be. The upstream gets ROUTECTL_UPSTREAM_KEY; one of a single model gets
    its own, such as ROUTECTL_UPSTREAM_KEY_GPT_5_MINI.

    \b
    Examples:
      routectl serve --routes routes.json
      routectl serve --routes routes.json --upstream https://api.openai.com/v1
      routectl serve --routes routes.json --upstream https://api.openai.com/v1 \\
        --upstream mini=http://127.0.0.1:8000/v1 --log decisions.jsonl --log-prompts
    """
    from routectl.proxy import Settings, serve

    settings = Settings.from_environment(
        upstreams=upstreams,
        deadline=deadline,
        max_body=max_body,
        max_concurrent=max_concurrent,
        log=log,
        log_prompts=log_prompts,
        allow_client_threshold=allow_client_threshold,
        segment_headers=segment_headers,
    )
    serve(
        routes_file,
        settings,
        host=host,
        port=port,
        on_ready=lambda address: console.note(f"routectl serves {address}"),
    )

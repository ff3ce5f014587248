"""`routectl routers`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.console import Console, pair_text

if TYPE_CHECKING:
    from routectl.routers import OpenRouter


@click.group("routers")
def command() -> None:
    """Look at the routers that can score.

    \b
    Example:
      routectl routers list
    """


@command.command("list")
@options.output
def list_(console: Console) -> None:
    """List the routers, built in and of installed packages.

    \b
    Example:
      routectl routers list --json
    """
    from routectl.errors import RoutectlError
    from routectl.routers import names, open_router

    opened = []
    for name in names():
        try:
            opened.append(open_router(name))
        except RoutectlError as error:
            # One broken package must not hide the routers that work.
            console.note(str(error))
    if console.as_json:
        console.json([_json(router) for router in opened])
        return
    console.table(
        [
            (
                router.identity.name,
                router.identity.fingerprint[:12],
                str(len(router.description.models) or "-"),
                _what_it_is(router),
            )
            for router in opened
        ],
        headers=["router", "fingerprint", "models", "what it is"],
    )


def _what_it_is(router: OpenRouter) -> str:
    pair = router.identity.model_pair
    decides = "" if pair is None else f"; unless told otherwise for {pair} (strong / weak)"
    return f"{router.description.summary}{decides}"


@command.command("show")
@click.argument("router", metavar="NAME[=DIR]")
@click.option("--strong-model", metavar="MODEL", help="Strong model of the pair.")
@click.option("--weak-model", metavar="MODEL", help="Weak model of the pair.")
@options.scored_as
@options.output
def show(
    router: str,
    strong_model: str | None,
    weak_model: str | None,
    scored_as: tuple[str, ...],
    console: Console,
) -> None:
    """Show a router: its fingerprint, pair, models, noise and model card.

    \b
    Examples:
      routectl routers show mf
      routectl routers show mf=mf_8
      routectl routers show mf=./my-checkpoint --strong-model gpt-4-1106-preview
    """
    from routectl.checkpoint import shipped

    (opened,) = options.open_routers((router,), strong_model, weak_model, scored_as)
    if console.as_json:
        console.json(_json(opened))
        return
    identity, description = opened.identity, opened.description
    rows = [
        ("router", identity.name),
        ("what it is", description.summary),
        ("fingerprint", identity.fingerprint),
        ("model pair", pair_text(identity) or "none"),
        ("noise", f"{identity.noise:.1e}"),
        ("embedder", description.embedder or "none"),
        ("prompts go to", description.sends_prompts_to or "no other machine"),
        ("reads", description.reads),
        ("checkpoint", description.checkpoint or "none"),
        ("shipped", ", ".join(shipped(description.kind)) or "none"),
        ("model card", description.card or "none"),
        ("licence", description.licence or "not stated"),
    ]
    rows += [("knows" if n == 0 else "", model) for n, model in enumerate(description.models)]
    console.table(rows)


@command.command("prepare")
@click.argument("router", metavar="NAME", type=click.Choice(["causal_llm"]))
@click.option(
    "--base",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="PATH",
    help="Folder of a base model to use from now on, instead of converting the installed one.",
)
@options.output
def prepare(router: str, base: Path | None, console: Console) -> None:
    """Bring the base model that a router needs into the cache.

    Without --base the installed package's model is converted, which takes about half a minute,
    once; scoring does it too where it was not done. A folder is linked, not copied. Which base a
    checkpoint needs is decided by a digest, so several may lie side by side.

    \b
    Examples:
      routectl routers prepare causal_llm
      routectl routers prepare causal_llm --base /models/SmolLM2-135M-Instruct
    """
    from routectl.workflow.embedding import prepare_base

    base_model = prepare_base(base)
    if console.as_json:
        console.json(base_model)
        return
    console.table(
        [
            ("router", router),
            ("base model", base_model.name),
            ("folder", str(base_model.folder)),
            ("digest", base_model.digest),
        ]
    )


def _json(router: OpenRouter) -> dict[str, object]:
    pair = router.identity.model_pair
    return {
        "name": router.identity.name,
        "fingerprint": router.identity.fingerprint,
        "model_pair": None if pair is None else asdict(pair),
        "scored_as": router.identity.scored_as,
        "noise": router.identity.noise,
        "description": router.description,
    }

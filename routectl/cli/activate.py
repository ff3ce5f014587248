"""`routectl activate`."""

from __future__ import annotations

import re
from decimal import Decimal

import click

from routectl.cli import ids, options
from routectl.cli.console import Console
from routectl.policy import ALWAYS_STRONG, ALWAYS_WEAK, FALLBACKS, LIVE, SHADOW, THRESHOLD

MOST_DIGITS = 12


def _mode(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Callback of --mode: live, shadow, or canary=SHARE with the share as a decimal."""
    if value is None or value in (LIVE, SHADOW):
        return value
    match = re.fullmatch(r"canary=([0-9]*\.?[0-9]+)\s*(%?)", value)
    share = Decimal(0) if match is None else Decimal(match[1]) / (100 if match[2] else 1)
    # As the policy writes it: neither an exponent nor more digits than anybody means.
    text = f"{share:f}"
    if not 0 < share < 1 or len(text) > MOST_DIGITS:
        raise click.BadParameter(
            f"{value!r} is not live, shadow or a canary with a share between 0 and 1, such as "
            "canary=5% or canary=0.05"
        )
    return f"canary={text}"


@click.command("activate")
@click.argument("calibration_id", required=False, type=ids.CALIBRATION, metavar="[ID]")
@options.route
@click.option("--always-strong", is_flag=True, help="Send every request to the strong model.")
@click.option("--always-weak", is_flag=True, help="Send every request to the weak model.")
@click.option(
    "--mode",
    callback=_mode,
    metavar="live|shadow|canary=5%",
    help="How it runs: live decides every request, shadow decides none and is logged, a canary "
    "decides a share. Stored with the policy; the proxy obeys it. Without it, as the route ran "
    "before, at first live.",
)
@click.option(
    "--fallback",
    type=click.Choice(FALLBACKS),
    help="What is served where no score can be had: strong, weak, or the calibrated share drawn "
    "at random. Without it, as before.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Activate also a baseline, another router or other filters than before, and a calibration "
    "whose check said no.",
)
@options.expires
@options.note
@options.database
@options.output
def command(
    calibration_id: int | None,
    route: str | None,
    always_strong: bool,
    always_weak: bool,
    mode: str | None,
    fallback: str | None,
    force: bool,
    expires: str | None,
    note: str | None,
    db: str,
    console: Console,
) -> None:
    """Make a calibration what a route runs from now on.

    ID is a calibration (`routectl history` lists them); it may be left out when the last run made
    exactly one. What changes is printed. Nothing is overwritten: `routectl rollback` brings back
    what ran before. What runs already is not activated again, unless --note or --expires is given.

    \b
    Examples:
      routectl activate --note "30 % strong, agreed with finance"
      routectl activate c3 --expires 90d --note "until the next review"
      routectl activate c3 --route smart --mode canary=5% --fallback strong
      routectl activate --always-weak --note "provider outage"
    """
    from routectl.cli.activation_table import activation_ref, print_activated, to_json
    from routectl.cli.publishing import say_published
    from routectl.errors import UsageError
    from routectl.workflow.activating.run import Asked, activate
    from routectl.workflow.exporting.publishing import publish

    if always_strong + always_weak + (calibration_id is not None) > 1:
        raise UsageError("name one of ID, --always-strong and --always-weak")
    asked = Asked(
        rule=ALWAYS_STRONG if always_strong else ALWAYS_WEAK if always_weak else THRESHOLD,
        calibration_id=calibration_id,
        mode=mode,
        fallback=fallback,
        force=force,
        expires_at=options.parse_expires(expires),
        again=expires is not None,
    )
    location = options.parse_database(db)
    console.database(location)
    done = activate(location, asked, route=route, note=note)
    if not console.as_json:
        # Before the file is written: what is recorded is said, whatever comes of the file.
        print_activated(console, done)
    published = publish(location, done.route)
    if console.as_json:
        console.json(to_json(done, published) | {"appended": done.appended})
    say_published(console, published, done.route, f"activation {activation_ref(done)} is recorded")

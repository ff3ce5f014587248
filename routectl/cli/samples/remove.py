"""`routectl samples remove`."""

from __future__ import annotations

import click

from routectl.cli import options
from routectl.cli.console import Console

_LARGEST_ID = 2**63 - 1


def _sample_id(_ctx: click.Context, _param: click.Parameter, value: str) -> int:
    digits = value.removeprefix("s")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20):
        raise click.BadParameter(f"{value!r} is no sample: write s3, as `samples list` does")
    if not 1 <= int(digits) <= _LARGEST_ID:
        raise click.BadParameter(f"there is no sample {value}: `samples list` has them")
    return int(digits)


@click.command("remove")
@click.argument("sample", callback=_sample_id, metavar="SAMPLE")
@click.option("--yes", is_flag=True, help="Remove it; without, only say what would go.")
@options.database
@options.output
def command(sample: int, yes: bool, db: str, console: Console) -> None:
    """Take out the requests that one import brought, with the prompts that nothing else has.

    Without --yes nothing changes: what would go is printed, and the exit code is 2. A SQLite file
    is copied first. A request that two imports read belongs to the first: import the other log
    again afterwards. Calibrations, evaluations and battles stay.

    \b
    Examples:
      routectl samples remove s3
      routectl samples remove s3 --yes
    """
    from routectl.errors import UsageError
    from routectl.workflow.traffic.samples import plan_removal, remove_sample

    location = options.parse_database(db)
    console.database(location)
    removed = remove_sample(location, sample) if yes else None
    removal = plan_removal(location, sample) if removed is None else removed.removal
    copy = None if removed is None else removed.copy
    if copy is not None:
        console.note(f"the database as it was is in {copy}, with all that was removed")
    if console.as_json:
        console.json(
            {
                "sample": f"s{sample}",
                "removed": yes,
                "requests": removal.requests,
                "prompts": removal.prompts,
                "prompts_of_evaluations": removal.evaluated,
                "copy": copy,
            }
        )
    else:
        verb = "removed" if yes else "would remove"
        rows = [
            ("sample", f"s{sample}: {removal.sample.source}"),
            (verb, f"{removal.requests:,} requests"),
            (verb, f"{removal.prompts:,} prompts with their scores"),
        ]
        if removal.evaluated:
            rows.append(("stay", f"{removal.evaluated:,} prompts, which an evaluation refers to"))
        console.table(rows)
    if not yes:
        raise UsageError("nothing was removed: add --yes to remove it")

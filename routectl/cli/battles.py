"""`routectl battles`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from routectl.cli import options
from routectl.cli.battles_judge import judge
from routectl.cli.console import Console, percent, when
from routectl.cli.train.shared import ManyFiles

if TYPE_CHECKING:
    from routectl.workflow.battle_checks import BattleCheck, TrafficSimilarity

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("battles")
def command() -> None:
    """Keep preference records, and check what a router would learn from them.

    \b
    Example:
      routectl battles import votes.jsonl
      routectl battles check
    """


_embedder = click.option(
    "--embedder",
    metavar="NAME|PATH|openai:URL#MODEL",
    help="A sentence-transformers model, or one behind an OpenAI-compatible endpoint; else the "
    "built-in one.",
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace files that are there.")


@command.command("import")
@click.argument("files", nargs=-1, required=True, type=FILE, metavar="FILE...")
@click.option(
    "--source", "source_name", metavar="NAME", help="Name of the data set; else the file's name."
)
@click.option(
    "--rejects",
    "rejects_path",
    type=FILE,
    metavar="FILE",
    help="Write the rows that cannot be read to this file, as they are.",
)
@options.database
@options.output
def import_(
    files: tuple[Path, ...],
    source_name: str | None,
    rejects_path: Path | None,
    db: str,
    console: Console,
) -> None:
    """Read battles into the database: which of two models answered a prompt better.

    FILE has Chatbot Arena's columns, prompt/model_a/model_b/winner, or AlpacaEval's; CSV, JSON or
    JSON lines, plain or gzipped. Importing a file twice changes nothing. Battles are no traffic:
    no calibration counts them.

    \b
    Examples:
      routectl battles import votes.jsonl
      routectl battles import alpaca_eval.csv.gz --rejects unread.csv
    """
    from routectl.workflow.battles import import_battles

    location = options.parse_database(db)
    result = import_battles(
        location, files, source_name=source_name, rejects_path=rejects_path, reporter=console
    )
    console.database(location)
    for reject in result.rejects:
        console.note(f"{reject.source} line {reject.line}: {reject.reason}")
    if result.rejected > len(result.rejects):
        more = result.rejected - len(result.rejects)
        console.note(f"and {more:,} more rows that could not be read")
    if result.rejected and rejects_path is None:
        console.note("--rejects FILE keeps the rows that could not be read")
    if console.as_json:
        rejects = [{"source": r.source, "line": r.line, "reason": r.reason} for r in result.rejects]
        console.json({**asdict(result), "rejects": rejects})
        return
    rows = [("read", f"{result.rows:,} rows of {', '.join(result.sources)}")]
    rows.append(("added", f"{result.added:,} battles"))
    if result.unchanged:
        rows.append(("unchanged", f"{result.unchanged:,} battles that were there"))
    if result.skipped:
        rows.append(("left out", f"{result.skipped:,} rows without a prompt or a verdict"))
    if result.rejected:
        rows.append(("rejected", f"{result.rejected:,} rows"))
    console.table(rows)
    if not result.added:
        console.line("Nothing changed: all of it was there already.")


@command.command("list")
@options.database
@options.output
def list_(db: str, console: Console) -> None:
    """List what battles there are, by data set and by pair of models.

    \b
    Example:
      routectl battles list --json
    """
    from routectl.workflow.battles import list_battles

    location = options.parse_database(db)
    found = list_battles(location)
    console.database(location)
    if console.as_json:
        console.json(found)
        return
    if not found.sources:
        console.line("No battles yet: `routectl battles import FILE` brings some.")
        return
    console.table(
        [
            (s.source, f"{s.battles:,}", f"{s.prompts:,}", f"{s.ties:,}", when(s.last_imported_at))
            for s in found.sources
        ],
        headers=["source", "battles", "prompts", "ties", "imported"],
    )
    console.line()
    console.table(
        [
            (
                p.source,
                *(f"{n:,}" for n in (p.battles, p.model_a_won, p.ties, p.model_b_won)),
                f"{p.model_a} / {p.model_b}",
            )
            for p in found.pairs
        ],
        headers=["source", "battles", "a won", "ties", "b won", "model a / model b"],
    )


@command.command("export")
@click.argument("file", type=FILE, metavar="FILE")
@_overwrite
@options.database
@options.output
def export(file: Path, overwrite: bool, db: str, console: Console) -> None:
    """Write the battles to FILE as JSON lines, to train on; gzipped if its name ends in .gz.

    \b
    Example:
      routectl battles export gathered.jsonl.gz
      routectl train mf --battles gathered.jsonl.gz --output my-checkpoint
    """
    from routectl.workflow.battles import export_battles

    location = options.parse_database(db)
    done = export_battles(location, file, overwrite=overwrite)
    console.database(location)
    if done.purged:
        console.note(f"{done.purged:,} battles were left out: the text of their prompt was purged")
    if console.as_json:
        console.json(done)
    else:
        console.line(f"{done.path} holds {done.battles:,} battles.")


@command.command("check")
@options.population
@click.option(
    "--traffic/--no-traffic",
    "with_traffic",
    default=True,
    help="Compare the battles with the traffic, if there is any; it embeds both. Default: do.",
)
@click.option(
    "--few",
    "few_battles",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    metavar="N",
    help="A model with fewer battles is named as one that is rated roughly.",
)
@click.option(
    "--sample",
    "most_prompts",
    type=click.IntRange(min=0),
    default=2000,
    show_default=True,
    metavar="N",
    help="Prompts of the traffic to compare, drawn at random; 0 compares all.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@_embedder
@options.database
@options.output
@click.pass_context
def check(
    ctx: click.Context,
    where: tuple[str, ...],
    since: str | None,
    until: str | None,
    with_traffic: bool,
    few_battles: int,
    most_prompts: int,
    seed: int,
    embedder: str | None,
    db: str,
    console: Console,
) -> None:
    """Check whether a router can learn from the battles, and whether they look like the traffic.

    Exits with 3 if it cannot: one model or one prompt only, or models that cannot be rated against
    each other. All else is a remark.

    \b
    Examples:
      routectl battles check --no-traffic
      routectl battles check --where model_group=smart --since 30d --json
    """
    from routectl.workflow.battle_checks import check_battles

    location = options.parse_database(db)
    found = check_battles(
        location,
        options.parse_population(where, since, until),
        with_traffic=with_traffic,
        few_battles=few_battles,
        most_prompts=most_prompts,
        embedder=embedder,
        seed=seed,
        reporter=console,
    )
    console.database(location)
    if console.as_json:
        console.json({"failed": found.failed, **asdict(found)})
    else:
        _print_check(console, found)
    if found.failed:
        ctx.exit(3)


def _print_check(console: Console, found: BattleCheck) -> None:
    sound = found.soundness
    console.table(
        [
            (*(f"{n:,}" for n in (m.battles, m.prompts, m.won, m.tied, m.lost)), m.model)
            for m in sound.models
        ],
        headers=["battles", "prompts", "won", "tied", "lost", "model"],
    )
    console.line()
    rows = [
        ("battles", f"{sound.battles:,} of {len(sound.models)} models"),
        ("prompts", f"{sound.prompts:,}"),
        ("ties", f"{sound.ties:,} ({percent(sound.ties / sound.battles)})"),
        ("duplicates", f"{sound.duplicates:,}"),
        ("conflicting labels", f"{sound.conflicts:,} of {sound.comparisons:,} comparisons"),
    ]
    if found.traffic is not None:
        rows += _traffic_rows(found.traffic)
    rows += [("no" if f.fails else "note", f"{f.sentence}") for f in sound.findings]
    rows.append(("check", "failed" if found.failed else "passed"))
    console.table(rows)


def _traffic_rows(found: TrafficSimilarity) -> list[tuple[str, str]]:
    mean, drawn = found.similarity, ""
    if found.prompts < found.prompts_in_all:
        drawn = f", drawn of {found.prompts_in_all:,} with seed {found.seed}"
    rows = [
        (
            "traffic to battles",
            f"{mean.mean:.3f} ({mean.low:.3f} to {mean.high:.3f}, {percent(mean.confidence, 0)} "
            f"interval): mean over requests of the largest cosine to a battle's prompt; "
            f"{found.prompts:,} prompts{drawn}",
        )
    ]
    base = found.baseline
    if base is not None:
        rows.append(
            (
                "beside itself",
                f"{base.to_traffic:.3f} from half of the traffic to {base.others:,} prompts of the "
                f"other half; {base.to_battles:.3f} to as many of the battles (seed {found.seed})",
            )
        )
    return rows


@command.command("contamination", cls=ManyFiles)
@click.argument("files", nargs=-1, type=FILE, metavar="[FILE]...")
@click.option(
    "--against",
    multiple=True,
    required=True,
    type=FILE,
    metavar="FILE...",
    help="Benchmarks: files with a column prompt, or turns.",
)
@click.option(
    "--threshold",
    default="0.95",
    show_default=True,
    callback=options.fraction,
    metavar="COSINE",
    help="From here on two prompts count as the same question.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Write the data without what resembles a benchmark: a file, or a folder for several "
    "FILEs. Gzipped if its name ends in .gz.",
)
@click.option(
    "--pairs",
    "pairs_path",
    type=FILE,
    metavar="FILE",
    help="Write the pairs as JSON lines: rows, digests and cosine.",
)
@click.option("--texts", "with_texts", is_flag=True, help="Put the prompts into --pairs, too.")
@_overwrite
@_embedder
@options.database
@options.output
def contamination(
    files: tuple[Path, ...],
    against: tuple[Path, ...],
    threshold: float,
    output: Path | None,
    pairs_path: Path | None,
    with_texts: bool,
    overwrite: bool,
    embedder: str | None,
    db: str,
    console: Console,
) -> None:
    """Find training prompts that a benchmark also asks, and write the data without them.

    FILE holds battles or gold labels in any shape that training reads; without one, the battles
    in the database are looked at. Likeness is the cosine of the prompts' embeddings.

    \b
    Examples:
      routectl battles contamination votes.csv --against mt_bench.jsonl --output clean.csv
      routectl battles contamination --against mmlu.csv --pairs pairs.jsonl --texts
    """
    from routectl.workflow.contamination import find_contamination

    location = options.parse_database(db)
    found = find_contamination(
        location,
        files,
        against=against,
        threshold=threshold,
        output=output,
        pairs_path=pairs_path,
        with_texts=with_texts,
        overwrite=overwrite,
        embedder=embedder,
        reporter=console,
    )
    if not files:
        console.database(location)
    if console.as_json:
        console.json(found)
        return
    rows = [
        ("compared", f"{found.prompts:,} prompts with {found.against:,} of the benchmarks"),
        ("alike", f"{found.contaminated:,} prompts, in {found.pairs:,} pairs"),
        ("threshold", f"cosine {found.threshold:g} by {found.embedder}"),
    ]
    for one in found.inputs:
        verb = "to remove" if one.output is None else "removed"
        rows.append((verb, f"{one.removed:,} of {one.rows:,} rows of {one.name}"))
        if one.output is not None:
            rows.append(("written", f"{one.output}: {one.rows - one.removed:,} rows"))
    if found.pairs_file is not None:
        rows.append(("pairs", str(found.pairs_file)))
    console.table(rows)


command.add_command(judge)

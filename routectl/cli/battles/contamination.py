"""`routectl battles contamination`."""

from __future__ import annotations

from pathlib import Path

import click

from routectl.cli import options
from routectl.cli.battles import options as battle_options
from routectl.cli.console import Console
from routectl.cli.train.shared import ManyFiles


@click.command("contamination", cls=ManyFiles)
@click.argument("files", nargs=-1, type=battle_options.FILE, metavar="[FILE]...")
@click.option(
    "--against",
    multiple=True,
    required=True,
    type=battle_options.FILE,
    metavar="FILE...",
    help="Benchmarks: files with a column prompt, or turns.",
)
@click.option(
    "--threshold",
    default="0.95",
    show_default=True,
    callback=options.fraction,
    metavar="COSINE",
    help="Similarity from which two prompts count as the same question.",
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
    type=battle_options.FILE,
    metavar="FILE",
    help="Write the pairs as JSON lines: rows, digests and cosine.",
)
@click.option("--texts", "with_texts", is_flag=True, help="Put the prompts into --pairs, too.")
@options.force
@battle_options.embedder
@options.database
@options.output
def command(
    files: tuple[Path, ...],
    against: tuple[Path, ...],
    threshold: float,
    output: Path | None,
    pairs_path: Path | None,
    with_texts: bool,
    force: bool,
    embedder: str | None,
    db: str,
    console: Console,
) -> None:
    """Find training prompts that a benchmark also asks, and write the data without them.

    FILE holds battles or gold labels in any shape that training reads; without one, the battles
    in the database are read. Similarity is the cosine of the prompts' embeddings.

    \b
    Examples:
      routectl battles contamination votes.csv --against mt_bench.jsonl --output clean.csv
      routectl battles contamination --against mmlu.csv --pairs pairs.jsonl --texts
    """
    from routectl.workflow.battles.contamination import find_contamination

    location = options.parse_database(db)
    result = find_contamination(
        location,
        files,
        against=against,
        threshold=threshold,
        output=output,
        pairs_path=pairs_path,
        with_texts=with_texts,
        force=force,
        embedder=embedder,
        reporter=console,
    )
    if not files:
        console.database(location)
    if console.as_json:
        console.json(result)
        return
    rows = [
        ("compared", f"{result.prompts:,} prompts with {result.against:,} of the benchmarks"),
        ("alike", f"{result.contaminated:,} prompts, in {result.pairs:,} pairs"),
        ("threshold", f"cosine {result.threshold:g} by {result.embedder}"),
    ]
    for source in result.inputs:
        verb = "to remove" if source.output is None else "removed"
        rows.append((verb, f"{source.removed:,} of {source.rows:,} rows of {source.name}"))
        if source.output is not None:
            rows.append(("written", f"{source.output}: {source.rows - source.removed:,} rows"))
    if result.pairs_file is not None:
        rows.append(("pairs", str(result.pairs_file)))
    console.table(rows)

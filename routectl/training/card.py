"""The model card of an `mf` checkpoint."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from routectl.embedding import Embedder
from routectl.records import Condition
from routectl.training.contamination import SIMILAR
from routectl.training.factorize import Settings
from routectl.training.report import TrainingReport


def mf_card(
    report: TrainingReport,
    embedder: Embedder,
    reads: str,
    settings: Settings,
    seed: int,
    drop_ties: bool,
    files: Sequence[Path],
    conditions: Sequence[Condition],
    licence: str | None,
) -> str:
    """The model card, as Markdown: on what, how, how good, and what it cannot do."""
    filters = ", ".join(f"`{condition}`" for condition in conditions) or "none"
    data = "\n".join(f"| `{path.name}` | `{_sha256(path)}` |" for path in files)
    chosen = "\n".join(f"| {name} | {value} |" for name, value in asdict(settings).items())
    unit = "tokens" if embedder.probe is None else "characters"
    ties = "left out" if drop_ties else "kept as half a win for each side"
    return f"""# {report.path.name}

A checkpoint of routectl's `mf` router: matrix factorization, section 4.2.2 of RouteLLM
(arXiv 2406.18665). From a prompt alone it predicts how likely the strong model's answer would win
against the weak model's.

- Default pair: **{report.default_pair}** (strong / weak)
- Embedder: {embedder.name}, {embedder.max_tokens} {unit} read (`{reads}`), digest
  `{embedder.digest}`
- Licence: {licence or "not stated; the data's licences decide"}

## Data

| file | SHA-256 |
|---|---|
{data}

- Rows: {report.battles:,} of battles, {report.gold:,} of gold labels
- Conditions on rows: {filters}
- Prompts: {report.prompts:,}, after {report.similar_prompts:,} were left out because they resemble
  one of a benchmark's (cosine of {SIMILAR} or above)
- Comparisons of two models: {report.comparisons:,} of {len(report.models)} models, of which
  {report.ties:,} are ties, {ties}

## Training

{report.epochs} epochs with seed {seed}; stopped early by the loss on {report.held_out_prompts:,}
prompts that were held out whole.

| setting | value |
|---|---|
{chosen}

## How good

| on the held-out prompts | |
|---|---|
| cross-entropy of a comparison, nats | {report.held_out_loss:.4f} |
| the same by the models' ratings alone | {report.baseline_loss:.4f} |
{_apgr_row(report)}
The held-out prompts also chose the epoch to stop at, so these figures flatter a little.

## Models

{", ".join(report.models)}

## Limits

It knows the models above and no other. It has learned from the kinds of prompts in its data, and
on others it may order prompts no better than chance: compare it with the baselines `random` and
`length` on labels of your own. Its scores are for ranking; choose a threshold on your own traffic.
"""


def _apgr_row(report: TrainingReport) -> str:
    metrics = report.metrics
    if "apgr" not in metrics:
        return ""
    interval = f"{metrics['apgr_low']:.3f} to {metrics['apgr_high']:.3f}"
    count = int(metrics["apgr_prompts"])
    return f"| APGR of the default pair, {count:,} prompts | {metrics['apgr']:.3f} ({interval}) |\n"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

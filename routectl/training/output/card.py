"""The model card that lies in every trained checkpoint, as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from routectl.embedding import Embedder
from routectl.embedding.names import is_classifier
from routectl.escaping import markdown, markdown_code
from routectl.preferences.contamination import SIMILAR
from routectl.routers.features import Features
from routectl.training.fits.curve import curve_picture
from routectl.training.output.report import TrainingReport
from routectl.training.request import TrainingRequest, file_digest

CURVE, LOSSES = "training_curve.png", "training_curve.json"

_STANDARDISED = """;
  each number standardised over the prompts of the training"""
_LENGTH_FEATURE = """;
  as an extra feature the length of the whole question, without lettered answers"""


def model_card(
    report: TrainingReport,
    request: TrainingRequest,
    *,
    introduction: str,
    reads: str,
    settings: Mapping[str, object],
    more_figures: Mapping[str, str] | None = None,
    limits: str | None = None,
    early_stopping: bool = True,
    refitted: bool = False,
) -> str:
    """On what it was trained, how, how good it is, and what it cannot do.

    Args:
        introduction: what kind of router it is, a paragraph.
        reads: what it reads of a prompt, and through which model: a phrase.
        settings: the training's, by name.
        more_figures: further rows of the table of held-out figures.
        limits: further limits, a paragraph.
        early_stopping: whether the held-out loss chose the epoch; else every epoch is one step of
            a solver that runs until it has converged.
        refitted: whether the weights are of a second fit, with the held-out prompts.
    """
    files = "\n".join(
        f"| {markdown_code(path.name)} | {request.weights.get(path, 1.0):g} | "
        f"`{file_digest(path)}` |"
        for path in request.files
    )
    filters = ", ".join(markdown_code(str(c)) for c in request.conditions) or "none"
    chosen = "\n".join(
        f"| {markdown(name)} | {markdown(str(value))} |" for name, value in settings.items()
    )
    further = f"\n{limits.strip()}\n" if limits else ""
    return f"""# {markdown(report.path.name)}

{introduction.strip()}

- Default pair: **{markdown(str(report.default_pair))}** (strong / weak)
- Reads: {reads}
- Licence: {markdown(request.licence or "not stated; the data's licences decide")}

## Data

| file | weight of a row | SHA-256 |
|---|---|---|
{files}

- Rows: {report.battles:,} of battles, {report.gold:,} of gold labels
- Conditions on rows: {filters}
- Prompts: {report.prompts:,}, {_contamination(report, request)}
- Comparisons of two models: {report.comparisons:,} of {len(report.models)} models, of which
  {report.ties:,} are ties, kept as half a win for each side

## Training

{_epochs(report, request, early_stopping)}

| setting | value |
|---|---|
{chosen}

## How good

{_figures(report, more_figures or {})}

{_FLATTERED if early_stopping else _REFITTED if refitted else _FAIR}

## Models

{name_list(report.models)}

## Limits

It knows the models above and no other. It has learned from prompts such as those of its
data, and on others it may order prompts no better than chance: compare it with the baselines
`random` and `length` on labels of your own. Its scores are for ranking; choose a threshold on your
own traffic.
{further}"""


def embedder_line(embedder: Embedder) -> str:
    """What an embedder reads of a prompt, for `model_card`."""
    unit = "tokens" if embedder.probe is None else "characters"
    name = markdown(embedder.name)
    return f"{name}, {embedder.max_tokens} {unit} (`head`), digest\n  `{embedder.digest}`"


def name_list(names: Iterable[str]) -> str:
    """Names of models, for a paragraph of `model_card`."""
    return ", ".join(map(markdown, names))


def embedder_limits(embedder: Embedder, learned_held_out: int) -> str | None:
    """What follows for a router from how its embedder was trained, for `model_card`.

    Args:
        learned_held_out: as of `flattered`.
    """
    if not is_classifier(embedder.name):
        return None
    return f"Its embedder was trained, too.\n{flattered(learned_held_out)}"


def flattered(learned_held_out: int) -> str:
    """How far figures on held-out prompts can be believed, for `model_card`.

    Args:
        learned_held_out: how many of these prompts a part of the router has learned from, or may
            have.
    """
    if not learned_held_out:
        return "That took none of the prompts that were held out here."
    return (
        f"That took, or may have taken, {learned_held_out:,} of the prompts that were held out "
        "here,\nso the figures on them flatter."
    )


def vector_lines(features: Features) -> str:
    """The features computed from an embedding, for behind `embedder_line`."""
    return (_STANDARDISED if features.standardisation is not None else "") + (
        _LENGTH_FEATURE if features.question_length is not None else ""
    )


def curve_files(report: TrainingReport) -> dict[str, bytes]:
    """The training curve as a picture and as numbers: file name -> content.

    The picture is missing where matplotlib is.
    """
    if report.curve is None:
        return {}
    files = {LOSSES: (json.dumps(asdict(report.curve), indent=2) + "\n").encode()}
    picture = curve_picture(report.curve, f"{report.path.name}: {report.router}")
    return files if picture is None else {**files, CURVE: picture}


def _contamination(report: TrainingReport, request: TrainingRequest) -> str:
    if not request.benchmarks:
        return "not checked against any benchmark"
    names = ", ".join(markdown_code(path.name) for path in request.benchmarks)
    return (
        f"after {report.similar_prompts:,} were left out because they resemble\n  one of a "
        f"benchmark's (cosine of {SIMILAR} or above; {names})"
    )


_FLATTERED = "The held-out prompts also chose where to stop, so these figures flatter a little."
_FAIR = "The held-out prompts chose nothing."
_REFITTED = """The held-out prompts chose nothing. These figures are those of a fit without
them; the weights here are of a second one, which has learned from them, too."""


def _epochs(report: TrainingReport, request: TrainingRequest, early_stopping: bool) -> str:
    took = f"It took {report.seconds:,.0f} s of wall-clock time."
    if report.curve is None:
        return f"Seed {request.seed}; {report.held_out_prompts:,} prompts held out whole. {took}"
    if not early_stopping:
        return f"""{report.epochs} steps to convergence, on all but {report.held_out_prompts:,}
prompts that were held out whole (seed {request.seed}). {took}
The losses by step: [{LOSSES}]({LOSSES}), drawn in `{CURVE}`."""
    return f"""{report.epochs} epochs with seed {request.seed}; stopped early by the loss on
{report.held_out_prompts:,} prompts that were held out whole. {took}
The losses by epoch: [{LOSSES}]({LOSSES}), drawn in `{CURVE}`."""


def _figures(report: TrainingReport, more: Mapping[str, str]) -> str:
    rows: dict[str, str] = {}
    if report.held_out_loss is not None:
        rows["cross-entropy of a comparison, nats"] = f"{report.held_out_loss:.4f}"
    if report.baseline_loss is not None:
        rows["the same, without the prompt's text"] = f"{report.baseline_loss:.4f}"
    metrics = report.metrics
    if "apgr" in metrics:
        interval = f"{metrics['apgr_low']:.3f} to {metrics['apgr_high']:.3f}"
        rows[f"APGR of the default pair, {int(metrics['apgr_prompts']):,} prompts; random 0.5"] = (
            f"{metrics['apgr']:.3f} ({interval})"
        )
    rows |= more
    lines = [f"| {markdown(name)} | {markdown(value)} |" for name, value in rows.items()]
    return "\n".join(["| on the held-out prompts | |", "|---|---|", *lines])

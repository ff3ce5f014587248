"""`calibrate --max-loss` and `calibrate --min-quality`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from routectl.cli import options
from routectl.cli.console import percent
from routectl.cli.ids import EVALUATION
from routectl.cli.targets.option import TargetOption, flag
from routectl.errors import UsageError
from routectl.records import IdKind

if TYPE_CHECKING:
    from routectl.calibration import CutLoss
    from routectl.calibration.targets.max_loss import Measure
    from routectl.workflow.calibrating.recorded import RecordedCalibration
    from routectl.workflow.calibrating.run import Target


def _loss(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        raise click.BadParameter(f"{value!r} is no number: write 0.03") from None
    if not 0.0 <= number < float("inf"):  # NaN is not, either
        raise click.BadParameter(f"{value} is no loss: write a number from 0 on, such as 0.03")
    return number


_evaluation = click.option(
    "--evaluation",
    type=EVALUATION,
    metavar="ID",
    help="Evaluation of the router, such as e3, whose judged requests tell what is lost.",
)
_max_loss = click.option(
    "--max-loss",
    callback=_loss,
    metavar="QUALITY",
    help="Mean quality that may be lost against always-strong, in the unit of --evaluation (of "
    "`label`: a win is 1, a tie 0.5), with --confidence.",
)
_min_quality = click.option(
    "--min-quality",
    callback=options.optional_fraction,
    metavar="SHARE",
    help="Share of always-strong's mean quality to keep, with --confidence: 0.97 is 97 %.",
)


def _target(measure: Measure) -> Callable[[Mapping[str, Any]], Target]:
    def target(values: Mapping[str, Any]) -> Target:
        from routectl.workflow.calibrating.run import MaxLoss

        if values["evaluation"] is None:
            raise UsageError(
                f"{flag(measure)} needs --evaluation ID, whose judged requests tell what is lost: "
                "`routectl evaluations list` has them, `routectl label` and `routectl evaluate` "
                "make them"
            )
        return MaxLoss(measure, values[measure], values["evaluation"], values["confidence"])

    return target


def _brief(stored: Mapping[str, Any]) -> str:
    if "max_loss" in stored:
        return f"loss {stored['max_loss']:g}"
    return f"quality {percent(stored['min_quality'])}"


def _full(stored: Mapping[str, Any]) -> str:
    what = (
        f"a loss of at most {stored['max_loss']:g}"
        if "max_loss" in stored
        else f"at least {percent(stored['min_quality'])} of always-strong's quality"
    )
    by = IdKind.EVALUATION.ref(stored["evaluation"])
    return f"{what} by {by}, with {100 * stored['confidence']:g} % confidence"


def _rows(result: RecordedCalibration) -> Iterator[tuple[str, str]]:
    loss, evaluated = result.choice.cut.loss, result.quality
    if loss is None or evaluated is None:
        return
    sure = f"({100 * loss.confidence:g} % confidence)"
    if "min_quality" in result.choice.target.to_json():
        kept, least = percent(1 - loss.expected), percent(1 - loss.at_most)
        yield "quality kept", f"{kept} of always-strong's expected, {least} at least {sure}"
    else:
        yield "expected loss", f"{loss.expected:.4g}, at most {loss.at_most:.4g} {sure}"
    unit = "a win is 1, a tie 0.5" if evaluated.on_traffic else f"in the unit of {_where(result)}"
    yield (
        "mean quality",
        f"{loss.quality:.4g}; always strong {loss.strong_quality:.4g}, always weak "
        f"{loss.weak_quality:.4g} ({unit})",
    )
    yield (
        "measured on",
        f"{loss.labels:,} prompts of {_where(result)}, "
        f"{percent(loss.strong_fraction)} of the requests there strong",
    )
    if loss.certain_share:
        yield (
            "frequent prompts",
            f"{percent(loss.certain_share)} of the requests judged for certain: the limit holds as "
            "they recur",
        )
    yield "more labels", _more(loss)


def _where(result: RecordedCalibration) -> str:
    evaluated = result.quality
    assert evaluated is not None
    name = "your traffic" if evaluated.on_traffic else evaluated.benchmark
    return f"{name} ({IdKind.EVALUATION.ref(evaluated.evaluation_id)})"


def _more(loss: CutLoss) -> str:
    shares = [f"{percent(m.strong_fraction)} with {m.labels:,}" for m in loss.more_labels]
    shares.append(f"{percent(loss.least_strong_fraction)} at best")
    return f"about {', '.join(shares)}, if they say what these say"


MAX_LOSS = TargetOption(
    name="max_loss",
    options=(_max_loss, _evaluation),
    only_with_it=("evaluation",),
    example="--max-loss 0.03 --evaluation e3",
    target=_target("max_loss"),
    brief=_brief,
    full=_full,
    rows=_rows,
)
MIN_QUALITY = TargetOption(
    name="min_quality",
    options=(_min_quality,),
    only_with_it=("evaluation",),
    example="--min-quality 0.97 --evaluation e3",
    target=_target("min_quality"),
    brief=_brief,
    full=_full,
    rows=_rows,
)

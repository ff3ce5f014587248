"""A labelling: the drawn prompts are judged, and each router is evaluated on them."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from routectl.judging.verdicts import JudgedPrompt
from routectl.output import Output, make_folder
from routectl.store.engine import Location
from routectl.workflow.judging import Judging, JudgingReport, judge_prompts, write_battles
from routectl.workflow.judging.store_rows import open_work, read_work
from routectl.workflow.labelling.drawing import DrawnTraffic, Question
from routectl.workflow.labelling.storing import JudgedRows, LabelledRouter, Shares, evaluate
from routectl.workflow.reporter import Reporter


@dataclass(frozen=True, slots=True)
class LabelReport:
    """The result of a labelling."""

    judging: JudgingReport
    routers: list[LabelledRouter]
    """The first one's scores gave the strata. Empty where the budget did not last."""
    shares: Shares | None
    strata: int
    requests: float
    """Weight of the requests that the prompts stand for."""
    own_requests: float
    """Weight of the requests that sent one of the drawn prompts."""
    distinct: int
    """Prompts of the population."""
    excluded: dict[str, float]
    confidence: float
    kept: Path
    """Where the answers are kept."""


def kept_work(location: Location, setup: Judging) -> Path:
    """Where the calls of a labelling are kept: next to a SQLite file, else in the user's state.

    One file for each judging (models, judge, addresses, tokens, seed), whatever the population.
    """
    facts = json.dumps(setup.facts, sort_keys=True).encode()
    name = f"label-{hashlib.sha256(facts).hexdigest()[:12]}.jsonl"
    if location.path is not None:
        return location.path.with_name(f"{location.path.name}.{name}")
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return state / "routectl" / name


def label(
    location: Location,
    drawn: DrawnTraffic,
    setup: Judging,
    question: Question,
    output: Output | None,
    reporter: Reporter,
) -> LabelReport:
    """Have drawn prompts judged, and store what that says of each router.

    A run that was stopped, however, goes on when it is run again. The answers stay where
    `kept_work` says, so that a larger sample, another router or another population pays only for
    what is new; what was paid is settled with each labelling that is complete.

    Args:
        output: also write the battles there, when all are judged.

    Raises:
        UsageError, EndpointError, InputError: as `judge_prompts`; or fewer than two prompts have a
            verdict.
    """
    kept = kept_work(location, setup)
    make_folder(kept.parent, 0o700)
    done: dict[str, JudgedPrompt] = {}

    def keep(judged: JudgedPrompt) -> None:
        done[judged.prompt] = judged

    report = judge_prompts(drawn.prompts, setup, kept, reporter, keep)
    routers: list[LabelledRouter] = []
    shares, strata = None, 0
    if report.complete:
        judged = [done[text] for text in drawn.prompts]
        if output is not None:
            write_battles([prompt for prompt in judged if prompt.winner is not None], setup, output)
            report = replace(report, output=output.path)
        rows = JudgedRows.of(drawn, judged, read_work(kept, setup.facts).costs)
        shares, strata = rows.shares, len(set(rows.strata.tolist()))
        routers = evaluate(location, drawn, rows, report, question)
        with open_work(kept, setup.facts) as work:
            work.settle()
    return LabelReport(
        judging=report,
        routers=routers,
        shares=shares,
        strata=strata,
        requests=drawn.requests,
        own_requests=drawn.own_requests,
        distinct=drawn.distinct,
        excluded=drawn.excluded,
        confidence=question.confidence,
        kept=kept,
    )

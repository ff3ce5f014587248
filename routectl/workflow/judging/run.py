"""Judging prompts: a few at once, each call kept, and no call beyond the budget."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from threading import Event

from routectl.errors import EndpointError
from routectl.judging.verdicts import (
    JUDGE_PROMPT,
    JudgedPrompt,
    Tally,
    again_messages,
    aggregate,
    answer_messages,
    battle_row,
    judge_messages,
    parse_verdict,
    winner_of,
)
from routectl.output import Output, remove_file
from routectl.prices import ModelPrice
from routectl.records import ModelPair, Winner
from routectl.workflow.judging import setup as defaults
from routectl.workflow.judging.asking import ChatModel, RefusedError
from routectl.workflow.judging.budget import Budget, LimitReachedError
from routectl.workflow.judging.planning import ANSWERS, VERDICTS, again_of, call_name
from routectl.workflow.judging.setup import Judging
from routectl.workflow.judging.store_rows import WorkFile, open_work
from routectl.workflow.reporter import Reporter

OnJudged = Callable[[JudgedPrompt], None]


@dataclass(frozen=True, slots=True)
class JudgingReport:
    """What a judging did, with all earlier runs that it continued."""

    output: Path | None
    """None where nothing was written."""
    pair: ModelPair
    judge: str
    judge_prompt: str
    """Version and digest of the judge's instructions."""
    seed: int
    prompts: int
    tally: Tally
    complete: bool
    """False where the budget did not last."""
    calls: int
    """Sent, with attempts that had to be made again."""
    lost: int
    """Calls of earlier runs whose end is not known; their worst case is in the cost."""
    cost: Decimal
    """US dollars."""
    cost_by_model: dict[str, Decimal]
    seconds: float
    """Of this run."""


def work_path(output: Path) -> Path:
    """Where the calls of a judging are kept until its output is written."""
    return output.with_name(f"{output.name}.partial.jsonl")


def judge_to_file(
    prompts: Sequence[str], setup: Judging, output: Output, reporter: Reporter
) -> JudgingReport:
    """Judge prompts and write the battles as JSON lines, in the order of the prompts; gzipped where
    the output's name ends in .gz.

    Where the budget does not last, the battles so far are written, and the same judging with a
    larger one goes on.

    Raises:
        UsageError: the output must not be written, see `continued`.
        EndpointError: as `judge_prompts`; or no prompt could be judged at all.
        InputError: a file cannot be written.
    """
    output = continued(output)
    output.check()
    work = work_path(output.path)
    done: dict[str, JudgedPrompt] = {}

    def keep(judged: JudgedPrompt) -> None:
        done[judged.prompt] = judged

    report = judge_prompts(prompts, setup, work, reporter, keep)
    judged = [done[text] for text in prompts if text in done and done[text].winner is not None]
    if not judged:
        return report
    write_battles(judged, setup, output)
    if report.complete:
        remove_file(work)
    return replace(report, output=output.path)


def write_battles(judged: Sequence[JudgedPrompt], setup: Judging, output: Output) -> None:
    """Write prompts that have a winner as battles.

    Raises:
        UsageError, InputError: the file must not, or cannot be written.
    """
    with output.writing() as write:
        for prompt in judged:
            row = battle_row(prompt, setup.pair, setup.judge)
            write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def continued(output: Output) -> Output:
    """The output of a judging, which is replaced where an earlier run of it was stopped."""
    return replace(output, force=output.force or work_path(output.path).exists())


def judge_prompts(
    prompts: Sequence[str],
    setup: Judging,
    work: Path,
    reporter: Reporter,
    on_judged: OnJudged = lambda judged: None,
) -> JudgingReport:
    """Have two models answer each prompt, and a judge say which answer is better.

    Every finished call is kept in the work file at once. A run that was stopped, however, goes on
    from there when called with the same setup, and may be given more prompts and a larger budget.

    Args:
        prompts: distinct texts.
        work: the file that keeps the calls; it stays.
        on_judged: told of each prompt when it is done, in this thread and in no order.

    Raises:
        UsageError: a model has no price.
        EndpointError: an endpoint does not answer, or not as it should; or nothing could be judged.
        InputError: the work file cannot be used, see `store_rows.open_work`.
    """
    started = time.monotonic()
    tally, complete = Tally(), True
    with open_work(work, setup.facts) as work_file:
        prompt_judge = _PromptJudge(setup, work_file)
        pool = ThreadPoolExecutor(setup.concurrency)
        try:
            with reporter.progress("judging", len(prompts)) as advance:
                futures = [pool.submit(prompt_judge.judge_prompt, text) for text in prompts]
                for future in as_completed(futures):
                    judged = _result(future)
                    if judged is None:
                        complete = False
                        prompt_judge.stop()
                        continue
                    tally.add(judged)
                    on_judged(judged)
                    advance(1)
        except KeyboardInterrupt:
            reporter.note("waiting for the calls under way, so that they are kept")
            raise
        finally:
            prompt_judge.stop()
            pool.shutdown(cancel_futures=True)
        prompt_judge.remark(reporter)
        if not tally.judged and complete:
            raise prompt_judge.nothing_judged(tally)
        return JudgingReport(
            output=None,
            pair=setup.pair,
            judge=setup.judge,
            judge_prompt=JUDGE_PROMPT,
            seed=setup.seed,
            prompts=len(prompts),
            tally=tally,
            complete=complete,
            calls=work_file.kept.calls,
            lost=work_file.kept.lost,
            cost=work_file.kept.total,
            cost_by_model=dict(work_file.kept.spent),
            seconds=time.monotonic() - started,
        )


def _result(future: Future[JudgedPrompt]) -> JudgedPrompt | None:
    """None where the budget did not last for it."""
    try:
        return future.result()
    except LimitReachedError:
        return None


class _PromptJudge:
    """The two models and their judge, asked about one prompt after another."""

    def __init__(self, setup: Judging, work: WorkFile) -> None:
        self._stop = Event()
        self._budget = Budget(setup.max_cost, work.kept.total)
        strong, weak, judge = setup.known_prices()

        def model(price: ModelPrice, *, for_judge: bool = False) -> ChatModel:
            return ChatModel(
                setup.judge_url if for_judge else setup.url,
                price,
                setup.judge_service if for_judge else setup.models_service,
                defaults.PATIENCE,
                max_tokens=setup.verdict_tokens if for_judge else setup.max_tokens,
                seed=setup.seed,
                budget=self._budget,
                work=work,
                stop=self._stop,
            )

        self._models = {"strong": model(strong), "weak": model(weak)}
        self._judge = model(judge, for_judge=True)

    def stop(self) -> None:
        """Send no further call; those under way end."""
        self._stop.set()
        self._budget.wake()

    def judge_prompt(self, prompt: str) -> JudgedPrompt:
        """Ask all that a prompt needs, one call after the other."""
        try:
            strong, weak = (
                self._models[role].ask(call_name(prompt, role), answer_messages(prompt))
                for role in ANSWERS
            )
            cut = strong.cut or weak.cut
            texts = (strong.content.strip(), weak.content.strip())
            if not all(texts):
                return JudgedPrompt(prompt, None, unjudged="no_answer", cut=cut)
            if texts[0] == texts[1]:
                return JudgedPrompt(prompt, "tie", cut=cut)
            verdicts: list[Winner] = []
            for role in VERDICTS:
                verdict = self._verdict(prompt, role, texts)
                if verdict is None:
                    return JudgedPrompt(prompt, None, unjudged="unparsable", cut=cut)
                verdicts.append(verdict)
        except RefusedError:
            return JudgedPrompt(prompt, None, unjudged="refused")
        return JudgedPrompt(prompt, aggregate(verdicts), tuple(verdicts), cut=cut)

    def _verdict(self, prompt: str, role: str, texts: tuple[str, str]) -> Winner | None:
        strong_first = role == "forward"
        messages = judge_messages(prompt, *(texts if strong_first else texts[::-1]))
        reply = self._judge.ask(call_name(prompt, role), messages).content
        place = parse_verdict(reply)
        if place is None:
            messages_again = again_messages(messages, reply or "-")
            second_reply = self._judge.ask(call_name(prompt, again_of(role)), messages_again)
            place = parse_verdict(second_reply.content)
        return None if place is None else winner_of(place, strong_first=strong_first)

    def remark(self, reporter: Reporter) -> None:
        """Say what a person should know of the models."""
        for model in (*self._models.values(), self._judge):
            left_out = [n for n in ("temperature", "seed") if not getattr(model.shape, n)]
            if left_out:
                reporter.note(
                    f"{model.name} takes no {' and no '.join(left_out)}, so it may answer "
                    "otherwise another time"
                )
            if model.unmetered:
                reporter.note(
                    f"{model.unmetered:,} answers of {model.name} did not say how many tokens they "
                    "used; they count with the most that they can have used"
                )
            if model.over:
                reporter.note(
                    f"{model.over:,} answers of {model.name} used more tokens than they were "
                    "allowed, so its endpoint does not hold the limit that was sent"
                )

    def nothing_judged(self, tally: Tally) -> EndpointError:
        """Why not one prompt has a verdict."""
        refusals = (model.refusal for model in (*self._models.values(), self._judge))
        refusal = next(filter(None, refusals), None)
        if refusal is not None:
            return refusal
        return EndpointError(
            f"no prompt could be judged: of {tally.unparsable:,} the judge gave no verdict of the "
            f"form that it was asked for, of {tally.no_answer:,} a model's answer was empty; try "
            "another judge, or a larger --max-tokens or --verdict-tokens"
        )

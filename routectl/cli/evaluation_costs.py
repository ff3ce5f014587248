"""How the costs of an evaluation are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from routectl.cli.console import Console
from routectl.cli.figures import end_text

if TYPE_CHECKING:
    from routectl.evaluation.bootstrap import Estimate
    from routectl.workflow.evaluating import Evaluated


def costs_json(evaluated: Evaluated, name: str) -> dict[str, object]:
    """A router's or baseline's costs for programs."""
    if evaluated.costs is None or name not in evaluated.costs.routers:
        return {"costs": None}
    return {"costs": evaluated.costs.routers[name].to_json()}


def expense_cells(evaluated: Evaluated, name: str, route: str) -> tuple[str, ...]:
    """What a route's threshold costs, and how many times less than always strong; none unknown."""
    if evaluated.costs is None:
        return ()
    expense = evaluated.costs.routers[name].at_threshold[route]
    saving = "-" if expense.saving is None else f"{expense.saving:.2f}x"
    return dollars(expense.per_1000), saving


def print_costs(console: Console, evaluated: Evaluated) -> None:
    """What each router costs where it recovers half and four fifths of the gap."""
    costs = evaluated.costs
    if costs is None or not (evaluated.results.gap > 0):
        return
    console.line()
    answers = costs.answers
    how = "the benchmark's own"
    if answers.prices is not None:
        how = f"a token for four characters of prompt, {answers.answer_tokens:,} tokens an answer"
    console.line(
        "USD per 1,000 requests, and how many times less that is than always strong's "
        f"{dollars(costs.always_strong)}:"
    )
    shares = list(next(iter(costs.routers.values())).at_cpt)
    rows = []
    for name, router in costs.routers.items():
        cells = []
        for share in shares:
            expense, saving = router.at_cpt[share], router.saving[share]
            if expense is None or expense.saving is None:
                cells += ["never" if expense is None else dollars(expense.per_1000), "-"]
            else:
                cells += [dollars(expense.per_1000), saving_text(expense.saving, saving)]
        rows.append((name, *cells))
    headers = [word for x in shares for word in (f"at CPT({100 * x:g}%)", "saving")]
    console.table(rows, headers=("router", *headers))
    console.line()
    console.table(
        [
            ("always weak", f"{dollars(costs.always_weak)} USD per 1,000 requests"),
            ("costs", how),
            *(("price", str(price)) for price in answers.prices or ()),
        ]
    )


def dollars(amount: float) -> str:
    """US dollars, in digits that tell the amounts of a table apart."""
    return f"{amount:,.2f}" if amount >= 1 else f"{amount:.3g}"


def saving_text(saving: float, interval: Estimate | None) -> str:
    """How many times less: 4.00x is a fourth of the bill."""
    text = f"{saving:.2f}x"
    if interval is None:
        return text
    return f"{text} ({end_text(interval.low, 2)}-{end_text(interval.high, 2)})"

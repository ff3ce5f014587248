"""`calibrate --max-loss` and `--min-quality`, on a benchmark's evaluation and on judged traffic."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from routectl.store.engine import Location
from routectl.store.evaluations import EvaluatedRows, add_evaluation, evaluation, rows_of
from routectl.store.opening import open_store
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log
from tests.evaluation.files import write_csv

BY_E1 = ("calibrate", "-r", "length", "--evaluation", "e1")


@pytest.fixture
def evaluated(routectl: Routectl, tmp_path: Path) -> None:
    """Traffic of two groups over 28 days, and e1: the strong model is right on long prompts more
    often than the weak one, and on short ones as often."""
    records = [
        payload(
            n,
            prompt=f"question {n} " + "why " * (n * 37 % 200),
            startTime=1_790_000_000.0 + 6000 * n,
            model_group="other" if n * 37 % 200 > 120 else "smart",
        )
        for n in range(400)
    ]
    assert routectl("import", write_log(tmp_path / "log", records)).code == 0
    rows = []
    for n in range(600):
        length = n * 91 % 200
        prompt = f"other {n} " + "why " * length
        rows.append({"prompt": prompt, "big": int(n % 5 > 0), "small": int(n % 5 > length // 90)})
    own = write_csv(tmp_path / "own.csv", rows)
    judge = ("evaluate", "--benchmark", own, "-r", "length", "--draws", "10")
    assert routectl(*judge, "--strong-model", "big", "--weak-model", "small").code == 0


@pytest.mark.usefixtures("evaluated")
def test_the_answer_says_what_is_lost_at_most_and_what_more_labels_would_reach(
    routectl: Routectl,
) -> None:
    made = routectl(*BY_E1, "--max-loss", "0.1")
    assert made.code == 0, made.err
    assert "e1 is of the benchmark own and not of this traffic" in made.err
    text = " ".join(made.out.split())
    loss = routectl("show", "c1", "--json").json["loss"]
    assert loss["expected"] < loss["at_most"] <= loss["limit"] == 0.1
    assert (
        f"expected loss {loss['expected']:.4g}, at most {loss['at_most']:.4g} (95 % confidence)"
        in text
    )
    assert f"always strong 0.8, always weak {loss['weak_quality']:.4g} (in the unit of own" in text
    assert "measured on 600 prompts of own (e1)" in text
    assert "% with 1,200, " in text
    assert "target a loss of at most 0.1 by e1, with 95 % confidence" in text
    assert max(map(len, made.out.splitlines())) <= 100


@pytest.mark.usefixtures("evaluated")
def test_it_is_recorded_shown_and_listed_like_any_other(routectl: Routectl) -> None:
    made = routectl(*BY_E1, "--max-loss", "0.1", "--confidence", "0.9")
    again = routectl("show", "c1")
    assert again.out == made.out
    assert "90 % confidence" in made.out
    stored = routectl("show", "c1", "--json").json
    assert stored["target"] == {"max_loss": 0.1, "evaluation": 1, "confidence": 0.9}
    assert stored["missed_by"] is None
    assert "loss 0.1" in routectl("history").out
    kept = routectl(*BY_E1, "--min-quality", "0.9", "--json").json[0]
    assert kept["loss"]["quality"] >= 0.9 * kept["loss"]["strong_quality"]
    assert "quality 90.0 %" in routectl("history").out
    assert "of always-strong's expected, 90." in " ".join(routectl("show", "c2").out.split())
    assert routectl("activate", "c1", "--force").code == 0
    assert routectl("export").out.strip() == stored["config_string"]


@pytest.mark.usefixtures("evaluated")
def test_the_threshold_is_one_and_the_share_and_the_money_are_each_populations(
    routectl: Routectl,
) -> None:
    routectl("route", "set", "smart", *MODELS)
    whole = routectl(*BY_E1, "--max-loss", "0.1", "--json", "--dry-run").json[0]
    part = routectl(*BY_E1, "--max-loss", "0.1", "--json", "--where", "model_group=other").json[0]
    assert whole["calibration_id"] is None
    assert part["calibration_id"] == 1
    assert part["loss"] == whole["loss"]
    assert part["strong_fraction"] != whole["strong_fraction"]
    assert part["costs"]["per_1000_requests"] != whole["costs"]["per_1000_requests"]
    assert part["quality"]["evaluation_id"] == 1
    assert any("compares big with small" in warning for warning in part["warnings"]) is False


@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize("target", [("--max-loss", "0"), ("--min-quality", "1")])
def test_where_no_cut_keeps_it_nothing_is_recorded_and_the_labels_are_named(
    routectl: Routectl, target: tuple[str, str]
) -> None:
    # No cut loses less than nothing, however many say so: the least scores lose nothing, surely.
    refused = routectl(*BY_E1, *target)
    one_sentence(refused, "No threshold but always-strong keeps", "more labels would not", code=1)
    few = routectl(*BY_E1, "--max-loss", "0.003")
    one_sentence(few, "by these 600 labels; about", "labels would, at", code=1)
    assert routectl("history", "--json").json["calibrations"] == []


@pytest.mark.usefixtures("evaluated")
def test_an_evaluation_that_says_nothing_of_the_router_is_refused(routectl: Routectl) -> None:
    other = routectl("calibrate", "-r", "random", "--evaluation", "e1", "--max-loss", "0.1")
    one_sentence(other, "e1 is of the router length and says nothing of random", code=2)
    several = routectl(*BY_E1, "-r", "random", "--max-loss", "0.1")
    one_sentence(several, "says nothing of random", code=2)
    absent = routectl("calibrate", "-r", "length", "--evaluation", "e9", "--max-loss", "0.1")
    one_sentence(absent, "no evaluation e9", code=1)
    assert routectl("history", "--json").json["calibrations"] == []


@pytest.mark.usefixtures("evaluated")
def test_an_evaluation_at_another_fingerprint_is_refused(
    routectl: Routectl, database: Path
) -> None:
    copy_evaluation(database, fingerprint="0" * 64)
    refused = routectl("calibrate", "-r", "length", "--evaluation", "e2", "--max-loss", "0.1")
    one_sentence(refused, "e2 is of length at the fingerprint 000000000000", "anew", code=2)


def copy_evaluation(database: Path, rows: EvaluatedRows | None = None, **changes: object) -> None:
    """e2: e1 as it would be stored of something else."""
    with open_store(Location.parse(str(database))) as store, store.write() as connection:
        first = evaluation(connection, 1)
        names = [column.name for column in type(first).__table__.columns]
        values = {name: getattr(first, name) for name in names}
        for name in ("id", "rows", "columns"):
            del values[name]
        add_evaluation(connection, values | changes, rows or rows_of(first))


@pytest.mark.usefixtures("evaluated")
def test_judged_traffic_is_told_from_a_benchmark_and_from_other_traffic(
    routectl: Routectl, database: Path
) -> None:
    drawn = {"population": {"where": ["model_group=smart"], "since": None, "until": None}}
    copy_evaluation(database, kind="traffic", benchmark="traffic", details=drawn)
    by_e2 = ("calibrate", "-r", "length", "--evaluation", "e2", "--max-loss", "0.1", "--dry-run")
    same = routectl(*by_e2, "--where", "model_group=smart")
    assert same.code == 0, same.err
    assert "which may lose more" not in same.err
    text = " ".join(same.out.split())
    assert "(a win is 1, a tie 0.5)" in text
    assert "measured on 600 prompts of your traffic (e2)" in text
    other = routectl(*by_e2)
    assert "e2 was drawn from model_group=smart and the threshold is for all requests" in other.err


@pytest.mark.usefixtures("evaluated")
def test_a_loss_between_other_models_than_the_routes_is_said(routectl: Routectl) -> None:
    prices = ("--price", "huge=2/8", "--price", "small=0.25/1")
    done = routectl("route", "set", "smart", "--strong", "huge", "--weak", "small", *prices)
    assert done.code == 0, done.err
    made = routectl(*BY_E1, "--max-loss", "0.1", "--dry-run")
    assert "e1 compares big with small, and the route's models are huge and small" in made.err


@pytest.mark.usefixtures("evaluated")
def test_what_the_options_take_is_said(routectl: Routectl) -> None:
    for arguments, parts in (
        (("--max-loss", "0.1"), ("--max-loss needs --evaluation", "`routectl label`")),
        (("--min-quality", "0.9"), ("--min-quality needs --evaluation",)),
        (("--max-loss", "much", "--evaluation", "1"), ("--max-loss", "write 0.03")),
        (("--max-loss", "-1", "--evaluation", "1"), ("is no loss",)),
        (("--max-loss", "nan", "--evaluation", "1"), ("is no loss",)),
        (("--min-quality", "97", "--evaluation", "1"), ("not between 0 and 1",)),
        (("--strong-fraction", "0.3", "--evaluation", "1"), ("--evaluation goes with",)),
        (("--max-loss", "0.1", "--min-quality", "0.9"), ("are two targets",)),
        (("--max-loss", "0.1", "--evaluation", "c1"), ("c1 is a calibration",)),
        (("--max-loss", "0.1", "--evaluation", "1", "--by", "team"), ("leave out --by",)),
        (
            ("--max-loss", "0.1", "--evaluation", "1", "--unit", "conversation"),
            ("leave out --unit",),
        ),
        (("--max-loss", "0.1", "--evaluation", "1", "--confidence", "0.3"), ("confidence",)),
    ):
        one_sentence(routectl("calibrate", "-r", "length", *arguments), *parts, code=2)


@pytest.mark.usefixtures("evaluated")
@pytest.mark.parametrize(
    ("kind", "win_rates", "qualities"),
    [
        ("benchmark", [0.1, np.nan], [1.0, 1.0]),
        ("benchmark", [0.1, 0.2], [1.0, np.inf]),
        ("traffic", [0.1, 0.2], [1.0, 7.0]),
    ],
)
def test_damaged_rows_are_one_sentence(
    routectl: Routectl,
    database: Path,
    kind: str,
    win_rates: list[float],
    qualities: list[float],
) -> None:
    rows = EvaluatedRows(
        prompts=np.array([1, 2]),
        win_rates=np.array(win_rates),
        strong_quality=np.array(qualities),
        weak_quality=np.array([0.0, 1.0]),
    )
    copy_evaluation(database, rows, kind=kind, details={"population": {"where": []}})
    damaged = routectl("calibrate", "-r", "length", "--evaluation", "e2", "--max-loss", "0.1")
    one_sentence(damaged, "the rows of evaluation e2 are damaged", code=1)

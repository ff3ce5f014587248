"""A calibration says what its requests cost with the route's models, and what a month saves."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from routectl.cli.app import run
from tests.cli.test_bad_input import one_sentence
from tests.conftest import Routectl, payload, write_log

CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "--tolerance", "1")
MODELS = ("--strong", "openai/big", "--weak", "small")
OWN = ("--price", "big=1000/3000", "--price", "small=100/50")
UNKNOWN = 5
DAY = 86_400


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 40 requests over 39 hours that length has scored; of five nobody counted the
    tokens. Its route declares two models."""
    folder = tmp_path_factory.mktemp("scored")
    log = [
        payload(n, completion_tokens=30 * n, startTime=1_790_000_000.0 + 3600 * n)
        for n in range(40)
    ]
    for record in log[:UNKNOWN]:
        record["completion_tokens"] = None
    database = folder / "scored.db"
    for command in (
        ["import", str(write_log(folder / "log.jsonl", log))],
        ["route", "set", "smart", *MODELS, *OWN, "--router", "length"],
        ["score", "-r", "length"],
    ):
        assert run([*command, "--db", str(database), "--quiet"]) == 0
    return database


@pytest.fixture(autouse=True)
def _database(scored: Path, database: Path) -> None:
    shutil.copy(scored, database)


def test_each_request_costs_its_tokens_at_the_model_that_it_goes_to(
    routectl: Routectl, database: Path
) -> None:
    (answer,) = routectl(*CALIBRATE, "--json").json
    rows = sqlite3.connect(database).execute(
        "SELECT s.win_rate, q.tokens_in, q.tokens_out FROM requests q "
        "JOIN scores s ON s.prompt_id = q.prompt_id"
    )
    rates, read, written = np.array(rows.fetchall(), dtype=float).T
    is_strong = rates >= float(answer["threshold"])
    assert 0 < is_strong.mean() < 1
    strong, weak = (1000 * read + 3000 * written) / 1e6, (100 * read + 50 * written) / 1e6
    always_strong, always_weak = 1000 * np.nanmean(strong), 1000 * np.nanmean(weak)
    per_1000 = answer["costs"]["per_1000_requests"]
    assert per_1000["known"] == (40 - UNKNOWN) / 40
    this = 1000 * np.nanmean(np.where(is_strong, strong, weak))
    assert per_1000["this_threshold"] == pytest.approx(this)
    assert per_1000["always_strong"] == pytest.approx(always_strong)
    assert per_1000["always_weak"] == pytest.approx(always_weak)
    share = answer["strong_fraction"]
    assert per_1000["random"] == pytest.approx(share * always_strong + (1 - share) * always_weak)
    assert any("12.5 % of the requests have no tokens" in text for text in answer["warnings"])

    # 40 requests in 39 hours are 738.5 in 30 days.
    month = answer["costs"]["month"]
    assert month["days_seen"] == pytest.approx(39 / 24)
    assert month["requests"] == pytest.approx(40 / (39 / 24) * 30)
    assert month["always_strong"] == pytest.approx(always_strong / 1000 * month["requests"])
    assert month["saved"] == pytest.approx((always_strong - this) / 1000 * month["requests"])
    assert month["saved_share"] == pytest.approx(1 - this / always_strong)
    shown = " ".join(routectl(*CALIBRATE).out.split())
    assert (
        f"saving {month['saved']:,.2f} USD a month ({100 * month['saved_share']:.1f} %) against "
        "always openai/big, at 738 requests in 30 days, as in the log"
    ) in shown
    assert f"always small {month['always_weak']:,.2f}" in shown
    assert "quality not measured on your traffic; `routectl label` does" in shown


def test_a_sample_projects_the_month_of_all_that_it_stands_for(
    routectl: Routectl, tmp_path: Path, database: Path
) -> None:
    log = [payload(n, startTime=1_790_000_000.0 + n / 100 * DAY) for n in range(401)]
    path = write_log(tmp_path / "log.jsonl", log)
    months = []
    for name, options in (("all", ()), ("sample", ("--sample", "100"))):
        db = ("--db", tmp_path / f"{name}.db")
        shutil.copy(database, tmp_path / f"{name}.db")
        # An import of the same route without its requests: those of before are of another time.
        assert routectl("import", path, *options, *db).code == 0
        (answer,) = routectl(*CALIBRATE, "--since", "2026-09-21T14:13", *db, "--json").json
        months.append(answer["costs"]["month"]["requests"])
    assert months[0] == pytest.approx(months[1], rel=0.2)


def test_the_prices_are_kept_with_the_calibration(routectl: Routectl, database: Path) -> None:
    (answer,) = routectl(*CALIBRATE, "--price", "small=0.24/0.5", "--json").json
    (details,) = sqlite3.connect(database).execute("SELECT details FROM calibrations").fetchone()
    stored = json.loads(details)["costs"]
    assert stored == answer["costs"]
    assert stored["currency"] == "USD"
    assert stored["prices"] == {
        "strong": {
            "model": "openai/big",
            "input": 1000.0,
            "output": 3000.0,
            "source": "price of the route",
        },
        "weak": {"model": "small", "input": 0.24, "output": 0.5, "source": "--price"},
    }
    (route,) = routectl("route", "list", "--json").json
    assert route["models"][0]["price"] == {"input": "100", "output": "50"}, "for this run alone"


def test_the_policy_names_the_declared_models(routectl: Routectl) -> None:
    (answer,) = routectl(*CALIBRATE, "--json").json
    assert answer["models"] == ["small", "openai/big"]
    routectl("activate", "--force")
    history = routectl("history", "--json").json
    assert history["calibrations"][0]["policy"]["models"] == ["small", "openai/big"]
    routectl("activate", "--always-strong")
    assert routectl("history", "--json").json["activations"][0]["policy"]["models"] == [
        "small",
        "openai/big",
    ]


def test_the_table_shows_the_cost_beside_the_shares_and_names_the_prices(
    routectl: Routectl,
) -> None:
    result = routectl(*CALIBRATE)
    assert "USD per 1,000 requests" in result.out
    words = " ".join(result.out.split())
    assert "price of strong 1000 in, 3000 out, USD per million tokens (price of the route)" in (
        words
    )
    assert "12.5 % of the requests have no tokens in the log" in result.err
    routectl("route", "set", "smart", "--strong", "gpt-4o", "--weak", "gpt-4o-mini")
    listed = routectl(*CALIBRATE)
    assert "(list price of OpenAI" in listed.out
    assert max(map(len, listed.out.splitlines())) <= 100


def test_side_by_side_every_router_has_the_cost_of_the_same_models(routectl: Routectl) -> None:
    result = routectl(*CALIBRATE, "-r", "random", "-r", "length")
    assert "USD/1,000" in result.out
    for name in ("random", "length"):
        (row,) = (line for line in result.out.splitlines() if line.startswith(f"{name}  "))
        assert float(row.split()[-1].replace(",", "")) > 0
        assert f"{name} saving: " in result.out
        assert f"{name} quality: not measured" in result.out


def test_a_strong_model_that_is_the_cheaper_one_saves_nothing(routectl: Routectl) -> None:
    routectl("route", "set", "smart", "--price", "big=1/1")
    shown = " ".join(routectl(*CALIBRATE).out.split())
    assert "saving none: " in shown
    assert "more than always openai/big" in shown
    routectl("route", "set", "smart", "--price", "big=0/0", "--price", "small=0/0")
    assert "saving 0.00 USD a month against" in " ".join(routectl(*CALIBRATE).out.split())


def test_a_price_of_a_model_that_the_route_does_not_declare_is_refused(
    routectl: Routectl, database: Path
) -> None:
    one_sentence(
        routectl(*CALIBRATE, "--price", "gpt-5=1/2"),
        "--price gpt-5: the models are small, openai/big",
        code=2,
    )
    routectl("init", "--db", database.with_name("other.db"))
    undeclared = routectl(
        *CALIBRATE, "--price", "gpt-5=1/2", "--db", database.with_name("other.db")
    )
    one_sentence(undeclared, "declares none", "routectl route set default --strong", code=2)
    assert routectl("history", "--json").json["calibrations"] == []


@pytest.mark.parametrize(
    ("fields", "because", "month"),
    [
        ({"completion_tokens": None}, "not known: the log has no tokens", "no costs"),
        ({"startTime": 1_790_000_000.0}, "less than a day", None),
        ({"startTime": None}, "the log has no times", None),
    ],
)
def test_what_the_log_does_not_tell_is_not_projected(
    routectl: Routectl,
    database: Path,
    tmp_path: Path,
    fields: dict[str, object],
    because: str,
    month: object,
) -> None:
    database.unlink()
    log = [payload(n, **fields) for n in range(9)]
    routectl("route", "set", "smart", *MODELS, *OWN, "--router", "length")
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    (answer,) = routectl(*CALIBRATE, "--json").json
    if month is None:
        assert answer["costs"]["month"] is None
        assert because in answer["costs"]["no_month"]
        assert answer["costs"]["per_1000_requests"]["always_strong"] > 0
    else:
        assert answer["costs"] is None
    shown = routectl(*CALIBRATE).out
    assert because in " ".join(shown.split())
    assert "USD a month" not in shown


def test_own_prices_take_no_list(database: Path) -> None:
    code = (
        "import sys; from routectl.cli.app import run; code = run(sys.argv[1:]); "
        "print('genai_prices' in sys.modules, 'torch' in sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *CALIBRATE, "--db", database],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False False"

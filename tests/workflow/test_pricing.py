"""A calibration says what its requests would cost, at prices that are kept with it."""

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
from tests.conftest import Routectl, payload, write_log

STRONG, WEAK = "gpt-4-1106-preview", "Mixtral-8x7B-Instruct-v0.1"
CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "--tolerance", "1")
OWN = ("--price", f"{STRONG}=1000/3000", "--price", f"mistralai/{WEAK}=100/50")
UNKNOWN = 5


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of 40 requests that mf has scored; of five nobody counted the tokens."""
    folder = tmp_path_factory.mktemp("scored")
    log = [payload(n, completion_tokens=30 * n) for n in range(40)]
    for record in log[:UNKNOWN]:
        record["completion_tokens"] = None
    database = folder / "scored.db"
    for command in (["import", str(write_log(folder / "log.jsonl", log))], ["score"]):
        assert run([*command, "--db", str(database), "--quiet"]) == 0
    return database


@pytest.fixture(autouse=True)
def _database(scored: Path, database: Path) -> None:
    shutil.copy(scored, database)


def test_each_request_costs_its_tokens_at_the_model_that_it_goes_to(
    routectl: Routectl, database: Path
) -> None:
    (answer,) = routectl(*CALIBRATE, *OWN, "--json").json
    rows = sqlite3.connect(database).execute(
        "SELECT s.win_rate, q.tokens_in, q.tokens_out FROM requests q "
        "JOIN scores s ON s.prompt_id = q.prompt_id"
    )
    rates, read, written = np.array(rows.fetchall(), dtype=float).T
    is_strong = rates >= float(answer["threshold"])
    assert 0 < is_strong.mean() < 1
    strong, weak = (1000 * read + 3000 * written) / 1e6, (100 * read + 50 * written) / 1e6
    always_strong, always_weak = 1000 * np.nanmean(strong), 1000 * np.nanmean(weak)
    found = answer["costs"]["per_1000_requests"]
    assert found["known"] == (40 - UNKNOWN) / 40
    assert found["this_threshold"] == pytest.approx(
        1000 * np.nanmean(np.where(is_strong, strong, weak))
    )
    assert found["always_strong"] == pytest.approx(always_strong)
    assert found["always_weak"] == pytest.approx(always_weak)
    share = answer["strong_fraction"]
    assert found["random"] == pytest.approx(share * always_strong + (1 - share) * always_weak)
    assert any("12.5 % of the requests have no tokens" in text for text in answer["warnings"])


def test_the_prices_are_kept_with_the_calibration(routectl: Routectl, database: Path) -> None:
    (answer,) = routectl(*CALIBRATE, "--price", f"{WEAK}=0.24/0.5", "--json").json
    (details,) = sqlite3.connect(database).execute("SELECT details FROM calibrations").fetchone()
    stored = json.loads(details)["costs"]
    assert stored == answer["costs"]
    assert stored["currency"] == "USD"
    assert stored["prices"]["weak"] == {
        "model": WEAK,
        "input": 0.24,
        "output": 0.5,
        "source": "--price",
    }
    assert stored["prices"]["strong"]["model"] == STRONG
    assert "list price of OpenAI" in stored["prices"]["strong"]["source"]


def test_the_table_shows_the_cost_beside_the_shares_and_names_the_prices(
    routectl: Routectl,
) -> None:
    result = routectl(*CALIBRATE, *OWN)
    assert "USD per 1,000 requests" in result.out
    assert f"price of strong   {1000} in, {3000} out, USD per million tokens (--price)" in (
        result.out
    )
    assert "12.5 % of the requests have no tokens in the log" in result.err
    listed = routectl(*CALIBRATE)
    assert "(list price of OpenAI for" in listed.out
    assert max(map(len, listed.out.splitlines())) <= 100


def test_side_by_side_a_router_without_models_has_no_cost(routectl: Routectl) -> None:
    result = routectl(*CALIBRATE, *OWN, "-r", "mf", "-r", "length")
    assert "USD/1,000" in result.out
    (mf,) = (line for line in result.out.splitlines() if line.startswith("mf "))
    (length,) = (line for line in result.out.splitlines() if line.startswith("length "))
    assert float(mf.split()[-1]) > 0
    assert length.split()[-1] == "-"
    assert max(map(len, result.out.splitlines())) <= 100


# "as" gives the pair a model that no list has.
RENAMED = ("--strong-model", STRONG, "--weak-model", "small", "--as", f"small={WEAK}")


def test_a_pair_without_a_list_price_has_no_cost_and_does_not_nag(routectl: Routectl) -> None:
    result = routectl(*CALIBRATE, *RENAMED, "--json")
    assert result.code == 0
    assert result.json[0]["costs"] is None
    assert "price" not in result.err
    assert "USD" not in routectl(*CALIBRATE, *RENAMED).out
    verbose = routectl(*CALIBRATE, *RENAMED, "-v").err
    assert "no price is known for small" in verbose
    assert "--price small=IN/OUT" in verbose


def test_who_prices_one_of_two_models_is_told_about_the_other(routectl: Routectl) -> None:
    result = routectl(*CALIBRATE, *RENAMED, "--price", f"{STRONG}=1/2")
    assert result.code == 0
    assert "--price small=IN/OUT" in result.err
    priced = routectl(*CALIBRATE, *RENAMED, "--price", "small=0/0", "--json").json
    assert priced[0]["costs"]["per_1000_requests"]["always_weak"] == 0


def test_a_price_of_a_model_that_no_router_decides_about_is_refused(routectl: Routectl) -> None:
    refused = routectl(*CALIBRATE, "--price", "gpt-5=1/2")
    assert refused.code == 2
    assert f"--price gpt-5: the models are {STRONG}, {WEAK}" in refused.err
    nobody = routectl(*CALIBRATE, "-r", "length", "--price", "gpt-5=1/2")
    assert nobody.code == 2
    assert "between no models" in nobody.err
    assert routectl("history", "--json").json["calibrations"] == []


def test_without_tokens_nothing_is_priced(
    routectl: Routectl, database: Path, tmp_path: Path
) -> None:
    database.unlink()
    log = [payload(n, completion_tokens=None) for n in range(3)]
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    assert routectl(*CALIBRATE, "--json").json[0]["costs"] is None


@pytest.mark.parametrize(("arguments", "imported"), [(OWN, False), (("-r", "length"), False)])
def test_own_prices_and_baselines_take_no_list(
    database: Path, arguments: tuple[str, ...], imported: bool
) -> None:
    code = (
        "import sys; from routectl.cli.app import run; code = run(sys.argv[1:]); "
        "print('genai_prices' in sys.modules, 'torch' in sys.modules); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *CALIBRATE, *arguments, "--db", database],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == f"{imported} False"

"""`routectl evaluate` and `routectl evaluations`, from the command line to the database."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from tests.conftest import Routectl
from tests.databases import damage, rows_by_table
from tests.evaluation.files import STRONG, WEAK, own_benchmark, write_csv, write_jsonl

PAIR = ("--strong-model", STRONG, "--weak-model", WEAK)


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    return own_benchmark(tmp_path / "own.csv", rows=24)


@pytest.fixture(autouse=True)
def empty_database(routectl: Routectl) -> None:
    routectl("init")


def test_an_evaluation_has_every_baseline_beside_the_router(
    routectl: Routectl, benchmark: Path
) -> None:
    found = routectl("evaluate", "--benchmark", benchmark, "-r", "mf", "--draws", 50)
    assert found.code == 0
    assert "24 prompts" in found.out
    for name in ("mf", "random", "length", "oracle"):
        assert f"\n{name} " in found.out
    assert f"{STRONG} / {WEAK} (strong / weak)" in found.out
    assert "50 draws, seed 0" in found.out
    assert max(map(len, found.out.splitlines())) <= 100
    assert "question 1" not in found.out + found.err, "no prompt is printed"


def test_the_figures_are_those_of_the_metrics(routectl: Routectl, benchmark: Path) -> None:
    found = routectl(
        "evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--json", "--quality", 0.5
    ).json[0]
    # Longer prompts need the strong model, so length ranks all but one kind of prompt right.
    assert (found["strong_quality"], found["weak_quality"]) == pytest.approx((22 / 24, 14 / 24))
    router, baselines = found["routers"][0], {b["router"]: b for b in found["baselines"]}
    assert router["figures"]["APGR"]["value"] > 0.8
    assert router["better_than"]["random"]["verdict"] == "better"
    assert baselines["random"]["figures"]["CPT(80%)"] == {"value": 0.8, "low": 0.8, "high": 0.8}
    assert baselines["oracle"]["figures"]["APGR"]["value"] > router["figures"]["APGR"]["value"]
    assert router["strong_fraction_for_quality"]["0.5"]["value"] == 0.0
    assert found["seed"] == 0


def test_every_evaluation_is_stored_with_what_it_takes_to_repeat_it(
    routectl: Routectl, benchmark: Path
) -> None:
    routectl("evaluate", "--benchmark", benchmark, "-r", "mf", "-r", "length", *PAIR,
             "--draws", 50, "--seed", 7, "--note", "before the budget talk")  # fmt: skip
    listed = routectl("evaluations", "list", "--json").json
    assert [one["router"] for one in listed] == ["length", "mf"]
    shown = routectl("evaluations", "show", listed[1]["id"], "--json").json
    assert (shown["seed"], shown["draws"], shown["rows"]) == (7, 50, 24)
    assert shown["note"] == "before the budget talk"
    assert shown["actor"] == "tester"
    assert len(shown["fingerprint"]) == len(shown["data_digest"]) == 64
    assert shown["figures"]["APGR"]["low"] <= shown["figures"]["APGR"]["value"]
    table = routectl("evaluations", "show", listed[1]["id"])
    assert "before the budget talk" in table.out
    assert "seed 7" in table.out


def test_a_second_evaluation_reads_the_scores_that_the_first_one_stored(
    routectl: Routectl, benchmark: Path, database_url: str
) -> None:
    arguments = ("evaluate", "--benchmark", benchmark, "-r", "mf", "--draws", 20, "--json")
    first = routectl(*arguments).json[0]
    scores = rows_by_table(database_url)["scores"]
    second = routectl(*arguments).json[0]
    assert rows_by_table(database_url)["scores"] == scores
    assert first["data_digest"] == second["data_digest"]
    assert first["routers"][0]["figures"] == second["routers"][0]["figures"]
    assert len(routectl("evaluations", "list", "--json").json) == 2


def test_a_benchmarks_prompts_are_no_traffic(routectl: Routectl, benchmark: Path) -> None:
    routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--draws", 20)
    found = routectl("calibrate", "--strong-fraction", 0.3, "-r", "length")
    assert found.code == 1
    assert "holds no traffic" in found.err


def test_a_stored_evaluation_cannot_be_changed(
    routectl: Routectl, benchmark: Path, database: Path
) -> None:
    routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--draws", 20)
    with sqlite3.connect(database) as connection:
        for change in ("UPDATE evaluations SET note = 'x'", "DELETE FROM evaluations"):
            with pytest.raises(sqlite3.IntegrityError, match="evaluations are immutable"):
                connection.execute(change)
    assert damage(str(database)) == []


def test_two_evaluations_are_compared_prompt_by_prompt(routectl: Routectl, benchmark: Path) -> None:
    at_once = routectl(
        "evaluate", "--benchmark", benchmark, "-r", "mf", "-r", "length", *PAIR, "--json"
    ).json[0]["routers"]
    mf, length = at_once
    found = routectl("evaluations", "compare", mf["evaluation_id"], length["evaluation_id"])
    assert found.code == 0
    assert found.out.startswith("Is mf (e1) better than length (e2) on own: ")
    later = routectl(
        "evaluations", "compare", mf["evaluation_id"], length["evaluation_id"], "--json"
    ).json
    assert later["differences"]["APGR"] == mf["better_than"]["length"]


def test_evaluations_on_other_rows_are_not_compared(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--draws", 20)
    other = own_benchmark(tmp_path / "other.csv", rows=20)
    routectl("evaluate", "--benchmark", other, "-r", "length", *PAIR, "--draws", 20)
    found = routectl("evaluations", "compare", 1, 2)
    assert found.code == 2
    assert "were not judged on the same rows" in found.err
    assert "cannot be compared with itself" in routectl("evaluations", "compare", 1, 1).err
    assert "no evaluation e9" in routectl("evaluations", "compare", 1, 9).err


def test_the_published_procedure_stands_beside_the_exact_curve(
    routectl: Routectl, tmp_path: Path
) -> None:
    rows = [{"prompt": "x" * (n + 1), STRONG: 1, WEAK: int(n < 50)} for n in range(100)]
    path = write_csv(tmp_path / "own.csv", rows)
    found = routectl("evaluate", "--benchmark", path, "-r", "length", *PAIR, "--bins", 10, "--json")
    binned = found.json[0]["routers"][0]["published_procedure"]
    assert binned["apgr"] == pytest.approx(0.75)
    assert binned["cpt"] == pytest.approx({"0.2": 0.1, "0.5": 0.25, "0.8": 0.4})


def test_tied_scores_and_bins_are_refused_and_nothing_is_stored(
    routectl: Routectl, tmp_path: Path
) -> None:
    rows = [{"prompt": f"{n % 2}", STRONG: 1, WEAK: n % 2} for n in range(30)]
    path = write_csv(tmp_path / "own.csv", rows)
    found = routectl("evaluate", "--benchmark", path, "-r", "length", *PAIR, "--bins", 10)
    assert found.code == 1
    assert "take fewer --bins" in found.err
    assert routectl("evaluations", "list").out == "none yet\n"


def test_a_weak_model_that_is_the_better_one_is_said(routectl: Routectl, benchmark: Path) -> None:
    found = routectl("evaluate", "--benchmark", benchmark, "-r", "length", "--draws", 20,
                     "--strong-model", WEAK, "--weak-model", STRONG)  # fmt: skip
    assert found.code == 0
    assert f"{WEAK} is no better than {STRONG} on these prompts" in found.err
    assert "there is no gap to recover" in found.err
    shown = routectl("evaluations", "show", 1, "--json").json
    assert shown["figures"]["APGR"] is None
    assert shown["figures"]["AUC"]["value"] > 0
    assert "APGR          -" in routectl("evaluations", "show", 1).out


def test_routers_of_other_models_are_judged_only_when_told_to(
    routectl: Routectl, tmp_path: Path
) -> None:
    path = write_csv(
        tmp_path / "own.csv",
        [{"prompt": f"question {n}", "opus": 1, "haiku": n % 2} for n in range(12)],
    )
    refused = routectl("evaluate", "--benchmark", path, "-r", "mf")
    assert refused.code == 1
    assert f"own holds no answers of {STRONG}; its models are opus, haiku" in refused.err
    assert "--transfer" in refused.err
    unknown = routectl("evaluate", "--benchmark", path, "-r", "mf",
                       "--strong-model", "opus", "--weak-model", "haiku")  # fmt: skip
    assert unknown.code == 1
    assert "--as" in unknown.err
    found = routectl("evaluate", "--benchmark", path, "-r", "mf", "--transfer",
                     "--strong-model", "opus", "--weak-model", "haiku", "--draws", 20)  # fmt: skip
    assert found.code == 0
    assert "opus / haiku (strong / weak)" in found.out
    assert "its figures here are a transfer" in found.err


def test_prompts_that_a_router_was_trained_on_are_counted_left_out_or_refused(
    routectl: Routectl, tmp_path: Path
) -> None:
    gold = [
        {"prompt": f"task {n}: " + "word " * n, "big": 1, "small": int(n < 20)} for n in range(40)
    ]
    trained = write_jsonl(tmp_path / "gold.jsonl", gold)
    checkpoint = tmp_path / "mine"
    assert routectl("train", "length", "--gold", trained, "--output", checkpoint).code == 0
    path = write_csv(
        tmp_path / "own.csv",
        [*gold[:3], *({"prompt": f"new {n}", "big": 1, "small": n % 2} for n in range(20))],
    )
    arguments = ("evaluate", "--benchmark", path, "-r", f"length={checkpoint}", "--draws", 20,
                 "--strong-model", "big", "--weak-model", "small")  # fmt: skip
    counted = routectl(*arguments)
    assert "length was trained on 3 of the 23 prompts" in counted.err
    refused = routectl(*arguments, "--strict")
    assert refused.code == 3
    assert "length was trained on 3 of the 23 prompts of own" in refused.err
    unseen = routectl(*arguments, "--unseen", "--strict")
    assert unseen.code == 0, "what was left out is not there any more"
    left = routectl(*arguments, "--unseen", "--json").json[0]
    assert (left["rows"], left["unseen_left_out"]) == (20, 3)


def test_a_benchmark_is_measured_against_training_data(
    routectl: Routectl, tmp_path: Path, benchmark: Path
) -> None:
    far = write_csv(tmp_path / "far.csv", [{"prompt": "Bake a cake", "big": 1, "small": 0}])
    arguments = ("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--draws", 20)
    itself = routectl(*arguments, "--trained-on", benchmark, "--json").json[0]["resemblance"]
    assert itself["similarity"]["mean"] == pytest.approx(1, abs=1e-4)
    assert (itself["similar"], itself["training_prompts"]) == (24, 24)
    other = routectl(*arguments, "--trained-on", far, "--json").json[0]["resemblance"]
    assert other["similarity"]["mean"] < 0.5
    assert other["similar"] == 0
    shown = routectl(*arguments, "--trained-on", far)
    assert "the mean largest cosine to 1 training prompts; 0 prompts at 0.95" in shown.out.replace(
        "\n", " "
    ).replace("  ", "")


def test_an_evaluation_says_what_it_saves(routectl: Routectl, benchmark: Path) -> None:
    arguments = ("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--draws", 50)
    found = routectl(*arguments, "--price", f"{STRONG}=10/10", "--price", f"{WEAK}=1/1", "--json")
    costs = found.json[0]["costs"]
    # Each answer has 300 tokens, and the prompts few.
    assert costs["always_strong_per_1000"] == pytest.approx(10 * costs["always_weak_per_1000"])
    router = found.json[0]["routers"][0]["costs"]["CPT(50%)"]
    calls = found.json[0]["routers"][0]["figures"]["CPT(50%)"]["value"]
    assert router["strong_calls"]["value"] == pytest.approx(0.5 / calls)
    assert 1 < router["saving"]["low"] <= router["saving"]["value"] <= router["saving"]["high"]
    shown = routectl(*arguments)
    assert "USD per 1,000 requests" in shown.out
    assert "list price of OpenAI" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    stored = routectl("evaluations", "show", 1, "--json").json["details"]["costs"]
    assert stored["currency"] == "USD"
    assert stored["prices"][0] == {
        "model": STRONG, "input": 10.0, "output": 10.0, "source": "--price",
    }  # fmt: skip
    assert stored["CPT(50%)"] == router


def test_a_benchmarks_own_costs_go_before_prices(routectl: Routectl, tmp_path: Path) -> None:
    rows = [
        {"prompt": "x" * (n + 1), "big": 1, "small": int(n < 6), "cost:big": 0.04,
         "cost:small": 0.01}
        for n in range(12)
    ]  # fmt: skip
    path = write_csv(tmp_path / "own.csv", rows)
    found = routectl("evaluate", "--benchmark", path, "-r", "length", "--draws", 20, "--json",
                     "--strong-model", "big", "--weak-model", "small").json[0]  # fmt: skip
    assert found["costs"]["always_strong_per_1000"] == pytest.approx(40)
    assert found["costs"]["prices"] is None
    # Half of the gap takes a quarter of the calls: 0.01 + 0.03 / 4.
    expense = found["routers"][0]["costs"]["CPT(50%)"]["expense"]
    assert expense["per_1000"] == pytest.approx(17.5)
    assert expense["saving"] == pytest.approx(40 / 17.5)


def test_a_model_without_a_price_is_named_with_the_option(
    routectl: Routectl, tmp_path: Path
) -> None:
    rows = [{"prompt": f"{n}" * (n + 1), "big-9": 1, "small-9": n % 2} for n in range(12)]
    path = write_csv(tmp_path / "own.csv", rows)
    arguments = ("evaluate", "--benchmark", path, "-r", "length", "--draws", 20,
                 "--strong-model", "big-9", "--weak-model", "small-9")  # fmt: skip
    found = routectl(*arguments)
    assert found.code == 0
    assert "no price is known for big-9" in found.err
    assert "--price big-9=IN/OUT" in found.err
    half = routectl(*arguments, "--price", "big-9=1/2")
    assert half.code == 2
    assert "no price is known for small-9" in half.err
    assert routectl(*arguments, "--price", "big-9=x").code == 2


def test_what_runs_now_is_judged_too(routectl: Routectl, log: Path, benchmark: Path) -> None:
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", 0.3, "-r", "length")
    assert routectl("activate", "--force").code == 0
    found = routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--json")
    point = found.json[0]["routers"][0]["operating_points"]["default"]
    assert point["threshold"] == routectl("export").out.strip().rsplit("-", 1)[1]
    assert 0 <= point["strong_fraction"] <= 1
    assert (
        "router-length-"
        in routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR).out
    )


def test_an_evaluation_can_be_drawn(
    routectl: Routectl, log: Path, tmp_path: Path, benchmark: Path
) -> None:
    routectl("import", log)
    routectl("calibrate", "--strong-fraction", 0.3, "-r", "length")
    assert routectl("activate", "--force").code == 0
    found = routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR, "--draws", 20,
                     "--plots", tmp_path / "plots", "--plot-format", "svg")  # fmt: skip
    assert found.code == 0
    drawn = sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert {"own-quality.svg", "own-scores.svg", "own-reliability.svg"} <= set(drawn)
    assert all(name in found.out.replace("\n", "") for name in drawn)
    text = (tmp_path / "plots" / "own-quality.svg").read_text()
    assert routectl("export").out.strip() in text, "what runs now is in the picture"
    assert "question" not in text


def test_a_sample_is_drawn_with_a_seed(routectl: Routectl, benchmark: Path) -> None:
    def digest(seed: int) -> str:
        found = routectl("evaluate", "--benchmark", benchmark, "-r", "length", *PAIR,
                         "--sample", 8, "--seed", seed, "--draws", 20, "--json").json  # fmt: skip
        assert found[0]["rows"] == 8
        return str(found[0]["data_digest"])

    assert digest(1) == digest(1) != digest(2)


def test_several_benchmarks_in_one_run(routectl: Routectl, tmp_path: Path, benchmark: Path) -> None:
    other = own_benchmark(tmp_path / "other.csv", rows=20)
    found = routectl("evaluate", "--benchmark", benchmark, "--benchmark", other, "-r", "length",
                     *PAIR, "--draws", 20, "--json")  # fmt: skip
    assert [one["benchmark"] for one in found.json] == ["own", "other"]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"prompt": "only one", STRONG: 1, WEAK: 0}], "1 prompts were answered by both"),
        ([{"prompt": "a", STRONG: "?", WEAK: "?"}], "holds no qualities"),
        ([{"text": "a", STRONG: 1, WEAK: 0}], "it needs prompt, question or turns"),
    ],
)
def test_a_bad_benchmark_is_one_sentence_and_stores_nothing(
    routectl: Routectl, tmp_path: Path, rows: list[dict[str, object]], sentence: str
) -> None:
    path = write_csv(tmp_path / "own.csv", rows)
    found = routectl("evaluate", "--benchmark", path, "-r", "length", *PAIR)
    assert found.code == 1
    assert sentence in found.err
    assert "Traceback" not in found.err
    assert routectl("evaluations", "list").out == "none yet\n"


def test_what_cannot_be_asked_is_said(
    routectl: Routectl, benchmark: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROUTECTL_BENCHMARKS", raising=False)
    for arguments, code, sentence in (
        (["-r", "length"], 2, "these routers know no models: name two of the benchmark's"),
        (["-r", "random", *PAIR], 2, "random is a baseline that every evaluation has"),
        (["-r", "mf", "--transfer"], 2, "--transfer takes the benchmark's --strong-model"),
        (["-r", "length", "--strong-model", STRONG, "--weak-model", STRONG], 1, "with itself"),
        (["-r", "mf", "--confidence", "2"], 2, "is not between 0 and 1"),
    ):
        found = routectl("evaluate", "--benchmark", benchmark, *arguments)
        assert (found.code, sentence in found.err) == (code, True), found.err
    missing = routectl("evaluate", "--benchmark", "mmlu", "-r", "length", *PAIR)
    assert missing.code == 2
    assert "ROUTECTL_BENCHMARKS names no folder" in missing.err


def test_a_benchmark_is_found_by_name_where_the_environment_says(
    routectl: Routectl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    own_benchmark(folder / "mt_bench.csv.gz")
    monkeypatch.setenv("ROUTECTL_BENCHMARKS", str(folder))
    found = routectl("evaluate", "--benchmark", "mt-bench", "-r", "length", *PAIR, "--draws", 20)
    assert found.code == 0
    assert "mt_bench: 24 prompts" in found.out


def test_json_holds_no_number_that_json_does_not_have(routectl: Routectl, tmp_path: Path) -> None:
    # A gap that many draws do not show: the interval is not bounded.
    rows = [{"prompt": "x" * (n + 1), STRONG: int(n != 3), WEAK: int(n != 5)} for n in range(8)]
    rows[0][STRONG], rows[0][WEAK] = 1, 0
    path = write_csv(tmp_path / "own.csv", rows)
    found = routectl("evaluate", "--benchmark", path, "-r", "length", *PAIR, "--json")
    assert found.code == 0
    parsed = json.loads(found.out, parse_constant=lambda name: pytest.fail(name))
    assert parsed[0]["routers"][0]["figures"]["APGR"]["low"] is None

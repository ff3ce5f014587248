"""The paper's Tables 1 to 4, 6 and 7 for the shipped routers: what research/results.md shows.

    python research/paper_tables.py --data DIR --gold DIR --battles DIR [--tables 1 4]

DIR of --data holds the three benchmarks (see router_quality.py), of --gold `mmlu_pro.csv.gz` and
`llmrouter.jsonl.gz`, of --battles `mt_bench_gpt4.jsonl` (GPT-4's verdicts on pairs of answers to
MT-Bench). Every figure comes from
`routectl evaluate` in a database of its own; its command is above the table. `mf_6`, `mf_8`,
`sw_ranking_2` and `causal_llm` compute a language model: hours on two cores, minutes on a GPU.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paper_figures as paper

from routectl.routers import open_router
from routectl.tables import read_rows

STRONG, WEAK = "gpt-4-1106-preview", "mistralai/Mixtral-8x7B-Instruct-v0.1"
NAMES = {"mt_bench": "MT-Bench", "mmlu": "MMLU", "gsm8k": "GSM8K"}
FILES = {"mt_bench": "mt_bench.jsonl", "mmlu": "mmlu.csv.gz", "gsm8k": "gsm8k.csv.gz"}
SHIPPED = Path(open_router("mf").description.checkpoint or "").parent
ROUTERS = (
    *("mf=mf_6", "mf=mf_8", "mf=mf_9"),
    *("sw_ranking=sw_ranking_2", "sw_ranking=sw_ranking_3"),
    *("bert=bert_3", "bert=bert_4"),
    *("causal_llm=causal_llm_4", "ensemble=ensemble_4"),
)
SLOW_ROWS = 1500
SLOW = ("mf=mf_6", "mf=mf_8", "sw_ranking=sw_ranking_2", "causal_llm=causal_llm_4")
FAST = tuple(router for router in ROUTERS if router not in SLOW)
SPEED_ROWS, SLOW_SPEED_ROWS = 500, 20
NOT_LEARNED = ("arc_challenge", "natural_qa", "trivia_qa", "mmlu")
"""Tasks of llmrouter that no shipped router learned from, because of their licences."""
JUDGED_PAIRS = (
    ("gpt-4", "gpt-3.5-turbo"),
    ("claude-v1", "vicuna-13b-v1.2"),
    ("gpt-3.5-turbo", "llama-13b"),
)
"""Of mt_bench_gpt4: models that are in no router's training data."""
GOLD_PAIRS = (
    ("llama-3.3-nemotron-super-49b-v1", "mistral-7b-instruct-v0.3"),
    ("llama-3.3-nemotron-super-49b-v1", "llama3-chatqa-1.5-8b"),
    ("llama-3.1-nemotron-51b-instruct", "codegemma-7b"),
)
LEFT_OUT = Path(__file__).with_name("mmlu_left_out.txt")


class Evaluations:
    """Runs `routectl evaluate` in one database, and prints each command as anyone would type it."""

    def __init__(self, database: Path, shown_as: dict[Path, str]) -> None:
        self._database = database
        self._shown_as = shown_as
        self._run("init")

    def evaluate(self, *arguments: str | Path) -> list[dict[str, Any]]:
        words = [self._shown(each) for each in arguments]
        print(f"\n```sh\nroutectl evaluate {shlex.join(words)}\n```", flush=True)
        found: list[dict[str, Any]] = json.loads(self._run("evaluate", *arguments, "--json"))
        return found

    def _run(self, *arguments: str | Path) -> str:
        command = [sys.executable, "-m", "routectl", *map(str, arguments)]
        command += ["--db", str(self._database), "--quiet"]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def _shown(self, argument: str | Path) -> str:
        if not isinstance(argument, Path):
            return argument
        for folder, name in self._shown_as.items():
            if argument.is_relative_to(folder):
                return str(Path(name) / argument.relative_to(folder))
        return argument.name


def names_of(routers: Sequence[str]) -> list[str]:
    return [word for router in routers for word in ("-r", router)]


def label_of(router: dict[str, Any]) -> str:
    """A router of two checkpoints is called by the checkpoint."""
    label: str = router.get("label", router["router"])
    return label.rpartition("=")[2]


def interval(
    figure: dict[str, float | None] | None,
    scale: float = 1.0,
    digits: int = 3,
    unbounded: str = "any",
) -> str:
    if figure is None:
        return "-"
    ends = [figure[name] for name in ("low", "high")]
    value = "never" if figure["value"] is None else f"{scale * figure['value']:.{digits}f}"
    if ends[0] == ends[1]:
        return value
    shown = [unbounded if end is None else f"{scale * end:.{digits}f}" for end in ends]
    return f"{value} ({shown[0]}-{shown[1]})"


def row_of(router: dict[str, Any], theirs: paper.Figures | None) -> str:
    """A row of ours, with the paper's figures after each of ours."""
    figures = router["figures"]
    stated = ["", "", ""]
    if theirs is not None:
        stated = [f"{theirs.apgr:.3f}", f"{theirs.cpt50:.2f}", f"{theirs.cpt80:.2f}"]
    pairs = [cell for pair in zip(cells_of(figures), stated, strict=True) for cell in pair]
    return f"| {' | '.join([label_of(router), *pairs, *answers_of(router)])} |"


def plain_row_of(router: dict[str, Any]) -> str:
    """The same where the paper has nothing."""
    cells = [label_of(router), *cells_of(router["figures"]), *answers_of(router)]
    return f"| {' | '.join(cells)} |"


def cells_of(figures: dict[str, Any]) -> list[str]:
    return [
        interval(figures["APGR"]),
        interval(figures["CPT(50%)"], 100, 1),
        interval(figures["CPT(80%)"], 100, 1),
    ]


def answers_of(router: dict[str, Any]) -> list[str]:
    words = {"better": "yes", "worse": "no", "can't tell": "can't tell"}
    better = router["better_than"]
    return [words[better[o]["verdict"]] if o in better else "" for o in ("random", "length")]


HEADER = (
    "| router | APGR | paper | CPT(50%), % | paper | CPT(80%), % | paper | better than random | "
    "than length |\n|---|---|---|---|---|---|---|---|---|"
)
PLAIN_HEADER = (
    "| router | APGR | CPT(50%), % | CPT(80%), % | better than random | than length |\n"
    "|---|---|---|---|---|---|"
)


def tables_1_to_3(run: Evaluations, data: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """One table a benchmark; returns the rows by benchmark and router."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for number, name in enumerate(NAMES, start=1):
        print(f"\n## Table {number}: {NAMES[name]}")
        theirs = paper.TABLES_1_TO_3[name]
        leave_out = ("--leave-out", LEFT_OUT) if name == "mmlu" else ()
        quality = ("--quality", f"{paper.UNIFY_QUALITY}") if name == "mt_bench" else ()
        benchmark = ("--benchmark", data / FILES[name], *leave_out)
        main = run.evaluate(*benchmark, *names_of(ROUTERS), *quality)[0]
        print(
            f"\n{main['rows']:,} prompts, {main['contaminated_left_out']:,} left out; mean quality "
            f"{main['strong_quality']:.4g} ({STRONG}) and {main['weak_quality']:.4g} ({WEAK}).\n"
        )
        print(HEADER)
        rows = {label_of(row): row for row in main["routers"]}
        baselines = {row["router"]: row for row in main["baselines"]}
        for row in rows.values():
            print(row_of(row, theirs.get(row["router"])))
        for baseline, row in baselines.items():
            print(row_of(row, theirs.get(baseline)))
        found[name] = {**rows, **baselines}
    return found


def commercial(rows: dict[str, dict[str, Any]]) -> None:
    print("\n## Fewer strong calls than a commercial router")
    print(
        f"\nThe strong fraction at which MT-Bench scores {paper.UNIFY_QUALITY}, by the first "
        "command of Table 1. The intervals are of an absolute score, and 72 other prompts may be "
        "easier or harder for both models: they say next to nothing.\n"
    )
    print("| router | strong calls, % |\n|---|---|")
    key = f"{paper.UNIFY_QUALITY}"
    for router, row in rows.items():
        found = row["strong_fraction_for_quality"].get(key)
        if found is not None:
            print(f"| {router} | {interval(found, 100, 2, 'never')} |")
    print(f"| RouteLLM's best router | {paper.ROUTELLM_SHARE:.2f} |")
    print(f"| Unify AI | {paper.UNIFY_SHARE:.3f} |", flush=True)


def table_4(run: Evaluations, data: Path, gold: Path, battles: Path, folder: Path) -> None:
    print("\n## Table 4: other pairs of models, without training anew")
    print("\nMT-Bench, judged by GPT-4 pair by pair, both turns; models that no router knows:")
    for strong, weak in JUDGED_PAIRS:
        path = folder / f"{strong}-{weak}.csv"
        write_judged(path, data, battles / "mt_bench_gpt4.jsonl", strong, weak)
        transfer(run, path, strong, weak, ROUTERS, ())
    print(
        "\nPrompts of LLMRouter's tasks that no router learned from "
        f"({', '.join(NOT_LEARNED)}), scored for these models:"
    )
    for strong, weak in GOLD_PAIRS:
        for routers, sample in ((FAST, ()), (SLOW, ("--sample", str(SLOW_ROWS)))):
            more = ("--unseen", *sample)
            transfer(run, gold / "llmrouter.jsonl.gz", strong, weak, routers, more)
    print("\nThe paper's, on MT-Bench:\n\n| pair | " + " | ".join(paper.TABLE_7) + " | random |")
    print("|---|" + "---|" * (len(paper.TABLE_7) + 1))
    for pair, figures in paper.TABLE_4.items():
        cells = [f"{figures[name]:.3f}" for name in (*paper.TABLE_7, paper.RANDOM)]
        print(f"| {pair} | {' | '.join(cells)} |", flush=True)


def transfer(
    run: Evaluations, path: Path, strong: str, weak: str, routers: Sequence[str],
    more: Sequence[str],
) -> None:  # fmt: skip
    found = run.evaluate(
        "--benchmark", path, *names_of(routers), "--transfer", *more,
        "--strong-model", strong, "--weak-model", weak,
    )[0]  # fmt: skip
    print(
        f"\n{found['rows']:,} prompts; mean quality {found['strong_quality']:.3f} and "
        f"{found['weak_quality']:.3f}.\n\n{PLAIN_HEADER}"
    )
    for row in (*found["routers"], *found["baselines"]):
        print(plain_row_of(row), flush=True)


def write_judged(path: Path, data: Path, verdicts: Path, strong: str, weak: str) -> None:
    """Verdicts on one pair as a benchmark: a win is 1, a tie one half, the mean over turns."""
    points: dict[object, list[float]] = defaultdict(list)
    for row in read_rows(verdicts)[1]:
        models = (row.values["model_a"], row.values["model_b"])
        if set(models) == {strong, weak}:
            winner = {"model_a": models[0], "model_b": models[1]}.get(row.values["winner"])
            points[row.values["question_id"]].append(
                0.5 if winner is None else float(winner == strong)
            )
    contaminated = {r.text("prompt") for r in read_rows(data / "mt_bench.contaminated.jsonl")[1]}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("prompt", strong, weak))
        for row in read_rows(data / "mt_bench.jsonl")[1]:
            turns, found = row.values["turns"], points.get(row.values["question_id"])
            if found and not contaminated.intersection(turns):
                share = statistics.fmean(found)
                writer.writerow((turns[0], share, 1 - share))


def table_6(found: dict[str, dict[str, dict[str, Any]]]) -> None:
    print("\n## Table 6: what it saves")
    print(
        "\nThe paper's ratio is strong calls of random over those of the best router at the same "
        "quality. The next column is what the bill says: always-strong's cost over the router's "
        "at list prices (see [costs](../docs/costs.md)).\n"
    )
    print(
        "| benchmark | best router | at | calls of random / its calls | paper | "
        "cost of always-strong / its cost |\n|---|---|---|---|---|---|"
    )
    for name, rows in found.items():
        ours = {r: row for r, row in rows.items() if "label" in row}
        best = max(ours, key=lambda router: ours[router]["figures"]["APGR"]["value"])
        for at, share, stated in zip((50, 80), (0.5, 0.8), paper.TABLE_6[name], strict=True):
            figure = ours[best]["figures"][f"CPT({at}%)"]
            # The fewer calls, the larger the ratio: the ends change places.
            ends = (("value", "value"), ("low", "high"), ("high", "low"))
            value = {a: None if figure[b] is None else share / figure[b] for a, b in ends}
            money = (ours[best]["costs"] or {}).get(f"CPT({at}%)", {})
            shown = interval(money.get("saving"), 1, 2)
            print(
                f"| {NAMES[name]} | {best} | CPT({at}%) | {interval(value, 1, 2)} | {stated} | "
                f"{shown} |",
                flush=True,
            )


def table_7(traffic: Path | None) -> None:
    if traffic is None:
        return
    print("\n## Table 7: requests a second")
    prompts = [row.text("prompt") for row in read_rows(traffic)[1]]
    print(
        f"\nScoring {SPEED_ROWS} prompts of people in one call (slow ones: {SLOW_SPEED_ROWS}), on "
        f"{os.cpu_count()} cores of a CPU; the paper's on an NVIDIA L4, `sw_ranking` on 8 virtual "
        "CPUs with a refit a prompt.\n"
    )
    print("| router | requests a second | paper's |\n|---|---|---|")
    for number, named in enumerate(ROUTERS):
        name, _, checkpoint = named.partition("=")
        router = open_router(name, checkpoint=SHIPPED / checkpoint).load()
        # Prompts of its own: what another router has embedded is remembered for a while.
        count = SLOW_SPEED_ROWS if named in SLOW else SPEED_ROWS
        asked = prompts[number * SPEED_ROWS :][:count]
        router.strong_win_rates(prompts[-4:])
        started = time.perf_counter()
        router.strong_win_rates(asked)
        speed = len(asked) / (time.perf_counter() - started)
        stated = paper.TABLE_7.get(name, "")
        print(f"| {checkpoint} | {speed:.3g} | {stated} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--gold", type=Path, required=True)
    parser.add_argument("--battles", type=Path, required=True)
    parser.add_argument("--traffic", type=Path, help="prompts for Table 7, JSON lines")
    parser.add_argument("--database", type=Path, help="keep the scores there, else nowhere")
    parser.add_argument("--tables", nargs="+", type=int, default=[1, 4, 7], choices=[1, 4, 7])
    arguments = parser.parse_args()
    data, gold = arguments.data.resolve(), arguments.gold.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shown = {
            data: "BENCHMARKS", gold: "GOLD", LEFT_OUT.parent: "research", folder: "",
        }  # fmt: skip
        run = Evaluations(arguments.database or folder / "results.db", shown)
        if 1 in arguments.tables:
            found = tables_1_to_3(run, data)
            commercial(found["mt_bench"])
            table_6(found)
        if 4 in arguments.tables:
            table_4(run, data, gold, arguments.battles.resolve(), folder)
        if 7 in arguments.tables:
            table_7(arguments.traffic)


if __name__ == "__main__":
    main()

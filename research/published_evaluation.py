"""Does `--bins 10` give RouteLLM's own figures? Its package's code and ours, on the same scores.

    python -m venv PEER
    PEER/bin/pip install routellm torch pandarallel matplotlib 'numpy<2' 'datasets<4' 'pyarrow<20'
    python research/published_evaluation.py --data DIR --peer PEER/bin/python [--routers mf]

DIR holds the three benchmarks (see router_quality.py). The peer runs in an environment of its own;
what is patched in it is in peer_evaluation.py. The
benchmarks are written out in the layout of RouteLLM's repository, both sides read that, and each
figure's largest difference is printed. It exits with 1 above 1e-9 for AUC and APGR, and above
0.005 points for CPT, which the package prints with two decimals.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from router_quality import BENCHMARKS, STRONG, WEAK, load_routers

from routectl.evaluation.binned import binned_figures
from routectl.evaluation.reading import read_benchmark
from routectl.tables import read_rows

IN_PERCENT = {"mmlu": 100.0, "gsm8k": 100.0, "mt_bench": 1.0}


def write_out(data: Path, name: str, folder: Path) -> None:
    """A benchmark in the layout of RouteLLM's repository."""
    into = folder / name
    into.mkdir()
    listed = read_rows(data / f"{name}.contaminated.jsonl")[1]
    (into / "contaminated_prompts.jsonl").write_text(
        "".join(json.dumps({"eval_prompt": row.text("prompt")}) + "\n" for row in listed)
    )
    rows = [row.values for row in read_rows(data / BENCHMARKS[name])[1]]
    if name == "mt_bench":
        questions = [{k: row[k] for k in ("question_id", "category", "turns")} for row in rows]
        judged = [
            {"question_id": row["question_id"], "model": model, "turn": turn, "score": score}
            for row in rows
            for model, turns in row["scores"].items()
            for turn, score in turns.items()
        ]
        for file, lines in (("question.jsonl", questions), ("judgements.jsonl", judged)):
            (into / file).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return
    parts: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        stem = f"responses/mmlu_{row['domain']}.csv" if name == "mmlu" else "gsm8k_responses.csv"
        judged_row = {m: {"1": True, "0": False}[str(row[m])] for m in (WEAK, STRONG)}
        parts.setdefault(stem, []).append({"prompt": row["prompt"], **judged_row})
    for stem, lines in parts.items():
        (into / stem).parent.mkdir(exist_ok=True)
        with (into / stem).open("w", newline="") as file:
            writer = csv.DictWriter(file, list(lines[0]))
            writer.writeheader()
            writer.writerows(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True, metavar="PYTHON")
    parser.add_argument("--routers", nargs="+", default=["mf", "length"], metavar="NAME")
    arguments = parser.parse_args()
    routers = load_routers(arguments.routers)
    worst = {"AUC": 0.0, "APGR": 0.0, "CPT": 0.0}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        pairs, scores = {}, {}
        for name in BENCHMARKS:
            write_out(arguments.data, name, folder)
            pairs[name] = read_benchmark(folder / name).pair(STRONG, WEAK)
            prompts = pairs[name].prompts
            scores[name] = {
                label: dict(zip(prompts, router.strong_win_rates(prompts).tolist(), strict=True))
                for label, router in routers.items()
            }
        (folder / "scores.json").write_text(json.dumps(scores))
        peer = Path(__file__).with_name("peer_evaluation.py")
        subprocess.run([arguments.peer, peer, folder], check=True, stdout=subprocess.DEVNULL)
        found = json.loads((folder / "peer.json").read_text())
    print("| benchmark | router | figure | RouteLLM | routectl --bins 10 | difference |")
    print("|---|---|---|---|---|---|")
    for name, theirs in found.items():
        judged, unit = pairs[name], IN_PERCENT[name]
        for row in theirs:
            by_prompt = scores[name][row["method"]]
            ours = binned_figures(
                [by_prompt[prompt] for prompt in judged.prompts],
                judged.strong_quality * unit,
                judged.weak_quality * unit,
            )
            pairs_of = {
                "AUC": (row["AUC"], ours.auc),
                "APGR": (row["APGR"], ours.apgr),
                **{
                    f"CPT({100 * x:g}%)": (float(row[f"{100 * x:g}% qual"][:-1]), 100 * ours.cpt[x])
                    for x in ours.cpt
                },
            }
            for figure, (one, other) in pairs_of.items():
                off = abs(one - other)
                kind = figure.partition("(")[0]
                worst[kind] = max(worst[kind], off)
                print(f"| {name} | {row['method']} | {figure} | {one} | {other:.10g} | {off:.1e} |")
    print(f"\nLargest differences: {', '.join(f'{k} {v:.1e}' for k, v in worst.items())}")
    # Two decimals are off by half of the last one; the rest is rounding.
    if worst["AUC"] > 1e-9 or worst["APGR"] > 1e-9 or worst["CPT"] > 0.005 + 1e-9:
        sys.exit(1)


if __name__ == "__main__":
    main()

"""Each shape of benchmark, written to a file and read back."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from routectl.errors import InputError, UsageError
from routectl.evaluation.reading import find_benchmark, read_benchmark
from tests.evaluation.files import STRONG, WEAK, write_csv, write_jsonl


def row(**changes: object) -> dict[str, object]:
    return {"prompt": "What is 2 + 2?", STRONG: 1, WEAK: 0} | changes


def test_a_table_of_ones_own_has_a_column_for_each_model(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "own.csv.gz",
        [
            {"prompt": "a", "category": "math", "big": 9, "small": 4.5, "cost:big": 0.03},
            {"prompt": "b", "category": "code", "big": 7, "small": "", "cost:big": 0.02},
        ],
    )
    found = read_benchmark(path)
    assert (found.name, found.prompts, found.models) == ("own", ("a", "b"), ("big", "small"))
    assert found.quality["big"].tolist() == [9, 7]
    assert np.isnan(found.quality["small"][1])
    assert found.categories == ("math", "code")
    assert found.cost["big"].tolist() == [0.03, 0.02]


def test_true_and_false_are_one_and_nought(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv", [row(**{STRONG: "True", WEAK: "false"}), row()])
    assert read_benchmark(path).quality[STRONG].tolist() == [1, 1]
    assert read_benchmark(path).quality[WEAK].tolist() == [0, 0]


def test_columns_of_words_are_no_models(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv", [row(remark="fine", **{f"{STRONG}_response": "4"})])
    assert read_benchmark(path).models == (STRONG, WEAK)


def test_mt_bench_routes_on_the_first_turn_and_averages_both(tmp_path: Path) -> None:
    path = write_jsonl(
        tmp_path / "mt.jsonl",
        [{"turns": ["first", "second"], "scores": {"a": {"1": 10, "2": 7}, "b": {"1": 5, "2": 4}}}],
    )
    found = read_benchmark(path)
    assert found.prompts == ("first",)
    assert found.quality["a"].tolist() == [8.5]
    assert found.quality["b"].tolist() == [4.5]


def test_objects_of_scores_and_costs(tmp_path: Path) -> None:
    rows = [
        {"prompt": "p", "scores": {"a": 1, "b": 0.25}, "costs": {"a": 0.1, "b": 0.01}},
        {"prompt": "q", "scores": {"a": 0}, "costs": {"a": 0.2}},
    ]
    found = read_benchmark(write_jsonl(tmp_path / "gold.jsonl", rows))
    assert found.quality["a"].tolist() == [1, 0]
    assert np.isnan(found.quality["b"][1])
    assert list(found.cost) == ["a"], "a model whose costs are not all known has none"


def test_questions_with_options_are_put_as_mmlu_puts_them(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "pro.csv", [{"question": "Which?", "options": '["x", "y"]', "a": 1, "b": 0}]
    )
    assert read_benchmark(path).prompts == ("Which?\nA. x\nB. y\nAnswer:",)


def test_what_lies_beside_a_benchmark_as_contaminated_is_left_out(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv.gz", [row(prompt=p) for p in "abc"])
    write_jsonl(tmp_path / "own.contaminated.jsonl", [{"prompt": "b"}])
    found = read_benchmark(path)
    assert (found.prompts, found.contaminated) == (("a", "c"), 1)


def test_prompts_are_left_out_by_table_or_by_digest(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv", [row(prompt=p) for p in "abcd"])
    listed = write_jsonl(tmp_path / "more.jsonl", [{"eval_prompt": "a"}])
    digests = tmp_path / "digests.txt"
    digests.write_text(hashlib.sha256(b"d").hexdigest() + "\n")
    assert read_benchmark(path, [listed, digests]).prompts == ("b", "c")


def routellm_folder(path: Path, name: str) -> Path:
    """A folder in the layout of RouteLLM's repository, with a contaminated prompt in it."""
    folder = path / name
    folder.mkdir()
    rows = [
        {"prompt": p, WEAK: w, STRONG: s, f"{WEAK}_response": "x", f"{STRONG}_response": "1"}
        for p, w, s in (("p1", True, True), ("p2", False, True), ("leaked", False, False))
    ]
    if name == "mmlu":
        (folder / "responses").mkdir()
        plain = [{k: v for k, v in each.items() if "_response" not in k} for each in rows]
        write_csv(folder / "responses" / "mmlu_anatomy.csv", plain[:2])
        write_csv(folder / "responses" / "mmlu_virology.csv", plain[2:])
    elif name == "gsm8k":
        write_csv(folder / "gsm8k_responses.csv", rows)
    else:
        write_jsonl(
            folder / "question.jsonl",
            [
                {"question_id": n, "category": "c", "turns": [each["prompt"], "and then?"]}
                for n, each in enumerate(rows)
            ],
        )
        write_jsonl(
            folder / "judgements.jsonl",
            [
                {
                    "question_id": n,
                    "model": model,
                    "turn": turn,
                    "score": 2 * turn + bool(each[model]),
                }
                for n, each in enumerate(rows)
                for model in (STRONG, WEAK)
                for turn in (1, 2)
            ],
        )
    write_jsonl(folder / "contaminated_prompts.jsonl", [{"eval_prompt": "leaked", "score": 0.97}])
    return folder


@pytest.mark.parametrize(
    ("name", "weak"), [("mmlu", [1, 0]), ("gsm8k", [1, 0]), ("mt_bench", [4, 3])]
)
def test_folders_of_routellms_repository(tmp_path: Path, name: str, weak: list[float]) -> None:
    found = read_benchmark(routellm_folder(tmp_path, name))
    assert (found.name, found.prompts, found.contaminated) == (name, ("p1", "p2"), 1)
    assert set(found.models) == {STRONG, WEAK}
    assert found.quality[WEAK].tolist() == weak
    if name == "mmlu":
        assert found.categories == ("mmlu_anatomy", "mmlu_anatomy")


def test_a_folder_of_several_says_which_to_name(tmp_path: Path) -> None:
    routellm_folder(tmp_path, "gsm8k")
    with pytest.raises(InputError, match=r"name one of its folders \(gsm8k\)"):
        read_benchmark(tmp_path)


def test_a_benchmark_is_found_by_name_in_a_folder(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "mt_bench.csv.gz", [row()])
    assert find_benchmark("mt-bench", tmp_path) == path
    assert find_benchmark(str(path), None) == path
    with pytest.raises(UsageError, match="holds none of that name"):
        find_benchmark("gsm8k", tmp_path)
    with pytest.raises(UsageError, match="ROUTECTL_BENCHMARKS"):
        find_benchmark("gsm8k", None)


BAD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no prompts": (
        lambda p: write_csv(p / "b.csv", [{"text": "x", "a": 1}]),
        r"its columns are text, a, and it needs prompt",
    ),
    "no qualities": (
        lambda p: write_csv(p / "b.csv", [{"prompt": "x", "a": "good"}]),
        r"holds no qualities: of its columns \(a\) none holds a number",
    ),
    "a word among numbers": (
        lambda p: write_csv(p / "b.csv", [{"prompt": "x", "a": 1}, {"prompt": "y", "a": "ok"}]),
        r"line 3: the quality of 'a' must be a number, true, false or blank",
    ),
    "an infinite quality": (
        lambda p: write_csv(p / "b.csv", [{"prompt": "x", "a": 1}, {"prompt": "y", "a": "inf"}]),
        r"line 3: the quality of 'a' must be a number",
    ),
    "an empty prompt": (
        lambda p: write_csv(p / "b.csv", [{"prompt": " ", "a": 1}]),
        r"line 2: column 'prompt' must hold text",
    ),
    "a negative cost": (
        lambda p: write_csv(p / "b.csv", [{"prompt": "x", "a": 1, "cost:a": -1}]),
        r"the cost of 'cost:a' must be a number of US dollars, 0 or more",
    ),
    "scores that are no object": (
        lambda p: write_jsonl(p / "b.jsonl", [{"prompt": "x", "scores": 3}]),
        r"line 1: column 'scores' must hold an object",
    ),
    "turns that are no texts": (
        lambda p: write_jsonl(p / "b.jsonl", [{"turns": [], "scores": {"a": 1}}]),
        r"line 1: column 'turns' must hold a list of texts",
    ),
    "an empty folder": (lambda p: p, r"is no benchmark: it holds neither"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_benchmark_is_named_with_its_line(tmp_path: Path, what: str) -> None:
    make, sentence = BAD[what]
    with pytest.raises(InputError, match=sentence):
        read_benchmark(make(tmp_path))


def test_a_list_of_digests_with_a_word_in_it_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv", [row()])
    (tmp_path / "bad.txt").write_text("hello\n")
    with pytest.raises(InputError, match=r"bad\.txt, line 1: not the SHA-256"):
        read_benchmark(path, [tmp_path / "bad.txt"])


def test_a_benchmark_that_is_wholly_contaminated_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "own.csv", [row()])
    write_jsonl(tmp_path / "own.contaminated.jsonl", [{"prompt": "What is 2 + 2?"}])
    with pytest.raises(InputError, match="none is left to judge"):
        read_benchmark(path)


def test_a_pair_takes_the_rows_that_both_answered(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "own.csv",
        [
            {"prompt": "a", "big": 1, "small": 0},
            {"prompt": "b", "big": "", "small": 1},
            {"prompt": "c", "big": 0, "small": 1},
        ],
    )
    pair = read_benchmark(path).pair("big", "small")
    assert (pair.prompts, pair.unanswered) == (("a", "c"), 1)
    assert pair.strong_quality.tolist() == [1, 0]


def test_a_pair_that_cannot_be_compared_names_the_models(tmp_path: Path) -> None:
    found = read_benchmark(write_csv(tmp_path / "own.csv", [row()]))
    with pytest.raises(InputError, match=f"no answers of 'gpt-5'; its models are {STRONG}, {WEAK}"):
        found.pair("gpt-5", WEAK)
    with pytest.raises(InputError, match="cannot be compared with itself"):
        found.pair(WEAK, WEAK)
    with pytest.raises(InputError, match="1 prompts were answered by both"):
        found.pair(STRONG, WEAK)


def test_the_digest_follows_prompts_and_qualities(tmp_path: Path) -> None:
    def digest(**changes: object) -> str:
        path = write_csv(tmp_path / "own.csv", [row(), row(**{"prompt": "other", **changes})])
        return read_benchmark(path).pair(STRONG, WEAK).digest

    assert digest() == digest()
    assert len({digest(), digest(prompt="another"), digest(**{WEAK: 1})}) == 3

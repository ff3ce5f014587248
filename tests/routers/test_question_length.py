"""The length of a question, which stands beside a prompt's vector where a checkpoint says so."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import CheckpointError
from routectl.routers import open_router
from routectl.routers.question_length import QuestionLength, question_length
from tests.routers.checkpoints import mf_config, mf_tensors, write_mf

CONSTANTS: dict[str, object] = {
    "feature": "log_question_length",
    "mean": 4.0,
    "spread": 1.0,
    "low": -3.0,
    "high": 3.0,
}


def write_beside(folder: Path, **constants: object) -> Path:
    """An mf checkpoint whose directions have one number more, that of the length."""
    tensors = mf_tensors()
    projection = np.hstack([tensors["projection"], np.ones((4, 1), dtype=np.float32)])
    return write_mf(
        folder,
        config=mf_config(surface=CONSTANTS | constants),
        tensors=tensors | {"projection": projection},
    )


@pytest.mark.parametrize("letters", ["{}. ", "{}) ", "({}) ", "{}: "])
def test_lettered_answers_are_no_part_of_the_question(letters: str) -> None:
    answers = [letters.format(letter) + "an answer" for letter in "ABCD"]
    assert question_length("\n".join(["Which one?", *answers, "Answer:"])) == len("Which one?\n")


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        "How are you?",
        "A. is a letter, and no answers follow",
        "C. third\nD. fourth",
        "Is plan A. better, or is plan B. better?",
        "I: first speaker\nJ: second speaker",
    ],
)
def test_without_lettered_answers_all_of_a_prompt_is_the_question(prompt: str) -> None:
    assert question_length(prompt) == len(prompt)


@given(st.text(max_size=200))
def test_a_question_is_never_longer_than_its_prompt(prompt: str) -> None:
    assert 0 <= question_length(prompt) <= len(prompt)


def test_the_column_is_standardised_and_ends_where_the_training_did() -> None:
    prompts = ["a" * count for count in (10, 40, 160, 640)]
    length_feature = QuestionLength.fit(prompts)
    column = length_feature.of(prompts)
    assert column.shape == (4, 1)
    assert column.mean() == pytest.approx(0, abs=1e-12)
    assert column.std() == pytest.approx(1)
    assert (np.diff(column[:, 0]) > 0).all()
    np.testing.assert_allclose(length_feature.of(["", "a" * 10**6])[:, 0], column[[0, 3], 0])


def test_prompts_of_one_length_say_nothing_of_length() -> None:
    assert QuestionLength.fit(["one", "two"]).of(["one", "longer"]).tolist() == [[0.0], [0.0]]


def test_a_checkpoint_with_lengths_scores_a_longer_question_otherwise(tmp_path: Path) -> None:
    # Case is dropped by the tokenizer and blanks too, so that the vectors are the same.
    short, long = "How many?", "How   many?         "
    beside = open_router("mf", checkpoint=write_beside(tmp_path / "beside"))
    alone = open_router("mf", checkpoint=write_mf(tmp_path / "alone"))
    assert np.ptp(alone.load().strong_win_rates([short, long])) <= alone.identity.noise
    rates = beside.load().strong_win_rates([short, long])
    assert np.ptp(rates) > beside.identity.noise
    assert "length of its question" in beside.description.reads


def test_the_length_adds_no_noise_and_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    folders = [
        write_beside(tmp_path / "one"),
        write_beside(tmp_path / "two", mean=5.0),
        write_mf(tmp_path / "three"),
    ]
    identities = [open_router("mf", checkpoint=folder).identity for folder in folders]
    assert len({identity.fingerprint for identity in identities}) == 3
    assert len({identity.noise for identity in identities}) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"feature": "log_words"}, "extra feature 'log_words'.*upgrade routectl"),
        ({"spread": 0.0}, "spread above 0"),
        ({"low": 4.0}, "low no higher than its high"),
        ({"mean": float("nan")}, "must be finite"),
        ({"high": "much"}, r"no usable value for 'surface\.high'"),
    ],
)
def test_constants_that_cannot_be_are_refused(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    with pytest.raises(CheckpointError, match=sentence):
        open_router("mf", checkpoint=write_beside(tmp_path / "bad", **changes))


def test_weights_without_a_number_for_the_length_are_refused(tmp_path: Path) -> None:
    folder = write_mf(tmp_path / "bad", config=mf_config(surface=CONSTANTS))
    with pytest.raises(CheckpointError, match=r"'projection' has the shape \(4, 384\)"):
        open_router("mf", checkpoint=folder)

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.errors import RouterError
from routectl.model_names import _ALIASES, canonical, canonical_names, resolve


@pytest.mark.parametrize(
    "spellings",
    [
        ["llama-3.1-8b-instruct", "Meta-Llama-3_1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"],
        ["gpt4_1106_preview", "gpt-4-1106-preview", "openai/gpt-4-1106-preview"],
        [
            "mistralai/Mixtral-8x7B-Instruct-v0.1",
            "Mixtral-8x7B-Instruct-v0.1",
            "mixtral-8x7b-instruct-v0.1",
        ],
    ],
)
def test_the_spellings_of_one_model_are_one_name(spellings: list[str]) -> None:
    assert len({canonical(spelling) for spelling in spellings}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Meta-Llama-3.1-8B", "Meta-Llama-3.1-8B-Instruct"),
        ("Meta-Llama-3-8B", "Meta-Llama-3.1-8B"),
        ("gpt-4", "gpt-4-1106-preview"),
        ("Mistral-7B-Instruct-v0.1", "Mistral-7B-Instruct-v0.2"),
        ("Yi-6B", "Yi-34B"),
    ],
)
def test_models_that_differ_stay_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_no_alias_is_the_canonical_name_of_another_model() -> None:
    for name, aliases in _ALIASES.items():
        assert {canonical(spelling) for spelling in (name, *aliases)} == {name}


@given(st.text(min_size=1))
def test_a_canonical_name_is_its_own(name: str) -> None:
    assert canonical(canonical(name)) == canonical(name)


def test_two_spellings_of_a_model_that_the_table_does_not_know_become_one() -> None:
    names = canonical_names(["Foo-7B", "org/foo_7b", "Bar"])
    assert names == {"Foo-7B": "Foo-7B", "org/foo_7b": "Foo-7B", "Bar": "Bar"}


def test_an_unknown_model_is_told_the_nearest() -> None:
    models = ["gemini-1.5-pro-002", "gemini-1.5-flash-002", "Yi-34B"]
    with pytest.raises(RouterError, match=r"strong model 'gemini-1\.5-pro'; the nearest .*pro-002"):
        resolve("gemini-1.5-pro", models, side="strong")


def test_a_model_like_none_is_told_all() -> None:
    with pytest.raises(RouterError, match="it knows Alpha, beta"):
        resolve("zzzz", ["beta", "Alpha"], side="weak")

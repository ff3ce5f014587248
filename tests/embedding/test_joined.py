"""Hidden states and a sentence embedding side by side, each as it is alone."""

from pathlib import Path

import numpy as np
import pytest

from routectl.embedding import DEFAULT, Embedder, open_embedder
from routectl.embedding.hidden import HiddenStates, conversion_notice
from routectl.embedding.local import LocalEmbedder
from routectl.embedding.shared import open_shared
from routectl.errors import UsageError
from tests.routers.tiny_llama import PROMPTS, make_base


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hidden:{make_base(tmp_path_factory.mktemp('base') / 'tiny-llama')}"


@pytest.fixture
def joined(hidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Embedder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return open_embedder(f"{hidden}+{DEFAULT}")


def test_a_vector_is_both_one_after_the_other(joined: Embedder, hidden: str) -> None:
    first, second = open_embedder(hidden), open_embedder()
    vectors = joined.embed(PROMPTS)
    assert joined.dimension == first.dimension + second.dimension == vectors.shape[1]
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    expected = np.hstack([first.embed(PROMPTS), second.embed(PROMPTS)]) / np.sqrt(2)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert joined.embed([]).shape == (0, joined.dimension)


def test_a_change_of_either_is_another_embedder(
    joined: Embedder, hidden: str, tmp_path: Path
) -> None:
    other = open_embedder(f"hidden:{make_base(tmp_path / 'other', seed=1)}+{DEFAULT}")
    assert len({joined.digest, other.digest, open_embedder(hidden).digest}) == 3
    assert open_embedder(joined.name).digest == joined.digest


def test_a_prompt_is_longer_than_read_where_one_of_them_did_not_read_it_all(
    joined: Embedder,
) -> None:
    words = "one two three four five. "
    assert joined.max_tokens == open_embedder().max_tokens == 256
    texts = ["Hi", words * 60, words * 200]
    assert open_embedder().longer_than_read(texts).tolist() == [False, True, True]
    assert joined.longer_than_read(texts).tolist() == [False, True, True]


def test_its_cosines_say_nothing_and_its_noise_has_the_floor_of_hidden_states(
    joined: Embedder, hidden: str
) -> None:
    assert not joined.comparable
    assert joined.least_noise == open_embedder(hidden).least_noise > 0


def test_what_another_router_has_embedded_is_not_embedded_again(
    joined: Embedder, hidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("embedded again")

    shared = open_shared(joined.name)
    assert shared.digest == joined.digest
    parts = [open_shared(hidden), open_shared()]
    alone = [part.embed(PROMPTS) for part in parts]
    monkeypatch.setattr(HiddenStates, "embed", refuse)
    monkeypatch.setattr(LocalEmbedder, "embed", refuse)
    with pytest.raises(AssertionError, match="embedded again"):
        shared.embed(["What nobody has embedded"])
    np.testing.assert_allclose(shared.embed(PROMPTS), np.hstack(alone) / np.sqrt(2), atol=1e-7)


@pytest.mark.parametrize(
    "second", ["openai:http://127.0.0.1:9#m", "hidden:SmolLM2-135M-Instruct", "bert:bert_3"]
)
def test_beside_hidden_states_stands_a_sentence_embedder_of_this_machine(
    hidden: str, second: str
) -> None:
    with pytest.raises(UsageError, match=r"sentence embedder of this machine, not .*; write hidde"):
        open_embedder(f"{hidden}+{second}")


def test_a_folder_with_a_plus_in_its_name_is_one_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = make_base(tmp_path / f"a+{DEFAULT}")
    alone = open_embedder(f"hidden:{folder}")
    assert alone.dimension == 96
    assert open_embedder(f"hidden:{folder}+{DEFAULT}").dimension == 96 + 384


def test_the_conversion_of_its_base_is_announced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    alone = conversion_notice("hidden:SmolLM2-135M-Instruct")
    assert alone is not None
    assert conversion_notice(f"hidden:SmolLM2-135M-Instruct+{DEFAULT}") == alone

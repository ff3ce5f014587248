"""`--as NEW=KNOWN`: only when told to, always said, and no score changes by it."""

import json
from pathlib import Path

import pytest

from routectl.errors import RouterError
from routectl.routers import open_router
from tests.conftest import Result, Routectl
from tests.databases import rows_by_table

NEW = ("--strong-model", "gpt-5", "--as", "gpt-5=Large-Model-v1")


def test_a_mapped_model_scores_as_the_known_one_under_the_fingerprint_of_that(
    mf_folder: Path,
) -> None:
    known = open_router("mf", checkpoint=mf_folder)
    mapped = open_router(
        "mf",
        checkpoint=mf_folder,
        strong_model="openai/gpt-5",
        mapping={"gpt-5": "large_model_v1"},
    )
    assert str(mapped.identity.model_pair) == "gpt-5 / Small-Model-v1"
    assert mapped.identity.scored_as == {"gpt-5": "Large-Model-v1"}
    assert mapped.identity.fingerprint == known.identity.fingerprint
    assert mapped.identity.config == known.identity.config
    loaded, prompts = mapped.load(), ["Why?", "Prove it for every n."]
    expected = known.load().strong_win_rates(prompts)
    assert loaded.strong_win_rates(prompts).tolist() == expected.tolist()
    assert loaded.longer_than_read(prompts).tolist() == [False, False]


def test_the_known_models_are_part_of_the_fingerprint_and_the_new_names_are_not(
    mf_folder: Path,
) -> None:
    def fingerprint(new: str, known: str) -> str:
        return open_router(
            "mf", checkpoint=mf_folder, strong_model=new, mapping={new: known}
        ).identity.fingerprint

    llama = "Meta-Llama-3.1-8B-Instruct"
    large = fingerprint("gpt-5", "Large-Model-v1")
    assert fingerprint("gpt-6", "Large-Model-v1") == large
    assert fingerprint("gpt-5", llama) != large


def test_both_sides_can_be_mapped(mf_folder: Path) -> None:
    router = open_router(
        "mf",
        checkpoint=mf_folder,
        strong_model="gpt-5",
        weak_model="gpt-5-nano",
        mapping={"gpt-5": "Large-Model-v1", "gpt-5-nano": "Small-Model-v1"},
    )
    assert str(router.identity.model_pair) == "gpt-5 / gpt-5-nano"


@pytest.mark.parametrize(
    ("strong", "mapping", "sentence"),
    [
        ("gpt-5", {"gpt-5": "gpt-9"}, "does not know the strong model 'gpt-9'"),
        (None, {"gpt-5": "Large-Model-v1"}, "gpt-5 is neither the strong nor the weak model"),
        (
            "Meta-Llama-3.1-8B-Instruct",
            {"Meta-Llama-3.1-8B-Instruct": "Large-Model-v1"},
            "knows Meta-Llama-3.1-8B-Instruct itself; leave out --as",
        ),
        ("gpt-5", {"gpt-5": "Small-Model-v1"}, "both the strong and the weak model"),
    ],
)
def test_a_mapping_that_cannot_be_is_one_sentence(
    mf_folder: Path, strong: str | None, mapping: dict[str, str], sentence: str
) -> None:
    with pytest.raises(RouterError, match=sentence):
        open_router("mf", checkpoint=mf_folder, strong_model=strong, mapping=mapping)


def refused(result: Result, words: str, code: int) -> None:
    assert result.code == code
    assert words in result.err
    assert len(result.err.strip().splitlines()) == 1


def test_the_command_line_refuses_what_is_no_mapping(routectl: Routectl) -> None:
    for text in ("gpt-5", "gpt-5=", "=gpt-4"):
        refused(routectl("routers", "show", "mf", "--as", text), "is not NEW=KNOWN", 2)
    twice = ("--strong-model", "gpt-5", "--as", "gpt-5=a", "--as", "gpt-5=b")
    refused(routectl("routers", "show", "mf", *twice), "maps gpt-5 twice", 2)


def test_a_pair_for_baselines_alone_is_refused(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    both = ("-r", "random", "-r", "length")
    refused(routectl("score", *both, "--strong-model", "gpt-5"), "random, length: no models", 2)


def test_baselines_stand_beside_a_router_with_a_pair(
    routectl: Routectl, tiny_mf_folder: Path, log: Path
) -> None:
    routectl("import", log)
    asked = ("-r", f"mf={tiny_mf_folder}", "-r", "length", *NEW)
    calibrated = routectl("calibrate", "--strong-fraction", "0.3", *asked, "--json")
    assert calibrated.code == 0, calibrated.err
    mf, length = calibrated.json
    assert mf["model_pair"] == {"strong": "gpt-5", "weak": "Small-Model-v1"}
    assert mf["scored_as"] == {"gpt-5": "Large-Model-v1"}
    assert (length["model_pair"], length["scored_as"]) == (None, {})


def test_the_mapping_is_said_wherever_the_pair_is(
    routectl: Routectl, tiny_mf_folder: Path, log: Path
) -> None:
    said = "gpt-5 scored as Large-Model-v1"
    mine = ("-r", f"mf={tiny_mf_folder}")
    routectl("import", log)
    assert said in " ".join(routectl("score", *mine, *NEW).out.split())
    calibrated = routectl("calibrate", "--strong-fraction", "0.3", *mine, *NEW)
    assert said in " ".join(calibrated.out.split())
    assert said in " ".join(routectl("routers", "show", mine[1], *NEW).out.split())
    exported = json.loads(routectl("export", "--calibration", "c1", "--format", "json").out)
    assert exported["strong_model"] == "gpt-5"
    assert exported["scored_as"] == "gpt-5=Large-Model-v1"
    (stored,) = routectl("history", "--json").json["calibrations"]
    assert stored["scored_as"] == {"gpt-5": "Large-Model-v1"}


def test_renaming_a_pair_scores_nothing_anew(
    routectl: Routectl, tiny_mf_folder: Path, log: Path, database_url: str
) -> None:
    routectl("import", log)
    mine = ("score", "-r", f"mf={tiny_mf_folder}", "--json")
    assert routectl(*mine, *NEW).json[0]["scored"] == 200
    renamed = ("--strong-model", "gpt-6", "--as", "gpt-6=Large-Model-v1")
    for names in (renamed, NEW, ()):
        assert routectl(*mine, *names).json[0]["scored"] == 0
    rows = rows_by_table(database_url)
    assert (len(rows["routers"]), len(rows["scores"])) == (1, 200)
    other = ("--strong-model", "Meta-Llama-3.1-8B-Instruct")
    assert routectl(*mine, *other).json[0]["scored"] == 200, "another known model scores otherwise"

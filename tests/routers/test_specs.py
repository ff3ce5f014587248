"""A router spec: what opens the very same router again, and what is said when it cannot."""

import json
import shutil
from pathlib import Path

import pytest

from routectl.checkpoint import SHIPPED, checkpoint_name, shipped
from routectl.cli.options import open_routers, unnamed_routers
from routectl.errors import CheckpointError, RouterError
from routectl.records import ModelPair, RouterSpec
from routectl.routers import names, open_router, open_spec
from tests.conftest import Result, Routectl
from tests.routers.checkpoints import write_mf


@pytest.mark.parametrize("name", names()[:7])
def test_a_router_that_ships_is_opened_again_by_its_spec(name: str) -> None:
    opened = open_router(name)
    spec = opened.spec
    assert spec.checkpoint in shipped(name)
    assert spec == RouterSpec(name, spec.checkpoint, opened.identity.model_pair)
    again = open_spec(spec)
    assert (again.identity, again.spec) == (opened.identity, spec)


def test_a_folder_of_ones_own_has_one_name_however_it_is_spelled(
    mf_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mf_folder.parent)
    (mf_folder.parent / "link").symlink_to(mf_folder)
    for spelling in ("checkpoint", "./checkpoint/", f"../{mf_folder.parent.name}/link"):
        assert open_router("mf", checkpoint=Path(spelling)).spec.checkpoint == str(
            mf_folder.resolve()
        )
    assert checkpoint_name(SHIPPED / "mf_9") == "mf_9"


def test_a_spec_keeps_the_pair_in_the_checkpoints_names_and_the_mapping(mf_folder: Path) -> None:
    opened = open_router(
        "mf",
        checkpoint=mf_folder,
        strong_model="openai/GPT-5",
        weak_model="small_model_v1",
        mapping={"gpt-5": "large_model_v1"},
    )
    assert opened.spec == RouterSpec(
        "mf",
        str(mf_folder),
        ModelPair("Large-Model-v1", "Small-Model-v1"),
        {"gpt-5": "Large-Model-v1"},
    )
    again = open_spec(opened.spec)
    assert (again.identity, again.spec) == (opened.identity, opened.spec)
    assert str(again.identity.model_pair) == "gpt-5 / Small-Model-v1"


def test_a_name_that_ships_means_that_and_no_folder_that_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_mf(tmp_path / "mf_9")
    monkeypatch.chdir(tmp_path)
    spec = RouterSpec("mf", "mf_9")
    assert open_spec(spec).identity == open_router("mf").identity


def test_a_folder_that_moved_is_named_with_the_way_to_the_new_place(
    mf_folder: Path, tmp_path: Path
) -> None:
    spec = open_router("mf", checkpoint=mf_folder).spec
    mf_folder.rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=rf"{mf_folder}; if .* moved, .* -r mf=DIR\.$"):
        open_spec(spec)


def test_a_checkpoint_that_ships_no_more_is_told_those_that_do() -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint 'mf_0': .* mf_9; name one with"):
        open_spec(RouterSpec("mf", "mf_0"))
    with pytest.raises(RouterError, match="no router named 'best'"):
        open_spec(RouterSpec("best", "mf_0"))


def test_an_ensemble_whose_member_ships_no_more_says_so(tmp_path: Path) -> None:
    made = tmp_path / "made"
    shutil.copytree(SHIPPED / "ensemble_4", made)
    config = json.loads((made / "config.json").read_text())
    config["members"][0]["shipped"] = "bert_0"
    (made / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"member bert_0, which does not ship .* bert_4"):
        open_router("ensemble", checkpoint=made)


def test_a_router_that_is_named_in_several_spellings_scores_once(
    routectl: Routectl, tiny_mf_folder: Path, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routectl("import", log)
    monkeypatch.chdir(tiny_mf_folder.parent)
    spellings = (str(tiny_mf_folder), f"{tiny_mf_folder}/", "checkpoint", "./checkpoint/")
    named = [word for spelling in spellings for word in ("-r", f"mf={spelling}")]
    scored = routectl("score", *named, "-r", "length", "-r", "length=length_1", "--json")
    assert [router["router"] for router in scored.json] == ["mf", "length"]


def test_all_leaves_a_router_unnamed_that_is_named_nowhere_else() -> None:
    texts = ("all", "causal_llm=causal_llm_4", "bert")
    opened = open_routers(texts, None, None)
    unnamed = unnamed_routers(texts, opened)
    assert {r.identity.name for r in opened if r.identity.fingerprint not in unnamed} == {
        "bert",
        "causal_llm",
    }
    assert len(opened) == len(names())


def test_scores_of_a_checkpoint_that_is_gone_stay_readable(
    routectl: Routectl, tiny_mf_folder: Path, log: Path
) -> None:
    routectl("import", log)
    mine = ("-r", f"mf={tiny_mf_folder}")
    calibrated = routectl("calibrate", "--strong-fraction", "0.3", *mine, "--json").json[0]
    routectl("activate")
    shutil.rmtree(tiny_mf_folder)
    assert routectl("export").out == f"router-mf-{calibrated['threshold']}\n"
    history = routectl("history", "--json").json["calibrations"]
    assert history[0]["fingerprint"] == calibrated["fingerprint"]
    for command in (("score",), ("calibrate", "--strong-fraction", "0.3")):
        one_sentence(routectl(*command, *mine), f"no checkpoint at {tiny_mf_folder}; if its folder")
        one_sentence(routectl(*command, "-r", "mf=mf_0"), "those that ship are mf_")


def one_sentence(result: Result, words: str) -> None:
    assert result.code == 1
    assert words in result.err
    assert len(result.err.strip().splitlines()) == 1

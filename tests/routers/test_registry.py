import subprocess
import sys
from pathlib import Path

import pytest

from routectl.errors import RouterError
from routectl.records import RouterSpec
from routectl.routers import names, open_router, open_spec

MODULE = """
import numpy as np
from routectl.records import RouterIdentity
from routectl.routers import OpenRouter, RouterDescription

class Even:
    def __init__(self, identity): self.identity = identity
    def strong_win_rates(self, prompts): return np.array([len(p) % 2 for p in prompts], float)
    def longer_than_read(self, prompts): return np.zeros(len(prompts), bool)

def open_router(checkpoint, strong_model, weak_model):
    identity = RouterIdentity("even", "0" * 64, None, 0.0)
    about = RouterDescription("even", "even", "", None, (), None, None, "", None, None)
    return OpenRouter(identity, about, lambda: Even(identity))
"""


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with three entry points, one of them under a name that cannot be."""
    (tmp_path / "even_router.py").write_text(MODULE)
    info = tmp_path / "even_router-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: even-router\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[routectl.routers]\n"
        "even = even_router:open_router\n"
        "Odd-One = even_router:open_router\n"
        "broken = module_that_is_not_there:open_router\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))


def test_the_built_in_routers() -> None:
    paper = ("mf", "sw_ranking", "bert", "causal_llm")
    assert names()[:7] == (*paper, "ensemble", "random", "length")


def test_an_unknown_router_is_told_the_known_ones() -> None:
    with pytest.raises(RouterError, match=r"named .best.; the routers are mf, sw_ranking, "):
        open_router("best")


@pytest.mark.usefixtures("third_party")
def test_a_third_party_router_joins_by_entry_point() -> None:
    assert "even" in names()
    router = open_router("even").load()
    assert router.strong_win_rates(["a", "ab"]).tolist() == [1.0, 0.0]


@pytest.mark.usefixtures("third_party")
def test_a_name_that_cannot_stand_in_a_config_string_is_left_out() -> None:
    assert "Odd-One" not in names()


@pytest.mark.usefixtures("third_party")
def test_a_third_party_router_that_cannot_be_imported_is_named_with_its_package() -> None:
    with pytest.raises(RouterError, match="The router 'broken' of even-router cannot be imported"):
        open_router("broken")


@pytest.mark.parametrize("name", ["random", "length"])
def test_a_baseline_takes_no_models(name: str) -> None:
    with pytest.raises(RouterError, match="knows no models"):
        open_router(name, strong_model="gpt-4")


def test_opening_every_router_imports_no_model_library() -> None:
    code = (
        "import sys, routectl.routers as r, routectl.training\n"
        "assert 'numpy' not in sys.modules\n"
        "for name in r.names(): r.open_router(name)\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'scipy', 'tokenizers'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.usefixtures("third_party")
def test_a_third_party_routers_spec_names_the_folder_that_was_given_if_any(tmp_path: Path) -> None:
    assert open_router("even").spec == RouterSpec("even")
    given = open_router("even", checkpoint=tmp_path).spec
    assert given == RouterSpec("even", str(tmp_path))
    assert open_spec(given).spec == given

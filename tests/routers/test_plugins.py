"""Routers of other packages, really installed: welcome, and stopped when they misbehave."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Routectl, payload, write_log

ROOT = Path(__file__).resolve().parents[2]

Install = Callable[[Path], None]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Installs a package into a folder of its own, once, without a look at the network."""
    folders: dict[Path, Path] = {}

    def install(source: Path) -> Path:
        if source not in folders:
            copy = tmp_path_factory.mktemp("source") / "package"
            shutil.copytree(source, copy)
            folders[source] = tmp_path_factory.mktemp("site")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
            options = ["--no-build-isolation", "--target", folders[source], copy]
            done = subprocess.run([*pip, *options], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return folders[source]

    return install


@pytest.fixture
def use(installed: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes an installed package importable for one test."""
    return lambda source: monkeypatch.syspath_prepend(str(installed(source)))


@pytest.fixture
def code_fences(use: Install) -> None:
    use(ROOT / "tests" / "plugin_package")


@pytest.fixture
def misbehaving(use: Install) -> None:
    use(ROOT / "tests" / "plugin_misbehaving")


def log_with_code(folder: Path) -> Path:
    texts = [f"question {n}" + "\n```\nx = {};\n```" * (n % 7) for n in range(200)]
    return write_log(folder / "log.jsonl", [payload(n, text) for n, text in enumerate(texts)])


def does_the_main_job(routectl: Routectl, name: str) -> None:
    listed = routectl("routers", "list", "--json").json
    assert name in [router["name"] for router in listed]
    assert routectl("routers", "show", name).code == 0
    assert routectl("score", "-r", name, "--json").json[0]["scored"] == 200
    calibrated = routectl("calibrate", "-r", name, "--strong-fraction", "0.3", "--json")
    assert calibrated.code == 0, calibrated.err
    (answer,) = calibrated.json
    assert routectl("activate", "--force").code == 0
    assert routectl("export").out == f"router-{name}-{answer['threshold']}\n"


@pytest.mark.usefixtures("code_fences")
def test_a_third_party_router_does_the_main_job_like_the_others(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("import", log_with_code(tmp_path))
    does_the_main_job(routectl, "code_fences")
    refused = routectl("score", "-r", "code_fences", "--strong-model", "gpt-5")
    assert (refused.code, "no models" in refused.err) == (2, True)


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("gives_nan", "returned NaN as the strong win rate of 1 prompts"),
        ("gives_too_few", "returned strong win rates of the shape (135,) and not (136,)"),
        ("gives_two", "returned strong win rates outside [0, 1], from 0.2 to 1.8"),
        ("gives_a_list", "returned its strong win rates as list, not a NumPy array of floats"),
        ("raises", "raised KeyError on a batch of which nothing was stored"),
    ],
)
def test_one_that_misbehaves_is_named_and_keeps_what_was_scored_before(
    routectl: Routectl, log: Path, name: str, fault: str
) -> None:
    routectl("import", log)
    result = routectl("score", "-r", name, "--quiet")
    assert result.code == 1
    (sentence,) = result.err.strip().splitlines()
    assert sentence.startswith(f"Error: the router '{name}' of the package routectl-misbehaving ")
    assert fault in sentence
    assert "question" not in result.err, "a prompt is shown"
    assert routectl("db", "status", "--json").json["rows"]["scores"] == 64


@pytest.mark.usefixtures("misbehaving")
@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("raises_on_load", "raised OSError when it was loaded"),
        ("raises_on_open", "raised ZeroDivisionError when it was opened"),
        ("exits_on_open", "raised SystemExit when it was opened"),
        ("exits_on_import", "cannot be imported"),
        ("interrupts_on_import", "cannot be imported"),
        ("opens_nothing", "opened as a dict and not as an OpenRouter"),
        ("not_there", "cannot be imported"),
    ],
)
def test_one_that_does_not_even_start_is_named(
    routectl: Routectl, log: Path, name: str, fault: str
) -> None:
    routectl("import", log)
    result = routectl("score", "-r", name, "--quiet")
    assert result.code == 1
    (sentence,) = result.err.strip().splitlines()
    assert f"outer '{name}' of " in sentence
    assert "routectl-misbehaving" in sentence
    assert fault in sentence
    assert "SECRET" not in sentence


@pytest.mark.usefixtures("misbehaving")
def test_a_broken_package_does_not_hide_the_routers_that_work(routectl: Routectl) -> None:
    result = routectl("routers", "list")
    assert result.code == 0
    assert "mf" in result.out
    assert "gives_nan" in result.out
    assert "opens_nothing" not in result.out
    assert "opens_nothing" in result.err


def test_the_example_in_the_docs_works_as_it_stands(
    routectl: Routectl, log: Path, tmp_path: Path, use: Install
) -> None:
    section = (ROOT / "docs" / "writing-a-router.md").read_text()
    package = tmp_path / "package"
    package.mkdir()
    blocks = re.findall(r"`([\w.]+)`:\n\n```\w+\n(.*?)```", section, re.DOTALL)
    assert [name for name, _ in blocks] == ["pyproject.toml", "question_marks.py"]
    for name, text in blocks:
        (package / name).write_text(text)
    use(package)
    routectl("import", log)
    does_the_main_job(routectl, "question_marks")

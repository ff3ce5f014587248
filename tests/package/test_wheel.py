"""The wheel, installed where nothing of ours is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from routectl.store.engine import SCHEMA_VERSION

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, cwd=ROOT)
    (built,) = folder.glob("routectl-*.whl")
    return built


def test_the_wheel_holds_one_package_with_its_migrations_types_and_checkpoints(
    wheel: Path,
) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"routectl"}
    assert "routectl/py.typed" in names
    assert "routectl/_migrations/versions/0001_first_tables.py" in names
    assert any(name.endswith("checkpoints/mf_9/model.safetensors") for name in names)
    assert not [name for name in names if name.endswith((".pkl", ".bin", ".pt"))]


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it, and what it needs from the registry."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder / "venv", cwd=folder)
    constraints = ROOT / "constraints.txt"
    pip = folder / "venv" / "bin" / "pip"
    # What is imported is compiled then; compiling all of it takes longer than the tests.
    run(
        *(pip, "install", "--quiet", "--no-compile", "--constraint", constraints, wheel),
        cwd=folder,
    )
    return folder / "venv" / "bin"


def test_the_installed_wheel_makes_and_upgrades_a_database(
    environment: Path, tmp_path: Path
) -> None:
    routectl = environment / "routectl"
    database = tmp_path / "routectl.db"
    run(routectl, "init", "--db", database, cwd=tmp_path)
    run(routectl, "db", "downgrade", "0001", "--db", database, cwd=tmp_path)
    assert f"0001 to {SCHEMA_VERSION}" in run(
        routectl, "db", "upgrade", "--db", database, cwd=tmp_path
    )
    where = run(
        environment / "python", "-c", "import routectl; print(routectl.__file__)", cwd=tmp_path
    )
    assert str(environment.parent) in where


def test_the_installed_wheel_does_the_main_job(environment: Path, tmp_path: Path) -> None:
    routectl = environment / "routectl"
    database = tmp_path / "routectl.db"
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("".join(f"What is {n} times {n + 1}?\n" for n in range(60)))
    run(routectl, "import", prompts, "--db", database, cwd=tmp_path)
    run(routectl, "calibrate", "--strong-fraction", "0.3", "--db", database, cwd=tmp_path)
    run(routectl, "activate", "--db", database, cwd=tmp_path)
    assert run(routectl, "export", "--db", database, cwd=tmp_path).startswith("router-mf-0.")

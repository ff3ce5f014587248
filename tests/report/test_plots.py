import re
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from routectl.errors import InputError, UsageError
from routectl.evaluation.benchmark import JudgedPair
from routectl.output import Output
from routectl.report.drawing import COLOURS, Heading, is_plot, percent, save
from routectl.report.plots import draw_evaluation, plot_outputs
from routectl.report.score_histogram import draw_score_histograms, score_histograms
from tests.report.benchmarks import PROMPT, judged

N = 40
KINDS = ["quality", "cost", "scores", "reliability"]
THRESHOLDS = {"mine": ("router-mine-0.5", 0.5)}


def benchmark(name: str = "own", *, costs: bool = True) -> JudgedPair:
    generator = np.random.default_rng(0)
    weak = generator.integers(0, 2, N)
    strong = np.maximum(weak, generator.integers(0, 2, N))
    strong_cost, weak_cost = generator.uniform([[1e-3], [1e-4]], [[2e-3], [2e-4]], (2, N))
    more = {"strong_cost": strong_cost, "weak_cost": weak_cost} if costs else {}
    return judged(strong, weak, name, **more)


def scores(*names: str) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return {name: generator.random(N) for name in names}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw_evaluation(
        benchmark(),
        scores("mine", "theirs", "a$b$c"),
        plot_outputs("own", tmp_path_factory.mktemp("drawn") / "plots", ("png", "svg")),
        baselines=scores("length"),
        thresholds=THRESHOLDS,
        draws=20,
        seed=7,
        confidence=0.9,
    )


def texts(paths: list[Path], kind: str) -> str:
    """All that an SVG says, as a reader's search finds it."""
    (path,) = (each for each in paths if each.name == f"own-{kind}.svg")
    found = re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text("utf-8"))
    return "\n".join(unescape(text) for text in found)


def test_each_plot_is_a_file_of_each_format_in_a_folder_that_is_made(drawn: list[Path]) -> None:
    assert [path.name for path in drawn] == [
        f"own-{kind}.{suffix}" for kind in KINDS for suffix in ("png", "svg")
    ]
    assert sorted(drawn) == sorted(drawn[0].parent.iterdir())


def test_the_pngs_can_be_read_and_show_something(drawn: list[Path]) -> None:
    from matplotlib.image import imread

    for path in drawn[::2]:
        pixels = imread(path)
        assert pixels.shape[1] == 1080
        assert pixels[..., :3].std() > 0.05


@pytest.mark.parametrize("kind", KINDS)
def test_every_plot_names_benchmark_models_prompts_and_routers(
    drawn: list[Path], kind: str
) -> None:
    said = texts(drawn, kind)
    assert "own: " in said
    assert "n = 40 prompts" in said
    assert "big-1 (strong) / little-1 (weak)" in said
    for router in ("mine", "theirs", "a$b$c"):
        assert router in said.split("\n")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("quality", "strong fraction, % of requests"),
        ("quality", "mean quality, in the benchmark's unit"),
        ("quality", "Shaded: 90 % bootstrap interval at each strong fraction (20 draws, seed 7)."),
        ("cost", "cost, USD per 1,000 requests"),
        ("cost", "mean quality, in the benchmark's unit"),
        ("scores", "strong win rate (each panel has its own range)"),
        ("scores", "share of prompts, %"),
        ("scores", "weak better"),
        ("scores", "router-mine-0.5: "),
        ("reliability", "observed strong win rate"),
        ("reliability", "observed, with 90 % interval"),
        ("reliability", "ECE 0."),
    ],
)
def test_axes_have_units_and_what_is_shaded_or_hatched_is_said(
    drawn: list[Path], kind: str, words: str
) -> None:
    assert words in texts(drawn, kind)


@pytest.mark.parametrize("kind", ["quality", "cost"])
def test_baselines_ends_and_thresholds_are_in_the_legend(drawn: list[Path], kind: str) -> None:
    said = texts(drawn, kind).split("\n")
    assert {"random", "length", "oracle"} <= set(said)
    for name in ("always weak: ", "always strong: ", "router-mine-0.5: "):
        assert any(line.startswith(name) for line in said)


def test_no_prompt_is_in_any_file(drawn: list[Path]) -> None:
    for path in drawn:
        assert PROMPT.encode() not in path.read_bytes()
        assert "secret" not in unescape(path.read_text("latin-1"))


def a_plot(path: Path) -> Output:
    return Output(path=path, option="plot", is_ours=is_plot)


def histogram_file(path: Path) -> bytes:
    """One plot, drawn anew."""
    histograms = score_histograms(benchmark(), scores("mine"))
    save(draw_score_histograms(histograms, Heading.of(benchmark())), a_plot(path))
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_equal_plots_are_equal_files(suffix: str, tmp_path: Path) -> None:
    once, again = (histogram_file(tmp_path / f"{name}.{suffix}") for name in ("once", "again"))
    assert once == again


def test_without_costs_the_other_plots_are_drawn_and_names_become_file_names(
    tmp_path: Path,
) -> None:
    named = benchmark("../our team/q 1", costs=False)
    outputs = plot_outputs(named.benchmark, tmp_path)
    paths = draw_evaluation(named, scores("mine"), outputs, draws=5)
    assert [path.name for path in paths] == [
        f"our-team-q-1-{kind}.png" for kind in ("quality", "scores", "reliability")
    ]
    assert sorted(tmp_path.iterdir()) == sorted(paths)


@pytest.mark.parametrize(
    ("strong", "weak", "found"),
    [
        ([1, 0], [1, 0], [0.5, 0.5]),
        ([0, 0, 0, 0, 1], [1, 1, 1, 0, 0], [0.0, 0.0, 0.5, 1.0, 1.0]),
        ([3.0, 4.0], [1.0, 1.0], [0.4999999999, 0.5]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_few_rows_ties_and_a_gap_below_0_are_drawn_without_a_warning(
    strong: list[float], weak: list[float], found: list[float], tmp_path: Path
) -> None:
    n = len(strong)
    pair = judged(strong, weak, "模型", strong_cost=np.full(n, 0.002), weak_cost=np.full(n, 0.001))
    thresholds = {"mine": ("router-mine-1.0", 1.0)}
    paths = draw_evaluation(
        pair,
        {"mine": np.array(found)},
        plot_outputs(pair.benchmark, tmp_path),
        thresholds=thresholds,
        draws=5,
    )
    assert [path.name for path in paths] == [f"模型-{kind}.png" for kind in KINDS]


def test_the_users_own_settings_of_matplotlib_change_nothing_and_stay(tmp_path: Path) -> None:
    import matplotlib as mpl

    def settings() -> dict[str, object]:
        # To ask for the backend is to choose one.
        return {name: mpl.rcParams[name] for name in mpl.rcParams if name != "backend"}

    plain = histogram_file(tmp_path / "plain.png")
    with mpl.rc_context({"text.usetex": True, "figure.facecolor": "black", "font.size": 30}):
        before = settings()
        assert histogram_file(tmp_path / "own.png") == plain
        assert settings() == before


@pytest.mark.parametrize("suffix", ["pdf", "jpg", ""])
def test_another_format_is_refused_before_anything_is_written(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="plots are written as png or svg, not as"):
        plot_outputs("own", tmp_path / "new", formats=("png", suffix))
    assert list(tmp_path.iterdir()) == []


def test_the_suffix_of_a_path_decides(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    save(Figure(), a_plot(tmp_path / "a.SVG"))
    assert b"<svg" in (tmp_path / "a.SVG").read_bytes()
    save(Figure(), a_plot(tmp_path / "a.png"))
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG\r\n")
    with pytest.raises(UsageError, match="not as 'gif'"):
        save(Figure(), a_plot(tmp_path / "a.gif"))
    with pytest.raises(UsageError, match="not as a file without a suffix"):
        save(Figure(), a_plot(tmp_path / "a"))


def test_without_matplotlib_one_sentence_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.style", None)
    with pytest.raises(UsageError, match=r"run `pip install 'routectl\[plots\]'`"):
        draw_evaluation(benchmark(), scores("mine"), plot_outputs("own", tmp_path / "new"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"file is there already and no folder"):
        plot_outputs("own", tmp_path / "file")
    below = plot_outputs("own", tmp_path / "file" / "below")
    with pytest.raises(InputError, match=r"cannot make the folder .*below: "):
        draw_evaluation(benchmark(), scores("mine"), below, draws=5)


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_is_drawn_again_and_another_picture_is_not_replaced(
    suffix: str, tmp_path: Path
) -> None:
    drawn = histogram_file(tmp_path / f"own-scores.{suffix}")
    assert histogram_file(tmp_path / f"own-scores.{suffix}") == drawn
    (tmp_path / f"own-quality.{suffix}").write_bytes(b"\x89PNG\r\n of somebody else")
    with pytest.raises(UsageError, match=f"own-quality.{suffix} is there already.* --force"):
        plot_outputs("own", tmp_path, (suffix,))
    plot_outputs("own", tmp_path, (suffix,), force=True)


def test_a_share_reads_as_all_or_nothing_only_where_it_is() -> None:
    assert [percent(share) for share in (0, 0.0001, 0.305, 0.9999, 1)] == [
        "0.0 %",
        "< 0.1 %",
        "30.5 %",
        "> 99.9 %",
        "100.0 %",
    ]


def test_colours_are_told_apart_on_white() -> None:
    def luminance(colour: str) -> float:
        values = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    assert len(set(COLOURS)) == len(COLOURS)
    for colour in COLOURS:
        assert 1.05 / (luminance(colour) + 0.05) > 2

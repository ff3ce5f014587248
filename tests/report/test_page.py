"""The page of `routectl report`: what it says, what it leaves out, and that it asks nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from routectl.cli.app import run
from routectl.report.page import Chart, drawing, is_page, render
from tests.cli.test_savings import decided
from tests.conftest import Routectl, payload, write_log
from tests.hostile_text import ACTING, SECRET, acting_characters
from tests.report.pages import full_page

VOID = {"meta", "input", "line", "circle", "polyline", "link", "br"}
LOADS = {"src", "href", "srcset", "action", "formaction", "data", "poster", "xlink:href"}
MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&<!--"


@dataclass
class Parsed(HTMLParser):
    """The elements of a file, which must close in the order in which they open."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    contents: dict[str, list[str]] = field(default_factory=dict)
    """By tag, what is directly within."""

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.feed(self.text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
            self.contents.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.contents[self.open[-1]][-1] += data

    def attributes(self, name: str) -> list[str | None]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]

    @property
    def shown(self) -> str:
        """All text but scripts and styles."""
        return " ".join(
            text
            for tag, texts in self.contents.items()
            if tag not in ("script", "style")
            for text in texts
        )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a route that runs a threshold with prices."""
    folder = tmp_path_factory.mktemp("prepared")
    records = [payload(n, startTime=1_790_000_000.0 + 6000 * n, model="big") for n in range(200)]
    log = write_log(folder / "log.jsonl", records)
    pair = ("--strong", "big", "--weak", "small", "--price", "big=10/30", "--price", "small=1/2")
    target = ("-r", "length", "--strong-fraction", "0.3", "--note", "for the board")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROUTECTL_DB", str(folder / "routectl.db"))
        patch.setenv("ROUTECTL_ACTOR", "tester")
        assert run(["import", str(log)]) == 0
        assert run(["route", "set", "smart", *pair]) == 0
        assert run(["calibrate", *target]) == 0
        assert run(["activate", "c1", "--force", "--note", "agreed with finance"]) == 0
    return folder / "routectl.db"


@pytest.fixture
def running(prepared: Path, database: Path, routectl: Routectl) -> Routectl:
    """A command line on a copy of it."""
    shutil.copy(prepared, database)
    return routectl


def report(routectl: Routectl, folder: Path, *options: object) -> str:
    """The file, as it was written."""
    path = folder / "report.html"
    result = routectl("report", "--output", path, *options)
    assert result.code == 0, result.err
    return path.read_text(encoding="utf-8")


def test_the_page_says_what_runs_since_when_by_whom_and_why(
    running: Routectl, tmp_path: Path
) -> None:
    page = Parsed(report(running, tmp_path))
    active = running("history", "--json").json["activations"][0]
    for text in ("Route smart", "big", "small", active["runs"], "tester", "agreed with finance"):
        assert text in page.shown
    assert f"{active['created_at'][:19].replace('T', ' ')} UTC" in page.shown
    assert "for the board" in page.shown


def test_the_page_s_saving_is_the_calibration_s(running: Routectl, tmp_path: Path) -> None:
    shown = running("show", "c1", "--json").json
    page = Parsed(report(running, tmp_path))
    month = shown["costs"]["month"]
    assert f"{month['saved']:,.2f} USD" in page.shown
    assert f"{100 * month['saved_share']:.1f} % of {month['always_strong']:,.2f} USD" in page.shown
    interval = shown["intervals"]["long_run"]
    assert f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f} %" in page.shown
    assert "10 in, 30 out, USD per million tokens" in page.shown
    for sentence in shown["warnings"]:
        assert sentence[1:] in page.shown


def curve_of(page: Parsed) -> dict[str, list[list[str]]]:
    """The slider's texts."""
    (data, _) = page.contents["script"]
    curve: dict[str, list[list[str]]] = json.loads(data)
    return curve


def test_the_curve_goes_through_what_runs_and_ends_at_all_and_nothing(
    running: Routectl, tmp_path: Path
) -> None:
    shown = running("show", "c1", "--json").json
    page = Parsed(report(running, tmp_path))
    rows = curve_of(page)["rows"]
    month = shown["costs"]["month"]
    now = [
        f"{100 * shown['strong_fraction']:.1f} %",
        f"{month['this_threshold']:,.2f}",
        f"{month['saved']:,.2f}",
        shown["threshold"],
    ]
    (slider,) = (attributes for tag, attributes in page.tags if tag == "input")
    assert rows[int(slider["value"] or "")] == now
    assert rows[-1][:3] == ["100.0 %", f"{month['always_strong']:,.2f}", "0.00"]
    assert rows[0][0] == "0.0 %"
    shares = [float(row[0].removesuffix(" %")) for row in rows]
    assert shares == sorted(shares)
    assert len(rows) > 90
    assert all(text in page.contents["th"] + page.contents["td"] for text in now)
    assert "came or went" not in page.shown


def test_the_curve_says_where_its_requests_are_not_the_calibration_s(
    running: Routectl, tmp_path: Path
) -> None:
    log = write_log(tmp_path / "more.jsonl", [payload(n, model="big") for n in range(200, 210)])
    assert running("import", log).code == 0
    assert running("score", "-r", "length").code == 0
    assert "Of the 210 requests with a score" in Parsed(report(running, tmp_path)).shown


def test_an_evaluation_gives_each_cut_a_quality(running: Routectl, tmp_path: Path) -> None:
    rows = [
        {"prompt": f"{n} " + "why? " * n, "scores": {"big": 1, "small": n % 2}} for n in range(60)
    ]
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    pair = ("--strong-model", "big", "--weak-model", "small", "--draws", "20")
    assert running("evaluate", "--benchmark", gold, "-r", "length", *pair).code == 0
    page = Parsed(report(running, tmp_path))
    assert "quality (e1)" in page.contents["th"]
    ends = [row[3] for row in curve_of(page)["rows"]]
    assert ends[-1] == "1.000"
    assert float(ends[0]) < 1
    assert "60 judged prompts" in page.shown


def test_without_prices_the_curve_has_shares_and_thresholds(
    routectl: Routectl, log: Path, tmp_path: Path
) -> None:
    routectl("import", log)
    routectl("calibrate", "-r", "length", "--strong-fraction", "0.3")
    assert routectl("activate", "c1", "--force").code == 0
    page = Parsed(report(routectl, tmp_path))
    assert {len(row) for row in curve_of(page)["rows"]} == {2}
    assert "USD a month" not in page.shown
    assert "The route declares no models" in page.shown


def test_an_expiry_is_shown_and_one_that_has_passed_is_to_be_looked_at(
    running: Routectl, tmp_path: Path, database: Path
) -> None:
    running("activate", "c1", "--force", "--expires", "30d")
    ahead = Parsed(report(running, tmp_path))
    assert "in 29 days" in ahead.shown
    assert "To look at" not in ahead.contents["h3"]
    running("activate", "c1", "--force", "--expires", "30d", "--note", "then")
    with closing(sqlite3.connect(database)) as connection, connection:
        (trigger,) = connection.execute(
            "SELECT name FROM sqlite_master WHERE type='trigger' AND tbl_name='activations' AND "
            "sql LIKE '%UPDATE%'"
        ).fetchone()
        connection.execute(f'DROP TRIGGER "{trigger}"')
        connection.execute("UPDATE activations SET expires_at = '2026-01-31 09:00:00.000000'")
    passed = Parsed(report(running, tmp_path))
    assert "To look at" in passed.contents["h3"]
    assert "This activation expired on 2026-01-31 09:00:00 UTC" in passed.shown


def test_what_the_log_says_was_saved_stands_next_to_what_was_projected(
    running: Routectl, tmp_path: Path
) -> None:
    assert "What it has saved, by the log" not in Parsed(report(running, tmp_path)).contents["h3"]
    log = write_log(tmp_path / "decided.jsonl", [decided(n + 1000) for n in range(100)])
    assert running("import", log).code == 0
    saved = running("savings", "--json").json
    page = Parsed(report(running, tmp_path))
    assert "What it has saved, by the log" in page.contents["h3"]
    assert running("savings").out.split("\n")[0] in page.shown
    assert "projected by the calibration" in page.contents["th"]
    for sentence in saved["warnings"]:
        assert sentence[1:] in page.shown


def test_each_segment_has_a_row_with_its_threshold(routectl: Routectl, tmp_path: Path) -> None:
    records = [
        payload(n, metadata={"user_api_key_team_id": "web" if n % 2 else "search"})
        for n in range(600)
    ]
    routectl("import", write_log(tmp_path / "log.jsonl", records))
    by_team = ("calibrate", "-r", "length", "--strong-fraction", "0.3", "--by", "team")
    assert routectl(*by_team).code in (0, 3)
    assert routectl("activate", "c1", "--force").code == 0
    shown = routectl("show", "c1", "--json").json
    page = Parsed(report(routectl, tmp_path, "--show-prompts"))
    assert "Segments" in page.contents["h3"]
    for cut in shown["segments"]["cuts"]:
        assert cut["threshold"] in page.contents["td"]
        assert (cut["segment"] or "(default)") in page.contents["th"]
    # No single cut says what two thresholds do.
    assert "What if" not in page.contents["h3"]


def test_every_route_has_its_part_and_one_alone_can_be_asked_for(
    running: Routectl, tmp_path: Path
) -> None:
    running(
        "route",
        "set",
        "other",
        "--strong",
        "big",
        "--weak",
        "small",
        "--price",
        "big=1/1",
        "--price",
        "small=1/1",
        "--where",
        "team=x",
    )
    both = Parsed(report(running, tmp_path))
    assert both.contents["h2"][:2] == ["Route other", "Route smart"]
    assert "Nothing runs yet" in both.shown
    alone = Parsed(report(running, tmp_path, "--route", "smart"))
    assert alone.contents["h2"][0] == "Route smart"
    assert "other" not in alone.contents["h2"]


@pytest.mark.parametrize("rule", ["strong", "weak"])
def test_what_is_unconditional_is_said_in_a_sentence(
    rule: str, running: Routectl, tmp_path: Path
) -> None:
    running("activate", f"--always-{rule}")
    model = {"strong": "big", "weak": "small"}[rule]
    page = Parsed(report(running, tmp_path))
    assert f"Every request goes to {model}, since " in page.shown
    assert "a2" in page.shown


def test_without_a_route_nothing_is_written(routectl: Routectl, tmp_path: Path) -> None:
    routectl("init")
    result = routectl("report", "--output", tmp_path / "report.html")
    assert result.code == 1
    assert "no route to report on" in result.err
    assert not (tmp_path / "report.html").exists()


def test_a_prompt_is_on_the_page_only_where_it_is_asked_for(
    running: Routectl, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    assert "why? why?" not in report(running, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o644
    asked = Parsed(report(running, tmp_path, "--show-prompts"))
    assert path.stat().st_mode & 0o777 == 0o600
    threshold = float(running("show", "c1", "--json").json["threshold"])
    scores = [float(text) for text in asked.contents["th"] if re.fullmatch(r"0\.\d{5}", text)]
    above, below = scores[:5], scores[5:]
    assert len(below) == 5
    assert above == sorted(above)
    assert below == sorted(below, reverse=True)
    assert below[0] < threshold <= above[0]


def test_nothing_from_outside_is_markup_or_acts(
    routectl: Routectl,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"smart {MARKUP} {ACTING}"
    monkeypatch.setenv("ROUTECTL_ACTOR", name)
    records = [
        payload(
            n,
            f"{SECRET} {n} {name} {'why? ' * n}",
            model_group=name,
            model=name,
            metadata={"user_api_key_team_id": name},
        )
        for n in range(60)
    ]
    routectl("import", write_log(tmp_path / "log.jsonl", records))
    prices = (f"--price={name}=10/30", "--price=small=1/2")
    routectl(
        "route",
        "set",
        name,
        "--strong",
        name,
        "--weak",
        "small",
        *prices,
        "--where",
        f"team={name}",
        "--note",
        name,
    )
    calibrated = routectl("calibrate", "-r", "length", "--strong-fraction", "0.3", "--note", name)
    assert calibrated.code in (0, 3), calibrated.err
    assert routectl("activate", "c1", "--force", "--note", name).code == 0
    for options in ((), ("--show-prompts",)):
        text = report(routectl, tmp_path, *options)
        assert acting_characters(text) == set()
        page = Parsed(text)
        assert [attributes for tag, attributes in page.tags if tag == "img"] == []
        assert "onerror" not in {key for _, attributes in page.tags for key in attributes}
        assert (SECRET in text) == bool(options)
        assert "<script>alert" not in text
        assert MARKUP in page.shown


def test_the_curve_s_data_cannot_end_its_script() -> None:
    page = Parsed(render(full_page(text=MARKUP)).decode())
    data, own = page.contents["script"]
    assert json.loads(data)["rows"][2][2] == MARKUP
    assert own.strip().startswith('"use strict"')


def test_the_page_asks_nothing_of_the_network(running: Routectl, tmp_path: Path) -> None:
    text = report(running, tmp_path, "--show-prompts")
    page = Parsed(text)
    assert re.search(r"https?:|//\w", text) is None
    addresses = [value for name in LOADS for value in page.attributes(name)]
    assert all(address is not None and address.startswith("#") for address in addresses)
    assert "@import" not in text
    assert "url(" not in text


def test_the_policy_allows_the_page_s_own_style_and_script_alone() -> None:
    page = Parsed(render(full_page()).decode())
    (policy,) = (
        attributes["content"]
        for _, attributes in page.tags
        if attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'"
    for directive, source in (
        ("style-src", page.contents["style"][0]),
        ("script-src", page.contents["script"][-1]),
    ):
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert rules[directive] == f"'sha256-{digest}'"
    # What the policy would refuse.
    assert page.attributes("style") == []
    assert [key for _, attributes in page.tags for key in attributes if key.startswith("on")] == []


def test_the_same_database_gives_the_same_page_but_for_the_time(
    running: Routectl, tmp_path: Path
) -> None:
    made = re.compile(r"Made \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
    first, second = (report(running, tmp_path, "--show-prompts") for _ in range(2))
    assert len(made.findall(first)) == 1
    assert made.sub("", first) == made.sub("", second)


def test_a_report_replaces_an_earlier_one_and_no_other_file(
    running: Routectl, tmp_path: Path
) -> None:
    report(running, tmp_path)
    report(running, tmp_path)
    other = tmp_path / "mine.html"
    other.write_text('<!doctype html>\n<html lang="en">\n<p>routectl report</p>')
    result = running("report", "--output", other)
    assert result.code == 2
    assert "does not say that this command wrote all of it" in result.err
    assert not is_page(other.read_bytes())


def test_headings_and_labels_say_what_a_screen_reader_needs() -> None:
    page = Parsed(render(full_page()).decode())
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for name in ("aria-labelledby", "for"):
        assert set(page.attributes(name)) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert len(page.contents["caption"]) == len(page.contents["table"])
    headers = [attributes for tag, attributes in page.tags if tag == "th"]
    assert all(attributes["scope"] in ("col", "row") for attributes in headers)
    assert ("html", {"lang": "en"}) in page.tags


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([0.0, 9000.0], ["0", "2,500", "5,000", "7,500", "10,000"]),
        ([0.02, 0.9], ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        ([0.0, 0.004], ["0.000", "0.001", "0.002", "0.003", "0.004"]),
        ([5.0, 5.0], ["0", "2", "4", "6"]),
        ([0.0, 0.0], ["0.00", "0.25"]),
        ([-3.0, 12.0], ["-5", "0", "5", "10", "15"]),
        ([1e6, 3.2e6], ["0", "1M", "2M", "3M", "4M"]),
        ([0.0, 1.2e5], ["0", "50k", "100k", "150k"]),
    ],
)
def test_an_axis_has_round_numbers_that_hold_all_values(
    values: list[float], labels: list[str]
) -> None:
    line = drawing.line(Chart("x", values), [0.0, 1.0])
    assert line is not None
    assert [tick.label for tick in line.up] == labels
    heights = [point[1] for point in line.points if point is not None]
    assert all(drawing.TOP <= y <= drawing.HEIGHT - drawing.BOTTOM for y in heights)


def test_a_line_is_broken_where_a_value_is_not_known() -> None:
    chart = Chart("x", [0.0, 1.0, None, 2.0, 3.0])
    line = drawing.line(chart, [0.0, 0.25, 0.5, 0.75, 1.0])
    assert line is not None
    assert [len(path.split()) for path in line.paths] == [2, 2]
    assert drawing.line(Chart("x", [None, None]), [0.0, 1.0]) is None

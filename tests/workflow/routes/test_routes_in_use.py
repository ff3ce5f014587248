"""Commands work on the route's population and models; the log tells which requests are its own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

from routectl.cli.options import unnamed_routers
from routectl.prices import parse_prices
from routectl.records import Condition, Population
from routectl.routers import open_router
from routectl.store.engine import Location
from routectl.workflow.routes.declaring import Wanted, set_route
from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, Silence, payload, write_log

CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "length")
START = 1_790_000_000.0
HOUR = 3600


def decided(number: int, route: str | None, **fields: Any) -> dict[str, Any]:
    """A call an hour; the log of those with a route says that the route decided them."""
    entry = {} if route is None else {"spend_logs_metadata": {"routectl": {"route": route}}}
    return payload(number, startTime=START + HOUR * number, metadata=entry, **fields)


def answer(routectl: Routectl, *options: str) -> dict[str, Any]:
    done = routectl(*CALIBRATE, *options, "--json")
    assert done.code == 0, done.err
    (calibration,) = done.json
    return dict(calibration)


def test_of_very_many_routes_an_error_names_some(routectl: Routectl, database: Path) -> None:
    location = Location.parse(str(database))
    models = Wanted(strong="big", weak="small", prices=parse_prices(["big=2/8", "small=1/1"]))
    for number in range(25):
        set_route(location, f"r{number:02}", models, note=None, reporter=Silence())
    for options in ((), ("--route", "other")):
        told = " ".join(routectl("export", *options).err.split())
        assert "r07 and 17 more" in told
        assert "r20" not in told


@pytest.fixture
def groups(routectl: Routectl, tmp_path: Path) -> None:
    """Calls of three model groups and two teams."""
    log = [
        payload(
            n,
            model_group=("gpt-5", "smart", "batch")[n % 3],
            metadata={"user_api_key_team_alias": ("web", "search")[n % 2]},
        )
        for n in range(60)
    ]
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    where = ("--where", "model_group=gpt-5", "--where", "model_group=smart", "--where", "team=web")
    routectl("route", "set", "smart", *MODELS, *where)


@pytest.mark.usefixtures("groups")
def test_the_population_is_the_route_s_and_values_of_a_field_are_alternatives(
    routectl: Routectl,
) -> None:
    calibration = answer(routectl)
    assert calibration["requests"] == 20
    assert set(calibration["model_groups"]) == {"gpt-5", "smart"}
    assert calibration["population"] == {
        "where": ["model_group=gpt-5", "model_group=smart", "team=web"],
        "since": None,
        "until": None,
    }
    assert "model_group=gpt-5, model_group=smart, team=web" in routectl(*CALIBRATE).out


@pytest.mark.usefixtures("groups")
def test_options_go_over_the_population_field_by_field_for_one_run(routectl: Routectl) -> None:
    calibration = answer(routectl, "--where", "model_group=batch", "--since", "2026-09-21")
    assert calibration["population"]["where"] == ["team=web", "model_group=batch"]
    assert calibration["population"]["since"] == "2026-09-21T00:00:00+00:00"
    assert calibration["requests"] == 10
    (stored, *_) = routectl("history", "--json").json["calibrations"]
    assert stored["population"] == calibration["population"]
    assert answer(routectl)["requests"] == 20


@pytest.mark.usefixtures("groups")
def test_a_judging_of_the_traffic_draws_from_the_route_s_population(routectl: Routectl) -> None:
    judge = ("--judge", "critic", "--price", "critic=1/1", "--endpoint", "http://127.0.0.1:1/v1")
    for command in (
        ("label", "-r", "length", "--sample", "99"),
        ("battles", "judge", "--from-traffic", "--sample", "99", "-o", "judged.jsonl"),
    ):
        done = routectl(*command, *judge)
        assert done.code == 2
        if command[0] == "label":
            assert "20 distinct prompts" in done.err
        else:
            assert "Prompts: 20, which leave this machine" in done.err
            assert "Price: big 2 in, 8 out (USD per million tokens, price of the route)" in done.err


def test_from_the_first_row_that_names_the_route_on_only_such_rows_count(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("route", "set", "smart", *MODELS)
    before = [decided(n, None) for n in range(20)]
    after = [decided(n, "smart" if n % 2 else None) for n in range(21, 61)]
    other = [decided(n, "batch") for n in range(100, 130)]
    routectl("import", write_log(tmp_path / "log.jsonl", before + after + other))
    calibration = answer(routectl)
    assert calibration["requests"] == 20 + 20
    routed = calibration["population"]["routed"]
    assert routed == {"names": ["smart"], "since": "2026-09-22T11:13:20+00:00"}
    shown = " ".join(routectl(*CALIBRATE).out.split())
    said = "from 2026-09-22 11:13:20 UTC on, as the log says, those of route smart alone"
    assert said in shown
    # A window is no other population.
    assert answer(routectl, "--until", "2026-09-22T11:00:00Z")["requests"] == 20


def test_a_renamed_route_is_still_the_one_that_the_log_names(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("route", "set", "smart", *MODELS)
    log = [decided(n, "smart" if n % 2 else None) for n in range(1, 41)]
    routectl("import", write_log(tmp_path / "log.jsonl", log))
    assert answer(routectl)["requests"] == 20
    routectl("route", "rename", "smart", "clever")
    calibration = answer(routectl)
    assert calibration["requests"] == 20
    assert calibration["population"]["routed"]["names"] == ["clever", "smart"]
    routectl("route", "set", "smart", *MODELS)
    assert "routed" not in answer(routectl, "--route", "clever")["population"], "it is another's"


def test_a_stored_population_reads_back_as_it_was() -> None:
    population = Population((Condition("team", "!=", "a=b"), Condition("tag", "=", "x!=y")))
    assert Population.from_json(population.to_json()) == population


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ([], [], True),
        (["team=a"], ["team=b"], False),
        (["team=a", "team=b"], ["team=b"], True),
        (["team=a"], ["team!=a"], False),
        (["team=a", "team=b"], ["team!=a"], True),
        (["team=a"], ["model_group=b"], True),
        (["team=a", "model_group=x"], ["team=a", "model_group=y"], False),
        (["tag=a"], ["tag=b"], True),
        (["tag=a"], ["tag!=a"], False),
        (["team!=a"], ["team!=b"], True),
    ],
)
def test_populations_overlap_unless_their_conditions_exclude_each_other(
    one: list[str], other: list[str], overlap: bool
) -> None:
    a, b = (Population(tuple(map(Condition.from_text, texts))) for texts in (one, other))
    assert a.may_overlap(b) is b.may_overlap(a) is overlap


# What the log says of models


def answered(routectl: Routectl, tmp_path: Path, models: list[tuple[str | None, str]]) -> None:
    """Import a call of each model and model group."""
    log = [payload(n, model=model, model_group=group) for n, (model, group) in enumerate(models)]
    assert routectl("import", write_log(tmp_path / "log.jsonl", log)).code == 0


def test_a_log_that_others_than_the_route_s_models_answered_says_so(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("route", "set", "smart", *MODELS)
    log = [("big-2026-01-01", "smart")] * 6 + [("azure/small", "smart")] * 2
    answered(routectl, tmp_path, [*log, ("gpt-4-turbo", "smart"), ("claude-3", "smart")])
    done = routectl(*CALIBRATE)
    assert (
        "20.0 % of the requests were answered by models that are not the route's (gpt-4-turbo, "
        "claude-3)"
    ) in done.err or "(claude-3, gpt-4-turbo)" in done.err
    calibration = answer(routectl)
    assert calibration["other_models"]["share"] == pytest.approx(0.2)
    assert any("answered by models that are not" in text for text in calibration["warnings"])


def test_a_log_that_the_route_s_models_answered_says_nothing(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("route", "set", "smart", *MODELS)
    answered(routectl, tmp_path, [("big", "smart"), ("Small", "x"), (None, "smart")] * 4)
    assert answer(routectl)["other_models"] is None


def suggestion(routectl: Routectl) -> list[str]:
    """The words of the suggested command, as a shell reads them."""
    done = routectl(*CALIBRATE)
    assert "USD" not in done.out
    printed = shlex.split(typed(done.out))
    assert printed == shlex.split(answer(routectl)["suggested_route"])
    return printed[3:]


def typed(output: str) -> str:
    """The suggested command as a shell reads it, lines that end in a backslash joined."""
    start = output.index("routectl route set")
    return output[start : output.index("Config string:")].replace("\\\n", "").strip()


def test_without_declared_models_the_line_that_declares_them_is_printed_and_works(
    routectl: Routectl, tmp_path: Path
) -> None:
    log = [("gpt-4o", "smart")] * 8 + [("gpt-4o-mini", "cheap")] * 3 + [("gpt-4o", "gpt-4o")] * 2
    answered(routectl, tmp_path, log)
    words = suggestion(routectl)
    assert words == [
        "smart",
        *("--strong", "gpt-4o", "--weak", "gpt-4o-mini"),
        *("--where", "model_group=smart", "--where", "model_group=gpt-4o"),
    ]
    assert answer(routectl)["costs"] is None
    renamed = routectl("route", "set", *words)
    assert renamed.code == 0
    assert "default, the only one, is now smart" in renamed.out
    calibration = answer(routectl)
    assert calibration["suggested_route"] is None
    assert calibration["costs"]["prices"]["strong"]["model"] == "gpt-4o"
    assert calibration["requests"] == 10


@pytest.mark.parametrize(
    ("log", "words"),
    [
        # What the log does not tell stands as MODEL.
        ([(None, "smart")], ["smart", "--strong", "MODEL", "--weak", "MODEL"]),
        ([("gpt-4o", "smart")], ["smart", "--strong", "gpt-4o", "--weak", "MODEL"]),
        ([(None, "gpt-4o")], ["smart", "--strong", "gpt-4o", "--weak", "MODEL"]),
        (
            [("own-1", "chat"), ("own-1", "chat"), ("own-2", "chat")],
            ["chat", "--strong", "own-1", "--weak", "MODEL", "--price", "own-1=IN/OUT"],
        ),
    ],
)
def test_the_line_is_filled_in_as_far_as_the_log_tells(
    routectl: Routectl, tmp_path: Path, log: list[tuple[str | None, str]], words: list[str]
) -> None:
    answered(routectl, tmp_path, log * 5)
    assert suggestion(routectl) == [*words, "--where", f"model_group={log[0][1]}"]


HOSTILE = (
    "$(touch owned)",
    "a; touch owned",
    "`touch owned`",
    "it's",
    'say "hi"',
    "a|b>c&d",
    "--db=other",
    "-x",
    "esc\x1b[31m",
    "rtl\u202e",
    "two\nlines",
)


def test_the_line_is_safe_to_paste_whatever_the_log_holds(
    routectl: Routectl, tmp_path: Path
) -> None:
    answered(routectl, tmp_path, [(name, f"{name}.") for name in HOSTILE])
    done = routectl(*CALIBRATE)
    line = answer(routectl)["suggested_route"]
    assert line.isprintable()
    words = shlex.split(line)
    assert shlex.join(words) == line, "every word is quoted"
    assert shlex.split(typed(done.out)) == words
    assert max(map(len, done.out.splitlines())) <= 100
    options = [word for word in words if word.startswith("-")]
    assert set(options) <= {"--strong", "--weak", "--price", "--where"}


def test_a_route_without_models_keeps_its_name_and_population_in_the_line(
    routectl: Routectl, tmp_path: Path
) -> None:
    answered(routectl, tmp_path, [("gpt-4o", "x")] * 10)
    routectl("activate", "--always-strong")
    assert routectl("route", "set", "mine", "--where", "model_group=x").code == 0
    assert suggestion(routectl) == ["mine", "--strong", "gpt-4o", "--weak", "MODEL"]


def test_the_line_never_names_another_route(routectl: Routectl, tmp_path: Path) -> None:
    answered(routectl, tmp_path, [("gpt-4o", "smart")] * 10)
    for name in ("smart", "default"):
        routectl("route", "set", name, *MODELS)
    routectl("db", "downgrade", "0005")
    routectl("db", "upgrade")  # and nothing is declared any more
    for name in ("smart", "default"):
        assert shlex.split(answer(routectl, "--route", name)["suggested_route"])[3] == name


# Models that commands take from the route


def test_models_that_nobody_named_or_declared_are_asked_for(
    routectl: Routectl, tmp_path: Path, log: Path
) -> None:
    judge = ("--judge", "critic", "--price", "critic=1/1", "--endpoint", "http://127.0.0.1:1/v1")
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("one\ntwo\n")
    files = ("battles", "judge", prompts, "-o", tmp_path / "out.jsonl", *judge)
    one_sentence(routectl(*files), "--strong-model and --weak-model", "routectl route set", code=2)
    routectl("import", log)
    for command in (files, ("label", *judge)):
        one_sentence(routectl(*command), "routectl route set default --strong MODEL", code=2)
    routectl("route", "set", "smart", *MODELS)
    done = routectl(*files)
    assert "answers of big and small" in done.err
    assert "Price: small 0.25 in, 1 out (USD per million tokens, price of the route)" in done.err
    named = routectl(*files, "--weak-model", "tiny", "--price", "tiny=0/0", "--price", "big=9/9")
    assert "answers of big and tiny" in named.err
    assert "Price: big 9 in, 9 out (USD per million tokens, --price)" in named.err


def test_an_evaluation_compares_the_route_s_models_where_the_benchmark_has_both(
    routectl: Routectl, tmp_path: Path
) -> None:
    routectl("route", "set", "smart", *MODELS, "--router", "length")
    rows = "".join(f"question {n},{n % 2},0,{n % 3 > 0:d},0\n" for n in range(30))
    both, others = tmp_path / "both.csv", tmp_path / "others.csv"
    both.write_text(f"prompt,big,small,a,b\n{rows}")
    others.write_text(f"prompt,x,y,a,b\n{rows}")
    done = routectl("evaluate", "--benchmark", both, "--draws", "10", "--json")
    assert done.code == 0, done.err
    (evaluation,) = done.json
    assert evaluation["model_pair"] == {"strong": "big", "weak": "small"}
    assert [price["source"] for price in evaluation["costs"]["prices"]] == [
        "price of the route"
    ] * 2
    assert [router["router"] for router in evaluation["routers"]][:1] == ["length"]
    named = ("--strong-model", "a", "--weak-model", "b")
    done = routectl("evaluate", "--benchmark", both, *named, "--draws", "10", "--json")
    assert done.json[0]["model_pair"] == {"strong": "a", "weak": "b"}
    refused = routectl("evaluate", "--benchmark", others, "--draws", "10")
    one_sentence(refused, "know no models", code=2)
    routectl("route", "set", "batch", *MODELS)
    several = routectl("evaluate", "--benchmark", both, "--draws", "10")
    one_sentence(several, "2 routes", "batch, smart", code=2)


def test_the_saving_stands_beside_what_was_evaluated(
    routectl: Routectl, tmp_path: Path, log: Path
) -> None:
    routectl("route", "set", "smart", *MODELS, "--router", "length")
    routectl("import", log)
    judged = tmp_path / "own.csv"
    rows = "".join(f"question {n} {'why ' * n},1,{n < 20:d}\n" for n in range(40))
    judged.write_text(f"prompt,big,small\n{rows}")
    assert routectl("evaluate", "--benchmark", judged, "--draws", "50").code == 0
    shown = " ".join(routectl(*CALIBRATE).out.split())
    assert "quality not measured on your traffic; `routectl label` does. APGR " in shown
    assert "of big / small, evaluation e1 on own" in shown
    known = answer(routectl)["quality"]
    assert (known["evaluation_id"], known["on_traffic"]) == (1, False)
    assert 0 < known["apgr"]["low"] <= known["apgr"]["value"] <= known["apgr"]["high"]
    # Of another router nothing is known.
    done = routectl("calibrate", "--strong-fraction", "0.3", "--tolerance", "1", "-r", "random")
    assert "APGR" not in done.out


def test_the_router_of_a_route_is_the_one_that_is_calibrated(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    routectl("route", "set", "smart", *MODELS, "--router", "random")
    calibrate = ("calibrate", "--strong-fraction", "0.3", "--json")
    assert routectl(*calibrate).json[0]["router"] == "random"
    assert routectl(*calibrate, "-r", "length").json[0]["router"] == "length"


def test_score_without_a_router_scores_for_every_route(routectl: Routectl, log: Path) -> None:
    routectl("import", log)
    for name in ("random", "length"):
        routectl("route", "set", f"by-{name}", *MODELS, "--router", name)
    assert [row["router"] for row in routectl("score", "--json").json] == ["length", "random"]
    assert [row["router"] for row in routectl("score", "-r", "length", "--json").json] == ["length"]


def test_all_names_no_router() -> None:
    opened = [open_router("mf"), open_router("length")]
    assert len(unnamed_routers(("all",), opened)) == 2
    assert len(unnamed_routers(("all", "length"), opened)) == 1


class TestOnPostgresql:
    @pytest.fixture
    def database_url(self, postgresql_url: str) -> str:
        return postgresql_url

    def test_a_route_from_the_log_to_its_saving(self, routectl: Routectl, tmp_path: Path) -> None:
        log = [
            decided(n, "smart" if n > 30 else None, model=("gpt-4o", "gpt-4o-mini")[n % 2])
            for n in range(61)
        ]
        routectl("import", write_log(tmp_path / "log.jsonl", log))
        words = suggestion(routectl)
        assert words[:5] == ["smart", "--strong", "gpt-4o", "--weak", "gpt-4o-mini"]
        assert routectl("route", "set", *words).code == 0
        calibration = answer(routectl)
        assert calibration["population"]["routed"]["names"] == ["smart", "default"]
        assert calibration["costs"]["month"]["saved"] > 0
        assert calibration["other_models"] is None
        assert routectl("activate", "--force").code == 0
        assert routectl("route", "remove", "smart").code == 1
        assert routectl("route", "rename", "smart", "clever").code == 0
        assert routectl("export", "--json").json["route"] == "clever"
        assert len(routectl("history", "--json").json["route_changes"]) == 2

"""`routectl route`: a route is declared once, changed by what is given, renamed and removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_bad_input import one_sentence
from tests.conftest import MODELS, Routectl, payload, write_log
from tests.databases import rows_by_table

CALIBRATE = ("calibrate", "--strong-fraction", "0.3", "-r", "length")
UNPRINTABLE = ("\x1b[31msmart", "sm\nart", "\u202esmart", " smart", "")


def declared(routectl: Routectl) -> dict[str, dict[str, object]]:
    return {view["route"]: view for view in routectl("route", "list", "--json").json}


def test_a_route_is_declared_before_there_is_a_database(routectl: Routectl, database: Path) -> None:
    done = routectl("route", "set", "smart", *MODELS, "--where", "model_group=gpt-5", "--where",
                    "model_group=smart", "-r", "length")  # fmt: skip
    assert done.code == 2, "there is one spelling of --router here"
    assert not database.exists()
    where = ("--where", "model_group=gpt-5", "--where", "model_group=smart")
    done = routectl("route", "set", "smart", *MODELS, *where, "--router", "length")
    assert done.code == 0
    assert "made a new database" in done.err
    assert database.stat().st_mode & 0o777 == 0o600
    (view,) = routectl("route", "list", "--json").json
    assert view["models"] == [
        {"name": "small", "price": {"input": "0.25", "output": "1"}},
        {"name": "big", "price": {"input": "2", "output": "8"}},
    ]
    assert view["population"]["where"] == ["model_group=gpt-5", "model_group=smart"]
    assert (view["router"]["name"], view["router"]["checkpoint"]) == ("length", "length_1")
    shown = routectl("route", "show").out
    assert "big 2 in, 8 out (USD per million tokens, price of the route)" in shown
    assert "model_group=gpt-5, model_group=smart" in shown


def test_list_prices_are_found_by_name(routectl: Routectl) -> None:
    done = routectl(
        "route", "set", "smart", "--strong", "gpt-4o", "--weak", "gpt-4o-mini", "--json"
    )
    strong, weak = done.json["prices"]
    assert strong["input"] > weak["input"] > 0
    assert "list price" in strong["source"]
    assert [model["price"] for model in done.json["models"]] == [None, None]


def test_only_what_is_given_changes_and_the_history_says_what(routectl: Routectl) -> None:
    routectl("route", "set", "smart", *MODELS, "--where", "team=web", "--note", "first")
    changed = routectl("route", "set", "smart", "--price", "big=3/9", "--note", "new contract")
    assert "Route smart has changed: models." in changed.out
    view = declared(routectl)["smart"]
    assert view["models"] == [
        {"name": "small", "price": {"input": "0.25", "output": "1"}},
        {"name": "big", "price": {"input": "3", "output": "9"}},
    ]
    routectl("route", "set", "smart", "--weak", "tiny", "--price", "tiny=0/0")
    assert [model["name"] for model in declared(routectl)["smart"]["models"]] == ["tiny", "big"]  # type: ignore[index,attr-defined]
    changes = routectl("history", "--json").json["route_changes"]
    assert [(c["action"], c["note"], c["actor"]) for c in changes] == [
        ("set", None, "tester"),
        ("set", "new contract", "tester"),
        ("set", "first", "tester"),
    ]
    first, second = changes[2], changes[1]
    assert first["was"] is None
    assert first["now"]["population"]["where"] == ["team=web"]
    assert list(second["was"]) == list(second["now"]) == ["models"]
    table = routectl("history").out
    assert (
        "big at 2/8 / small at 0.25/1 -> big at 3/9 / small at 0.25/1; by tester: new contract"
        in (" ".join(table.split()))
    )
    assert max(map(len, table.splitlines())) <= 100


def test_setting_what_is_set_already_changes_nothing(routectl: Routectl, database_url: str) -> None:
    routectl("route", "set", "smart", *MODELS, "--where", "team=web")
    before = rows_by_table(database_url)
    again = routectl("route", "set", "smart", *MODELS, "--where", "team=web")
    assert again.out.startswith("Nothing changes")
    assert routectl("route", "set", "smart").out.startswith("Nothing changes")
    assert rows_by_table(database_url) == before


@pytest.mark.parametrize("activated", [False, True])
def test_the_only_route_default_is_renamed_with_what_it_has_and_runs(
    routectl: Routectl, log: Path, activated: bool
) -> None:
    routectl("import", log)
    routectl(*CALIBRATE)
    if activated:
        routectl("activate", "--force")
    before = routectl("export").out
    renamed = routectl("route", "set", "smart", *MODELS)
    assert renamed.out.startswith("Route default, the only one, is now smart.")
    assert list(declared(routectl)) == ["smart"]
    assert routectl("export").out == before
    if activated:
        assert routectl("export", "--json").json["route"] == "smart"
    history = routectl("history", "--json").json
    assert [c["route"] for c in history["calibrations"]] == ["smart"]
    assert [a["route"] for a in history["activations"]] == ["smart"] * activated
    (change,) = history["route_changes"]
    assert (change["was"]["name"], change["now"]["name"]) == ("default", "smart")


def test_a_change_of_a_route_touches_no_activation(
    routectl: Routectl, log: Path, database_url: str
) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("import", log)
    routectl(*CALIBRATE)
    routectl("activate", "--force")
    before = rows_by_table(database_url)
    exported = routectl("export").out
    routectl(
        "route", "set", "smart", "--strong", "huge", "--price", "huge=9/9", "--where", "team=x"
    )
    after = rows_by_table(database_url)
    assert after["activations"] == before["activations"]
    assert after["calibrations"] == before["calibrations"]
    assert routectl("export").out == exported


def test_a_second_route_is_made_beside_the_first(routectl: Routectl) -> None:
    routectl("route", "set", "smart", *MODELS, "--where", "model_group=smart")
    other = routectl("route", "set", "batch", *MODELS, "--where", "model_group=batch")
    assert "can belong to both" not in other.err
    assert list(declared(routectl)) == ["batch", "smart"]
    overlapping = routectl("route", "set", "both", *MODELS, "--where", "team=web")
    assert overlapping.code == 0
    for name in ("smart", "batch"):
        assert f"a request can belong to both both and {name}" in overlapping.err
    shown = routectl("route", "list").out
    assert shown.count("model_group=") == 2


def test_a_route_is_renamed_with_all_that_it_has(routectl: Routectl) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("activate", "--always-strong")
    assert routectl("route", "rename", "smart", "clever").out == "Route smart is now clever.\n"
    assert routectl("export", "--json").json["route"] == "clever"
    assert routectl("route", "rename", "clever", "clever").out.startswith("Nothing changes")
    routectl("route", "set", "smart", *MODELS)
    one_sentence(
        routectl("route", "rename", "smart", "clever"), "there is a route 'clever' already"
    )
    assert sorted(declared(routectl)) == ["clever", "smart"]
    changes = routectl("history", "--json", "--route", "clever").json["route_changes"]
    assert [c["action"] for c in changes] == ["rename", "set"]


def test_a_removed_route_is_gone_and_its_name_is_free(routectl: Routectl, log: Path) -> None:
    routectl("route", "set", "trial", *MODELS)
    routectl("import", log)
    routectl(*CALIBRATE)
    assert routectl("route", "remove", "trial", "--note", "done").out == "Route trial is removed.\n"
    assert declared(routectl) == {}
    assert "No routes yet" in routectl("route", "list").out
    one_sentence(routectl("activate", "--force", "1"), "calibration c1 was made for route 'trial'")
    one_sentence(routectl("route", "show", "trial"), "there is no route 'trial'")
    one_sentence(routectl("route", "remove", "trial"), "there is no route 'trial'")
    assert routectl("route", "set", "trial", *MODELS, "--where", "team=web").code == 0
    assert declared(routectl)["trial"]["calibrations"] == 0
    history = routectl("history", "--json").json
    assert [c["action"] for c in history["route_changes"]] == ["set", "remove", "set"]
    assert [c["route"] for c in history["calibrations"]] == ["trial"]
    assert routectl("history", "--json", "--route", "trial").json["calibrations"] == []


def test_a_route_with_a_used_name_survives_a_downgrade(
    routectl: Routectl, database_url: str
) -> None:
    for _ in range(2):
        routectl("route", "set", "trial", *MODELS)
        routectl("route", "remove", "trial")
    routectl("route", "set", "trial", *MODELS)
    routectl("activate", "--always-strong")
    assert routectl("db", "downgrade", "0005").code == 0
    names = {row[1] for row in rows_by_table(database_url)["routes"]}
    assert names == {"trial", "trial (removed 1)", "trial (removed 2)"}
    assert routectl("db", "upgrade").code == 0
    assert routectl("export", "--json", "--route", "trial").json["mode"] == "always_strong"


def test_what_runs_is_not_removed(routectl: Routectl, database_url: str) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("activate", "--always-weak")
    before = rows_by_table(database_url)
    one_sentence(routectl("route", "remove", "smart"), "runs a1,", "nothing was changed")
    assert rows_by_table(database_url) == before


@pytest.mark.parametrize(
    ("options", "words", "code"),
    [
        (("--strong", "big", "--weak", "big"), ("big cannot be both",), 2),
        (("--strong", "big"), ("--weak",), 2),
        (("--weak", "small"), ("--strong",), 2),
        ((), ("--strong MODEL --weak MODEL",), 2),
        (("--where", "team=web"), ("--strong MODEL --weak MODEL",), 2),
        (("--price", "big=1/2"), ("--strong MODEL --weak MODEL",), 2),
        (
            ("--strong", "nobodys-model", "--weak", "another-one"),
            ("nobodys-model and another-one", "--price nobodys-model=IN/OUT --price another-one="),
            1,
        ),
        (
            ("--strong", "nobodys-model", "--weak", "gpt-4o-mini"),
            ("no price is known for nobodys-model:", "--price nobodys-model=IN/OUT"),
            1,
        ),
        ((*MODELS, "--price", "bgi=1/2"), ("--price bgi", "big, small"), 2),
        ((*MODELS, "--router", "nobodys"), ("no router named 'nobodys'",), 1),
        ((*MODELS, "--router", "length=nowhere"), ("nowhere",), 1),
        ((*MODELS, "--where", "colour=red"), ("no field 'colour'",), 2),
        ((*MODELS, "--where", "team"), ("field=value",), 2),
        (("--strong", "", "--weak", "small"), ("--strong is empty",), 2),
        (("--strong", "big\x1b[31m", "--weak", "small"), ("--strong", "cannot be printed"), 2),
    ],
)
def test_a_route_that_cannot_be_is_one_sentence_and_makes_no_database(
    routectl: Routectl, database: Path, options: tuple[str, ...], words: tuple[str, ...], code: int
) -> None:
    one_sentence(routectl("route", "set", "smart", *options), *words, code=code)
    assert not database.exists()


@pytest.mark.parametrize("name", UNPRINTABLE)
def test_a_name_that_could_not_be_printed_is_no_route_s(
    routectl: Routectl, database: Path, name: str
) -> None:
    refused = routectl("route", "set", name, *MODELS)
    one_sentence(refused, "the route's name", code=2)
    assert "\x1b" not in refused.err
    assert not database.exists()
    routectl("route", "set", "smart", *MODELS)
    one_sentence(routectl("route", "rename", "smart", name), "the route's new name", code=2)


def test_a_change_that_cannot_be_leaves_the_route_as_it_is(
    routectl: Routectl, database_url: str
) -> None:
    routectl("route", "set", "smart", *MODELS)
    before = rows_by_table(database_url)
    for options in (
        ("--strong", "small"),
        ("--weak", "big"),
        ("--strong", "nobodys-model"),
        ("--price", "other=1/1"),
    ):
        assert routectl("route", "set", "smart", *options).code in (1, 2)
    assert rows_by_table(database_url) == before


def test_swapping_the_models_keeps_their_prices(routectl: Routectl) -> None:
    routectl("route", "set", "smart", *MODELS)
    routectl("route", "set", "smart", "--strong", "small", "--weak", "big")
    assert declared(routectl)["smart"]["models"] == [
        {"name": "big", "price": {"input": "2", "output": "8"}},
        {"name": "small", "price": {"input": "0.25", "output": "1"}},
    ]


@pytest.mark.parametrize("columns", [80, 100])
def test_the_list_fits_a_terminal(
    routectl: Routectl, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    groups = [part for n in range(9) for part in ("--where", f"model_group=a-long-group-name-{n}")]
    routectl("route", "set", "smart", *MODELS, *groups)
    routectl("activate", "--always-strong")
    lines = routectl("route", "list").out.splitlines()
    assert 0 < max(map(len, lines)) <= columns


def test_a_log_without_a_route_goes_on_as_before(routectl: Routectl, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", [payload(n) for n in range(50)])
    assert routectl("import", log).code == 0
    assert routectl(*CALIBRATE).code == 0
    assert routectl("activate", "--force").code == 0
    assert routectl("export").out.startswith("router-length-")
    assert list(declared(routectl)) == ["default"]

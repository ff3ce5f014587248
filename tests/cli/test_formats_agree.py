"""The format of a log changes no threshold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Routectl, payload, write_log
from tests.traffic.renderings import asked, write_all

PROMPTS = [
    f"question {n}\nwith a second line" if n % 9 == 0 else f"question {n}" for n in range(300)
]


def test_the_same_prompts_in_every_format_give_the_same_threshold(
    routectl: Routectl, tmp_path: Path
) -> None:
    files = {
        "litellm": "".join(json.dumps(payload(n, p)) + "\n" for n, p in enumerate(PROMPTS)),
        "openai": "".join(
            json.dumps({"model": "m", "messages": [{"role": "user", "content": p}]}) + "\n"
            for p in PROMPTS
        ),
        "json-strings": "".join(json.dumps(p) + "\n" for p in PROMPTS),
    }
    found = {}
    for name, content in files.items():
        path = tmp_path / name
        path.write_text(content)
        db = tmp_path / f"{name}.db"
        imported = routectl("import", path, "--db", db, "--json").json
        assert (imported["formats"], imported["added"]) == ([name], 300)
        (answer,) = routectl(
            "calibrate", "--strong-fraction", "0.3", "-r", "length", "--db", db, "--json"
        ).json
        found[name] = (answer["config_string"], answer["rows_digest"])
    assert len(set(found.values())) == 1


def test_plain_text_with_one_prompt_a_line_gives_the_same_threshold(
    routectl: Routectl, tmp_path: Path
) -> None:
    prompts = [p.replace("\n", " ") for p in PROMPTS]
    log = write_log(tmp_path / "log", [payload(n, p) for n, p in enumerate(prompts)])
    text = tmp_path / "prompts.txt"
    text.write_text("".join(f"{p}\n" for p in prompts))
    answers = []
    for path in (log, text):
        db = tmp_path / f"{path.name}.db"
        routectl("import", path, "--db", db)
        (answer,) = routectl(
            "calibrate", "--strong-fraction", "0.3", "-r", "length", "--db", db, "--json"
        ).json
        answers.append((answer["config_string"], answer["rows_digest"]))
    assert answers[0] == answers[1]


@pytest.mark.slow
def test_the_same_requests_in_every_log_format_give_the_same_threshold(
    routectl: Routectl, tmp_path: Path
) -> None:
    (tmp_path / "logs").mkdir()
    logs = write_all(tmp_path / "logs", asked(120, line_breaks=False))
    answers = {}
    for name, path in logs.items():
        db = tmp_path / f"{name}.db"
        assert routectl("import", path, "--db", db).code == 0, name
        (answer,) = routectl(
            "calibrate", "--strong-fraction", "0.3", "-r", "length", "--db", db, "--json"
        ).json
        answers[name] = (answer["config_string"], answer["rows_digest"], answer["requests"])
    assert len(answers) >= 9
    assert len(set(answers.values())) == 1
    assert next(iter(answers.values()))[2] == 120

"""Every command that the pages for operators print does what the page says, in the reader's order.

A block in `sh` runs as it stands and must succeed. In a block in `console` each command's exit code
is 0 unless the line says another one, and its output is what the page prints: `...` stands for what
is left out, and the name of the database, which goes to stderr each time, need not be there. Blocks
in `text` need a server or another machine; they are few, and do not run.

What is `routectl` commands and nothing else runs in this process, which saves most of the time; all
else runs in a shell.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import click
import pytest

from routectl.cli.app import routectl as group
from routectl.cli.app import run
from tests import chat_server
from tests.conftest import payload, write_log

DOCS = Path(__file__).parents[2] / "docs"
OLD_DATABASE = Path(__file__).parents[1] / "store" / "old_databases" / "0004.db.gz"
PAGES = (
    "getting-your-log.md",
    "daily-run.md",
    "glossary.md",
    "troubleshooting.md",
    "formats.md",
    "judging.md",
    "costs.md",
    "evaluation.md",
    "training.md",
    "changing-a-threshold.md",
    "segments.md",
    "runbook.md",
)

WITHOUT_A_MODEL = """#!/bin/sh
# The default router computes with torch: where a page names no router, the baseline stands for it.
case "$1 $*" in
"score "*" -r "* | "calibrate "*" -r "* | "plan "*" -r "*) ;;
"score "* | "calibrate "* | "plan "*) set -- "$@" -r length ;;
"activate "* | "activate") set -- "$@" --force ;; # which a baseline wants
esac
exec "{python}" -m routectl "$@"
"""

BASELINE = ("-r", "length")

needs_the_sqlite_shell = pytest.mark.skipif(
    shutil.which("sqlite3") is None, reason="the pages use the sqlite3 shell"
)


class Reader:
    """Someone who types what a page prints, in a folder with the files that it is about."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.addresses: dict[str, str] = {}
        """What stands for an address that a page names."""
        programs = folder / "bin"
        programs.mkdir()
        command = programs / "routectl"
        command.write_text(WITHOUT_A_MODEL.format(python=sys.executable))
        command.chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(DOCS.parent),
            "OMP_NUM_THREADS": "1",
        }

    def types(self, text: str) -> tuple[int, str]:
        """Exit code, and stdout and stderr as a terminal shows them."""
        outputs = []
        for command in commands_of(text):
            arguments = plain_command(command)
            code, output = self._shell(command) if arguments is None else self._here(arguments)
            outputs.append(re.sub(r"^Database: .*\n", "", output, flags=re.MULTILINE))
            if code != 0:
                break
        return code, "".join(outputs)

    def _shell(self, command: str) -> tuple[int, str]:
        done = subprocess.run(
            ["sh", "-ec", command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def _here(self, arguments: list[str]) -> tuple[int, str]:
        terminal = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(terminal),
            contextlib.redirect_stderr(terminal),
        ):
            code = run(arguments)
        return code, terminal.getvalue()

    def follows(self, page: str) -> None:
        text = (DOCS / page).read_text()
        for address, stand_in in self.addresses.items():
            text = text.replace(address, stand_in)
        for language, block in blocks(text):
            if language == "sh":
                code, output = self.types(block)
                assert code == 0, f"{block}\n{output}"
            elif language == "console":
                for command, expected_code, expected in commands(block):
                    code, output = self.types(command)
                    assert code == expected_code, f"{command}\n{output}"
                    assert says(output, expected), f"{command}\n{output}\nis not\n{expected}"


def commands_of(text: str) -> list[str]:
    """The commands of a text that holds plain ones alone, each to run if the last did; or it."""
    alone = [line for line in re.split(r"\n| && ", text.strip()) if line]
    return alone if all(plain_command(line) is not None for line in alone) else [text]


def plain_command(line: str) -> list[str] | None:
    """The arguments of a line that is one `routectl` command, without a shell's own characters."""
    line = re.sub(r" {2,}#[^'\"]*$", "", line)
    if re.search(r"[\n$`<>|&;\\()#*?~]", re.sub(r"'[^']*'", "", line)):
        return None
    program, *arguments = shlex.split(line) or [""]
    if program != "routectl":
        return None
    if arguments[0] in ("score", "calibrate", "plan") and "-r" not in arguments:
        arguments += BASELINE
    if arguments[0] == "activate":
        arguments += ("--force",)  # which a baseline wants
    if arguments[:2] == ["battles", "judge"] or arguments[0] == "label":
        arguments.append("--yes")  # what a terminal asks
    return arguments


def blocks(text: str) -> list[tuple[str, str]]:
    """Language and text of each fenced block of a page, in order."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def commands(block: str) -> list[tuple[str, int, str]]:
    """Command, exit code and output of each command in a console block."""
    assert block.startswith("$ ")
    joined = re.sub(r"\\\n *", "", block)
    parts = re.split(r"^\$ ", joined, flags=re.MULTILINE)[1:]
    typed = []
    for part in parts:
        command, _, output = part.partition("\n")
        code = re.search(r"# exit code (\d)$", command)
        typed.append((command, int(code[1]) if code else 0, output))
    return typed


def says(output: str, expected: str) -> bool:
    """Whether the output is as expected, where a line `...` is any lines, and `...` any text."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else ".*?".join(map(re.escape, line.split("..."))) + r"\n"
        for line in expected.splitlines()
    )
    return re.fullmatch(pattern, output) is not None


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.delenv("ROUTECTL_DB", raising=False)
    return Reader(tmp_path)


def lay_log(folder: Path) -> None:
    write_log(folder / "litellm.jsonl", [payload(n) for n in range(200)])


def lay_log_of_today(folder: Path) -> None:
    last = time.time() - 3600
    log = [payload(n, startTime=last - 600 * (199 - n)) for n in range(200)]
    write_log(folder / "litellm.jsonl", log)


def lay_redacted_log(folder: Path) -> None:
    write_log(folder / "redacted.jsonl", [payload(n, "redacted-by-litellm") for n in range(20)])


def lay_old_database(folder: Path) -> None:
    (folder / "old.db").write_bytes(gzip.decompress(OLD_DATABASE.read_bytes()))


def test_getting_your_log_imports_the_log_of_each_product(reader: Reader) -> None:
    folder = reader.folder
    lay_log(folder)
    lay_redacted_log(folder)
    (folder / "proxy-logs").mkdir()
    for number in range(300, 303):
        (folder / "proxy-logs" / f"{number}.json").write_text(json.dumps(payload(number)))
    turns = [{"role": "user", "content": "hi"}]
    write_log(
        folder / "spend.jsonl",
        [
            {
                "request_id": "r1",
                "call_type": "acompletion",
                "startTime": "2026-10-01T00:00:00",
                "model_group": "smart",
                "metadata": {},
                "messages": {},
                "proxy_server_request": {"model": "smart", "messages": turns},
            }
        ],
    )
    write_log(
        folder / "observations.jsonl",
        [
            {
                "id": "o1",
                "trace_id": "t1",
                "type": "GENERATION",
                "start_time": "2026-10-01 00:00:00.000",
                "input": turns,
                "level": "DEFAULT",
            }
        ],
    )
    write_log(folder / "bodies.jsonl", [{"model": "gpt-5", "messages": turns}])
    write_log(folder / "claude.jsonl", [{"model": "claude-x", "max_tokens": 9, "messages": turns}])
    write_log(
        folder / "batch.jsonl",
        [
            {
                "custom_id": "a",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {"model": "gpt-5", "messages": turns},
            }
        ],
    )
    (folder / "prompts.csv").write_text("prompt,team\nWhy?,a\n")
    (folder / "prompts.txt").write_text("Why is the sky blue?\nWhat is two plus two?\n")
    (folder / "strings.jsonl").write_text('"two\\nlines"\n"one line"\n')
    write_log(
        folder / "own.jsonl",
        [{"key": "k1", "at": "2026-10-01T00:00:00Z", "llm": "m", "owner": "t", "question": "a\nb"}],
    )

    reader.follows("getting-your-log.md")

    with closing(sqlite3.connect(folder / "routectl.db")) as database:
        counts = dict(
            database.execute(
                "SELECT source_kind, count(*) FROM requests WHERE prompt_id IS NOT NULL GROUP BY 1"
            )
        )
    assert counts == {
        "litellm": 203,
        "spendlogs": 1,
        "langfuse": 1,
        "openai": 1,
        "anthropic": 1,
        "openai-batch": 1,
        "csv": 1,
        "map": 1,
        "text": 2,
        "json-strings": 2,
    }


@pytest.mark.slow
@needs_the_sqlite_shell
def test_the_daily_run_goes_from_the_nightly_line_to_a_rollback(reader: Reader) -> None:
    (reader.folder / "logs").mkdir()
    lay_log_of_today(reader.folder / "logs")
    lay_old_database(reader.folder)
    code, output = reader.types(
        "routectl import logs/litellm.jsonl && routectl calibrate --strong-fraction 0.5 && "
        "routectl activate"
    )
    assert code == 0, output

    reader.follows("daily-run.md")

    assert (reader.folder / "backup.db").stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(reader.folder / "routectl.db")) as database:
        (activations,) = database.execute("SELECT count(*) FROM activations").fetchone()
    assert activations == 4


def test_a_threshold_is_changed_from_the_question_to_the_next_review(reader: Reader) -> None:
    lay_log(reader.folder)
    written = {"route": "smart", "reason": "threshold", "activation": "a1"}
    decided = [
        payload(
            number,
            model=model,
            response_cost=(2 if decision == "strong" else 0.25) * (90 + number % 7) / 1e6,
            metadata={
                "spend_logs_metadata": {
                    "routectl": written | {"decision": decision, "model": model}
                }
            },
        )
        for number in range(200, 400)
        for decision, model in [("weak", "small") if number % 4 else ("strong", "big")]
    ]
    write_log(reader.folder / "decided.jsonl", decided)
    models = "--strong big --weak small --price big=2/8 --price small=0.25/1"
    code, output = reader.types(
        f"routectl route set smart {models} && routectl import litellm.jsonl && "
        "routectl calibrate --strong-fraction 0.3 && routectl activate && "
        "routectl import decided.jsonl && routectl score -r length"
    )
    assert code == 0, output

    reader.follows("changing-a-threshold.md")


def test_the_runbook_goes_from_a_shadow_to_a_rollback_and_back(reader: Reader) -> None:
    records = [payload(n, trace_id=f"conversation {n // 3}") for n in range(200)]
    write_log(reader.folder / "litellm.jsonl", records)

    reader.follows("runbook.md")

    published = json.loads((reader.folder / "a1" / "routes.json").read_text())
    policy = published["routes"]["smart"]["policy"]
    with closing(sqlite3.connect(reader.folder / "routectl.db")) as database:
        (newest,) = database.execute("SELECT max(id) FROM activations").fetchone()
    assert (policy["activation_id"], policy["rule"]) == (newest, "threshold")


@needs_the_sqlite_shell
def test_each_trouble_has_the_message_that_the_page_names_and_the_command_helps(
    reader: Reader,
) -> None:
    folder = reader.folder
    lay_log(folder)
    lay_redacted_log(folder)
    lay_old_database(folder)
    same = "the same long prompt " * 40
    write_log(
        folder / "many.jsonl",
        [
            payload(n, same, metadata={"user_api_key_team_alias": "batch"})
            if n % 10 < 6
            else payload(n, metadata={"user_api_key_team_alias": "web"})
            for n in range(200)
        ],
    )
    write_log(folder / "some.jsonl", [payload(n, trace_id=f"s{n % 2}") for n in range(6)])
    code, output = reader.types(
        "routectl import many.jsonl --db ties.db && routectl import some.jsonl --db few.db && "
        "routectl import litellm.jsonl && routectl calibrate -r length --strong-fraction 0.3"
    )
    assert code == 0, output
    for name in ("newer.db", "other.db", "damaged.db"):
        shutil.copy(folder / "routectl.db", folder / name)
    with closing(sqlite3.connect(folder / "newer.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    with closing(sqlite3.connect(folder / "other.db")) as database, database:
        database.execute("UPDATE requests SET extraction_version = 0")
    with closing(sqlite3.connect(folder / "damaged.db")) as database:
        (page_size,) = database.execute("PRAGMA page_size").fetchone()
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'requests'"
        ).fetchone()
    with (folder / "damaged.db").open("r+b") as file:
        file.seek((root - 1) * page_size)
        file.write(b"\xff" * page_size)

    reader.follows("troubleshooting.md")


def test_the_formats_import_as_the_page_says(reader: Reader) -> None:
    calls = [
        {"request": {"messages": f"question {n}"}, "sent_at": "2026-10-01T00:00:00Z", "tags": tags}
        for n, tags in enumerate(({"team": "web"}, {"group": "batch"}))
    ]
    write_log(reader.folder / "calls.jsonl", calls)

    reader.follows("formats.md")

    with closing(sqlite3.connect(reader.folder / "routectl.db")) as database:
        teams = [team for (team,) in database.execute("SELECT team FROM requests ORDER BY id")]
    assert teams == ["web", "batch"]


@pytest.mark.slow
def test_prices_are_the_lists_the_contracts_or_of_one_run(reader: Reader) -> None:
    lay_log(reader.folder)
    code, output = reader.types("routectl import litellm.jsonl")
    assert code == 0, output

    reader.follows("costs.md")

    code, output = reader.types("routectl route show smart --json && routectl show c1 --json")
    assert code == 0, output
    assert '"1.1"' in output
    assert re.search(r'"input": (1|1\.0|"1")[,\n]', output)


@pytest.mark.slow
def test_routers_are_evaluated_compared_and_trained_on_an_own_table(reader: Reader) -> None:
    lay_log(reader.folder)
    rows = "".join(
        f"{prompt_of(n)},{1 if n % 3 else 0.5},{0.2 if n % 2 else 1}\n" for n in range(60)
    )
    (reader.folder / "own.csv").write_text(
        "prompt,gpt-4-1106-preview,Mixtral-8x7B-Instruct-v0.1\n" + rows
    )
    code, output = reader.types("routectl import litellm.jsonl")
    assert code == 0, output

    reader.follows("evaluation.md")
    reader.follows("training.md")

    assert (reader.folder / "my-mf" / "model.safetensors").is_file()


@pytest.mark.slow
def test_a_judge_makes_battles_to_train_on_and_says_whether_a_router_is_better(
    reader: Reader,
) -> None:
    """The provider is a server on loopback, where the strong model is better on long prompts."""
    folder = reader.folder
    write_log(folder / "prompts.jsonl", [{"prompt": prompt_of(n)} for n in range(30)])
    write_log(folder / "litellm.jsonl", [payload(n, prompt_of(n)) for n in range(310)])
    code, output = reader.types("routectl import litellm.jsonl")
    assert code == 0, output

    def verdict(prompt: str, first: str, second: str) -> str:
        better = chat_server.STRONG if len(prompt) > 160 else chat_server.WEAK
        return f"VERDICT: {'FIRST' if better in first else 'SECOND'}"

    with chat_server.Server().started() as server:
        server.named = {"gpt-4o": "big", "gpt-4o-mini": "small", "gpt-4.1": "critic"}
        server.verdict = verdict
        reader.addresses = {"https://api.openai.com/v1": server.url}
        reader.follows("judging.md")

    assert (folder / "my-mf" / "model.safetensors").is_file()


def prompt_of(number: int) -> str:
    return f"question {number}: " + "why? " * (number * 37 % 101)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_marks_each_block_as_run_or_not(page: str) -> None:
    languages = [language for language, _ in blocks((DOCS / page).read_text())]
    assert set(languages) <= {"sh", "console", "text", "yaml"}
    assert languages.count("text") <= 3


@pytest.mark.parametrize("page", sorted(path.name for path in DOCS.glob("*.md")))
def test_every_command_that_a_page_prints_is_one_that_the_command_line_takes(page: str) -> None:
    """Those of servers and other machines too, which no test here runs."""
    for language, block in blocks((DOCS / page).read_text()):
        if language not in ("sh", "console", "text"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if re.match(r"(\$ )?([A-Z_]+=\S+ )*routectl |.*[;&|] *routectl ", line):
                for arguments in arguments_of(line.removeprefix("$ ")):
                    parse(arguments)


def arguments_of(line: str) -> list[list[str]]:
    """The arguments of each `routectl` in a line of shell."""
    words = shlex.shlex(line, posix=True, punctuation_chars="|;&{}<>")
    words.whitespace_split = True
    commands: list[list[str]] = []
    is_ours = False
    for word in words:
        if word == "routectl":
            commands.append([])
            is_ours = True
        elif set(word) <= set("|;&{}<>"):
            is_ours = False
        elif is_ours:
            commands[-1].append(word)
    return commands


def parse(arguments: list[str]) -> None:
    """Refuse a command or an option that is not there; values are not looked at."""
    command: click.Command = group
    context = click.Context(command)
    while isinstance(command, click.Group) and arguments and arguments[0][0] != "-":
        name, *arguments = arguments
        child = command.get_command(context, name)
        assert child is not None, name
        command = child
        context = click.Context(command, parent=context, info_name=name)
    command.make_parser(context).parse_args(list(arguments))


@pytest.mark.parametrize("page", PAGES)
def test_each_link_of_a_page_leads_to_a_file_and_a_heading(page: str) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", (DOCS / page).read_text()):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        text = (DOCS / (name or page)).read_text()
        anchors = {
            re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not anchor or anchor in anchors, target


def test_the_readme_leads_from_an_own_log_to_the_config_string(reader: Reader) -> None:
    lay_log(reader.folder)
    (block,) = [
        text
        for language, text in blocks((DOCS.parent / "README.md").read_text())
        if language == "sh"
    ]
    code, output = reader.types(block)
    assert code == 0, output
    assert re.search(r"^saving +.* USD a month .* against always gpt-5", output, re.MULTILINE)
    assert re.fullmatch(r"router-length-0\.\d+", output.splitlines()[-1])


def test_the_readme_links_every_page() -> None:
    readme = (DOCS.parent / "README.md").read_text()
    assert [page for page in PAGES if f"(docs/{page})" not in readme] == []


@pytest.mark.parametrize(
    ("output", "expected"),
    [("a 1\nb\nc\n", "a ...\n...\nc\n"), ("a\n", "a\n...\n"), ("a\nb\n", "...\nb\n")],
)
def test_three_dots_stand_for_what_a_page_leaves_out(output: str, expected: str) -> None:
    assert says(output, expected)


@pytest.mark.parametrize(("output", "expected"), [("a\nb\n", "a\n"), ("a\n", "b\n"), ("", "a\n")])
def test_a_line_that_differs_is_seen(output: str, expected: str) -> None:
    assert not says(output, expected)

"""Text that acts on a terminal wherever a command could print it, and the commands that might.

`Scene` lays out a log, battles, a benchmark, a checkpoint, names, notes, answers and file names
that all carry it. The tests and `benchmarks/campaign.py` run every command of the tree on them.
"""

from __future__ import annotations

import csv
import io
import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import click

from routectl.cli.app import routectl as group
from tests.chat_server import Server
from tests.conftest import payload, write_log
from tests.routers.checkpoints import mf_config, write_mf

FORGED = "Config string: router-mf-0.0"
ACTING = f"\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u202e\u2066\u200b\u2028\r\n{FORGED}\n|=cmd`<b>"
SECRET = "hunter2-in-a-prompt"
"""In every prompt, and so in nothing that is printed."""

NO_TEXT = {
    ("completion",): "a fixed script",
    ("routers", "list"): "what is installed",
    ("routers", "prepare"): "the one base model of the package; the option names a folder",
    ("train", "bert"): "prints as `train length` does, and takes minutes",
    ("train", "causal_llm"): "prints as `train length` does, and takes minutes",
    ("train", "ensemble"): "prints as `train length` does",
    ("train", "sw_ranking"): "prints as `train length` does",
}
"""Commands without text from outside, or whose printing another command's stands for, and why."""


def leaves(command: click.Command = group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the tree that is no group."""
    if not isinstance(command, click.Group):
        yield path
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        yield from leaves(child, (*path, name))


def acting_characters(printed: str) -> set[str]:
    """What a terminal would carry out, or hide, of all that was printed; line feeds are ours."""
    kinds = ("Cc", "Cf", "Cs", "Zl", "Zp")
    return {c for c in printed if c != "\n" and unicodedata.category(c) in kinds}


def forged_lines(printed: str) -> list[str]:
    """Lines that a text from outside has made."""
    return [line for line in printed.split("\n") if line.lstrip().startswith(FORGED)]


class Scene:
    """Files and names, each with the text in it."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder / f"files {ACTING}"
        self.folder.mkdir()
        self.database = self.folder / f"data {ACTING}.db"
        self.server = server
        server.answer = lambda model, prompt: f"{ACTING} says {model}"
        server.verdict = lambda prompt, first, second: f"{ACTING}\nVERDICT: FIRST"
        self.log = write_log(self.folder / f"log {ACTING}", [self._record(n) for n in range(60)])
        self.battles = self._write("battles.jsonl", [self._battle(n) for n in range(40)])
        self.gold = self._write("gold.jsonl", [self._judged(n) for n in range(60)])
        self.table = self._table()
        self.checkpoint = self._checkpoint()

    def _config(self) -> str:
        """A configuration of LiteLLM with such names."""
        path = self.folder / f"config {ACTING}"
        tiers = {"SIMPLE": f"small {ACTING}", "REASONING": ACTING}
        params = {"complexity_router_config": {"tiers": tiers}}
        entry = {"model_name": f"smart {ACTING}", "litellm_params": params}
        budgets = {"model_max_budget": {f"big {ACTING}": 1}}
        path.write_text(json.dumps({"model_list": [entry], "include": [ACTING], "x": budgets}))
        return str(path)

    def steps(self) -> Iterator[tuple[str, ...]]:
        """Command lines, in an order in which each finds what it needs."""
        database = ("--db", str(self.database))
        pair = ("--strong-model", f"big {ACTING}", "--weak-model", f"small {ACTING}")
        route = ("--route", f"smart {ACTING}")
        note = ("--note", f"because {ACTING}")
        new = iter(range(10**6))

        def output(name: str = "new") -> tuple[str, str]:
            return "--output", str(self.folder / f"{next(new)} {name} {ACTING}")

        yield ("init", *database)
        yield (
            *("route", "set", f"smart {ACTING}", "--strong", f"big {ACTING}"),
            *("--weak", f"small {ACTING}", "--where", f"team={ACTING}", *note, *database),
            *(f"--price=big {ACTING}=10/30", f"--price=small {ACTING}=1/2"),
        )
        yield ("route", "set", ACTING, *database)
        yield ("route", "set", "other", "--strong", ACTING, "--weak", ACTING, *database)
        yield ("import", str(self.log), "--rejects", str(self.folder / f"bad {ACTING}"), *database)
        yield ("import", str(self.folder / f"none {ACTING}"), *database)
        yield ("import", str(self.log), "--where", f"team={ACTING}", *database)
        yield ("import", str(self.log), "--format", ACTING, *database)
        yield ("import", str(self.log), "--map", f"prompt={ACTING}", *database)
        yield ("score", "-r", "length", *database)
        yield ("score", "-r", f"mf={self.checkpoint}", *database)
        yield ("score", "-r", f"{ACTING}", *database)
        yield ("calibrate", "-r", "length", "--strong-fraction", "0.3", *note, *database)
        yield (
            "calibrate",
            "-r",
            "length",
            "--strong-fraction",
            "0.3",
            "--where",
            ACTING,
            *database,
        )
        yield ("calibrate", "-r", f"mf={self.checkpoint}", "--strong-fraction", ACTING, *database)
        yield ("calibrate", "-r", "length", "--strong-fraction", "0.3", *route, *note, *database)
        yield ("show", "c1", *database)
        yield ("show", ACTING, *database)
        yield ("traffic", *database)
        yield ("traffic", "--where", f"team={ACTING}", *database)
        yield ("route", "list", *database)
        yield ("route", "show", f"smart {ACTING}", *database)
        yield ("route", "show", ACTING, *database)
        yield ("activate", *route, *note, *database)
        yield ("activate", "--force", *route, *note, *database)
        yield ("activate", "--always-weak", *route, *note, *database)
        yield ("activate", "--always-strong", *database)
        yield ("plan", "-r", "length", "--step", "50", *route, *database)
        yield ("plan", "-r", "length", "--where", ACTING, *database)
        yield ("diff", "c1", "c2", *database)
        yield ("diff", ACTING, "c1", *database)
        yield ("explain", ACTING, *database)
        yield ("explain", "chatcmpl-1", *route, *database)
        yield ("savings", *route, "--where", f"team={ACTING}", *database)
        yield ("recalibrate", *route, *note, *database)
        yield ("show", "c1", *output("c1"), *database)
        yield ("verify", str(self.folder / f"none {ACTING}"), *database)
        yield ("verify", str(self.log), *database)
        yield ("status", *database)
        yield ("status", *route, "--max-age", ACTING, *database)
        yield ("status", "--prometheus", str(self.folder / "hostile.prom"), *database)
        yield ("drift", *route, *database)
        yield ("history", *database)
        yield ("history", *route, *database)
        for format in ("string", "json", "yaml", "env", "routes", "litellm"):
            yield ("export", *route, "--format", format, *database)
        yield ("export", "--calibration", "c1", "--format", "env", *output(), *database)
        yield ("export", "--route", ACTING, *database)
        yield ("report", "--show-prompts", *output(), *database)
        yield ("report", "--route", ACTING, *output(), *database)
        absent = ("--routes", str(self.folder / f"absent {ACTING}"), "--route", ACTING)
        yield ("decide", *absent)
        yield ("serve", *absent[:2], "--upstream", "http://127.0.0.1:9/v1")
        published = str(self.folder / f"routes {ACTING}")
        yield ("route", "set", f"smart {ACTING}", "--publish", published, *database)
        yield ("doctor", "--routes", published, "--config", self._config(), *database)
        yield ("doctor", "--config", str(self.log), "--proxy", f"http://{ACTING}", *database)
        yield ("rollback", *route, *note, *database)
        yield ("rollback", "--route", ACTING, *database)
        yield ("route", "rename", f"smart {ACTING}", f"new {ACTING}", *database)
        yield ("route", "rename", ACTING, ACTING, *database)
        yield ("route", "remove", f"new {ACTING}", *note, *database)
        yield ("route", "remove", ACTING, *database)
        yield ("samples", "list", *database)
        yield ("samples", "remove", "s1", *database)
        yield ("samples", "remove", ACTING, *database)
        yield ("battles", "import", str(self.battles), "--source", f"votes {ACTING}", *database)
        yield ("battles", "import", str(self.log), *database)
        yield ("battles", "list", *database)
        yield ("battles", "check", "--no-traffic", *database)
        yield ("battles", "export", str(self.folder / f"out {ACTING}"), *database)
        yield ("battles", "contamination", str(self.battles), "--against", ACTING, *database)
        yield (
            *("evaluate", "--benchmark", str(self.gold), "-r", "length", "--draws", "50"),
            *(*pair, *note, *database),
        )
        yield ("evaluate", "--benchmark", str(self.table), "-r", "length", *database)
        yield ("evaluate", "--benchmark", ACTING, "-r", "length", *database)
        yield ("evaluate", "--benchmark", str(self.battles), "-r", "length", *database)
        yield ("evaluations", "list", *database)
        yield ("evaluations", "show", "e1", *database)
        yield ("evaluations", "compare", "e1", "e1", *database)
        yield ("routers", "show", f"mf={self.checkpoint}")
        yield ("routers", "show", f"mf={self.folder}")
        yield ("routers", "show", "mf", "--strong-model", ACTING)
        yield ("routers", "show", "mf", "--as", f"{ACTING}=gpt-4-1106-preview")
        gold = ("--gold", str(self.gold))
        yield ("train", "length", *gold, "--licence", ACTING, *output())
        yield ("train", "length", *gold, "--where", f"{ACTING}=1", *output())
        yield ("train", "mf", "--gold", str(self.log), *output())
        judging = (
            *("--strong-model", "big", "--weak-model", "small", "--judge", "critic"),
            *("--price=big=10/30", "--price=small=1/2", "--price=critic=5/20", "--yes"),
            *("--endpoint", self.server.url),
        )
        yield ("battles", "judge", str(self.gold), *judging, "--sample", "3", *output())
        yield ("battles", "judge", str(self.log), *judging, *output())
        yield ("label", "-r", "length", "--sample", "4", *judging, *note, *output(), *database)
        yield ("db", "status", *database)
        yield ("db", "downgrade", "0004", *database)
        yield ("db", "upgrade", *database)
        yield ("db", "downgrade", ACTING, *database)
        yield (ACTING,)
        yield ("history", ACTING, *database)
        yield ("history", f"--{ACTING}", *database)
        yield ("history", "--limit", ACTING, *database)
        yield ("history", "--db", str(self.folder))

    def _write(self, name: str, rows: list[dict[str, object]]) -> Path:
        path = self.folder / f"{ACTING} {name}"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def _record(self, number: int) -> dict[str, object]:
        return payload(
            number,
            f"{SECRET} {number} {ACTING} {'why? ' * number}",
            id=f"{number} {ACTING}",
            model_group=f"smart {ACTING}" if number % 2 else "smart",
            model=f"gpt {ACTING}",
            call_type=f"odd {ACTING}" if number % 5 == 0 else "acompletion",
            request_tags=[ACTING],
            metadata={"user_api_key_team_id": ACTING, "user_api_key_alias": ACTING},
        )

    def _battle(self, number: int) -> dict[str, object]:
        return {
            "prompt": f"{SECRET} {number % 20} {ACTING}",
            "model_a": f"big {ACTING}",
            "model_b": f"small {ACTING}",
            "winner": ("model_a", "model_b", "tie", ACTING)[number % 4],
            "annotator": ACTING,
        }

    def _judged(self, number: int) -> dict[str, object]:
        return {
            "prompt": f"{SECRET} {number} " + "why? " * number,
            "scores": {f"big {ACTING}": 1, f"small {ACTING}": number % 2},
            "category": ACTING,
        }

    def _table(self) -> Path:
        path = self.folder / f"bench {ACTING}.csv"
        written = io.StringIO()
        rows = csv.writer(written)
        rows.writerow(["prompt", f"big {ACTING}", f"small {ACTING}", "category"])
        for number in range(60):
            rows.writerow([f"{SECRET} {number} " + "why? " * number, 1, number % 2, ACTING])
        path.write_text(written.getvalue(), newline="")
        return path

    def _checkpoint(self) -> Path:
        models = [f"big {ACTING}", f"small {ACTING}", "third"]
        return write_mf(
            self.folder / f"checkpoint {ACTING}",
            mf_config(
                name=f"mine {ACTING}",
                licence=f"free {ACTING}",
                models=models,
                default_pair={"strong": models[0], "weak": models[1]},
            ),
        )

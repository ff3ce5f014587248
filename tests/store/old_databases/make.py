"""Makes an old database with the code of its time, and keeps what that code exports from it.

    python make.py CODE SCHEMA [--from SCHEMA]

CODE is a checkout of the commit that the README names. See there.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import inputs

FOLDER = Path(__file__).resolve().parent

LOOK = "calibrate --strong-fraction 0.3"
OWN = f"{LOOK} --strong-model gpt-5"

COMMANDS = {
    "0002": f"""
        import - --source first.jsonl
        {LOOK} -r mf -r random -r length --note 'a first look'
        activate 1 --note '30 % strong, agreed with finance'
        activate 3 --route smart
        import - --source second.jsonl
        {OWN} -r mf --as gpt-5=gemini-1.5-pro-002
        {OWN} --weak-model gpt-5-mini -r mf --as gpt-5=gemini-1.5-pro-002 \\
            --as gpt-5-mini=Mixtral-8x7B-Instruct-v0.1 --note 'as the proxy names them'
    """,
    "0003": f"""
        import - --source first.jsonl
        battles import battles.jsonl
        {LOOK} -r mf -r random -r length --note 'a first look'
        activate 1 --note '30 % strong, agreed with finance'
        activate 3 --route smart
        import - --source second.jsonl
        {OWN} -r mf --as gpt-5=gpt-4-1106-preview
        {OWN} -r sw_ranking --as gpt-5=gpt-4-1106-preview
        {LOOK} -r bert
    """,
    "0004": f"""
        import - --source first.jsonl
        battles import battles.jsonl
        {LOOK} -r mf -r random -r length --note 'a first look'
        activate 1 --note '30 % strong, agreed with finance'
        activate 3 --route smart
        evaluate --benchmark known.csv -r mf -r length --note 'is it better than the length?'
        import - --source second.jsonl
        {OWN} -r mf --as gpt-5=gpt-4-1106-preview
        {OWN} -r sw_ranking --as gpt-5=gpt-4-1106-preview
        evaluate --benchmark own.csv -r mf -r sw_ranking --strong-model gpt-5 \\
            --as gpt-5=gpt-4-1106-preview
        {LOOK} -r ensemble -r mf=mf_2
    """,
    "0005": f"""
        import - --source first.jsonl
        battles import battles.jsonl
        {LOOK} -r mf -r random -r length --note 'a first look'
        activate 1 --note '30 % strong, agreed with finance'
        activate 3 --route smart
        evaluate --benchmark known.csv -r mf -r length --note 'is it better than the length?'
        import - --source second.jsonl
        {OWN} -r mf --as gpt-5=gpt-4-1106-preview
        {OWN} -r mf -r sw_ranking --as gpt-5=gpt-4-1106-preview --where model_group=smart
        import - --source decided.jsonl
    """,
    "0006": f"""
        import - --source first.jsonl
        battles import battles.jsonl
        {LOOK} -r mf -r random -r length --note 'a first look'
        activate 1 --note '30 % strong, agreed with finance'
        evaluate --benchmark known.csv -r mf -r length --note 'is it better than the length?'
        route set smart --strong gpt-5 --weak gpt-5-mini --where model_group=smart
        import - --source second.jsonl
        {LOOK} -r mf -r sw_ranking
        import - --source decided.jsonl
        route set batch --strong gpt-5 --weak gpt-5-mini --router mf --note 'nightly jobs'
        {LOOK} --route batch --guarantee 0.9
        activate 6 --route batch --mode canary=0.1 --fallback share
    """,
    "0007": f"""
        import - --source first.jsonl
        battles import battles.jsonl
        {LOOK} -r mf -r random -r length --note 'a first look'
        activate 1 --note '30 % strong, agreed with finance'
        evaluate --benchmark known.csv -r mf -r length --note 'is it better than the length?'
        route set smart --strong gpt-5 --weak gpt-5-mini --where model_group=smart \\
            --drift-tolerance 0.05
        import - --source second.jsonl
        {LOOK} -r mf -r sw_ranking
        import - --source decided.jsonl
        route set batch --strong gpt-5 --weak gpt-5-mini --router mf --note 'nightly jobs' \\
            --limit gpt-5-mini=context:128000,no-images
        {LOOK} --route batch --unit conversation
        activate 6 --route batch --mode canary=0.1 --fallback share --expires 30d
        calibrate --budget 0.15/month --route smart
        activate 4 --route smart --force
        status
    """,
}
"""What a team did, up to the schema's newest table.

Mapped routers have scored more prompts than the unmapped one (0002, 0003), as many (0004), or
there is no unmapped one (sw_ranking).
"""

AFTERWARDS = f"""
    {LOOK} -r length --at-most --where model_group=smart --note 'never above'
    activate 4 --route smart --note 'our own models'
    activate --always-weak --note 'provider outage'
    rollback --note 'the provider is back'
    activate --always-weak --route batch
    activate --always-strong --route new
    activate --always-strong --route smart --note 'demo for the board'
"""

AFTERWARDS_WITH_ROUTES = f"""
    {LOOK} -r length --at-most --route smart --note 'never above'
    activate NEWEST --route smart --force --note 'our own models'
    activate --always-weak --route smart --note 'provider outage'
    rollback --route smart --note 'the provider is back'
    activate --always-weak --route batch
    route rename batch nightly
    activate --always-strong --route smart --note 'demo for the board'
"""
"""The same from 0006 on, where a route is declared before it runs. NEWEST is the calibration."""

NEWEST = {"0006": "7", "0007": "8"}

ROUTES = ("default", "smart", "batch", "new", "nightly")
FORMATS = ("string", "env", "json", "yaml")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("code", type=Path)
    parser.add_argument("schema")
    parser.add_argument("--from", dest="newer", help="schema of the database to take down")
    arguments = parser.parse_args()
    schema = arguments.schema
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "routectl.db"
        if arguments.newer is None:
            inputs.main(Path(folder))
            afterwards = AFTERWARDS if schema < "0006" else AFTERWARDS_WITH_ROUTES
            afterwards = afterwards.replace("NEWEST", NEWEST.get(schema, ""))
            commands = (COMMANDS[schema] + afterwards).replace("\\\n", " ")
            for command in filter(None, map(shlex.split, commands.splitlines())):
                routectl(arguments.code, folder, command)
            exports = exported(arguments.code, folder)
            (FOLDER / f"{schema}.json").write_text(json.dumps(exports, indent=1) + "\n")
        else:
            with gzip.open(FOLDER / f"{arguments.newer}.db.gz") as file:
                database.write_bytes(file.read())
            routectl(arguments.code, folder, ["db", "downgrade", schema])
        with (FOLDER / f"{schema}.db.gz").open("wb") as file:
            packed = gzip.GzipFile("", "wb", compresslevel=9, fileobj=file, mtime=0)
            with packed, database.open("rb") as plain:
                shutil.copyfileobj(plain, packed)


def exported(code: Path, folder: str) -> dict[str, dict[str, object]]:
    """The exit code and the output of each export that there is, and of the history as JSON."""
    history = ["history", "--json", "--limit", "100"]
    calibrations = json.loads(routectl(code, folder, history).stdout)["calibrations"]
    what = [["--route", route] for route in ROUTES]
    what += [["--calibration", str(c["calibration_id"])] for c in reversed(calibrations)]
    commands = [["export", *of, "--format", format] for of in what for format in FORMATS]
    results = {}
    for command in [["export"], *commands, history]:
        done = routectl(code, folder, command, check=False)
        results[" ".join(command)] = {"code": done.returncode, "out": done.stdout}
    return results


def routectl(
    code: Path, folder: str, command: list[str], check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a command of that code on the database in the folder.

    Exit code 3 is fine: in so few requests a share may miss its target.
    """
    settings = {"PYTHONPATH": str(code.resolve()), "ROUTECTL_ACTOR": "ops@example.com"}
    done = subprocess.run(
        [sys.executable, "-m", "routectl", *command],
        cwd=folder,
        # Standard input has a name of its own, and a file's path would stand in the database.
        input=Path(folder, command[-1]).read_text("utf-8") if "-" in command else None,
        env=os.environ | settings | {"ROUTECTL_DB": "routectl.db"},
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    if check and done.returncode not in (0, 3):
        sys.exit(f"routectl {' '.join(command)} ended with {done.returncode}")
    return done


if __name__ == "__main__":
    main()

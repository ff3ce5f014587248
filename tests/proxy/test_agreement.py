"""A thousand requests of all shapes through a real proxy: each is decided as its stored score says.

It is `benchmarks/proxy_agreement.py`, on the prompts of the example instead of real ones.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
REQUESTS = 1000


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """A thousand different prompts: those of the example, and variants with a suffix."""
    lines = (ROOT / "examples" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    own = list(dict.fromkeys(json.loads(line)["prompt"] for line in lines))
    suffixes = ("", " Please.", " Be brief.", " Thank you.")
    texts = [f"{text}{suffix}" for suffix in suffixes for text in own][:REQUESTS]
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts))
    return path


@pytest.mark.parametrize("proxy", ["serve", "litellm"])
def test_a_thousand_requests_are_decided_as_their_stored_scores_say(
    prompts: Path, proxy: str, request: pytest.FixtureRequest
) -> None:
    options = []
    if proxy == "litellm":
        options = ["--litellm", request.getfixturevalue("litellm_python")]
    command = [sys.executable, ROOT / "benchmarks" / "proxy_agreement.py", "--prompts", prompts]

    done = subprocess.run([*command, *options], capture_output=True, text=True, cwd=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr
    sent, answered = re.findall(r"([\d,]+) requests, ([\d,]+) answered with 200", done.stdout)[0]
    agreed, decided = re.findall(r"([\d,]+) of ([\d,]+) decisions agree", done.stdout)[0]
    assert sent == answered == f"{REQUESTS:,}"
    # On a busy machine a score can come too late.
    assert int(agreed.replace(",", "")) == int(decided.replace(",", "")) > 0.9 * REQUESTS
    strong, calibrated = re.findall(r"strong: ([\d.]+) ?%, calibrated ([\d.]+) ?%", done.stdout)[0]
    assert float(strong) == pytest.approx(float(calibrated), abs=5.0)

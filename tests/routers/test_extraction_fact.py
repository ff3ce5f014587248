"""The version of the text extraction is a fact of requests, and of no router."""

import json
import subprocess
import sys

from routectl.checkpoint import SHIPPED
from routectl.routers import open_router

RAISED = """
import json
from routectl import extraction
extraction.EXTRACTION_VERSION += 1
from pathlib import Path
from routectl.routers import open_router
from routectl.checkpoint import SHIPPED
opened = {
    folder.name: open_router(folder.name.rpartition("_")[0], checkpoint=folder)
    for folder in SHIPPED.iterdir()
}
scores = open_router("ensemble").load().strong_win_rates(["Why?", "Prove it for every n."])
print(json.dumps([{n: r.identity.fingerprint for n, r in opened.items()}, scores.tolist()]))
"""


def test_another_version_of_the_extraction_moves_no_fingerprint_and_no_score() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RAISED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    fingerprints, scores = json.loads(done.stdout)
    assert fingerprints == {
        folder.name: open_router(
            folder.name.rpartition("_")[0], checkpoint=folder
        ).identity.fingerprint
        for folder in SHIPPED.iterdir()
    }
    router = open_router("ensemble").load()
    assert router.strong_win_rates(["Why?", "Prove it for every n."]).tolist() == scores

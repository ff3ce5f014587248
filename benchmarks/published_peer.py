"""Scores of published checkpoint layouts: RouteLLM's own package and routectl.

    python -m venv PEER && PEER/bin/pip install routellm torch 'numpy<2' 'datasets<4' 'pyarrow<20'
    python benchmarks/published_peer.py --peer PEER/bin/python [--only mf]

Both read the same checkpoint, with weights drawn at random from a fixed seed, and the same vectors
of the same prompts. The peer runs in an environment of its own (it needs numpy<2) and writes its
scores to a file; `peer_routellm.py` says what is patched in it. The table has the largest
difference of a score; wanted is at most 1e-5.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from routectl.routers import open_router
from tests.embedding.endpoint_server import Server
from tests.routers.published_layouts import text_vector, write_mf, write_sw_ranking
from tests.routers.tiny_llama import make_published as write_causal_llm
from tests.routers.xlm_r import make_published

PROMPTS = [
    "What is the capital of Australia?",
    "Write a function that merges two sorted lists, and prove that it ends.",
    "请用一句话解释量子纠缠。",
    "List three uses of a brick.",
    "A train leaves at 9:40 and arrives at 13:05. How long did it take? " * 8,
    "Übersetze ins Englische: Morgenstund hat Gold im Mund.",
    "def f(x):\n    return x * 2\n\nWhat does f(f(3)) return?",
    "hi",
]
WANTED = 1e-5


@contextmanager
def endpoint() -> Iterator[None]:
    """A real HTTP endpoint on loopback that has the vectors, as OpenAI's would."""
    server = Server()
    server.model, server.embedding = "text-embedding-3-small", text_vector
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["OPENAI_BASE_URL"] = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield
    finally:
        server.shutdown()


def write_bert(folder: Path) -> None:
    """A published bert whose tokenizer, like the real one, knows how much the model reads."""
    make_published(folder)
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 62}))


def ours(folder: Path, name: str) -> NDArray[np.float64]:
    with endpoint():
        return open_router(name, checkpoint=folder / name).load().strong_win_rates(PROMPTS)


def theirs(peer: Path, folder: Path, name: str) -> NDArray[np.float64]:
    script = Path(__file__).with_name("peer_routellm.py")
    done = subprocess.run([peer, script, folder, name], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"The peer failed on {name}:\n{done.stderr[-2000:]}")
    scores: NDArray[np.float64] = np.load(folder / f"{name}.peer.npy")
    return scores


LAYOUTS: dict[str, Callable[[Path], object]] = {
    "mf": write_mf,
    "bert": write_bert,
    "causal_llm": write_causal_llm,
    "sw_ranking": write_sw_ranking,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", type=Path, required=True, help="Python that has routellm")
    parser.add_argument("--only", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    arguments = parser.parse_args()
    print("| router | prompts | range of our scores | largest difference | wanted |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "prompts.json").write_text(json.dumps(PROMPTS))
        np.save(folder / "vectors.npy", np.array([text_vector(prompt) for prompt in PROMPTS]))
        for name in arguments.only:
            LAYOUTS[name](folder / name)
            found, published = ours(folder, name), theirs(arguments.peer, folder, name)
            worst = np.abs(found - published).max()
            spread = f"{found.min():.4f} to {found.max():.4f}"
            print(
                f"| {name} | {len(PROMPTS)} | {spread} | {worst:.1e} | {WANTED:.0e} |", flush=True
            )


if __name__ == "__main__":
    main()

"""The plain BERT of `bert.py` in onnxruntime: less time a prompt, and no torch in memory.

The graph is made from the same weights when they are read. It is float32 throughout, so vectors
differ from torch's by rounding alone, which is within every router's noise: the fingerprint is the
same. Texts of one length share a call, so nothing is padded.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from routectl.embedding.bert_files import BertSettings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_OPSET, _IR = 20, 10
"""Of the operators, the oldest that has Gelu, and of the file format, so that every onnxruntime of
the range in pyproject.toml reads it whatever version of onnx wrote it."""

Output = Literal["mean", "first"]
"""What is computed from a text's token vectors: their mean, or the first one alone."""


def is_installed() -> bool:
    """Whether the packages of the extra `light` are here."""
    return all(find_spec(package) is not None for package in ("onnxruntime", "onnx"))


class OnnxBert:
    """The encoder, as `local.LocalModel`. L tokens of a text, H hidden numbers."""

    prefix = ""

    def __init__(
        self, settings: BertSettings, replaced: Mapping[str, NDArray[np.float32]] | None = None
    ) -> None:
        """Read the weights.

        Args:
            replaced: tensors to take instead of those of the same names in the file.

        Raises:
            Exception: they are damaged, or not those of such a model.
        """
        import numpy as np
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(settings.tokenizer))
        self.max_tokens = settings.max_tokens
        read = load_file(settings.weights)
        self._tensors = {
            name.removeprefix("bert."): tensor.astype(np.float32, copy=False)
            for name, tensor in read.items()
        } | dict(replaced or {})
        self._settings = settings
        self.vocabulary, self.dimension = self._tensors["embeddings.word_embeddings.weight"].shape
        self._sessions: dict[Output, Any] = {}

    def pool(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Mean of each text's token vectors, shape (n, H).

        Args:
            tokens: ids of each text, none empty; texts of one length side by side are faster.
        """
        return self._run("mean", tokens)

    def first(self, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Vector of each text's first token, shape (n, H); the last layer computes no other."""
        return self._run("first", tokens)

    def _run(self, output: Output, tokens: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        import numpy as np

        from routectl.embedding.batches import runs

        session = self._sessions.get(output)
        if session is None:
            # A router asks for one of the two, and only that one is made.
            session = self._sessions[output] = _session(self._settings, self._tensors, output)
        vectors = np.empty((len(tokens), self.dimension), dtype=np.float32)
        text = 0
        for _, count, length in runs([len(ids) for ids in tokens]):
            inputs = {
                "ids": np.array(tokens[text : text + count], dtype=np.int64),
                "positions": np.arange(length, dtype=np.int64),
            }
            vectors[text : text + count] = session.run(None, inputs)[0]
            text += count
        return vectors


def _session(
    settings: BertSettings, tensors: Mapping[str, NDArray[np.float32]], output: Output
) -> Any:
    import onnxruntime

    graph = _Graph()
    _encoder(graph, settings, tensors, output)
    options = onnxruntime.SessionOptions()
    # The threads that torch takes by the same setting; 0 is one for each core.
    threads = os.environ.get("OMP_NUM_THREADS", "")
    options.intra_op_num_threads = int(threads) if threads.isdigit() else 0
    # Threads that spin while they wait would take the cores from whoever serves requests.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(value) for value in graph.large.values()]
    options.add_external_initializers(list(graph.large), values)
    return onnxruntime.InferenceSession(graph.model(), options, providers=["CPUExecutionProvider"])


class _Graph:
    """An ONNX graph that is being written; nodes are named by what they give."""

    def __init__(self) -> None:
        self.large: dict[str, NDArray[np.float32]] = {}
        """Weights, which are handed over in memory apart from the graph."""
        self._small: list[Any] = []
        self._nodes: list[Any] = []

    def weight(self, name: str, value: NDArray[np.float32]) -> str:
        import numpy as np

        self.large[name] = np.ascontiguousarray(value)
        return name

    def integers(self, *values: int) -> str:
        """A constant, shape (their number,)."""
        from onnx import TensorProto, helper

        name = "i" + "_".join(map(str, values))
        if all(tensor.name != name for tensor in self._small):
            self._small.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output, whose name is returned."""
        return self.split(operator, 1, *inputs, **attributes)[0]

    def split(self, operator: str, outputs: int, *inputs: str, **attributes: Any) -> list[str]:
        from onnx import helper

        names = [f"{operator}{len(self._nodes)}_{number}" for number in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def model(self) -> bytes:
        """The graph, whose output is the last node's."""
        from onnx import TensorProto, helper

        weights = []
        for name, value in self.large.items():
            tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data.add(key="location", value="memory")
            weights.append(tensor)
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [
                helper.make_tensor_value_info("ids", TensorProto.INT64, ["texts", "length"]),
                helper.make_tensor_value_info("positions", TensorProto.INT64, ["length"]),
            ],
            [
                helper.make_tensor_value_info(
                    self._nodes[-1].output[0], TensorProto.FLOAT, ["texts", "hidden"]
                )
            ],
            [*self._small, *weights],
        )
        opset = helper.make_opsetid("", _OPSET)
        written: bytes = helper.make_model(
            graph, opset_imports=[opset], ir_version=_IR
        ).SerializeToString()
        return written


def _encoder(
    graph: _Graph,
    settings: BertSettings,
    tensors: Mapping[str, NDArray[np.float32]],
    output: Output,
) -> None:
    """The layers of arXiv 1810.04805, and the mean of the last one's vectors or the first."""
    import numpy as np

    def affine(x: str, name: str, tensor: str) -> str:
        weight = graph.weight(f"{name}.weight", tensors[f"{tensor}.weight"].T)
        product = graph.add("MatMul", x, weight)
        return graph.add("Add", product, graph.weight(f"{name}.bias", tensors[f"{tensor}.bias"]))

    def normed(x: str, tensor: str) -> str:
        return graph.add(
            "LayerNormalization",
            x,
            graph.weight(f"{tensor}.weight", tensors[f"{tensor}.weight"]),
            graph.weight(f"{tensor}.bias", tensors[f"{tensor}.bias"]),
            epsilon=settings.epsilon,
        )

    def heads(x: str, axes: list[int]) -> str:
        """(texts, L, H) to (texts, heads, L, H / heads), or as `axes` says."""
        parted = graph.add("Reshape", x, graph.integers(0, 0, settings.heads, -1))
        return graph.add("Transpose", parted, perm=axes)

    words = tensors["embeddings.word_embeddings.weight"]
    width = words.shape[1]
    # Every token is of type 0, so its type's vector is a part of its position's.
    places = (
        tensors["embeddings.position_embeddings.weight"]
        + tensors["embeddings.token_type_embeddings.weight"][0]
    )
    x = graph.add(
        "Add",
        graph.add("Gather", graph.weight("words", words), "ids"),
        graph.add("Gather", graph.weight("positions.weight", places), "positions"),
    )
    x = normed(x, "embeddings.LayerNorm")
    # The queries are divided here, once, and not at each text.
    scale = np.float32(1 / math.sqrt(width / settings.heads))
    for number in range(settings.layers):
        tensor = f"encoder.layer.{number}"
        rows = x
        if output == "first" and number == settings.layers - 1:
            rows = graph.add("Slice", x, graph.integers(0), graph.integers(1), graph.integers(1))
        query, key, value = (
            affine(source, f"{tensor}.{part}", f"{tensor}.attention.self.{part}")
            for part, source in (("query", rows), ("key", x), ("value", x))
        )
        divided = graph.add("Mul", query, graph.weight(f"{tensor}.scale", np.array([scale])))
        weights = graph.add(
            "Softmax",
            graph.add("MatMul", heads(divided, [0, 2, 1, 3]), heads(key, [0, 2, 3, 1])),
            axis=-1,
        )
        attended = graph.add("MatMul", weights, heads(value, [0, 2, 1, 3]))
        joined = graph.add(
            "Reshape",
            graph.add("Transpose", attended, perm=[0, 2, 1, 3]),
            graph.integers(0, 0, width),
        )
        mixed = affine(joined, f"{tensor}.mix", f"{tensor}.attention.output.dense")
        x = normed(graph.add("Add", rows, mixed), f"{tensor}.attention.output.LayerNorm")
        wide = graph.add("Gelu", affine(x, f"{tensor}.widen", f"{tensor}.intermediate.dense"))
        narrow = affine(wide, f"{tensor}.narrow", f"{tensor}.output.dense")
        x = normed(graph.add("Add", x, narrow), f"{tensor}.output.LayerNorm")
    if output == "first":
        graph.add("Squeeze", x, graph.integers(1))
    else:
        graph.add("ReduceMean", x, graph.integers(1), keepdims=0)

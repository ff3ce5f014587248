"""Llama models of a few kilobytes, with tokenizers trained on the fly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from routectl.checkpoint import write_checkpoint
from routectl.embedding.base_models import keep_base
from routectl.embedding.language_model import DEFAULT_TEMPLATE
from routectl.routers.causal_model import adapter_shapes

CHAT_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA_3_TOKENS = [
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<|end_of_text|>",
]
RATING_TOKENS = [f"[[{n}]]" for n in range(1, 6)]
PROMPTS = [
    "Hi",
    "What is 2 + 2?",
    "Prove that there are infinitely many primes, step by step. " * 3,
    "Write a poem about the sea.",
    "好" * 20,
]


def train_tokenizer(special: list[str], *, text: str = "the rating of an answer ") -> Any:
    """A byte-level BPE whose only merges are those of `text`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([text] * 4, trainer)
    return tokenizer


def save_llama(folder: Path, tokenizer: Any, *, seed: int = 0, **config: Any) -> Path:
    """Write a Llama of two layers with random weights for a tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=tokenizer.get_vocab_size(),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=1024,
                initializer_range=0.3,
                **config,
            )
        )
    model.save_pretrained(folder)
    return folder


def make_base(folder: Path, *, seed: int = 0) -> Path:
    """A base model in SmolLM2's manner: tied embeddings, chat tokens, a token for each digit."""
    return save_llama(folder, train_tokenizer(CHAT_TOKENS), seed=seed, tie_word_embeddings=True)


def adapter_config(base: Path, **changes: object) -> dict[str, object]:
    """What a checkpoint's `config.json` says, for a base that is put into the cache."""
    found = keep_base(base)
    config: dict[str, object] = {
        "kind": "causal_llm",
        "name": "test",
        "licence": None,
        "default_pair": {"strong": "Large-Model-v1", "weak": "Small-Model-v1"},
        "models": {
            "strong": ["Large-Model-v1", "Larger-Model-v1"],
            "weak": ["Small-Model-v1", "Smaller-Model-v1"],
        },
        "base": {"name": found.name, "digest": found.digest},
        "adapter": {"rank": 2, "scale": 2},
        "template": {"before": DEFAULT_TEMPLATE.before, "after": DEFAULT_TEMPLATE.after},
        "score_threshold": 4,
        "max_tokens": 512,
        "noise": 1e-5,
    }
    return config | changes


def adapter_tensors(base: Path, seed: int = 0) -> dict[str, np.ndarray]:
    import json

    shapes = adapter_shapes(json.loads((base / "config.json").read_bytes()), rank=2)
    generator = np.random.default_rng(seed)
    return {
        name: (generator.normal(size=shape) / 4).astype(np.float32)
        for name, shape in shapes.items()
    }


def write_adapter(
    folder: Path,
    base: Path,
    config: dict[str, object] | None = None,
    tensors: dict[str, np.ndarray] | None = None,
) -> Path:
    """A small causal_llm checkpoint whose base lies in the cache."""
    write_checkpoint(
        folder, config or adapter_config(base), tensors or adapter_tensors(base), "# test\n"
    )
    return folder


def make_published(folder: Path, *, seed: int = 0, ratings_in_tokenizer: bool = True) -> Path:
    """A checkpoint of RouteLLM's layout: Llama 3's chat tokens, five ratings, and two texts."""
    import torch
    from safetensors.torch import load_file, save_file
    from tokenizers import processors

    tokenizer = train_tokenizer(LLAMA_3_TOKENS)
    start = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", start)]
    )
    end = tokenizer.token_to_id("<|end_of_text|>")
    plain = tokenizer.to_str()
    tokenizer.add_special_tokens(RATING_TOKENS)
    save_llama(folder, tokenizer, seed=seed, bos_token_id=start, eos_token_id=end, pad_token_id=end)
    if not ratings_in_tokenizer:
        (folder / "tokenizer.json").write_text(plain)
    # Louder ratings and ends: answers of every length come up, and some without a rating.
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors["lm_head.weight"][-5:] *= 1.6
    tensors["lm_head.weight"][end] *= torch.tensor(1.8)
    save_file(tensors, path, metadata={"format": "pt"})
    (folder / "system_ft_v5.txt").write_text(" You judge {hard} questions.\n")
    (folder / "classifier_ft_v5.txt").write_text("Rate it.\n\nQuestion: {question}\n\nRating:\n")
    return folder

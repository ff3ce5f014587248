"""A checkpoint in the layout of RouteLLM's published bert, small and made from nothing."""

from pathlib import Path

PIECES = ["▁", *"abcdefghijklmnopqrstuvwxyz.,?", "▁the", "▁what", "▁prove", "ing", "er"]


def make_published(folder: Path, *, labels: int = 3, vocabulary: int | None = None) -> Path:
    """Write an XLM-R sequence classifier with random weights that reads 62 tokens.

    Args:
        vocabulary: how many tokens the model knows; None is as many as the tokenizer has.
    """
    import torch
    from transformers import (
        XLMRobertaConfig,
        XLMRobertaForSequenceClassification,
        XLMRobertaTokenizer,
    )

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [(token, 0.0) for token in special]
    pieces += [(piece, -1.0 - len(pieces) / 100) for piece in PIECES] + [("<mask>", 0.0)]
    tokenizer = XLMRobertaTokenizer(vocab=pieces, model_max_length=512)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = XLMRobertaConfig(
        vocab_size=vocabulary or len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=64,
        type_vocab_size=1,
        pad_token_id=1,
        initializer_range=0.5,
        num_labels=labels,
    )
    XLMRobertaForSequenceClassification(config).eval().save_pretrained(folder)
    return folder

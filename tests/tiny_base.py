"""A model of two layers with the bundled model's template and its letters, which trains and loads in a second.

Rule: weights of chance in full precision, so that what is compared is compared exactly.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from models.weights import bundled_path

WORDS = 512  # the first of the bundled model's: its control tokens, the bytes and the shortest words
WIDTH, HEADS, KV_HEADS, INNER, LAYERS = 64, 4, 2, 128, 2


def write_tiny_base(path: Path, *, seed: int = 0, broken: bool = False) -> Path:
    """`broken` has one weight that is no number."""
    bundled = bundled_path()
    assert bundled is not None
    reader = gguf.GGUFReader(bundled)
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()[:WORDS]
    known = set(tokens)
    merges = [
        pair
        for pair in reader.fields["tokenizer.ggml.merges"].contents()
        if {*pair.split(), pair.replace(" ", "")} <= known
    ]
    own = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": reader.fields["tokenizer.ggml.token_type"].contents()[:WORDS],
        "tokenizer.ggml.merges": merges,
        "llama.vocab_size": WORDS,
        "llama.embedding_length": WIDTH,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": INNER,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": KV_HEADS,
        "llama.rope.dimension_count": WIDTH // HEADS,
    }
    writer = gguf.GGUFWriter(path, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kind = field.types[0]
        inside = field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, own.get(field.name, field.contents()), kind, inside)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    chance = np.random.default_rng(seed)

    def add(name: str, out: int, inside: int) -> None:
        weights = chance.standard_normal((out, inside), np.float32) / np.float32(inside**0.5)
        if broken and name == "blk.1.ffn_up.weight":
            weights[3, 5] = np.nan
        writer.add_tensor(name, weights)

    add("token_embd.weight", WORDS, WIDTH)
    writer.add_tensor("output_norm.weight", np.ones(WIDTH, np.float32))
    kv = WIDTH // HEADS * KV_HEADS
    for layer in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(WIDTH, np.float32))
        for name, out, inside in (
            ("attn_q", WIDTH, WIDTH),
            ("attn_k", kv, WIDTH),
            ("attn_v", kv, WIDTH),
            ("attn_output", WIDTH, WIDTH),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            add(f"blk.{layer}.{name}.weight", out, inside)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path

"""What a GGUF file says about the language model in it, checked whole without loading it.

Rule: only what `models.gguf_reading` has bounded is looked at; whatever else is wrong is BrokenWeights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from models.errors import BrokenWeights
from models.gguf_reading import Contents, Counted, Value, read_contents

JOIN = "join them first with llama-gguf-split --merge FIRST-PART WHOLE.gguf"


@dataclass(frozen=True, slots=True)
class Header:
    """What a whole GGUF of a language model says about itself.

    `parameters` counts the elements of all tensors. `file_bytes` is the size on disk. `kv_values` is
    how many numbers the context keeps for one token, over all layers. `trained` is whether a LoRA of this
    program's training is merged into it. `parts` is how many files the model is split into, this the first of them.
    """

    version: int
    architecture: str
    name: str | None
    licence: str | None
    context_tokens: int
    chat_template: str | None
    vocabulary: int
    layers: int
    kv_values: int
    parameters: int
    tensors: int
    file_bytes: int
    trained: bool = False
    parts: int = 1


def read_header(path: Path) -> Header:
    """Checks the file at `path` from its first byte to the place where its last tensor must end.

    Raises BrokenWeights with one line when it is missing, no GGUF, truncated, or no language model.
    """
    contents = read_contents(path)
    meta = contents.metadata
    part, parts = _integer(meta.get("split.no"), 0) + 1, _integer(meta.get("split.count"), 1)
    if part > 1:
        raise BrokenWeights(f"{path.name} is part {part} of {parts} of a model; {JOIN}")
    architecture = contents.text("general.architecture")
    if not architecture:
        raise BrokenWeights(f"{path.name} names no architecture")
    if contents.text("general.type") == "adapter":
        raise BrokenWeights(f"{path.name} is a LoRA, not a model")
    context = _integer(meta.get(f"{architecture}.context_length"), 0)
    layers = _integer(meta.get(f"{architecture}.block_count"), 0)
    vocabulary = _length(meta.get("tokenizer.ggml.tokens"))
    if not contents.tensors or not 0 < context < 2**31 or not 0 < layers < 2**16 or not vocabulary:
        raise BrokenWeights(
            f"{path.name} is not a language model: its tensors, context, layers or vocabulary are missing"
        )
    return Header(
        version=contents.version,
        architecture=architecture,
        name=contents.text("general.name"),
        licence=contents.text("general.license"),
        context_tokens=context,
        chat_template=contents.text("tokenizer.chat_template"),
        vocabulary=vocabulary,
        layers=layers,
        kv_values=_kv_values(contents, architecture, layers),
        parameters=sum(tensor.elements for tensor in contents.tensors),
        tensors=len(contents.tensors),
        file_bytes=contents.file_bytes,
        trained=contents.text("groundling.recipe") is not None,
        parts=parts,
    )


def _kv_values(contents: Contents, architecture: str, layers: int) -> int:
    """Keys and values of one token in all layers; too many rather than too few where the file is vague."""
    meta = contents.metadata
    width = _integer(meta.get(f"{architecture}.embedding_length"), 4096)
    heads = max(1, _integer(meta.get(f"{architecture}.attention.head_count"), 1))
    a_head = width // heads
    keys = _integer(meta.get(f"{architecture}.attention.key_length"), a_head)
    values = _integer(meta.get(f"{architecture}.attention.value_length"), a_head)
    kv_heads = meta.get(f"{architecture}.attention.head_count_kv", heads)
    if isinstance(kv_heads, tuple):  # one number a layer
        every = sum(int(number) for number in kv_heads if isinstance(number, int))
    else:
        every = layers * _integer(kv_heads, heads)
    return max(0, every) * (max(0, keys) + max(0, values))


def _integer(value: Value | None, otherwise: int) -> int:
    if isinstance(value, tuple):  # one number a layer: the largest
        return max((item for item in value if isinstance(item, int)), default=otherwise)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _length(value: Value | None) -> int:
    if isinstance(value, Counted):
        return value.length
    return len(value) if isinstance(value, tuple) else 0

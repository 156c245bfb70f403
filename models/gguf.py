"""Reads what a GGUF file says about itself, and checks that it is whole, without loading it.

Rule: nothing in the file is believed before it is bounded: counts, lengths and offsets are held against
the file's own size, so that no file, however broken, makes this module fail in another way than by
BrokenWeights, wait, or take memory. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from models.errors import BrokenWeights

MAX_ENTRIES = 65_536  # of metadata, and of tensors; the largest known models have a few thousand
MAX_NAME = 65_535
MAX_STRING = 16 * 1024 * 1024  # a chat template of some models has 20 KB
MAX_LIST = 4 * 1024 * 1024  # the largest known vocabularies have 262,144 tokens
KEPT_LIST = 4_096  # longer lists (the vocabulary) are only counted
ALIGNMENT = 32

_SCALARS: Mapping[int, struct.Struct] = {
    kind: struct.Struct("<" + code)
    for kind, code in {
        0: "B",
        1: "b",
        2: "H",
        3: "h",
        4: "I",
        5: "i",
        6: "f",
        7: "?",
        10: "Q",
        11: "q",
        12: "d",
    }.items()
}
_U32, _STRING, _LIST, _U64 = 4, 8, 9, 10

# Elements and bytes of one block of each tensor type, as ggml_blck_size and ggml_type_size give them.
_BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip

Scalar = int | float | bool | str
Value = Scalar | tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Counted:
    """A metadata list too long to keep."""

    length: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a whole GGUF of a language model says about itself.

    `parameters` counts the elements of all tensors. `file_bytes` is the size on disk. `kv_values` is
    how many numbers the context keeps for one token, over all layers.
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


def read_header(path: Path) -> Header:
    """Checks the file at `path` from its first byte to the place where its last tensor must end.

    Raises BrokenWeights with one line when it is missing, no GGUF, truncated, or no language model.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            return _Reading(file, size, path.name).header()
    except FileNotFoundError as error:
        raise BrokenWeights(f"the model file {path} is missing") from error
    except OSError as error:
        raise BrokenWeights(f"the model file {path} cannot be read: {error.strerror}") from error


class _Reading:
    """One pass over one file."""

    def __init__(self, file: BinaryIO, size: int, name: str) -> None:
        self._file = file
        self._size = size
        self._name = name
        self._at = 0

    def header(self) -> Header:
        if self._size < 4 or self._file.read(4) != b"GGUF":
            raise BrokenWeights(f"{self._name} is not a GGUF file")
        self._at = 4
        version = self._number(_U32)
        if version not in (2, 3):
            raise self._broken(f"is GGUF version {version}; versions 2 and 3 are understood")
        tensors, entries = self._number(_U64), self._number(_U64)
        if tensors > MAX_ENTRIES or entries > MAX_ENTRIES:
            raise self._broken(f"says it has {max(tensors, entries):,} entries, which no model has")
        meta = self._metadata(entries)
        parameters = self._check_tensors(tensors, _integer(meta.get("general.alignment"), ALIGNMENT))
        return self._described(version, meta, parameters, tensors)

    def _described(
        self, version: int, meta: Mapping[str, Value | Counted], parameters: int, tensors: int
    ) -> Header:
        architecture = _text(meta.get("general.architecture"))
        if not architecture:
            raise self._broken("names no architecture")
        if _text(meta.get("general.type")) == "adapter":
            raise self._broken("is a LoRA, not a model")
        context = _integer(meta.get(f"{architecture}.context_length"), 0)
        layers = _integer(meta.get(f"{architecture}.block_count"), 0)
        tokens = meta.get("tokenizer.ggml.tokens")
        vocabulary = (
            tokens.length if isinstance(tokens, Counted) else len(tokens) if isinstance(tokens, tuple) else 0
        )
        if not tensors or not 0 < context < 2**31 or not 0 < layers < 2**16 or not vocabulary:
            raise self._broken(
                "is not a language model: its tensors, context, layers or vocabulary are missing"
            )
        return Header(
            version=version,
            architecture=architecture,
            name=_text(meta.get("general.name")),
            licence=_text(meta.get("general.license")),
            context_tokens=context,
            chat_template=_text(meta.get("tokenizer.chat_template")),
            vocabulary=vocabulary,
            layers=layers,
            kv_values=_kv_values(meta, architecture, layers),
            parameters=parameters,
            tensors=tensors,
            file_bytes=self._size,
        )

    def _metadata(self, entries: int) -> dict[str, Value | Counted]:
        meta: dict[str, Value | Counted] = {}
        for _ in range(entries):
            key = self._string(MAX_NAME)
            if key in meta:
                raise self._broken(f"has two entries {key[:60]!r}")
            meta[key] = self._value(self._number(_U32))
        return meta

    def _value(self, kind: int) -> Value | Counted:
        if kind == _STRING:
            return self._string(MAX_STRING)
        if kind == _LIST:
            return self._list(self._number(_U32), self._number(_U64))
        return self._scalar(kind)

    def _list(self, kind: int, length: int) -> tuple[Scalar, ...] | Counted:
        least = 8 if kind == _STRING else self._struct(kind).size
        if length > MAX_LIST or length * least > self._size - self._at:
            raise self._broken(f"has a list of {length:,} items, more than it has room for")
        keep = length <= KEPT_LIST
        if kind == _STRING:
            items = []
            for _ in range(length):
                text = self._string(MAX_STRING)
                if keep:
                    items.append(text)
            return tuple(items) if keep else Counted(length)
        raw = self._bytes(length * least)
        if not keep:
            return Counted(length)
        return tuple(item for (item,) in self._struct(kind).iter_unpack(raw))

    def _check_tensors(self, count: int, alignment: int) -> int:
        """The number of elements in all tensors, each of which must lie inside the file."""
        if alignment <= 0 or alignment & (alignment - 1) or alignment > 2**20:
            raise self._broken(f"has an alignment of {alignment}, which is no power of two")
        expected = elements = 0
        for _ in range(count):
            name = self._string(MAX_NAME)
            rank = self._number(_U32)
            if not 1 <= rank <= 4:
                raise self._broken(f"has a tensor of {rank} dimensions")
            sides = [self._number(_U64) for _ in range(rank)]
            kind = self._number(_U32)
            offset = self._number(_U64)
            total = _product(sides)
            if kind not in _BLOCKS or not 0 < total < 2**50 or sides[0] % _BLOCKS[kind][0]:
                raise self._broken(f"has a tensor of unknown form: {name[:60]!r}, type {kind}, {sides}")
            if offset != expected:
                raise self._broken(f"has the tensor {name[:60]!r} at a wrong place")
            block, size = _BLOCKS[kind]
            expected += _aligned(total // block * size, alignment)
            last = offset + total // block * size
            elements += total
        if count:
            needed = _aligned(self._at, alignment) + last
            if needed > self._size:
                raise self._broken(f"is truncated: needs {needed:,} bytes, has {self._size:,}")
        return elements

    def _string(self, limit: int) -> str:
        length = self._number(_U64)
        if length > limit:
            raise self._broken(f"has a text of {length:,} bytes, more than any model's")
        return self._bytes(length).decode("utf-8", "replace")

    def _number(self, kind: int) -> int:
        return int(self._scalar(kind))

    def _scalar(self, kind: int) -> int | float | bool:
        form = self._struct(kind)
        (value,) = form.unpack(self._bytes(form.size))
        assert isinstance(value, int | float)
        return value

    def _struct(self, kind: int) -> struct.Struct:
        if kind not in _SCALARS:
            raise self._broken(f"has a value of the unknown type {kind}")
        return _SCALARS[kind]

    def _bytes(self, count: int) -> bytes:
        if count > self._size - self._at:
            raise self._broken(f"is truncated: needs {self._at + count:,} bytes at least, has {self._size:,}")
        raw = self._file.read(count)
        if len(raw) != count:
            raise self._broken(f"ended while it was read, after {self._at + len(raw):,} bytes")
        self._at += count
        return raw

    def _broken(self, what: str) -> BrokenWeights:
        return BrokenWeights(f"{self._name} {what}")


def _kv_values(meta: Mapping[str, Value | Counted], architecture: str, layers: int) -> int:
    """Keys and values of one token in all layers; too many rather than too few where the file is vague."""
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


def _integer(value: Value | Counted | None, otherwise: int) -> int:
    if isinstance(value, tuple):  # one number a layer: the largest
        return max((item for item in value if isinstance(item, int)), default=otherwise)
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise


def _text(value: Value | Counted | None) -> str | None:
    return value if isinstance(value, str) and value else None


def _product(sides: list[int]) -> int:
    total = 1
    for side in sides:
        total *= side
    return total


def _aligned(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment

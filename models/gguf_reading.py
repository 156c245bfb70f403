"""Reads the metadata and the list of tensors of any GGUF file: a model's or a LoRA's.

Rule: nothing in the file is believed before it is bounded: counts, lengths and offsets are held against
the file's own size, so that no file, however broken, makes this module fail in another way than by
BrokenWeights, wait, or take memory. The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO

from models.errors import BrokenWeights

MAX_HEADER = 256 * 1024 * 1024  # bytes before the weights; the largest known models have 20 MB
MAX_ENTRIES = 65_536  # of metadata, and of tensors; the largest known models have a few thousand
MAX_KEY = 65_535
MAX_TENSOR_NAME = 63  # GGML_MAX_NAME of ggml.h, less the closing zero
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
U32, F32, STRING, LIST, U64 = 4, 6, 8, 9, 10

# Elements and bytes of one block of each tensor type, as ggml_blck_size and ggml_type_size give them.
_BLOCKS: Mapping[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110),
    22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8),
    29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17), 40: (64, 36), 41: (128, 18),
}  # fmt: skip
_STRETCH = 1024 * 1024  # bytes of a long list of texts that are looked at in one go

Scalar = int | float | bool | str


@dataclass(frozen=True, slots=True)
class Counted:
    """A metadata list too long to keep."""

    length: int


Value = Scalar | tuple[Scalar, ...] | Counted


@dataclass(frozen=True, slots=True)
class Tensor:
    """`sides` are in ggml's order, numpy's shape reversed; `kind` is the number of a ggml_type."""

    name: str
    sides: tuple[int, ...]
    kind: int

    @property
    def elements(self) -> int:
        return prod(self.sides)


@dataclass(frozen=True, slots=True)
class Contents:
    """What a whole GGUF holds. `kinds` are the GGUF value types of `metadata`; `file_bytes` is on disk."""

    version: int
    metadata: Mapping[str, Value]
    kinds: Mapping[str, int]
    tensors: tuple[Tensor, ...]
    file_bytes: int

    def text(self, key: str) -> str | None:
        """The text under `key`; None when there is none, an empty one, or a value of another type."""
        value = self.metadata.get(key)
        return value if isinstance(value, str) and value else None


def read_contents(path: Path, *, noun: str = "model file", header_bytes: int = MAX_HEADER) -> Contents:
    """Checks the file at `path` from its first byte to the place where its last tensor must end.

    Its header, all that comes before the weights, may have `header_bytes`. Raises BrokenWeights with
    one line when the file is missing, no GGUF, truncated, or not as the format says; `noun` is what a
    missing file is called there.
    """
    try:
        if stat.S_ISFIFO(path.stat().st_mode):
            raise BrokenWeights(f"the {noun} {path} cannot be read: it is a pipe")
        with path.open("rb") as file:
            return _Reading(file, os.fstat(file.fileno()).st_size, path.name, header_bytes).contents()
    except FileNotFoundError as error:
        raise BrokenWeights(f"the {noun} {path} is missing") from error
    except OSError as error:
        raise BrokenWeights(f"the {noun} {path} cannot be read: {error.strerror}") from error


class _Reading:
    """One pass over one file."""

    def __init__(self, file: BinaryIO, size: int, name: str, most: int) -> None:
        self._file = file
        self._size = size
        self._name = name
        self._most = most
        self._at = 0
        self._listed = 0

    def contents(self) -> Contents:
        if self._size < 4 or self._file.read(4) != b"GGUF":
            raise BrokenWeights(f"{self._name} is not a GGUF file")
        self._at = 4
        version = self._number(U32)
        if version not in (2, 3):
            raise self._broken(f"is GGUF version {version}; versions 2 and 3 are understood")
        tensors, entries = self._number(U64), self._number(U64)
        if tensors > MAX_ENTRIES or entries > MAX_ENTRIES:
            raise self._broken(f"says it has {max(tensors, entries):,} entries, which no model has")
        metadata, kinds = self._metadata(entries)
        return Contents(
            version, metadata, kinds, self._tensors(tensors, self._alignment(metadata, kinds)), self._size
        )

    def _metadata(self, entries: int) -> tuple[dict[str, Value], dict[str, int]]:
        metadata: dict[str, Value] = {}
        kinds: dict[str, int] = {}
        for _ in range(entries):
            key = self._key(MAX_KEY)
            if key in metadata:
                raise self._broken(f"has two entries {key[:60]!r}")
            kinds[key] = self._number(U32)
            metadata[key] = self._value(kinds[key])
        return metadata, kinds

    def _value(self, kind: int) -> Value:
        if kind == STRING:
            return self._string(MAX_STRING)
        if kind == LIST:
            return self._list(self._number(U32), self._number(U64))
        return self._scalar(kind)

    def _list(self, kind: int, length: int) -> tuple[Scalar, ...] | Counted:
        least = 8 if kind == STRING else self._struct(kind).size
        self._listed += length
        if self._listed > MAX_LIST:
            raise self._broken(f"has a list of {length:,} items, more than any model's")
        self._check_room(length * least)
        keep = length <= KEPT_LIST
        if kind == STRING and keep:
            return tuple(self._string(MAX_STRING) for _ in range(length))
        if kind == STRING:
            self._pass_strings(length)
            return Counted(length)
        raw = self._bytes(length * least)
        return tuple(item for (item,) in self._struct(kind).iter_unpack(raw)) if keep else Counted(length)

    def _pass_strings(self, length: int) -> None:
        """Goes past `length` texts; in stretches, because a vocabulary has hundreds of thousands."""
        number = self._struct(U64)
        stretch, place = b"", 0
        for _ in range(length):
            if place + number.size > len(stretch):
                self._move(place)
                stretch, place = self._file.read(_STRETCH), 0
                self._check_room(number.size)
                if len(stretch) < number.size:
                    raise self._broken(f"ended while it was read, after {self._at + len(stretch):,} bytes")
            (size,) = number.unpack_from(stretch, place)
            self._check_string(size, MAX_STRING)
            place += number.size + size
        self._move(place)

    def _alignment(self, metadata: Mapping[str, Value], kinds: Mapping[str, int]) -> int:
        alignment = metadata.get("general.alignment", ALIGNMENT)
        if kinds.get("general.alignment", U32) != U32 or not isinstance(alignment, int):
            raise self._broken("has an alignment that is no 32-bit number")
        if alignment <= 0 or alignment & (alignment - 1) or alignment > 2**20:
            raise self._broken(f"has an alignment of {alignment}, which is no power of two")
        return alignment

    def _tensors(self, count: int, alignment: int) -> tuple[Tensor, ...]:
        """All tensors, each of which lies inside the file and right behind the one before it."""
        tensors: dict[str, Tensor] = {}
        expected = last = 0
        for _ in range(count):
            tensor = self._tensor()
            if self._number(U64) != expected:
                raise self._broken(f"has the tensor {tensor.name!r} at a wrong place")
            if tensor.name in tensors:
                raise self._broken(f"has two tensors {tensor.name!r}")
            block, size = _BLOCKS[tensor.kind]
            last = expected + tensor.elements // block * size
            expected = _aligned(last, alignment)
            tensors[tensor.name] = tensor
        needed = _aligned(self._at, alignment) + last
        if count and needed > self._size:
            raise self._broken(f"is truncated: needs {needed:,} bytes, has {self._size:,}")
        return tuple(tensors.values())

    def _tensor(self) -> Tensor:
        name = self._key(MAX_TENSOR_NAME)
        rank = self._number(U32)
        if not 1 <= rank <= 4:
            raise self._broken(f"has a tensor of {rank} dimensions")
        sides = tuple(self._number(U64) for _ in range(rank))
        tensor = Tensor(name, sides, self._number(U32))
        kind = tensor.kind
        if kind not in _BLOCKS or not 0 < tensor.elements < 2**50 or sides[0] % _BLOCKS[kind][0]:
            raise self._broken(f"has a tensor of unknown form: {name!r}, type {kind}, {list(sides)}")
        return tensor

    def _key(self, limit: int) -> str:
        """A name; without zeros, at which llama.cpp would stop reading and take it for another one."""
        name = self._string(limit)
        if "\0" in name:
            raise self._broken(f"has a zero in the name {name[:60]!r}")
        return name

    def _string(self, limit: int) -> str:
        length = self._number(U64)
        self._check_string(length, limit)
        return self._bytes(length).decode("utf-8", "replace")

    def _check_string(self, length: int, limit: int) -> None:
        if length > limit:
            raise self._broken(f"has a text of {length:,} bytes, more than any model's")

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
        self._check_room(count)
        raw = self._file.read(count)
        if len(raw) != count:
            raise self._broken(f"ended while it was read, after {self._at + len(raw):,} bytes")
        self._at += count
        return raw

    def _move(self, count: int) -> None:
        self._check_room(count)
        self._at += count
        self._file.seek(self._at)

    def _check_room(self, count: int) -> None:
        """The next `count` bytes lie inside the file and its header."""
        if count > self._size - self._at:
            raise self._broken(f"is truncated: needs {self._at + count:,} bytes at least, has {self._size:,}")
        if count > self._most - self._at:
            raise self._broken(f"has a header of more than {self._most:,} bytes")

    def _broken(self, what: str) -> BrokenWeights:
        return BrokenWeights(f"{self._name} {what}")


def _aligned(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment

"""A GGUF is checked whole before it is loaded, and no file can hurt the check."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path

import pytest

from models.engine.process import LocalModel
from models.errors import BrokenWeights, ModelUnavailable
from models.gguf import read_header
from models.weights import ModelFolder, bundled_path

U16, U32, F32, STRING, LIST, U64 = 2, 4, 6, 8, 9, 10
Entry = tuple[str, int, bytes]


def text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def number(value: int) -> bytes:
    return struct.pack("<I", value)


def words(values: list[str]) -> bytes:
    return struct.pack("<IQ", STRING, len(values)) + b"".join(text(value) for value in values)


def entries(**changes: Entry) -> list[Entry]:
    """The metadata of a model too small to be one; keywords replace entries by their last name."""
    usual = [
        ("general.architecture", STRING, text("llama")),
        ("general.name", STRING, text("Tiny")),
        ("general.license", STRING, text("apache-2.0")),
        ("llama.context_length", U32, number(128)),
        ("llama.block_count", U32, number(2)),
        ("llama.embedding_length", U32, number(64)),
        ("llama.attention.head_count", U32, number(4)),
        ("llama.attention.head_count_kv", U32, number(2)),
        ("tokenizer.chat_template", STRING, text("{{ messages[0].content }}")),
        ("tokenizer.ggml.tokens", LIST, words(["a", "b", "ä", "<s>"])),
    ]
    return [changes.get(entry[0].rsplit(".", 1)[-1], entry) for entry in usual]


def gguf(
    meta: list[Entry], *, magic: bytes = b"GGUF", version: int = 3, kind: int = 0, offset: int = 0
) -> bytes:
    head = magic + struct.pack("<IQQ", version, 1, len(meta))
    for key, value_kind, raw in meta:
        head += text(key) + number(value_kind) + raw
    head += text("token_embd.weight") + struct.pack("<IQQIQ", 2, 64, 4, kind, offset)
    return head + bytes(-len(head) % 32) + bytes(64 * 4 * 4)


def written(folder: Path, raw: bytes) -> Path:
    path = folder / "tiny.gguf"
    path.write_bytes(raw)
    return path


def test_header_tells_what_the_file_says(tmp_path: Path) -> None:
    header = read_header(written(tmp_path, gguf(entries())))
    assert (header.architecture, header.name, header.licence) == ("llama", "Tiny", "apache-2.0")
    assert (header.context_tokens, header.layers, header.vocabulary) == (128, 2, 4)
    assert header.kv_values == 2 * 2 * (16 + 16)
    assert header.parameters == 64 * 4
    assert header.chat_template == "{{ messages[0].content }}"


def test_bundled_model_is_whole() -> None:
    path = bundled_path()
    assert path is not None
    header = read_header(path)
    assert (header.context_tokens, header.licence, header.layers) == (8192, "apache-2.0", 30)
    assert header.parameters == 134_515_008
    assert header.chat_template is not None


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"", "is not a GGUF file"),
        (b"PK\x03\x04" + bytes(100), "is not a GGUF file"),
        (gguf(entries(), version=1), "is GGUF version 1"),
        (gguf(entries(), version=2**24), "is GGUF version"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 1), "entries, which no model has"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1, 2**63), "entries, which no model has"),
        (gguf(entries(), kind=4), "tensor of unknown form"),
        (gguf(entries(), kind=99), "tensor of unknown form"),
        (gguf(entries(), offset=32), "at a wrong place"),
        (gguf(entries(name=("general.name", STRING, struct.pack("<Q", 2**62)))), "a text of"),
        (gguf(entries(name=("general.name", 77, b""))), "unknown type 77"),
        (gguf(entries(name=("general.name", LIST, struct.pack("<IQ", LIST, 1)))), "unknown type 9"),
        (gguf(entries(name=("general.name", LIST, struct.pack("<IQ", U64, 2**61)))), "a list of"),
        (gguf(entries(name=("general.architecture", STRING, text("x")))), "two entries"),
        (gguf(entries(architecture=("general.architecture", STRING, text("")))), "names no architecture"),
        (gguf(entries(context_length=("llama.context_length", U32, number(0)))), "not a language model"),
        (gguf(entries(name=("general.type", STRING, text("adapter")))), "is a LoRA"),
        (gguf(entries(name=("general.alignment", U32, number(7)))), "no power of two"),
    ],
)
def test_broken_file_is_refused_in_one_line(tmp_path: Path, raw: bytes, line: str) -> None:
    with pytest.raises(BrokenWeights, match=line) as told:
        read_header(written(tmp_path, raw))
    assert "\n" not in str(told.value)


def test_part_of_a_split_model_is_told_with_its_mend(tmp_path: Path) -> None:
    def part(number: int, *meta: Entry) -> Path:
        places = [("split.no", U16, struct.pack("<H", number)), ("split.count", U16, struct.pack("<H", 3))]
        return written(tmp_path, gguf([*meta, *places]))

    with pytest.raises(
        BrokenWeights, match="is part 2 of 3 of a model; join them first with llama-gguf-split"
    ):
        read_header(part(1))
    first = part(0, *entries())
    assert read_header(first).parts == 3  # which llama.cpp loads where it lies
    with pytest.raises(
        BrokenWeights, match="is one of 3 parts of a model; join them first with llama-gguf-split"
    ):
        ModelFolder(tmp_path / "models").take_in(first)
    assert not (tmp_path / "models").exists()


def test_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = gguf(entries())
    for length in range(0, len(whole), 7):
        with pytest.raises(BrokenWeights, match=r"is truncated|is not a GGUF"):
            read_header(written(tmp_path, whole[:length]))


def test_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokenWeights, match="cannot be read"):
        read_header(tmp_path)


def test_five_hundred_mutated_headers_are_read_or_refused(tmp_path: Path) -> None:
    chance = random.Random(20)
    whole = gguf(entries())
    lines: list[str] = []
    for _ in range(500):
        raw = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8))):
            place = chance.randrange(len(whole) - 1024)
            change = chance.choice(
                (b"\x00", b"\xff", b"\x7f", bytes([chance.randrange(256)]), b"\xff" * 8, b"\x00" * 8)
            )
            raw[place : place + len(change)] = change
        try:
            read_header(written(tmp_path, bytes(raw)))
        except BrokenWeights as error:
            lines.append(str(error))
    assert len(lines) > 250
    assert all("\n" not in line and len(line) < 300 for line in lines)


@pytest.mark.parametrize("context", [128, 2**30])
def test_file_that_looks_whole_but_holds_no_model_costs_one_line(tmp_path: Path, context: int) -> None:
    """The check lets it pass; llama.cpp's refusal, or its death, comes back as one line."""
    path = written(tmp_path, gguf(entries(context_length=("llama.context_length", U32, number(context)))))

    async def start() -> None:
        model = LocalModel(path)
        try:
            await model.start()
        finally:
            await model.close()

    with pytest.raises(ModelUnavailable, match=r"tiny\.gguf") as told:
        asyncio.run(start())
    assert "\n" not in str(told.value)

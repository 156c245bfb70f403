"""A LoRA is checked against its base before it is loaded, and no other base passes for the right one."""

from __future__ import annotations

import os
import shutil
import struct
from dataclasses import replace
from math import prod
from pathlib import Path

import pytest

from models.errors import BrokenWeights
from models.gguf import read_header
from models.lora import LoraHeader, read_lora
from models.weights import BUNDLED_SHA256, bundled_path, sha256_of
from tests.lora_files import (
    TINY_SHA256,
    Part,
    Setting,
    gguf_bytes,
    lora_settings,
    pair,
    tiny_model,
    write_lora,
)

KEY = "general.base_model.0.version"
U64, F64, LIST = 10, 12, 9
QUERY = pair("blk.0.attn_q.weight", 64, 64, rank=4)


def tensor(name: str, *sides: int, kind: int = 0, element: float = 4) -> Part:
    """A tensor of zeros; `element` is what one number takes, in bytes."""
    return Part(name, sides, bytes(int(prod(sides) * element)), kind)


def halves(name: str, a: tuple[int, ...], b: tuple[int, ...]) -> list[Part]:
    """A pair with sides as they stand in the file."""
    return [tensor(f"{name}.lora_a", *a), tensor(f"{name}.lora_b", *b)]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.gguf"
    path.write_bytes(tiny_model())
    return path


def settings(*without: str, **changes: Setting) -> dict[str, Setting]:
    """A valid LoRA's metadata for the tiny model; keywords change entries by their last name."""
    usual = lora_settings(base_sha256=TINY_SHA256)
    named = {key: changes.pop(key.rsplit(".", 1)[-1], value) for key, value in usual.items()}
    return {key: value for key, value in {**named, **changes}.items() if key not in without}


def read(base: Path, raw: bytes, *, allow_unnamed_base: bool = False) -> LoraHeader:
    path = base.with_name("tone.gguf")
    path.write_bytes(raw)
    return read_lora(path, base=base, base_sha256=TINY_SHA256, allow_unnamed_base=allow_unnamed_base)


def refused(base: Path, raw: bytes) -> str:
    """The line with which `raw` is refused."""
    with pytest.raises(BrokenWeights, match=r"tone\.gguf") as told:
        read(base, raw)
    line = str(told.value)
    assert "\n" not in line
    assert "; " in line  # the mend
    assert len(line) < 400
    return line


def test_lora_for_the_bundled_model_tells_what_it_is(tmp_path: Path) -> None:
    bundled = bundled_path()
    assert bundled is not None
    path = write_lora(tmp_path / "tone.gguf", rank=4, alpha=8.0)
    assert read_lora(path, base=bundled, base_sha256=BUNDLED_SHA256) == LoraHeader(
        name="Test LoRA",
        rank=4,
        alpha=8.0,
        base_sha256=BUNDLED_SHA256,
        tensors=30 * 7 * 2,
        file_bytes=path.stat().st_size,
        licence="apache-2.0",
    )


def test_lora_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(BrokenWeights, match="is a LoRA, not a model"):
        read_header(write_lora(tmp_path / "tone.gguf"))


def test_other_base_of_the_same_shape_is_refused_by_its_hash(tmp_path: Path) -> None:
    bundled = bundled_path()
    assert bundled is not None
    other = tmp_path / "other.gguf"
    shutil.copyfile(bundled, other)
    with other.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\x55\xaa\x55\xaa")
    lora = write_lora(tmp_path / "tone.gguf")
    with pytest.raises(BrokenWeights, match=rf"sha256 {BUNDLED_SHA256[:12]}…, but other\.gguf has"):
        read_lora(lora, base=other, base_sha256=sha256_of(other))


@pytest.mark.parametrize("named", [TINY_SHA256, f"sha256:{TINY_SHA256}", f"SHA256:{TINY_SHA256.upper()}"])
def test_hash_of_the_base_may_be_written_in_any_way(base: Path, named: str) -> None:
    assert read(base, gguf_bytes(settings(version=named), QUERY)).base_sha256 == TINY_SHA256


@pytest.mark.parametrize("version", ["1.0", "sha256:1234", 7])
def test_base_without_a_hash_is_refused_unless_allowed(base: Path, version: Setting) -> None:
    for raw in (gguf_bytes(settings(KEY), QUERY), gguf_bytes(settings(version=version), QUERY)):
        assert "allow_unnamed_base=True" in refused(base, raw)
        assert read(base, raw, allow_unnamed_base=True).base_sha256 is None


def test_wrong_hash_is_refused_even_where_none_is_allowed(base: Path) -> None:
    raw = gguf_bytes(settings(version="f" * 64), QUERY)
    with pytest.raises(BrokenWeights, match="trained on the model with the sha256 ffffffffffff"):
        read(base, raw, allow_unnamed_base=True)


def test_pairs_may_differ_in_rank_and_the_largest_is_told(base: Path) -> None:
    parts = [*QUERY, *pair("blk.1.ffn_down.weight", 128, 64, rank=9)]
    assert (read(base, gguf_bytes(settings(), parts)).rank, len(parts)) == (9, 4)


def test_lora_without_alpha_is_not_scaled(base: Path) -> None:
    assert read(base, gguf_bytes(settings("adapter.lora.alpha"), QUERY)).alpha == 0.0


@pytest.mark.parametrize(("kind", "element"), [(0, 4), (1, 2), (30, 2), (8, 34 / 32)])
def test_every_type_that_llama_cpp_multiplies_is_taken(base: Path, kind: int, element: float) -> None:
    parts = [
        tensor("blk.0.attn_q.weight.lora_a", 64, 32, kind=kind, element=element),
        tensor("blk.0.attn_q.weight.lora_b", 32, 64, kind=kind, element=element),
    ]
    assert read(base, gguf_bytes(settings(), parts)).rank == 32


@pytest.mark.parametrize(
    ("name", "a", "b"),
    [
        ("token_embd.weight", (4, 96), (4, 64)),
        ("output.weight", (64, 4), (4, 96)),
        ("blk.1.ffn_gate_exps.weight", (64, 4, 2), (4, 128, 2)),
    ],
)
def test_embeddings_outputs_and_experts_fit(
    base: Path, name: str, a: tuple[int, ...], b: tuple[int, ...]
) -> None:
    assert read(base, gguf_bytes(settings(), halves(name, a, b))).rank == 4


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"type": "model"}, "is not a LoRA: its general.type is 'model'"),
        ({"type": 7}, "is not a LoRA: it has no general.type"),
        ({"architecture": "qwen2"}, "for the architecture 'qwen2', but base.gguf is 'llama'"),
        ({"architecture": "llama\0"}, "for the architecture"),
        ({"alpha": float("nan")}, "alpha of nan"),
        ({"alpha": float("inf")}, "alpha of inf"),
        ({"alpha": 8}, "alpha that is no 32-bit float"),
        ({"alpha": struct.pack("<Id", F64, 8.0)}, "alpha that is no 32-bit float"),
        ({"alpha": "8"}, "alpha that is no 32-bit float"),
        ({"adapter.lora.alpha\0": "8"}, "a zero in the name"),
        ({"general.alignment": "32"}, "alignment that is no 32-bit number"),
        ({"general.alignment": 33}, "no power of two"),
        ({"adapter.alora.invocation_tokens": ["a"]}, "activated LoRA"),
        ({"x": struct.pack("<IIQ", LIST, U64, 2**20) + bytes(2**23)}, "header of more than 2,097,152"),
    ],
)
def test_wrong_metadata_is_refused_in_one_line(base: Path, changed: dict[str, Setting], line: str) -> None:
    assert line in refused(base, gguf_bytes({**settings(**changed)}, QUERY))


def test_another_kind_of_adapter_is_refused(base: Path) -> None:
    raw = gguf_bytes({**settings(), "adapter.type": "ia3"}, QUERY)
    assert "is not a LoRA: its adapter.type is 'ia3', not 'lora'" in refused(base, raw)


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        ([], "holds no tensors"),
        (QUERY[:1], "without its other half"),
        (QUERY[1:], "without its other half"),
        ([*QUERY, QUERY[0]], "two tensors"),
        ([*QUERY, tensor("blk.0.attn_norm.weight", 64)], "is no .lora_a or .lora_b"),
        ([*QUERY, tensor("x" * 64, 64)], "a text of 64 bytes"),
        (halves("blk.0.attn_norm.weight", (64, 4), (4, 1)), "is no matrix"),
        (halves("blk.9.attn_q.weight", (64, 4), (4, 64)), "which base.gguf does not have"),
        (halves("blk.0.attn_q.weight", (64, 4), (8, 64)), "they do not fit"),
        (halves("blk.0.attn_q.weight", (64, 4), (4, 65)), "they do not fit"),
        (halves("blk.0.attn_q.weight", (65, 4), (4, 64)), "they do not fit"),
        (halves("blk.0.attn_q.weight", (64, 4, 2), (4, 64, 3)), "they do not fit"),
        (halves("blk.0.attn_q.weight", (64,), (4, 64)), "they do not fit"),
        (halves("blk.0.attn_q.weight", (64, 4), (4,)), "they do not fit"),
        (halves("token_embd.weight", (96, 4), (4, 64)), "they do not fit"),
        (halves("blk.1.ffn_gate_exps.weight", (64, 4), (4, 128)), "they do not fit"),
        ([replace(QUERY[0], kind=26), QUERY[1]], "of the type 26; export the LoRA as F32"),
        ([replace(QUERY[0], sides=(64, 0)), QUERY[1]], "tensor of unknown form"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_in_one_line(base: Path, parts: list[Part], line: str) -> None:
    assert line in refused(base, gguf_bytes(settings(), parts))


def test_embeddings_that_the_base_shares_with_its_output_are_refused(base: Path) -> None:
    base.write_bytes(tiny_model(untied=False))
    raw = gguf_bytes(settings(), halves("token_embd.weight", (4, 96), (4, 64)))
    assert "uses for its output too" in refused(base, raw)


def test_lora_cut_anywhere_is_refused(base: Path) -> None:
    raw = gguf_bytes(settings(), QUERY)
    for length in range(4, len(raw), 11):
        assert "is truncated" in refused(base, raw[:length])


def test_missing_file_or_base_is_told(base: Path, tmp_path: Path) -> None:
    with pytest.raises(BrokenWeights, match=r"the LoRA file .*no\.gguf is missing"):
        read_lora(tmp_path / "no.gguf", base=base, base_sha256=TINY_SHA256)
    raw = gguf_bytes(settings(), QUERY)
    base.write_bytes(raw)
    assert "base.gguf is no model, so tone.gguf has no base" in refused(base, raw)
    base.unlink()
    assert "needs it as its base" in refused(base, raw)


def test_pipe_in_place_of_a_file_is_refused_without_waiting(base: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.gguf")
    with pytest.raises(BrokenWeights, match="it is a pipe"):
        read_lora(tmp_path / "pipe.gguf", base=base, base_sha256=TINY_SHA256)

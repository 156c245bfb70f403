"""No damage to a GGUF makes its check fail otherwise than by one line, take long, or take memory.

Rule: every case is seeded and named by its number, so that a failure can be made again.
"""

from __future__ import annotations

import os
import random
import struct
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import BrokenWeights
from models.gguf import Header, read_header
from models.lora import LoraHeader, read_lora
from models.weights import BUNDLED_SHA256, bundled_path
from tests.lora_files import TINY_SHA256, gguf_bytes, lora_settings, pair, tiny_model, write_lora

CASES = 500
REAL_CASES = 100  # of each kind, over the bundled model: its vocabulary takes most of a case's time
SECONDS = 5.0  # for one case, on a machine that is busy with others
MEMORY = 16 * 1024 * 1024
HUGE = (2**63, 2**64 - 1, 2**40, 2**32, 2**31, 65_537, 4_194_305, 0)

Read = Callable[[], Header | LoraHeader]


def mutated(whole: bytes, reach: int, chance: random.Random) -> bytes:
    """`whole` with one to four faults in its first `reach` bytes."""
    raw = bytearray(whole)
    for _ in range(chance.choice((1, 1, 2, 4))):
        reach = max(16, min(reach, len(raw) - 16))
        at, other = chance.randrange(reach), chance.randrange(reach)
        length = chance.choice((1, 4, 8, 32, 200))
        match chance.randrange(8):
            case 0:
                raw[at] ^= 1 << chance.randrange(8)
            case 1:
                del raw[at:]
            case 2:
                raw[at:at] = raw[other : other + length]
            case 3:
                raw[at : at + length] = bytes(len(raw[at : at + length]))
            case 4:
                piece = list(raw[at : at + length])
                chance.shuffle(piece)
                raw[at : at + length] = bytes(piece)
            case 5:
                raw[at : at + 8] = struct.pack("<Q", chance.choice(HUGE))
            case 6:
                raw[at : at + 4] = struct.pack("<I", chance.randrange(48))  # another type, if it hits one
            case _:
                del raw[at : at + length]
        if len(raw) < 64:
            break
    return bytes(raw)


def outcome(read: Read) -> str | None:
    """The line with which a damaged file is refused, or None for one that still reads well."""
    start = time.perf_counter()
    try:
        read()
        line = None
    except BrokenWeights as error:
        line = str(error)
        assert "\n" not in line
        assert len(line) < 500
    assert time.perf_counter() - start < SECONDS
    return line


def refusals(whole: bytes, reach: int, path: Path, read: Read, *, cases: int, seed: int) -> list[str]:
    """The lines of all damaged copies of `whole` that are refused."""
    lines = []
    for case in range(cases):
        path.write_bytes(mutated(whole, reach, random.Random(seed * 10_000 + case)))
        try:
            line = outcome(read)
        except Exception as error:
            raise AssertionError(f"case {case} of seed {seed} fails otherwise: {error!r}") from error
        if line is not None:
            lines.append(line)
    return lines


def test_damaged_models_are_read_or_refused_within_bounds(tmp_path: Path) -> None:
    path = tmp_path / "tiny.gguf"
    whole = tiny_model()
    reach = whole.index(b"output.weight") + 64
    tracemalloc.start()
    try:
        lines = refusals(whole, reach, path, lambda: read_header(path), cases=CASES, seed=1)
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert CASES // 2 < len(lines) < CASES


def test_damaged_loras_are_read_or_refused_within_bounds(tmp_path: Path) -> None:
    base, path = tmp_path / "base.gguf", tmp_path / "tone.gguf"
    base.write_bytes(tiny_model())
    parts = [
        *pair("blk.0.attn_q.weight", 64, 64, rank=4),
        *pair("blk.1.ffn_down.weight", 128, 64, rank=8),
        *pair("output.weight", 64, 96, rank=2),
    ]
    whole = gguf_bytes(lora_settings(base_sha256=TINY_SHA256), parts)
    reach = whole.index(b"output.weight.lora_b") + 64
    tracemalloc.start()
    try:
        lines = refusals(
            whole,
            reach,
            path,
            lambda: read_lora(path, base=base, base_sha256=TINY_SHA256),
            cases=CASES,
            seed=2,
        )
        assert tracemalloc.get_traced_memory()[1] < MEMORY
    finally:
        tracemalloc.stop()
    assert CASES // 2 < len(lines) < CASES
    assert all("; " in line for line in lines), "every line names the mend"


def test_lora_passes_over_a_damaged_base_or_blames_it(tmp_path: Path) -> None:
    base, path = tmp_path / "base.gguf", tmp_path / "tone.gguf"
    path.write_bytes(
        gguf_bytes(lora_settings(base_sha256=TINY_SHA256), pair("blk.0.attn_q.weight", 64, 64, rank=4))
    )
    whole = tiny_model()
    lines = refusals(
        whole,
        whole.index(b"output.weight") + 64,
        base,
        lambda: read_lora(path, base=base, base_sha256=TINY_SHA256),
        cases=CASES // 5,
        seed=3,
    )
    assert lines
    assert all("base.gguf" in line for line in lines)


@pytest.fixture(scope="module")
def real_header() -> tuple[bytes, int]:
    """The bundled model's first bytes, up to its weights, and the whole file's length."""
    path = bundled_path()
    assert path is not None
    size = path.stat().st_size
    with path.open("rb") as file:
        raw = file.read(4 * 1024 * 1024)
    return raw[: raw.rindex(b"output_norm.weight") + 64], size


def test_damaged_real_headers_are_read_or_refused_within_bounds(
    tmp_path: Path, real_header: tuple[bytes, int]
) -> None:
    """The weights are a hole in the file: it is as long as the model, and takes no room."""
    head, size = real_header
    path = tmp_path / "real.gguf"
    path.write_bytes(head)
    os.truncate(path, size)
    assert outcome(lambda: read_header(path)) is None
    refused = 0
    for case in range(REAL_CASES):
        chance = random.Random(40_000 + case)
        # Two thirds of the faults in the metadata before the vocabulary, or in the list of tensors.
        start = chance.choice((0, 0, chance.randrange(len(head)), len(head) - 20_000))
        raw = head[:start] + mutated(head[start:], 2_000, chance)
        path.write_bytes(raw)
        if len(raw) >= len(head) - 1_000:
            os.truncate(path, size)
        refused += outcome(lambda: read_header(path)) is not None
    assert REAL_CASES // 2 < refused <= REAL_CASES


def test_damaged_loras_for_the_real_model_are_read_or_refused(tmp_path: Path) -> None:
    bundled = bundled_path()
    assert bundled is not None
    path = tmp_path / "tone.gguf"
    whole = write_lora(path, rank=1).read_bytes()
    lines = refusals(
        whole,
        whole.rindex(b".lora_b") + 64,
        path,
        lambda: read_lora(path, base=bundled, base_sha256=BUNDLED_SHA256),
        cases=REAL_CASES,
        seed=5,
    )
    assert len(lines) > REAL_CASES // 2

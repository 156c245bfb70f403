"""What is there, and what of it a model would get."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from models.engine.settings import EnginePlan, EngineSettings
from models.errors import ModelUnavailable
from models.gguf import Header, read_header
from models.hardware import Gpu, Hardware, check_memory, context_of, describe, memory_limit, need, plan
from models.weights import bundled_path

ROOT = Path(__file__).resolve().parent.parent
GIB = 2**30
SEVEN = Header(
    version=3,
    architecture="qwen2",
    name=None,
    licence=None,
    context_tokens=32_768,
    chat_template=None,
    vocabulary=152_064,
    layers=28,
    kv_values=28 * 4 * 2 * 128,
    parameters=7_600_000_000,
    tensors=339,
    file_bytes=4_700_000_000,
)
MACHINE = Hardware(8, 32 * GIB, 24 * GIB, (), (), "a processor", ("avx2",))


def planned(
    header: Header = SEVEN, settings: EngineSettings | None = None, *, hardware: Hardware = MACHINE
) -> EnginePlan:
    return plan(Path("seven.gguf"), header, settings or EngineSettings(), hardware=hardware)


def test_this_machine_has_cores_and_memory() -> None:
    machine = Hardware.from_machine()
    assert 1 <= machine.cores <= len(os.sched_getaffinity(0))
    assert 0 < machine.memory_free <= machine.memory


def test_affinity_limits_the_cores() -> None:
    program = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from models.hardware import Hardware; print(Hardware.from_machine().cores)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "1"


def test_limit_on_this_process_is_the_memory_there_is() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29)); "
        "from models.hardware import Hardware; print(Hardware.from_machine().memory_free)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= 2**29


@pytest.mark.parametrize(
    ("limit", "used", "before"),
    [("memory.max", "memory.current", ""), ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_")],
)
def test_file_that_was_read_takes_no_memory_of_a_container(
    tmp_path: Path, limit: str, used: str, before: str
) -> None:
    (tmp_path / limit).write_text(f"{8 * GIB}\n", encoding="ascii")
    (tmp_path / used).write_text(f"{6 * GIB}\n", encoding="ascii")
    told = {"inactive_file": GIB, "active_file": 4 * GIB, "inactive_anon": GIB}
    lines = "".join(f"{before}{kind} {size}\n" for kind, size in told.items())
    (tmp_path / "memory.stat").write_text(lines, encoding="ascii")
    assert memory_limit(tmp_path) == (8 * GIB, GIB)


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, ["a card", "another, larger"]),
        ("1", ["another, larger"]),
        ("GPU-bb", ["another, larger"]),
        ("1,0", ["another, larger", "a card"]),
        ("0,7,1", ["a card"]),
        ("", []),
        ("-1", []),
        ("MIG-cc", ["a card", "another, larger"]),
    ],
)
def test_gpu_that_is_hidden_from_the_model_is_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, names: list[str]
) -> None:
    tool = tmp_path / "nvidia-smi"
    rows = "GPU-aa-11, a card, 24576, 23000\nGPU-bb-22, another, larger, 81920, 80000"
    tool.write_text(f"#!/bin/sh\necho '{rows}'\n", encoding="ascii")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert [gpu.name for gpu in Hardware.from_machine().gpus] == names


def test_model_that_is_not_spread_gets_the_memory_of_one_gpu() -> None:
    cards = (Gpu("a card", 4 * GIB, 3 * GIB),) * 2
    machine = replace(MACHINE, gpus=cards, offload=("cuda",))
    spread = planned(hardware=machine).gpu_layers
    alone = planned(settings=EngineSettings(split="none"), hardware=machine).gpu_layers
    assert (spread, alone) == (29, 17)


def test_context_is_never_longer_than_the_model_was_trained_for() -> None:
    path = bundled_path()
    assert path is not None
    header = read_header(path)
    assert context_of(header, EngineSettings(context_tokens=100_000)) == 8192
    assert context_of(header, EngineSettings()) == 4096


def test_processor_without_gpu_takes_no_layer() -> None:
    assert planned().gpu_layers == 0
    gpu = Gpu("a card", 24 * GIB, 23 * GIB)
    assert planned(hardware=replace(MACHINE, gpus=(gpu,))).gpu_layers == 0  # llama.cpp built without it


@pytest.mark.parametrize(("free", "layers"), [(23 * GIB, 29), (3 * GIB, 17), (0, 0)])
def test_gpu_takes_as_many_layers_as_fit(free: int, layers: int) -> None:
    machine = replace(MACHINE, gpus=(Gpu("a card", 24 * GIB, free),), offload=("cuda",))
    assert planned(hardware=machine).gpu_layers == layers


def test_every_usable_core_gets_a_thread() -> None:
    assert planned().threads == MACHINE.cores


def test_settings_win_over_what_was_found() -> None:
    settings = EngineSettings(threads=3, gpu_layers=-1, batch_tokens=64, kv_type="q8_0")
    found = planned(settings=settings)
    assert (found.threads, found.gpu_layers, found.batch_tokens, found.kv_type) == (3, 29, 64, "q8_0")


def test_half_size_context_needs_half_the_memory() -> None:
    full = need(SEVEN, planned())
    half = need(SEVEN, planned(settings=EngineSettings(kv_type="q8_0")))
    assert full.context == 4096 * SEVEN.kv_values * 2
    assert half.context == pytest.approx(full.context * 34 / 64)
    assert half.weights == full.weights == SEVEN.file_bytes


def test_memory_too_small_is_said_with_need_have_and_mend() -> None:
    with pytest.raises(
        ModelUnavailable, match=r"needs 5,\d+ MiB.*1,024 MiB can be had: choose a smaller model"
    ):
        check_memory(SEVEN, planned(), free=GIB)


def test_context_that_would_fit_is_offered() -> None:
    settings = EngineSettings(context_tokens=32_768)
    with pytest.raises(ModelUnavailable, match=r"set the context to [\d,]+ tokens"):
        check_memory(SEVEN, planned(settings=settings), free=6 * GIB)
    check_memory(SEVEN, planned(), free=6 * GIB)


def test_amx_processor_does_without_repacked_weights() -> None:
    assert planned().repack
    assert not planned(hardware=replace(MACHINE, cpu_features=("amx_tile", "avx512f"))).repack


def test_description_names_what_was_found_and_what_would_be_used() -> None:
    machine = replace(MACHINE, gpus=(Gpu("a card", 24 * GIB, 23 * GIB),), offload=("cuda",))
    found = dict(describe(Path("seven.gguf"), SEVEN, EngineSettings(kv_type="q8_0"), hardware=machine))
    assert found["processor"] == "a processor, 8 cores usable"
    assert found["GPU"] == "a card (23,552 MiB free of 24,576 MiB); llama.cpp can use cuda"
    assert "29 of 29 layers" in found["would use"]
    assert "as q8_0" in found["would use"]

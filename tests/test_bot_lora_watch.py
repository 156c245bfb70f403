"""A LoRA that is activated while the bot serves answers the next question."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot.assistant import AnswerSettings
from bot.channels import ChannelSettings
from bot.lora_choice import LoraChoice
from bot.lora_watch import LoraWatch
from bot.registry import Registry
from knowledge.database import Database
from models.engine.settings import Lora
from models.errors import BrokenWeights

HOUSE = Lora("house", "/lora/house.gguf", "a" * 64)


@dataclass
class Model:
    """A model that remembers which LoRAs it was given."""

    offered: list[Lora] = field(default_factory=list)

    def offer(self, lora: Lora) -> None:
        self.offered.append(lora)


@dataclass
class Assistant:
    """What answers by its settings."""

    settings: AnswerSettings = AnswerSettings()


class Stage:
    """A watch over a real registry, and the choice that the configuration would make."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.model, self.assistant = Model(), Assistant()
        self.told = 0
        self.broken = False
        self.watch = LoraWatch(registry, self.choice, change=self.tell)

    def choice(self) -> LoraChoice:
        if self.broken:
            raise BrokenWeights("the model is gone")
        moves = self.registry.moves()
        lora = HOUSE if moves and moves[-1].sha256 else None
        return LoraChoice(lora, "activated" if lora else "none", "for a test")

    def settings(self) -> AnswerSettings:
        choice = self.choice()
        return AnswerSettings(lora=choice.name, lora_sha256={HOUSE.name: HOUSE.sha256})

    def tell(self) -> None:
        self.told += 1

    def begin(self) -> None:
        self.watch.begin(self.model, self.assistant, self.settings)

    def activate(self) -> None:
        self.registry.activate(
            HOUSE.sha256, after=len(self.registry.moves()), who="ann", why="", evaluation="e"
        )


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    database = Database.open(tmp_path / "groundling.sqlite")
    yield Stage(Registry(database))
    database.close()


async def test_activation_and_rollback_are_taken_over_at_the_next_look(stage: Stage) -> None:
    await stage.watch.look()
    assert stage.assistant.settings.lora is None  # nothing serves yet
    stage.begin()
    await stage.watch.look()
    stage.activate()
    await stage.watch.look()
    assert (stage.model.offered, stage.assistant.settings.lora) == ([HOUSE], "house")
    assert stage.watch.answers_with == HOUSE.sha256
    stage.registry.roll_back(who="ann", why="")
    await stage.watch.look()
    assert (stage.assistant.settings.lora, stage.watch.answers_with) == (None, None)
    assert stage.told == 3


async def test_look_without_news_changes_nothing(stage: Stage) -> None:
    stage.begin()
    await stage.watch.look()
    kept = stage.assistant.settings
    await stage.watch.look()
    assert stage.assistant.settings is kept
    assert stage.told == 1


async def test_lora_that_cannot_be_read_leaves_everything_as_it_was_until_it_can(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.begin()
    await stage.watch.look()
    stage.activate()
    stage.broken = True
    await stage.watch.look()
    assert stage.assistant.settings.lora is None
    await stage.watch.look()
    assert caplog.text.count("the LoRA stays as it was: the model is gone") == 1
    stage.broken = False
    await stage.watch.look()
    assert (stage.model.offered, stage.assistant.settings.lora) == ([HOUSE], "house")


async def test_channel_compares_only_the_loras_that_the_model_was_given(stage: Stage) -> None:
    channel = ChannelSettings(loras=("active", "house", "gone", "none"))
    assert stage.watch.limited(channel) is channel  # no model is there yet, which could be asked
    stage.begin()
    assert stage.watch.limited(channel).loras == ("active", "none")
    stage.assistant.settings = stage.settings()
    stage.begin()
    assert stage.watch.limited(channel).loras == ("active", "house", "none")

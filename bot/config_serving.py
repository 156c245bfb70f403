"""The sections of the configuration that tell how `groundling serve` runs, and what things may cost.

Rule: every value has a unit in its name or its meaning.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, field_validator, model_validator

from bot.config_sections import Section
from bot.config_values import duration, place


class ScheduleSection(Section):
    """When `serve` syncs the sources that say nothing else."""

    every: str = Field(
        default="1h", description='How often, such as "15m", "1h", "2d"; "off" leaves it to people.'
    )
    watch: bool = Field(
        default=True, description="Whether a folder is synced as soon as something in it changes."
    )
    golden: str | None = Field(
        default=None,
        min_length=1,
        description="A file of golden questions that `serve` asks, when it has nothing else to do, after a sync that changed something.",
        examples=["golden.toml"],
    )
    hold: bool = Field(
        default=False,
        description="Whether chats go on being answered from the last good index while a newer one is worse on those questions.",
    )

    @model_validator(mode="after")
    def _has_questions_to_hold_by(self) -> Self:
        if self.hold and self.golden is None:
            raise ValueError(
                "[schedule] hold = true needs questions to judge an index by: set golden to their file"
            )
        return self

    @field_validator("every")
    @classmethod
    def _is_a_duration(cls, value: str) -> str:
        return duration(value)

    @field_validator("golden")
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        return value if value is None else place(value)


class WebSection(Section):
    """Where `serve` tells how it is."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="The address that is listened on; the default is reached from this machine alone.",
    )
    port: int = Field(default=8466, ge=0, le=65535, description="The port; 0 takes any that is free.")


class LimitsSection(Section):
    """What one file, one question, one asker and one sync may cost."""

    file_mb: int = Field(default=64, ge=1, description="The largest file that is read, in MB.")
    file_seconds: float = Field(
        default=30.0, gt=0, le=86400, description="Processor seconds that reading a file may take."
    )
    file_memory_mb: int = Field(
        default=1024, ge=128, le=2**20, description="Memory that reading a file may take, in MB."
    )
    question_characters: int = Field(default=4000, ge=100, description="The longest question, in characters.")
    questions_waiting: int = Field(
        default=64, ge=1, description="Questions that may wait for the model; more are told that it is busy."
    )
    questions_of_one: int = Field(default=8, ge=1, description="How many of them one asker may have.")
    removed_share: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="A sync that would remove a larger share of a source's documents, and more than ten, holds back.",
    )
    question_age_hours: float = Field(
        default=24.0,
        gt=0,
        description="A question that is older when its answer is begun is told so instead, in hours.",
    )
    drain_seconds: float = Field(
        default=25.0, ge=0, description="How long `serve` goes on with answers when it is to end, in seconds."
    )
    journal_days: int = Field(
        default=90, ge=7, description="How long questions and their answers are kept, in days."
    )

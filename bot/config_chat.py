"""The sections of the configuration that tell who may ask where, and how the chat platforms are used.

Rule: tokens never stand here; a platform is used only where its section says so.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from bot.config_sections import Name, Section
from bot.config_values import channel, guild, proxy, user
from bot.languages import NAMES


class AccessSection(Section):
    """Who is answered in chats, and who may change what the bot does."""

    admins: tuple[str, ...] = Field(
        default=(),
        description="The people who may sync, see the state and change channels from a chat.",
        examples=[["slack:user:U0123456789", "discord:user:123456789012345678"]],
    )
    guests: bool = Field(default=False, description="Whether guests of a workspace are answered.")
    external: bool = Field(
        default=False, description="Whether people of other organisations, in shared channels, are answered."
    )

    @field_validator("admins")
    @classmethod
    def _are_people(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(user, value))


class ChannelSection(Section):
    """What is particular to one channel of a chat platform."""

    id: str = Field(description="The channel.", examples=["slack:channel:C0123456789"])
    collections: tuple[Name, ...] | None = Field(
        default=None,
        description="Only these collections are drawn on there; it never widens who may read what.",
        examples=[["main"]],
    )
    persona: str | None = Field(
        default=None,
        max_length=400,
        description="As in [bot], for this channel.",
        examples=["You answer in plain words, for people who are new here."],
    )
    language: str | None = Field(
        default=None,
        description="The language of the answers, as its two letters; without it that of the question.",
        examples=["de"],
    )
    lora: str | None = Field(
        default=None, description="The [[lora]] to answer with there.", examples=["main"]
    )
    loras: tuple[str, ...] = Field(
        default=(),
        max_length=8,
        description='LoRAs to compare there, each conversation with one of them: [[lora]] names, those of `finetune list`, "active", "none".',
        examples=[["active", "house"]],
    )
    length: Literal["short", "normal", "long"] = Field(
        default="normal", description='How long answers may be; "normal" is what [model] says.'
    )
    mention: bool = Field(
        default=True, description="Whether the bot must be mentioned; without it each message is a question."
    )
    private: bool = Field(default=False, description="Whether only the asker sees the answer.")

    @field_validator("id")
    @classmethod
    def _is_a_channel(cls, value: str) -> str:
        return channel(value)

    @field_validator("loras")
    @classmethod
    def _are_to_be_compared(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(value) == 1 or len(set(value)) != len(value):
            raise ValueError("it should name two or more different LoRAs; one alone is written as lora")
        return value

    @field_validator("language")
    @classmethod
    def _is_a_language(cls, value: str | None) -> str | None:
        if value is not None and value not in NAMES:
            raise ValueError(f"it should be one of: {', '.join(sorted(NAMES))}")
        return value


class SlackSection(Section):
    """Slack; its tokens come from SLACK_BOT_TOKEN and SLACK_APP_TOKEN, or files that SLACK_..._TOKEN_FILE names."""

    enabled: bool = Field(default=False, description="Whether `serve` answers in Slack.")
    streaming: Literal["native", "edit", "off"] = Field(
        default="native",
        description="How an answer grows: as a stream of Slack, by edits (no link previews, ever), or not at all.",
    )
    sockets: int = Field(
        default=2, ge=1, le=10, description="Connections that are held, so that one can be renewed unnoticed."
    )
    backfill_hours: float = Field(
        default=24.0,
        ge=0,
        le=87600,
        description="How far back questions are read that came while the bot was away.",
    )
    prompts: tuple[str, ...] = Field(
        default=(),
        max_length=4,
        description="Questions that are suggested to whoever opens the bot; at most four.",
        examples=[["How much notice do I have to give?"]],
    )
    follow_ups: bool = Field(
        default=True, description="Whether a thread where the bot answers goes on without a new mention."
    )


class DiscordSection(Section):
    """Discord; its token comes from DISCORD_TOKEN, or the file that DISCORD_TOKEN_FILE names."""

    enabled: bool = Field(default=False, description="Whether `serve` answers in Discord.")
    guilds: tuple[str, ...] = Field(
        default=(),
        description="The servers where the bot answers, by id; it answers in no other.",
        examples=[["123456789012345678"]],
    )
    streaming: Literal["edit", "off"] = Field(
        default="edit", description="How an answer grows: by edits, or not at all."
    )
    shards: int | None = Field(
        default=None, ge=1, description="Connections that share the servers; without it one.", examples=[2]
    )
    message_content: bool = Field(
        default=False,
        description="Whether threads go on without a new mention; needs the message content intent.",
    )
    private: bool = Field(
        default=True,
        description="Whether only the asker sees the answer to a command, if they do not choose.",
    )
    backfill_hours: float = Field(
        default=24.0,
        ge=0,
        le=87600,
        description="How far back questions are read that came while the bot was away.",
    )
    proxy: str | None = Field(
        default=None,
        description="The proxy over which Discord is reached; HTTPS_PROXY is not looked at.",
        examples=["http://proxy.example.org:3128"],
    )

    @field_validator("guilds")
    @classmethod
    def _are_guilds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(guild, value))

    # Not by the key alone: what is wrong with that is told with its value, which may hold a password.
    @model_validator(mode="after")
    def _has_a_proxy(self) -> DiscordSection:
        if self.proxy is not None:
            proxy(self.proxy)
        return self

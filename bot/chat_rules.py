"""What the configuration says about chats and about serving them, in the words of the parts that keep to it.

Rule: nothing is opened here; each function can be called again with a newer file.
"""

from __future__ import annotations

from pathlib import Path

from bot.access import AccessRules
from bot.answering import AnsweringSettings
from bot.channels import LENGTHS, ChannelSettings
from bot.config import Config
from bot.config_sections import SourceSection
from bot.config_values import seconds
from bot.schedule import Plan
from models.engine.address import stays_here


def access_rules(config: Config) -> AccessRules:
    """Who may read what in chats."""
    return AccessRules(
        readers={one.name: frozenset(one.readers) for one in config.collection if one.readers},
        admins=frozenset(config.access.admins),
        guests=config.access.guests,
        external=config.access.external,
    )


def channel_settings(config: Config) -> dict[str, ChannelSettings]:
    """What is particular to each channel, by its id."""
    return {
        one.id: ChannelSettings(
            collections=one.collections,
            persona=one.persona,
            language=one.language,
            lora=one.lora,
            loras=one.loras,
            max_answer_tokens=LENGTHS[one.length],
            mention=one.mention,
            private=one.private,
        )
        for one in config.channel
    }


def answering_settings(config: Config) -> AnsweringSettings:
    """How long questions are worked on."""
    limits = config.limits
    return AnsweringSettings(
        oldest_s=limits.question_age_hours * 3600, question_characters=limits.question_characters
    )


def answers_stay_here(config: Config) -> bool:
    """Whether questions and passages are sent to no other machine."""
    return config.model.kind != "server" or stays_here(config.model.url or "")


def source_collections(config: Config) -> dict[str, str]:
    """The collection that each source belongs to, in the order of the configuration."""
    return {one.name: one.collection for one in config.source}


def plans(config: Config, root: Path) -> list[Plan]:
    """When each source is synced, in the order of the configuration."""
    return [_plan(section, config, root) for section in config.source]


def _plan(section: SourceSection, config: Config, root: Path) -> Plan:
    watch = config.schedule.watch if section.watch is None else section.watch
    folder = root / Path(section.path).expanduser()
    return Plan(
        section.name,
        every_s=None if section.cron else seconds(section.every or config.schedule.every),
        cron=section.cron,
        watch=folder if watch and section.kind == "folder" else None,
    )

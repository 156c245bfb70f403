"""Makes the chat platforms that the configuration enables.

Rule: an adapter's libraries are imported only where its platform is enabled.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from bot.chat_rules import answers_stay_here
from bot.tokens import token

if TYPE_CHECKING:
    from bot.desk import Desk
    from bot.platform import Platform
    from bot.wiring import Project


def _slack(project: Project, desk: Desk) -> Platform:
    from adapters.slack import Slack
    from adapters.slack_settings import SlackSettings

    section = project.config.slack
    return Slack(
        desk,
        bot_token=token("SLACK_BOT_TOKEN", "slack"),
        app_token=token("SLACK_APP_TOKEN", "slack"),
        settings=SlackSettings(
            streaming=section.streaming,
            sockets=section.sockets,
            backfill_s=section.backfill_hours * 3600,
            prompts=section.prompts,
            follow_ups=section.follow_ups,
            stays_here=answers_stay_here(project.config),
        ),
        api_url=os.environ.get("SLACK_API_URL"),
    )


def _discord(project: Project, desk: Desk) -> Platform:
    from adapters.discord import Discord
    from adapters.discord_settings import DiscordSettings

    section = project.config.discord
    return Discord(
        desk,
        token=token("DISCORD_TOKEN", "discord"),
        settings=DiscordSettings(
            guilds=section.guilds,
            streaming=section.streaming,
            shards=section.shards,
            message_content=section.message_content,
            backfill_s=section.backfill_hours * 3600,
            private=section.private,
            proxy=section.proxy,
        ),
        state=project.data / "discord.json",
        api_url=os.environ.get("DISCORD_API_URL"),
        gateway_url=os.environ.get("DISCORD_GATEWAY_URL"),
    )


PLATFORMS: dict[str, Callable[[Project, Desk], Platform]] = {
    "slack": _slack,
    "discord": _discord,
}
"""How each chat platform is made whose section says `enabled`; a new one is a file in adapters/ and a line here."""

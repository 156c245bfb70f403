"""The app's manifest for Slack's own set-up page, and what each scope is for.

Rule: a scope stands here with its reason, or it is not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.slack_settings import MOST_PROMPTS

MINIMAL_SCOPES: Mapping[str, str] = {
    "app_mentions:read": "hear questions that mention the bot",
    "assistant:write": "show what is being done, and suggest questions",
    "channels:read": "know who will see an answer in a public channel",
    "chat:write": "answer",
    "commands": "the slash command and the message shortcuts",
    "groups:read": "know who will see an answer in a private channel",
    "im:history": "hear questions in direct messages",
    "im:read": "know a direct message from a channel",
    "im:write": "reach somebody when a channel cannot be written to",
    "mpim:read": "know who will see an answer in a group message",
    "users:read": "know members from guests and strangers",
}

FULL_SCOPES: Mapping[str, str] = {
    **MINIMAL_SCOPES,
    "channels:history": "follow-up questions, edits and missed questions in public channels; find an answer again",
    "groups:history": "the same in private channels",
    "mpim:history": "the same in group messages",
    "usergroups:read": "let user groups read collections",
}

NEEDED_SCOPES = frozenset({"app_mentions:read", "channels:read", "chat:write", "im:history", "users:read"})
"""Without these the bot does not start; without the others it does less, and says so."""

NAME_CHARACTERS = 35
"""Slack takes no longer names of apps."""

_MINIMAL_EVENTS = ("agent_session_stopped", "app_home_opened", "app_mention", "message.im")
_FULL_EVENTS = (*_MINIMAL_EVENTS, "message.channels", "message.groups", "message.mpim")


def manifest(
    *,
    minimal: bool = False,
    name: str = "Groundling",
    command: str = "/ask",
    prompts: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest; `minimal` hears mentions and direct messages alone."""
    description = "Answers questions from our own documents, with the sources."
    return {
        "display_information": {"name": name, "description": description},
        "features": {
            "agent_view": {"agent_description": description}
            | ({"suggested_prompts": suggested(prompts)} if prompts else {}),
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": name, "always_online": True},
            "shortcuts": [
                {
                    "type": "message",
                    "name": "Ask about this",
                    "callback_id": "ask_about_this",
                    "description": "Ask a question about this message",
                },
                {
                    "type": "message",
                    "name": "Save as reviewed answer",
                    "callback_id": "save_reviewed",
                    "description": "Propose this message as the answer to a question",
                },
            ],
            "slash_commands": [
                {
                    "command": command,
                    "description": "Ask the team's documents",
                    "usage_hint": "your question",
                    "should_escape": True,
                }
            ],
        },
        "oauth_config": {"scopes": {"bot": sorted(MINIMAL_SCOPES if minimal else FULL_SCOPES)}},
        "settings": {
            "event_subscriptions": {"bot_events": sorted(_MINIMAL_EVENTS if minimal else _FULL_EVENTS)},
            "interactivity": {"is_enabled": True},
            "org_deploy_enabled": False,
            "socket_mode_enabled": True,
            "token_rotation_enabled": False,
        },
    }


def suggested(prompts: Sequence[str]) -> list[dict[str, str]]:
    """Questions as the agent pane suggests them: a short title, and what is asked."""
    return [
        {"title": one if len(one) <= 60 else f"{one[:59].rstrip()}…", "message": one}
        for one in prompts[:MOST_PROMPTS]
    ]

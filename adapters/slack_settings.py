"""What can be set about Slack.

Rule: values only; the configuration makes them, the adapter reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MOST_PROMPTS = 4

Streaming = Literal["native", "edit", "off"]
"""How an answer grows before people's eyes: as a stream of Slack, by changing a message, or not at all."""


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """Times in seconds.

    `sockets` connections are held, so that one hears while another is replaced. Messages of at most
    `backfill_s` ago that came while nobody listened are read back. `prompts` are questions that the agent
    pane suggests, at most four. With `follow_ups` a thread where the
    bot answers needs no new mention. A conversation may ask `questions_a_minute`; what is more is not
    heard, so that no two programs can keep each other talking. `pause_s` lies between two changes of a
    growing answer. A connection that is not open `ticket_s` after it was asked
    for gets a new ticket. What came while nothing could be heard for longer than `gap_s` is read back. A call to
    Slack may take `call_timeout_s`. `stays_here` says that questions and passages leave this machine for nobody.
    """

    streaming: Streaming = "native"
    sockets: int = 2
    backfill_s: float = 86400.0
    prompts: tuple[str, ...] = ()
    follow_ups: bool = True
    ask_command: str = "/ask"
    connect_timeout_s: float = 15.0
    questions_a_minute: int = 20
    pause_s: float = 1.0
    ping_s: float = 10.0
    ticket_s: float = 5.0
    gap_s: float = 60.0
    call_timeout_s: float = 20.0
    stays_here: bool = True

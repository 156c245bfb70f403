"""The pictures of the documentation: whatever a message says stays words, inside the picture, and is up to date."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from adapters import discord_blocks, slack_blocks
from adapters.discord_words import Words
from adapters.slack_words import SlackWords
from bot.answer import Answer, Citation
from bot.platform import Reply
from tests import pictures
from tests.fakes import discord_world, slack_world
from tests.fakes.slack import ADA, BOT_ID, BOT_USER, GENERAL
from tests.pictures import DISCORD_MARKDOWN, MRKDWN, QUESTION, SLACK, SLACK_MARKDOWN, Part, Said, Span

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "pictures"
REDRAW = "draw them again: python tests/pictures.py docs/pictures"
HOSTILE = (
    "</text><script>alert(1)</script> <a href='javascript:x'>x</a> & &lt;b&gt; ]]> <!-- \" ' <![CDATA[",
    "\x00\x07\x1b[31m \ud800 \ufffe \u202e backwards \u2060 <image href='http://x.example/i.png'/>",
    "<@U0NOBODY> <http://x.example/?a=1&b=2|<svg onload=x>> **<i>** `<b>` [<u>](<javascript:x>) \\<",
    "word " * 120 + "w" * 900 + " 漢字" * 80 + " e\u0301" * 40 + " **bold " * 30,
    "```\n  <script>\n\tx = 1\n```\n> <quote>\n>\n\n",
)
ANSWER = (
    "Up to five days of leave may be carried over, and must be used by 31 March of the next year. [1]\n"
    "Field crews may use the leave that they carried over until 30 June, because spring is their busiest time. [2]"
)
CITED = (("annual-leave", "Annual leave", "Carrying over"), ("field-service", "Field service", "Leave"))


def drawn(picture: str) -> ElementTree.Element:
    """The picture as parsed XML, in which nothing but shapes and words stands."""
    root = ElementTree.fromstring(picture)
    assert {one.tag for one in root.iter()} == {
        f"{{http://www.w3.org/2000/svg}}{name}" for name in ("svg", "rect", "text")
    }
    names = {name for one in root.iter() for name in one.attrib}
    assert not {name for name in names if name.startswith("on") or "href" in name or name == "style"}
    return root


def words(picture: str) -> str:
    """Every word of a picture, in the order in which they are drawn."""
    return " ".join(
        " ".join(one.text or "" for one in drawn(picture).iter() if one.tag.endswith("text")).split()
    )


def reply() -> Reply:
    """The answer that the program gives to the question of the pictures, out of their documents."""
    quotes = [re.sub(r" \[\d\]$", "", line) for line in ANSWER.splitlines()]
    day = datetime.now(UTC) - timedelta(days=3)
    cited = tuple(
        Citation(
            number, f"handbook:{name}.md", title, place, f"https://wiki.example.org/{name}.md", quote, day,
            "handbook", "main",
        )
        for number, ((name, title, place), quote) in enumerate(zip(CITED, quotes, strict=True), 1)
    )  # fmt: skip
    answer = Answer(QUESTION, ANSWER, "answered", "en", "quotes", citations=cited)
    return Reply("a2b3c4d5e6f7g2h3", "answer", ANSWER, answer)


def test_slack_picture_shows_what_the_blocks_of_its_answer_look_like() -> None:
    laid = slack_blocks.layout(reply(), SlackWords(QUESTION))
    asked = slack_world.Message(GENERAL, "1.0", ADA, f"<@{BOT_USER}> {QUESTION}")
    blocks = [dict(one) for one in laid.blocks(0)]
    answer = slack_world.Message(GENERAL, "2.0", BOT_USER, "", bot_id=BOT_ID, blocks=blocks)
    shown = words((FOLDER / "slack.svg").read_text(encoding="utf-8"))
    assert shown == words(pictures.of_slack(asked, [answer])), REDRAW
    for wanted in (QUESTION, *ANSWER.splitlines(), "Sources", "Show passage", "Helpful", "Not helpful"):
        assert wanted in shown, REDRAW


def test_discord_picture_shows_what_the_components_of_its_answer_look_like() -> None:
    world = discord_world.World()
    ada = world.add_user("ada")
    (post,) = discord_blocks.posts(reply(), Words(QUESTION))
    thread = world.add_channel(None, QUESTION, kind=discord_world.PUBLIC_THREAD)
    asked = world.add_message(thread, ada, f"{world.bot.mention} {QUESTION}")
    rows = [dict(one) for one in post.components]
    answer = world.add_message(thread, world.bot, post.content, components=rows)
    shown = words((FOLDER / "discord.svg").read_text(encoding="utf-8"))
    assert shown == words(pictures.of_discord(asked, [answer])), REDRAW
    for wanted in (QUESTION, *ANSWER.splitlines(), "Sources", "👍 👎 [1] [2]"):
        assert wanted in shown, REDRAW


@pytest.mark.parametrize("text", HOSTILE, ids=["markup", "signs", "links", "long", "lines"])
@pytest.mark.parametrize(
    "dialect", [MRKDWN, SLACK_MARKDOWN, DISCORD_MARKDOWN], ids=["mrkdwn", "slack", "discord"]
)
def test_hostile_words_stay_words_inside_the_picture(text: str, dialect: pictures.Dialect) -> None:
    lines = pictures.read(text, dialect, {})
    parts = [Part(lines), Part(lines, small=True, beside="<b>"), Part(buttons=("<script>", "x" * 40) * 9)]
    said = Said(text, program=True, parts=parts)
    picture = pictures.svg(SLACK, text, said, [said, said], thread=text)
    steering = {one for one in picture if not one.isprintable()}
    assert steering <= {"\n", "\u00a0"}
    for one in drawn(picture).iter():
        begin = float(one.get("x", 0))
        end = begin + float(one.get("textLength", one.get("width", 0)))
        assert 0 <= begin <= end <= pictures.WIDTH + 0.5


@pytest.mark.parametrize("most", [40.0, 200.0, 632.0])
def test_lines_are_within_the_width_and_lose_no_letter(most: float) -> None:
    spans = [
        Span("A line of many words, in "),
        Span("bold", " bold"),
        Span(", " + "x" * 300 + " and 漢字" * 30),
    ]
    rows = pictures.wrap(spans, 15, most)
    assert "".join(one.text for row in rows for one in row) == "".join(one.text for one in spans)
    for row in rows:
        *most_of_it, last = row
        row = [*most_of_it, replace(last, text=last.text.rstrip())]
        assert sum(pictures.width(one.text, 15, one.style) for one in row) <= most + 0.01


def test_styles_of_each_dialect_are_read() -> None:
    def read(text: str, dialect: pictures.Dialect) -> list[tuple[str, str]]:
        (line,) = pictures.read(text, dialect, {"1": "ada"})
        return [(one.text, one.style.strip()) for one in line.spans if one.text.strip()]

    link = "https://wiki.example.org/a"
    assert read(f"*[1]* <{link}|A *b*> _c_ `d` <@1> &lt;e", MRKDWN) == [
        ("[1]", "bold"), ("A ", "link"), ("b", "link bold"), ("c", "italic"), ("d", "code"),
        ("@ada", "mention"), (" <e", ""),
    ]  # fmt: skip
    assert read(rf"**x** *c* `d` <@1> [A \[b\]](<{link}>) [2] \*e &lt;f", DISCORD_MARKDOWN) == [
        ("x", "bold"), ("c", "italic"), ("d", "code"), ("@ada", "mention"), ("A ", "link"), ("[", "link"),
        ("b", "link"), ("]", "link"), (" [2] ", ""), ("*", ""), ("e &lt;f", ""),
    ]  # fmt: skip
    quote, code = pictures.read("> said\n```\nx  = 1\n```", SLACK_MARKDOWN, {})
    assert (quote.kind, code.kind, code.spans[0].text) == ("quote", "code", "x\u00a0\u00a0=\u00a01")


def test_the_same_answer_is_the_same_picture_on_another_day() -> None:
    one, other = (
        pictures.read(f"updated 3 days ago ({day})", MRKDWN, {}) for day in ("2026-01-09", "2031-12-31")
    )
    assert one == other


def test_parts_of_a_picture_stand_below_each_other() -> None:
    part = Part(pictures.read("Some words.\nMore *words*.", MRKDWN, {}), beside="Show passage")
    said = Said("ada", program=False, parts=[part, part, Part(buttons=("Helpful", "Not helpful"))])
    texts = [
        one
        for one in drawn(pictures.svg(SLACK, "#", said, [said], thread="t")).iter()
        if one.get("textLength")
    ]
    tops = sorted({float(one.attrib["y"]) for one in texts if one.attrib["x"] == "70.0"})
    assert all(below - above >= 15 for above, below in pairwise(tops))

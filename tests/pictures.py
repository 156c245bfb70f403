"""Draws the pictures of the documentation: one real conversation on each platform, as its fake holds it.

    python tests/pictures.py docs/pictures

The real program syncs `DOCUMENTS`, is mentioned in the fake workspace or server, and answers in their words.

Rule: a picture shows the fake's messages alone. Every day of the calendar is drawn as the same one, so that
the same answer is the same picture tomorrow.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import re
import sys
import tempfile
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape, unescape

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bot.serving import Serving
from bot.wiring import Project
from tests.fakes import discord_world, slack_world
from tests.fakes.discord import TOKEN, FakeDiscord
from tests.fakes.slack import ADA, BOT_USER, GENERAL, FakeSlack
from tests.fakes.slack_world import texts_of

DAY = "2026-03-02"
"""The day that stands for every other."""

PATIENCE_S = 120.0
SLACK_NAMES = {ADA: "ada", BOT_USER: "groundling"}
QUESTION = "Until when can I use the leave that I carried over?"
DOCUMENTS = {
    "annual-leave.md": "---\ntitle: Annual leave\nupdated: {day}\n---\n\n## Entitlement\n\nFull-time employees get "
    "26 days a year.\n\n## Carrying over\n\nUp to five days of leave may be carried over, and must be used by "
    "31 March of the next year. No request is needed.\n",
    "field-service.md": "---\ntitle: Field service\nupdated: {day}\n---\n\n## Leave\n\nField crews may use the "
    "leave that they carried over until 30 June, because spring is their busiest time.\n",
}
SETTINGS = (
    '[[source]]\nname = "handbook"\nkind = "folder"\npath = "handbook"\n'
    'url = "https://wiki.example.org/{path}"\n[[collection]]\nname = "main"\nreaders = ["everyone"]\n'
    '[model]\nkind = "none"\n[schedule]\nevery = "off"\nwatch = false\n[web]\nport = 0\n'
)


@dataclass(frozen=True, slots=True)
class Span:
    """Words in one style: of "bold", "italic", "code", "link" and "mention" those that hold."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was written, which the picture wraps; its kind is "text", "quote" or "code"."""

    spans: tuple[Span, ...]
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Part:
    """Lines with, perhaps, a button `beside` them; or a row of `buttons`."""

    lines: tuple[Line, ...] = ()
    small: bool = False
    beside: str = ""
    buttons: tuple[str, ...] = ()


class Said(NamedTuple):
    """What one author said; `program` for a bot."""

    author: str
    program: bool
    parts: Sequence[Part]


class Dialect(NamedTuple):
    """How a platform writes styles; with `entities` where "&lt;" stands for "<"."""

    marks: re.Pattern[str]
    entities: bool


_STANDARD = re.compile(
    r"\\(?P<plain>[^\w\s])|<@!?(?P<mention>\d+)>|`(?P<code>[^`]+)`|\*\*(?P<bold>(?:\\.|[^*\\])+)\*\*"
    r"|\*(?P<italic>(?:\\.|[^*\\])+)\*|\[(?P<label>(?:\\.|[^\]\\])+)\]\(<?(?P<url>[^\s<>]+?)>?\)"
)
_MRKDWN = re.compile(
    r"<@(?P<mention>\w+)>|<(?P<url>[^|<>\s]+)(?:\|(?P<label>[^>]*))?>|`(?P<code>[^`]+)`"
    r"|(?<!\w)\*(?P<bold>[^*]+)\*(?!\w)|(?<!\w)_(?P<italic>[^_]+)_(?!\w)"
)
MRKDWN = Dialect(_MRKDWN, entities=True)
SLACK_MARKDOWN = Dialect(_STANDARD, entities=True)
DISCORD_MARKDOWN = Dialect(_STANDARD, entities=False)


def read(text: str, dialect: Dialect, names: Mapping[str, str]) -> tuple[Line, ...]:
    """The lines of `text` with their styles; `names` are those of people by id."""
    found, fenced = [], False
    for line in re.sub(r"\b\d{4}-\d\d-\d\d\b", DAY, text).split("\n"):
        if line.startswith("```"):
            fenced = not fenced
            continue
        kind = "code" if fenced else "quote" if line.startswith(">") else "text"
        inner = line.replace(" ", "\u00a0") if fenced else re.sub("^> ?", "", line)
        spans = [Span(inner, "code")] if fenced else _spans(inner, dialect.marks, names)
        if dialect.entities:
            spans = (replace(one, text=unescape(one.text)) for one in spans)
        found.append(Line(tuple(spans), kind))
    return tuple(found)


def _spans(text: str, marks: re.Pattern[str], names: Mapping[str, str], style: str = "") -> Iterator[Span]:
    at = 0
    for mark in marks.finditer(text):
        yield Span(text[at : mark.start()], style)
        at, kind = mark.end(), mark.lastgroup or ""
        if kind in ("plain", "code", "mention"):
            words = "@" + names.get(mark[kind], "somebody") if kind == "mention" else mark[kind]
            yield Span(words, style if kind == "plain" else f"{style} {kind}")
        elif kind in ("url", "label"):
            yield from _spans(mark["label"] or mark["url"], marks, names, f"{style} link")
        else:
            yield from _spans(mark[kind], marks, names, f"{style} {kind}")
    yield Span(text[at:], style)


def in_slack(message: slack_world.Message, names: Mapping[str, str] = SLACK_NAMES) -> Said:
    """A message of the fake workspace."""
    text = [] if message.blocks else [Part(read(message.text, MRKDWN, names))]
    parts = [*text, *(_of_block(one, names) for one in message.blocks)]
    return Said(names[message.user], message.bot_id is not None, parts)


def _of_block(block: Mapping[str, Any], names: Mapping[str, str]) -> Part:
    match block["type"]:
        case "markdown":
            return Part(read(block["text"], SLACK_MARKDOWN, names))
        case "context":
            return Part(read(" ".join(texts_of(block["elements"])), MRKDWN, names), small=True)
        case "section":
            beside = " ".join(texts_of(block.get("accessory")))
            return Part(read(block["text"]["text"], MRKDWN, names), beside=beside)
        case "actions" | "context_actions":
            return Part(buttons=tuple(texts_of(block["elements"])))
    raise ValueError(f"nobody has drawn a block {block['type']!r} yet")


def in_discord(message: discord_world.Message, names: Mapping[str, str]) -> Said:
    """A message of the fake Discord."""
    rows = [Part(buttons=tuple(one["label"] for one in row["components"])) for row in message.components]
    parts = [Part(read(message.text, DISCORD_MARKDOWN, names)), *rows]
    return Said(message.author.name, message.author.bot, parts)


SLACK, DISCORD = (
    dict(zip("card edge ink soft link shade button person program".split(), colours.split(), strict=True))
    for colours in (
        "#fff #c4c4c6 #1d1c1d #616061 #1264a3 #eaf1f6 #fff #2f7d5b #5b3a78",
        "#313338 #5b5e66 #e3e5e8 #a8abb2 #4cb8f5 #414675 #4e5058 #2d7d46 #5865f2",
    )
)
"""Colours; `shade` lies below code and mentions, `person` and `program` below the letters of their names."""

WIDTH, EDGE, INDENT, SIZE, SMALL, BUTTON = 720, 22, 70, 15, 13, 28
_WIDTHS = dict.fromkeys("iljI.,:;'|!", 0.26) | dict.fromkeys(' ()[]{}ftr-/\\"“”‘’·*›', 0.34)
_WIDTHS |= dict.fromkeys("mwMW@%…—", 0.88)


def width(text: str, size: float, style: str = "") -> float:
    """How wide `text` is drawn, as a usual sans-serif (or for code a monospaced) font would have it."""
    return sum(_glyph(one, "code" in style) for one in text) * size * (1.06 if "bold" in style else 1.0)


def _glyph(letter: str, fixed: bool) -> float:
    if unicodedata.category(letter) in ("Mn", "Me"):
        return 0.0
    if unicodedata.east_asian_width(letter) in "WF":
        return 1.2
    return 0.6 if fixed else _WIDTHS.get(letter, 0.68 if letter.isupper() else 0.55)


def wrap(spans: Sequence[Span], size: float, most: float) -> list[list[Span]]:
    """The spans as lines of at most `most`, broken at blanks; a word that is wider alone is cut."""
    lines: list[list[Span]] = []
    line: list[Span] = []
    blank, used = 0, 0.0
    for one in [Span(letter, span.style) for span in spans for letter in clean(span.text)]:
        used += width(one.text, size, one.style)
        while line and one.text != " " and used > most:
            cut = blank or len(line)
            lines.append(line[:cut])
            line, blank = line[cut:], 0
            used = sum(width(letter.text, size, letter.style) for letter in [*line, one])
        line.append(one)
        blank = len(line) if one.text == " " else blank
    styles = [itertools.groupby(one, key=lambda letter: letter.style) for one in [*lines, line]]
    return [[Span("".join(one.text for one in run), style) for style, run in one] for one in styles]


def clean(text: str) -> str:
    """Without what XML has no place for, and without signs that only steer how others are shown."""
    return "".join(one for one in re.sub(r"[ \t\r\n]+", " ", text) if unicodedata.category(one)[0] != "C")


class Sheet:
    """What is drawn so far, down to `y`."""

    def __init__(self, look: Mapping[str, str]) -> None:
        self.look = look
        self.y, self.marks = 18.0, list[str]()

    def words(self, x: float, y: float, text: str, size: float, style: str, ink: str) -> float:
        """Writes one run at (x, y), as much as fits, as wide as estimated in any font; gives where it ends."""
        text = "".join(one.text for one in wrap([Span(text, style)], size, WIDTH - EDGE - x + 1)[0])
        end, shown = x + width(text, size, style), text.strip()
        if "code" in style or "mention" in style:
            self.box(x - 2, y - size, end - x + 4, size + 5, self.look["shade"], self.look["shade"], 3)
        if shown:
            x = end - width(text.lstrip(), size, style)
            ink = self.look["link"] if "link" in style or "mention" in style else ink
            more = ' font-weight="bold"' * ("bold" in style) + ' font-style="italic"' * ("italic" in style)
            more += ' font-family="monospace"' * ("code" in style)
            self.marks.append(
                f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{ink}"{more} lengthAdjust='
                f'"spacingAndGlyphs" textLength="{width(shown, size, style):.1f}">{escape(shown)}</text>'
            )
        return end

    def box(self, x: float, y: float, wide: float, high: float, fill: str, edge: str, round_: float) -> None:
        self.marks.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="{round_}" '
            f'fill="{fill}" stroke="{edge}"/>'
        )

    def button(self, x: float, y: float, label: str) -> None:
        """A button with its left upper corner at (x, y)."""
        self.box(x, y, _button_width(label), BUTTON, self.look["button"], self.look["edge"], 6)
        self.words(x + 12, y + 18.5, label, SMALL, "bold", self.look["ink"])

    def rule(self, label: str) -> None:
        """A line across, with `label` at its beginning."""
        end = self.words(INDENT, self.y + 16, label, SMALL, "bold", self.look["soft"])
        self.box(end + 10, self.y + 11.5, max(0, WIDTH - EDGE - end - 10), 0.1, "none", self.look["edge"], 0)
        self.y += 36

    def said(self, said: Said) -> None:
        """A message with its author."""
        look, top, letter = self.look, self.y, said.author[:1].upper()
        fill = look["program" if said.program else "person"]
        self.box(EDGE, top, 36, 36, fill, fill, 18)
        self.words(EDGE + 18 - width(letter, 17, "bold") / 2, top + 24, letter, 17, "bold", "#ffffff")
        end = self.words(INDENT, top + 13, said.author, SIZE, "bold", look["ink"])
        if said.program:
            self.box(end + 8, top, width("APP", 10, "bold") + 8, 16, look["button"], look["edge"], 3)
            self.words(end + 12, top + 11.5, "APP", 10, "bold", look["ink"])
        self.y += 21
        for part in said.parts:
            self.lines(part)
            self.row(part.buttons)
        self.y = max(self.y, top + 36) + 18

    def lines(self, part: Part) -> None:
        """The lines of a part, wrapped, with the button beside them."""
        size, high = (SMALL, 20) if part.small else (SIZE, 22)
        self.y += 6 if part.small else 0
        top, right = self.y, WIDTH - EDGE - (_button_width(part.beside) if part.beside else 0)
        for line in part.lines:
            begin = INDENT if line.kind == "text" else INDENT + 14
            rows = wrap(line.spans, size, right - (16 if part.beside else 0) - begin)
            if line.kind == "quote":
                self.box(
                    INDENT, self.y + 2, 3, high * len(rows) - 2, self.look["edge"], self.look["edge"], 1.5
                )
            for row in rows:
                x = float(begin)
                for one in row:
                    ink = self.look["soft"] if part.small or line.kind == "quote" else self.look["ink"]
                    x = self.words(x, self.y + 16, one.text, size, one.style, ink)
                self.y += high if row else high / 2
        if part.beside:
            self.button(right, top + 2, part.beside)
            self.y = max(self.y, top + BUTTON) + 6

    def row(self, labels: Sequence[str]) -> None:
        """Buttons side by side, in a new row where one is full."""
        x = float(INDENT)
        for label in labels:
            if x > INDENT and x + _button_width(label) > WIDTH - EDGE:
                x, self.y = INDENT, self.y + BUTTON + 8
            self.button(x, self.y + 8, label)
            x += _button_width(label) + 8
        self.y += BUTTON + 8 if labels else 0


def _button_width(label: str) -> float:
    return width(clean(label), SMALL, "bold") + 24


def svg(look: Mapping[str, str], place: str, asked: Said, answers: Sequence[Said], *, thread: str) -> str:
    """The picture: `asked` in `place`, and the answers below a line that says `thread`."""
    sheet = Sheet(look)
    sheet.rule(place)
    sheet.said(asked)
    sheet.rule(thread)
    for said in answers:
        sheet.said(said)
    high = round(sheet.y) + 4
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{high}" viewBox="0 0 {WIDTH} {high}" '
        'font-family="-apple-system, Segoe UI, Helvetica, Arial, sans-serif">\n'
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{high - 1}" rx="8" fill="{look["card"]}" '
        f'stroke="{look["edge"]}"/>\n' + "\n".join(sheet.marks) + "\n</svg>\n"
    )


def of_slack(asked: slack_world.Message, answers: Sequence[slack_world.Message]) -> str:
    """The picture of a thread in the fake workspace."""
    thread = f"{len(answers)} {'reply' if len(answers) == 1 else 'replies'}"
    return svg(SLACK, "# general", in_slack(asked), [in_slack(one) for one in answers], thread=thread)


def of_discord(asked: discord_world.Message, answers: Sequence[discord_world.Message]) -> str:
    """The picture of a question in the fake server, and of the thread that was opened for it."""
    names = {str(one.id): one.name for one in asked.mentions}
    said = [in_discord(one, names) for one in answers]
    thread = f"Thread: {answers[0].channel.name}"
    return svg(DISCORD, "# general", in_discord(asked, names), said, thread=thread)


async def slack_answers() -> str:
    """Mentions the real bot in a fake workspace, and draws what stands there then."""
    async with FakeSlack() as slack, serving("[slack]\nenabled = true\n", slack.environment) as bot:
        await slack.until(lambda: bot.health().unready is None, PATIENCE_S)
        ts = slack.mention(ADA, GENERAL, QUESTION)
        await slack.until(lambda: bot.health().questions.get("answered"), PATIENCE_S)
        asked, *answers = slack.visible(GENERAL, ts)
        return of_slack(asked, answers)


async def discord_answers() -> str:
    """Mentions the real bot in a fake Discord, and draws what stands there then."""
    async with FakeDiscord() as discord:
        section = f'[discord]\nenabled = true\nguilds = ["{discord.guild.id}"]\n'
        urls = {"DISCORD_API_URL": discord.api_url, "DISCORD_GATEWAY_URL": discord.gateway_url}
        async with serving(section, {"DISCORD_TOKEN": TOKEN, **urls}) as bot:
            await discord.until(lambda: bot.health().unready is None, PATIENCE_S)
            asked = discord.mention(discord.ada, discord.general, QUESTION)
            await discord.until(lambda: bot.health().questions.get("answered"), PATIENCE_S)
            return of_discord(asked, discord.visible(discord.world.channels[asked.id]))


@contextlib.asynccontextmanager
async def serving(section: str, environment: Mapping[str, str]) -> AsyncIterator[Serving]:
    """The real program on a folder of its own, with `DOCUMENTS` synced and `section` in its settings."""
    os.environ.update(environment)
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.joinpath("handbook").mkdir()
        for name, text in DOCUMENTS.items():
            root.joinpath("handbook", name).write_text(text.format(day=day))
        root.joinpath("groundling.toml").write_text(SETTINGS + section)
        with Project.open(root / "groundling.toml", None) as project:
            await asyncio.to_thread(project.sync(allow_shrink=False, progress=None).run, project.sources())
            bot = Serving(project)
            running = asyncio.create_task(bot.run())
            try:
                yield bot
            finally:
                bot.end()
                await running


def main() -> None:
    given = argparse.ArgumentParser(description="Draws the pictures of the documentation.")
    given.add_argument("folder", type=Path)
    folder: Path = given.parse_args().folder
    for name, answers in (("slack", slack_answers), ("discord", discord_answers)):
        folder.joinpath(f"{name}.svg").write_text(asyncio.run(answers()), encoding="utf-8")


if __name__ == "__main__":
    main()

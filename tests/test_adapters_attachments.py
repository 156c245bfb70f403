"""Files at a question are neither read nor fetched; people are told so in one short sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.discord_settings import DiscordSettings
from tests.discord_bench import bench, settings
from tests.fakes.discord import FakeDiscord
from tests.fakes.discord_gateway import MESSAGE_CONTENT
from tests.fakes.slack import ADA, BOT_USER, GENERAL, FakeSlack
from tests.slack_stage import Answers, stage

FILES = {
    "rules.txt": (b"Be kind.", "text/plain"),
    "plan.pdf": (b"%PDF-1.7", "application/pdf"),
    "photo.png": (b"\x89PNG\r\n", "image/png"),
    "all.zip": (b"PK\x03\x04", "application/zip"),
    "empty.txt": (b"", "text/plain"),
    "huge.bin": (b"\0" * 20_000_000, "application/octet-stream"),
    "no-picture.png": (b"<!DOCTYPE html><title>Sign in</title>", "application/pdf"),
    "../../etc/passwd": (b"root", "text/plain"),
    "C:\\plans\\x|y>.md": (b"# X", "text/markdown"),
}
ENGLISH, GERMAN = "I do not read attached files", "Angehängte Dateien lese ich nicht"
BOTH = pytest.mark.parametrize(
    ("question", "told"),
    [("How much notice do I have to give?", ENGLISH), ("Wie lange ist die Kündigungsfrist bei uns?", GERMAN)],
    ids=["en", "de"],
)


def nothing_was_fetched(fake: FakeSlack | FakeDiscord) -> bool:
    if isinstance(fake, FakeSlack):
        return not fake.called("file") and not fake.called("files.info")
    return not [call for call in fake.calls if "attachments" in call.path]


@BOTH
async def test_question_with_files_in_slack_is_answered_as_always(
    tmp_path: Path, question: str, told: str
) -> None:
    """X09."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        for name, (content, kind) in FILES.items():
            file = fake.add_file(ADA, name, content, mimetype=kind)
            ts = fake.post(ADA, GENERAL, f"<@{BOT_USER}> {question}", files=(file,))
            assert (await bot.outcome(GENERAL, ts)).outcome == "answered"
            (answer,) = fake.answers(GENERAL, ts)
            assert "The notice is one week." in answer.shown
            assert answer.shown.count(told) == 1
            assert name not in answer.shown
        assert {one.text for one in bot.answers.asked} == {question}
        assert nothing_was_fetched(fake)


async def test_file_that_slack_does_not_show_yet_is_a_file(tmp_path: Path) -> None:
    """X09."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        file = fake.add_file(ADA, "shared.pdf", b"%PDF")
        fake.world.files[file].checked_only = True
        ts = fake.post(ADA, fake.direct_channel(ADA), "How much notice?", files=(file,))
        assert (await bot.outcome(fake.direct_channel(ADA), ts)).outcome == "answered"
        assert ENGLISH in fake.answers(fake.direct_channel(ADA), ts)[0].shown
        assert nothing_was_fetched(fake)


async def test_files_alone_in_slack_get_one_friendly_sentence(tmp_path: Path) -> None:
    """X08, X09."""
    async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
        place = fake.direct_channel(ADA)
        files = tuple(fake.add_file(ADA, name, b"x") for name in ("a.txt", "b.pdf"))
        for channel, text in ((place, ""), (GENERAL, f"<@{BOT_USER}>")):
            ts = fake.post(ADA, channel, text, files=files)
            assert (await bot.outcome(channel, ts)).outcome == "notice"
            (said,) = fake.answers(channel, ts)
            assert said.shown == f"{ENGLISH}; please write your question to me as text."
        assert bot.answers.asked == []
        assert nothing_was_fetched(fake)


async def test_files_change_nothing_of_refusals_and_of_what_follows(tmp_path: Path) -> None:
    """X09."""
    answers = Answers(pieces=["I could not find an answer to this in the documents."], status="refused")
    async with FakeSlack() as fake, stage(tmp_path, fake, answers=answers) as bot:
        file = fake.add_file(ADA, "a.txt", b"hello")
        ts = fake.post(ADA, GENERAL, f"<@{BOT_USER}> How much notice?", files=(file,))
        assert (await bot.outcome(GENERAL, ts)).outcome == "refused"
        assert ENGLISH in fake.answers(GENERAL, ts)[0].shown
        follow = fake.post(ADA, GENERAL, "And for managers?", ts)
        await bot.outcome(GENERAL, follow)
        assert fake.answers(GENERAL, ts)[1].shown.count(ENGLISH) == 0
        assert ENGLISH not in str(bot.answers.asked[1].earlier)


@BOTH
async def test_question_with_files_in_discord_is_answered_as_always(
    tmp_path: Path, question: str, told: str
) -> None:
    """X09."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        for number, (name, (content, _)) in enumerate(FILES.items(), 1):
            text = f"{discord.bot.mention} {question}"
            message = discord.post(discord.bob, discord.general, text, files=[(name, content)])
            await made.done(number)
            (answer,) = made.answers_to(message)
            assert f"On {question}: five days." in answer.text
            assert answer.text.count(told) == 1
            assert name not in answer.text
        assert nothing_was_fetched(discord)


async def test_files_alone_in_discord_get_one_friendly_sentence(tmp_path: Path) -> None:
    """X08, X09."""
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        files = [("a.pdf", b"x"), ("b.txt", b"")]
        places = ((discord.direct_channel(discord.bob), ""), (discord.general, discord.bot.mention))
        for number, (place, text) in enumerate(places, 1):
            message = discord.post(discord.bob, place, text, files=files)
            await made.done(number)
            (said,) = made.answers_to(message)
            assert said.text == f"{ENGLISH}; please write your question to me as text."
        assert made.answers.asked == []
        assert nothing_was_fetched(discord)


async def test_files_alone_are_heard_in_a_thread_that_goes_on(tmp_path: Path) -> None:
    """X09."""
    async with FakeDiscord() as discord:
        discord.allow_intents(MESSAGE_CONTENT)
        chosen: DiscordSettings = settings(discord, message_content=True)
        async with bench(tmp_path, discord, chosen=chosen) as made:
            message = discord.mention(discord.bob, discord.general, "How much notice?")
            await made.done()
            discord.post(discord.bob, made.thread_of(message), "", files=[("a.pdf", b"x")])
            await made.done(2)
            assert ENGLISH in made.answers_to(message)[-1].text
            discord.post(discord.bob, discord.general, "", files=[("a.pdf", b"x")])
            discord.mention(discord.bob, discord.general, "And now?")
            await made.done(3)
            assert len(await made.entries()) == 3

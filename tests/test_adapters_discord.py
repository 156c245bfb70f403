"""Questions in Discord, from the command or mention to the answer and what is thought of it."""

from __future__ import annotations

from pathlib import Path

from tests.discord_bench import URL, bench
from tests.fakes.discord import FakeDiscord


async def test_a_command_is_answered_with_sources_and_voted_on(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        used = discord.slash(discord.bob, discord.general, "ask", {"question": "How many days?"})
        shown = await made.shown(used, "five days")
        assert f"[1] [Leave](<{URL}>) › Carrying over" in shown.text
        assert shown.ephemeral_to == discord.bob.id
        up = next(name for name in shown.custom_ids if ":up:" in name)
        await made.shown(discord.click(discord.bob, shown.id, up), "Thank you")
        (vote,) = await made.journal.votes()
        assert (vote.verdict, vote.person) == ("up", f"discord:user:{discord.bob.id}")


async def test_a_mention_is_answered_in_a_thread_and_goes_on_there(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        asked = discord.mention(discord.bob, discord.general, "How many days?")
        await made.done()
        (answer,) = made.answers_to(asked)
        assert "On How many days?: five days. [1]" in answer.text
        assert discord.answers(discord.general) == []
        again = discord.mention(discord.bob, made.thread_of(asked), "And for contractors?")
        await made.done(2)
        assert "On And for contractors?" in made.answers_to(asked)[1].text
        assert made.answers.asked[1].earlier[0].text == "How many days?"
        assert again.channel is answer.channel


async def test_a_direct_message_is_answered_where_it_stands(tmp_path: Path) -> None:
    async with FakeDiscord() as discord, bench(tmp_path, discord) as made:
        asked = discord.direct(discord.bob, "How many days?")
        await made.done()
        (answer,) = made.answers_to(asked)
        assert "five days" in answer.text

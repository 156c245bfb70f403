"""From a message in Slack to its cited answer, and what people do with that."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.fakes.slack import ADA, GENERAL, FakeSlack
from tests.slack_stage import Answers, stage


def test_mention_gets_a_cited_answer_in_its_thread(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            entry = await bot.outcome(GENERAL, ts)
            assert entry.outcome == "answered"
            (answer,) = fake.answers(GENERAL, ts)
            assert answer.thread_ts == ts
            assert "The notice is one week." in answer.shown
            assert "Leave" in answer.shown
            assert "“The notice is 1 weeks.”" in answer.shown
            assert bot.answers.asked[0].text == "How much notice?"
            assert fake.status(GENERAL, ts) == ""
            assert fake.session(GENERAL, ts) == "active"

    asyncio.run(scenario())


def test_answer_streams_as_it_is_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        answers = Answers(pieces=[f"Sentence number {n}. " for n in range(1, 7)], pause_s=0.1)
        async with FakeSlack() as fake, stage(tmp_path, fake, answers=answers) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            await bot.outcome(GENERAL, ts)
            (answer,) = fake.answers(GENERAL, ts)
            assert answer.stream is not None
            assert answer.stream.state == "stopped"
            assert len(fake.called("chat.appendStream")) >= 2
            assert answer.text == "".join(answers.pieces).strip()

    asyncio.run(scenario())


def test_feedback_is_noted_and_thanked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with FakeSlack() as fake, stage(tmp_path, fake) as bot:
            ts = fake.mention(ADA, GENERAL, "How much notice?")
            entry = await bot.outcome(GENERAL, ts)
            (answer,) = fake.answers(GENERAL, ts)
            fake.click(ADA, GENERAL, answer.ts, "feedback", f"{entry.id}:up")
            await fake.until(lambda: fake.ephemerals(GENERAL, ADA))
            (vote,) = await bot.journal.votes(entry.id)
            assert (vote.person, vote.verdict) == (f"slack:user:{ADA}", "up")

    asyncio.run(scenario())

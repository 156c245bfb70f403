"""Asks the golden questions while the bot serves, whenever what answers depend on has changed, and tells a drop.

Rule: a golden question is asked only when nobody else waits; a run is compared with the last one that was no
drop itself, so that what got worse is told until it is better again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from bot.answer import Answer
from bot.assistant import PassageSearch
from bot.errors import BotError
from bot.evaluation.golden import Answers, load_golden, run_golden
from bot.gate import worsened
from bot.journal import Journal
from bot.lora_evaluation import GOLDEN_RUN, Evaluation, Setting, Way, evaluation, golden_items, keep, kept
from bot.question import Question
from bot.registry import Artefact, Registry
from knowledge.errors import KnowledgeError
from models.errors import ModelError

log = logging.getLogger(__name__)

WHO = "groundling"
"""Who the audit names."""

LOOK_S = 1.0
"""How often it is looked whether anybody waits, in seconds."""


class GoldenWatch:
    """Asks the questions of `file` (None: none) with `answers` and `search` while `run` runs, whenever `look`
    finds a need.

    `setting` gives what answers to a file of questions depend on now and `lora` the sha256 of the LoRA that answers; both are called
    in a thread. `idle` tells whether the model is ready and nobody waits for an answer.
    """

    def __init__(
        self,
        file: Path | None,
        answers: Answers,
        search: PassageSearch,
        *,
        registry: Registry,
        journal: Journal,
        setting: Callable[[Path], Setting],
        lora: Callable[[], str | None],
        idle: Callable[[], bool],
        look_s: float = LOOK_S,
    ) -> None:
        self._file = file
        self._answers = answers
        self._search = search
        self._registry = registry
        self._journal = journal
        self._setting = setting
        self._lora = lora
        self._idle = idle
        self._look_s = look_s
        self._wanted = asyncio.Event()
        self.drop: str | None = None

    def look(self) -> None:
        """Has it looked whether the questions must be asked again; callable on the event loop only."""
        self._wanted.set()

    async def run(self) -> None:
        """Goes on until it is cancelled; what fails is logged, and tried again at the next need."""
        while self._file is not None:
            await self._wanted.wait()
            self._wanted.clear()
            try:
                await self._once(self._file)
            except (BotError, KnowledgeError, ModelError) as error:
                log.error("the golden questions were not asked: %s", error)

    async def _once(self, file: Path) -> None:
        asking = _WhenIdle(self._answers, self._idle, self._look_s)
        await asking.wait()
        setting = await asyncio.to_thread(self._setting, file)
        lora = await asyncio.to_thread(self._lora)
        runs = await asyncio.to_thread(golden_runs, self._registry, setting.golden)
        if runs and (runs[0][1].setting, runs[0][1].candidate.lora) == (setting, lora):
            self.drop = dropped(runs[0][0])
            return
        questions = await asyncio.to_thread(load_golden, file)
        report = await run_golden(questions, asking, self._search)
        way = Way(lora, golden_items(report.results))
        before = next((run for artefact, run in runs if dropped(artefact) is None), None)
        reason = None if before is None else worsened(way.items, before.candidate.items)
        found = evaluation(setting, way, None)
        await asyncio.to_thread(keep, self._registry, found, {} if reason is None else {_DROPPED: reason})
        right = sum(item.values["right"] for item in way.items)
        line = f"{right:.0f} of {len(way.items)} golden questions right"
        if reason is None:
            log.info("%s", line)
        else:
            log.error("%s, a drop since what is searched, told or used has changed: %s", line, reason)
            await self._journal.note(WHO, "golden run dropped", reason)
        self.drop = reason


_DROPPED = "dropped"


def golden_runs(registry: Registry, golden: str | None = None) -> list[tuple[Artefact, Evaluation]]:
    """The runs of those golden questions (a sha256), or of any, the latest first."""
    runs = kept(registry, GOLDEN_RUN)
    return [(a, run) for a, run in runs if golden is None or run.setting.golden == golden]


def dropped(run: Artefact) -> str | None:
    """What a golden run was worse in than the last good one before it, in one line."""
    reason = run.manifest.notes.get(_DROPPED)
    return None if reason is None else str(reason)


class _WhenIdle:
    """Waits with each question until nobody else does."""

    def __init__(self, answers: Answers, idle: Callable[[], bool], look_s: float) -> None:
        self._answers = answers
        self._idle = idle
        self._look_s = look_s

    async def answer(self, question: Question) -> Answer:
        """The answer, begun when nobody waits."""
        await self.wait()
        return await self._answers.answer(question)

    async def wait(self) -> None:
        """Comes back when nobody waits."""
        # Asked now and then: whoever waits must not have to tell that they are done.
        while not self._idle():  # noqa: ASYNC110
            await asyncio.sleep(self._look_s)

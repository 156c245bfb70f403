"""Asks the golden questions while the bot serves, whenever what answers depend on has changed, and tells a drop.

Rule: a golden question is asked only when nobody else waits; a run is compared with the last one that was no
drop itself, so that what got worse is told until it is better again. A run whose model failed is none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bot.answer import Answer
from bot.assistant import PassageSearch
from bot.errors import BotError, Failed
from bot.evaluation.golden import Answers, GoldenResult, load_golden, model_failure, run_golden
from bot.gate import worsened
from bot.golden_runs import DROPPED, Run, accepted, dropped, golden_runs, is_of, last_good
from bot.index_hold import IndexHold, Trial
from bot.journal import Journal
from bot.lora_evaluation import Setting, Way, evaluation, golden_items, keep
from bot.question import Question
from bot.registry import Registry
from knowledge.errors import Busy, KnowledgeError
from models.errors import ModelError

log = logging.getLogger(__name__)

WHO = "groundling"
"""Who the audit names."""

LOOK_S = 1.0
"""How often it is looked whether anybody waits, in seconds."""

BUSY_LOOKS = 5
"""Where a sync is running, it is looked again after so many times `LOOK_S`."""


class GoldenWatch:
    """Asks the questions of `file` (None: none) with `answers` and `search` while `run` runs, whenever `look`
    finds a need.

    `setting` gives what answers to a file of questions depend on now and `lora` the sha256 of the LoRA that answers; both are called
    in a thread. `idle` tells whether the model is ready and nobody waits for an answer. With `hold` it is the
    newest index that is asked, by `over` another search than that of people's questions, and `hold` decides
    whether it answers.
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
        hold: IndexHold | None = None,
        over: Callable[[PassageSearch], Answers] | None = None,
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
        self._hold = hold
        self._over = over or (lambda _search: answers)
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
                await self.once()
            except Busy as error:
                log.info("the golden questions wait: %s", error)
                asyncio.get_running_loop().call_later(BUSY_LOOKS * self._look_s, self.look)
            except (BotError, KnowledgeError, ModelError) as error:
                log.error("the golden questions were not asked: %s", error)

    async def once(self) -> None:
        """One look, and all that follows from it. Raises `Busy` where a sync stands in the way, and what keeps the
        questions from being asked."""
        file = self._file
        if file is None:
            return
        asking = _WhenIdle(self._answers, self._idle, self._look_s)
        await asking.wait()
        setting = await asyncio.to_thread(self._setting, file)
        lora = await asyncio.to_thread(self._lora)
        trial = None if self._hold is None else await asyncio.to_thread(self._hold.trial)
        if trial is not None:
            setting = replace(setting, index=trial.index)
        runs = await asyncio.to_thread(golden_runs, self._registry, setting.golden)
        if trial is not None and trial.answering is not None:
            answering = replace(setting, index=trial.answering)
            if not any(is_of(run, answering, lora) for _, run in runs):
                log.info("asking what answers now, to compare what was synced with it")
                way = await self._asked(file, lora, asking, self._search)
                runs = [await self._noted(answering, way, runs, tell=False), *runs]
        if not runs or not is_of(runs[0][1], setting, lora):
            search = self._search
            if trial is not None and trial.copy is not None:
                search = trial.search
                asking = _WhenIdle(self._over(search), self._idle, self._look_s)
            way = await self._asked(file, lora, asking, search)
            runs = [await self._noted(setting, way, runs, tell=True), *runs]
        passed = await asyncio.to_thread(accepted, self._registry)
        self.drop = None if runs[0][0].sha256 in passed else dropped(runs[0][0])
        if self._hold is not None and trial is not None:
            await self._settled(self._hold, trial, runs)

    async def _settled(self, hold: IndexHold, trial: Trial, runs: Sequence[Run]) -> None:
        while True:
            try:
                await asyncio.to_thread(hold.settle, trial, runs)
            except Busy:  # what was asked for minutes is not thrown away for a sync of seconds
                await asyncio.sleep(BUSY_LOOKS * self._look_s)
            else:
                return

    async def _asked(self, file: Path, lora: str | None, answers: Answers, search: PassageSearch) -> Way:
        questions = await asyncio.to_thread(load_golden, file)
        report = await run_golden(questions, answers, search, progress=_check_model)
        return Way(lora, golden_items(report.results))

    async def _noted(self, setting: Setting, way: Way, earlier: Sequence[Run], *, tell: bool) -> Run:
        """Keeps the run, and whether it is a drop, which with `tell` everybody hears of."""
        run = evaluation(setting, way, None)
        before = last_good(earlier, await asyncio.to_thread(accepted, self._registry))
        reason = None if before is None else worsened(way.items, before.candidate.items)
        notes: dict[str, str | int | float] = {} if reason is None else {DROPPED: reason}
        sha256 = await asyncio.to_thread(keep, self._registry, run, notes)
        right = sum(item.values["right"] for item in way.items)
        line = f"{right:.0f} of {len(way.items)} golden questions right"
        if reason is None or not tell:
            log.info("%s", line)
        else:
            log.error("%s, a drop since what is searched, told or used has changed: %s", line, reason)
            await self._journal.note(WHO, "golden run dropped", reason)
        artefact = await asyncio.to_thread(self._registry.find, sha256)
        assert artefact is not None
        return artefact, run


def _check_model(result: GoldenResult) -> None:
    """Raises `Failed` where the model could not be used: what quotes in its place are worth is no measurement."""
    why = model_failure(result.answer)
    if why is not None:
        raise Failed(f"{result.question.id}: {why}")


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

"""Which index answers while one that is worse on the golden questions is held back.

Rule: an index answers only after it was asked the golden questions and was no worse, or after somebody has let
it pass; where no earlier one can answer, the newest does.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from bot.assistant import PassageSearch
from bot.errors import Failed
from bot.gate import worsened
from bot.golden_runs import Run, accepted, is_of
from bot.lora_evaluation import Evaluation, index_sha256
from bot.registry import INDEX, Move, Registry
from knowledge.catalogue import Catalogue
from knowledge.documents import Passage
from knowledge.errors import IndexDamaged, IndexMissing, KnowledgeError
from knowledge.kept_index import KeptIndex, KeptIndexes, KnownOnly
from knowledge.retrieval import EVERYTHING
from knowledge.store import Readable, Searchable
from models.errors import ModelError

log = logging.getLogger(__name__)

WHO = "groundling"
"""Who holds an index back."""

ACCEPT = "groundling sync --accept"
"""The command that lets a held index pass."""

Opened = tuple[PassageSearch, Callable[[], int]]
"""A search, and what tells the version of the index that it searches."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Held:
    """An index is held back since `since` (seconds since 1970), for the reason `why` that the golden run `run`
    (its sha256) gave last."""

    since: float
    why: str
    run: str

    @property
    def moment(self) -> datetime:
        """`since` in the machine's own time zone."""
        return datetime.fromtimestamp(self.since).astimezone()


def held(registry: Registry) -> Held | None:
    """What is held back now."""
    since: float | None = None
    moves = registry.moves(INDEX)
    for move in moves:
        since = None if move.action != "hold" else move.at if since is None else since
    return None if since is None else Held(since, moves[-1].why, moves[-1].evaluation or "")


def in_words(found: Held) -> str:
    """One line for people, with the command that ends it."""
    since = found.moment.strftime("%Y-%m-%d %H:%M")
    return f"A newer index is held back since {since}, to let it pass run: {ACCEPT} ({found.why})"


def accept(registry: Registry, *, who: str) -> Move:
    """Lets the index pass that was held back last, and be what later ones are compared with.

    Raises `Failed` where none is held back.
    """
    found = held(registry)
    run = None if found is None else registry.find(found.run)
    if found is None or run is None:
        raise Failed("no index is held back, so there is none to let pass")
    index = run.manifest.made_from["index"]
    return registry.move(INDEX, "accept", index, who=who, why=found.why, evaluation=found.run)


@dataclass(frozen=True, slots=True)
class Trial:
    """An index that is to be asked the golden questions: the sha256 of its content, and its search. `copy` is
    None where it is the one that answers already; else `answering` names what does, None where nothing good is."""

    index: str
    search: PassageSearch
    copy: KeptIndex | None
    answering: str | None = None


class IndexHold:
    """Searches the index that was good last, of which there is a copy in the folder `data`.

    `newest` opens the newest index, and `over` makes the search over an open one; `golden` is the file of the
    questions. `held` is what was held back at the last look. Used from threads.
    """

    def __init__(
        self,
        data: Path,
        catalogue: Catalogue,
        registry: Registry,
        *,
        newest: Callable[[], Opened],
        over: Callable[[Searchable], PassageSearch],
        golden: Path,
    ) -> None:
        self._copies = KeptIndexes(data, catalogue)
        self._catalogue = catalogue
        self._registry = registry
        self._newest = newest
        self._search_over = over
        self._golden = golden
        self._lock = threading.Lock()
        self._opened: tuple[object, Opened] | None = None
        self._seen: object = None
        self._broken: Path | None = None
        self.held: Held | None = None

    def search(self, query: str, *, limit: int = 5, readable: Readable = EVERYTHING) -> list[Passage]:
        """The best passages of the index that answers."""
        return self._with(lambda opened: opened[0].search(query, limit=limit, readable=readable))

    def version(self) -> int:
        """The version of the index that answers."""
        return self._with(lambda opened: opened[1]())

    def look(self) -> bool:
        """Finds out what is held back; whether there is another index or file of questions since the last look, or
        an index was let pass."""
        before = self._seen
        try:
            self.held = held(self._registry)
            changed = self._golden.stat().st_mtime_ns
            self._seen = self._newest()[1](), len(self._registry.moves(INDEX)), changed
        except (KnowledgeError, ModelError, OSError) as error:
            log.warning("what is held back cannot be looked at: %s", error)
        return self._seen != before

    def trial(self) -> Trial:
        """What must be asked the golden questions now. Raises `Busy` while a sync runs."""
        answering = self._kept()
        if answering is not None and answering.name == self._content():
            return Trial(answering.name, self, None)
        copy = self._copies.trial(self._content)
        return Trial(copy.name, self._over(copy)[0], copy, None if answering is None else answering.name)

    def settle(self, trial: Trial, runs: Sequence[Run]) -> None:
        """Lets the index of a trial answer, or holds it back: the first of `runs` is its own, the others are
        those before it. Raises `Busy` while a sync runs."""
        (artefact, run), earlier = runs[0], runs[1:]
        answering, reason = self._kept(), None
        if trial.copy is not None:
            reason = self._reason(answering, artefact.sha256, run, earlier)
            if reason is None:
                self._copies.keep(trial.copy)
                log.info("what was synced answers from now on")
            else:
                self._copies.let_go(trial.copy)
        self._move(artefact.sha256, trial.index, answering, reason)
        self.held = held(self._registry)

    def _move(self, run: str, index: str, answering: KeptIndex | None, reason: str | None) -> None:
        """Notes what became of the index that `run` asked, if that is another thing than before."""
        before, last = held(self._registry), self._last()
        if reason is not None and (before is None or before.run != run):
            stays = None if answering is None else answering.name
            self._registry.move(INDEX, "hold", stays, who=WHO, why=reason, evaluation=run)
            log.error("the index is held back, the last good one goes on answering: %s; %s", reason, ACCEPT)
        elif reason is None and last is not None and last.action != "release":
            why = "it was let pass" if last.action == "accept" else "it is good again"
            why = why if answering is not None else "no earlier one is left that could answer"
            self._registry.move(INDEX, "release", index, who=WHO, why=why, evaluation=run)
            log.info("no index is held back any more")

    def _reason(
        self, answering: KeptIndex | None, sha256: str, run: Evaluation, earlier: Sequence[Run]
    ) -> str | None:
        """Why an index must not answer in place of the one that does."""
        if answering is None or sha256 in accepted(self._registry):
            return None
        # Nothing may differ but the index: what a LoRA spoils or a removal costs is no reason to hold it back.
        setting = replace(run.setting, index=answering.name)
        others = [one for _, one in earlier if is_of(one, setting, run.candidate.lora)]
        last = self._last()
        if last is not None and last.action == "accept":
            # What was let pass is gone already: a later sync took its place, and need be no better than it.
            setting = replace(run.setting, index=last.sha256 or "")
            others = [one for _, one in earlier if is_of(one, setting, run.candidate.lora)] or others
        return worsened(run.candidate.items, others[0].candidate.items) if others else None

    def _last(self) -> Move | None:
        return next(reversed(self._registry.moves(INDEX)), None)

    def _kept(self) -> KeptIndex | None:
        """The copy that answers, if it can."""
        kept = self._copies.kept()
        try:
            problems = [] if kept is None else self._copies.open(kept).check(deep=False)
        except KnowledgeError as error:
            problems = [str(error)]
        if problems and kept is not None and kept.folder != self._broken:
            self._broken = kept.folder
            log.error("the last good index cannot be used, the newest one answers: %s", problems[0])
        return None if problems else kept

    def _content(self) -> str:
        return index_sha256(self._catalogue)

    def _over(self, copy: KeptIndex) -> Opened:
        store = self._copies.open(copy)
        return self._search_over(KnownOnly(store, self._catalogue)), lambda: store.version

    def _with(self, run: Callable[[Opened], T]) -> T:
        folder, opened = self._answering()
        try:
            return run(opened)
        except (IndexDamaged, IndexMissing) as error:
            if folder is None:
                raise
            if self._copies.kept_folder() == folder:
                log.error("the last good index cannot be used, the newest one answers: %s", error)
                with self._lock:
                    self._opened = folder, self._newest()
        return run(self._answering()[1])

    def _answering(self) -> tuple[object, Opened]:
        with self._lock:
            folder = self._copies.kept_folder()
            if self._opened is None or self._opened[0] != folder:
                self._opened = folder, self._open()
            return self._opened

    def _open(self) -> Opened:
        kept = self._kept()
        return self._newest() if kept is None else self._over(kept)

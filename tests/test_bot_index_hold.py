"""An index that is worse on the golden questions is held back, and what is taken away is gone all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from bot.answer import Answer, Citation
from bot.assistant import PassageSearch
from bot.errors import Failed
from bot.golden_watch import GoldenWatch
from bot.index_hold import ACCEPT, IndexHold, Opened, accept, held, in_words
from bot.journal import Journal
from bot.lora_evaluation import Setting, index_sha256
from bot.question import Question
from bot.registry import INDEX as TAG
from bot.registry import Registry
from knowledge.kept_index import KeptIndexes
from knowledge.lancedb import LanceStore
from knowledge.retrieval import EVERYTHING, Retriever
from knowledge.sources.memory import MemorySource
from knowledge.store import Searchable
from knowledge.sync import INDEX
from knowledge.sync_lock import only_writer
from models.weights import sha256_of
from tests.sync_bench import Bench

GOLDEN = "".join(
    f'[[question]]\nid = "q{number}"\nask = "Which zebra {number}?"\nanswerable = false\n'
    for number in range(4)
)


class ZebraBot:
    """Refuses where no passage speaks of what is asked for; answers everything once it `talks`."""

    talks = False

    def __init__(self, search: PassageSearch) -> None:
        self._search = search

    async def answer(self, question: Question) -> Answer:
        found = self._search.search(question.text, limit=9, readable=EVERYTHING)
        wanted = question.text.split()[1].strip("?")
        cited = tuple(
            Citation(number, one.chunk.document_id, "", "", None, one.chunk.text, None, "wiki", "wiki")
            for number, one in enumerate(found, 1)
            if wanted in one.chunk.text
        )
        if not cited and not ZebraBot.talks:
            return Answer(question.text, "", "refused", "en", "none")
        text = " ".join(f"{one.quote} [{one.number}]" for one in cited)
        return Answer(question.text, text, "answered", "en", "model", citations=cited, passages=tuple(found))


class Interrupting(ZebraBot):
    """Has a sync begin while it is asked, which ends a while after the last question."""

    def __init__(self, search: PassageSearch, data: Path) -> None:
        super().__init__(search)
        self._sync = ExitStack()
        self._data = data
        self.asked = 0

    async def answer(self, question: Question) -> Answer:
        self.asked += 1
        if self.asked == 1:
            self._sync.enter_context(only_writer(self._data))
            asyncio.get_running_loop().call_later(0.5, self._sync.close)
        return await super().answer(question)


class Stage:
    """A watch that holds indexes back, over real syncs of `wiki`, a real index and a real registry."""

    def __init__(self, folder: Path) -> None:
        self.bench = Bench(folder / "data")
        self.registry, self.journal = Registry(self.bench.database), Journal(self.bench.database)
        self.wiki = MemorySource("wiki", {"leave.md": b"leave is 25 days", "old.md": b"old words"})
        self.file = folder / "golden.toml"
        self.file.write_text(GOLDEN)
        self.lora: str | None = None
        self.begin()

    def begin(self, over: Callable[[PassageSearch], ZebraBot] = ZebraBot) -> None:
        """As a new process does."""
        self.hold = IndexHold(
            *(self.bench.data, self.bench.catalogue, self.registry),
            newest=self._newest,
            over=self._over,
            golden=self.file,
        )
        self.watch = GoldenWatch(
            self.file,
            ZebraBot(self.hold),
            self.hold,
            registry=self.registry,
            journal=self.journal,
            setting=self._setting,
            lora=lambda: self.lora,
            idle=lambda: True,
            hold=self.hold,
            over=over,
            look_s=0.01,
        )

    async def synced(self, **bodies: bytes) -> None:
        """A sync after these pages were changed, and what follows from it; one without text is deleted."""
        for name, body in bodies.items():
            self.wiki.bodies[f"{name}.md"] = body
            if not body:
                del self.wiki.bodies[f"{name}.md"]
        self.bench.sync(self.wiki, copies=True)
        await self.watch.once()

    def answers_from(self) -> list[str]:
        """The passages that an answer could be made from."""
        return sorted(one.chunk.text for one in self.hold.search("leave zebra old words", limit=9))

    def _setting(self, file: Path) -> Setting:
        return Setting("base", sha256_of(file), index_sha256(self.bench.catalogue), "prompt")

    def _newest(self) -> Opened:
        store = LanceStore.open(self.bench.data / INDEX)
        return self._over(store), lambda: store.version

    def _over(self, store: Searchable) -> PassageSearch:
        return Retriever(store, self.bench.embedder)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    ZebraBot.talks = False
    stage = Stage(tmp_path)
    yield stage
    stage.bench.database.close()


def actions(stage: Stage) -> list[str]:
    return [move.action for move in stage.registry.moves(TAG)]


async def test_worse_index_is_held_back_and_told_until_a_later_one_is_good(stage: Stage) -> None:
    await stage.synced()
    assert (actions(stage), stage.hold.held) == ([], None)
    await stage.synced(leave=b"leave is 31 days", new=b"zebra in pyjamas")
    assert stage.answers_from() == ["leave is 25 days", "old words"]
    await stage.watch.once()
    assert actions(stage) == ["hold"]
    found = stage.hold.held
    assert found is not None
    assert found == held(stage.registry)
    assert found.why.startswith("right refusals: 0.0% against 100.0% of 4")
    assert ACCEPT in in_words(found)
    await stage.synced(new=b"zebra again")
    later = held(stage.registry)
    assert later is not None
    assert (later.since, later.run != found.run) == (found.since, True)
    await stage.synced(new=b"a horse")
    assert (actions(stage), stage.hold.held) == (["hold", "hold", "release"], None)
    assert stage.answers_from() == ["a horse", "leave is 31 days", "old words"]
    deeds = [(deed.person, deed.action) for deed in await stage.journal.deeds() if "index" in deed.action]
    assert deeds == [("groundling", f"index {action}") for action in ("release", "hold", "hold")]


async def test_hold_outlives_the_process(stage: Stage) -> None:
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas")
    stage.begin()
    assert stage.hold.look()
    assert stage.hold.held is not None
    assert stage.answers_from() == ["leave is 25 days", "old words"]
    assert not stage.hold.look()
    await stage.watch.once()
    assert (actions(stage), stage.watch.drop is None) == (["hold"], False)


async def test_deleted_document_is_gone_while_an_index_is_held_back(stage: Stage) -> None:
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas", old=b"")
    assert stage.answers_from() == ["leave is 25 days"]
    await stage.synced(leave=b"")
    assert stage.answers_from() == []


async def test_page_that_was_deleted_on_purpose_holds_no_index_back(stage: Stage) -> None:
    stage.file.write_text(
        "".join(
            f'[[question]]\nid = "q{n}"\nask = "Which old {n}?"\nfacts = [["old words"]]\n'
            'documents = ["wiki:old.md"]\n'
            for n in range(4)
        )
    )
    await stage.synced()
    await stage.synced(old=b"", new=b"a horse")
    assert stage.watch.drop is not None
    assert (actions(stage), stage.answers_from()) == ([], ["a horse", "leave is 25 days"])
    await stage.synced(old=b"old words")
    await stage.synced(old=b"new words")
    assert (actions(stage), stage.answers_from()) == (["hold"], ["a horse", "leave is 25 days", "old words"])


async def test_other_questions_let_nothing_pass_that_is_worse_in_them_too(stage: Stage) -> None:
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas")
    assert stage.hold.look()
    stage.file.write_text(GOLDEN.replace("zebra 0", "zebra of 0"))
    assert stage.hold.look()
    await stage.watch.once()
    assert (actions(stage), stage.answers_from()) == (["hold", "hold"], ["leave is 25 days", "old words"])
    stage.file.write_text(GOLDEN.replace("zebra", "unicorn"))
    await stage.watch.once()
    assert (actions(stage)[2:], stage.hold.held) == (["release"], None)
    assert "zebra in pyjamas" in stage.answers_from()


async def test_accepted_index_answers_and_is_what_later_ones_are_compared_with(stage: Stage) -> None:
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas")
    move = accept(stage.registry, who="ann")
    assert (move.who, held(stage.registry)) == ("ann", None)
    assert stage.hold.look()
    await stage.watch.once()
    assert stage.answers_from() == ["leave is 25 days", "old words", "zebra in pyjamas"]
    assert stage.watch.drop is None
    await stage.synced(leave=b"leave is 31 days")
    assert "leave is 31 days" in stage.answers_from()
    assert (actions(stage), stage.hold.held) == (["hold", "accept", "release"], None)
    assert stage.registry.moves(TAG)[-1].why == "it was let pass"


async def test_sync_after_the_one_that_was_let_pass_need_be_no_better(stage: Stage) -> None:
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas")
    accept(stage.registry, who="ann")
    await stage.synced(leave=b"leave is 31 days")
    assert stage.answers_from() == ["leave is 31 days", "old words", "zebra in pyjamas"]
    assert actions(stage) == ["hold", "accept", "release"]


async def test_only_what_was_held_back_is_let_pass_and_not_what_came_after_it(stage: Stage) -> None:
    stage.file.write_text(GOLDEN.replace("Which zebra 3?", "Which unicorn?").replace("zebra 2", "unicorn 2"))
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas")
    stage.wiki.bodies["worse.md"] = b"a unicorn"
    stage.bench.sync(stage.wiki, copies=True)
    accept(stage.registry, who="ann")
    await stage.watch.once()
    assert (actions(stage), stage.answers_from()) == (
        ["hold", "accept", "hold"],
        ["leave is 25 days", "old words"],
    )


async def test_nothing_can_be_let_pass_where_nothing_is_held_back(stage: Stage) -> None:
    await stage.synced()
    with pytest.raises(Failed, match="no index is held back"):
        accept(stage.registry, who="ann")
    assert actions(stage) == []


async def test_index_is_not_held_back_for_what_another_lora_spoils(stage: Stage) -> None:
    await stage.synced()
    ZebraBot.talks, stage.lora = True, "a LoRA that answers everything"
    await stage.watch.once()
    assert stage.watch.drop is not None
    await stage.synced(leave=b"leave is 31 days")
    assert stage.watch.drop is not None
    assert (actions(stage), stage.answers_from()) == ([], ["leave is 31 days", "old words"])


async def test_first_index_answers_whatever_it_is_worth(stage: Stage) -> None:
    assert stage.wiki.bodies
    await stage.synced(new=b"zebra in pyjamas")
    assert stage.answers_from() == ["leave is 25 days", "old words", "zebra in pyjamas"]
    await stage.synced(new=b"a horse")
    assert (actions(stage), stage.answers_from()) == ([], ["a horse", "leave is 25 days", "old words"])


async def test_newest_index_answers_where_the_good_one_is_broken(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    await stage.synced()
    await stage.synced(new=b"zebra in pyjamas")
    folder = KeptIndexes(stage.bench.data, stage.bench.catalogue).kept_folder()
    assert folder is not None
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "about.json":
            path.unlink()
    stage.begin()
    assert stage.answers_from() == ["leave is 25 days", "old words", "zebra in pyjamas"]
    assert "the last good index cannot be used, the newest one answers" in caplog.text
    await stage.watch.once()
    moves = stage.registry.moves(TAG)
    assert [(move.action, move.why) for move in moves][1:] == [
        ("release", "no earlier one is left that could answer")
    ]
    await stage.synced(worse=b"zebra zebra")
    assert "zebra zebra" in stage.answers_from()


async def test_good_index_that_broke_is_copied_again(stage: Stage) -> None:
    await stage.synced()
    folders = KeptIndexes(stage.bench.data, stage.bench.catalogue)
    broken = folders.kept_folder()
    assert broken is not None
    next(broken.rglob("data/*.lance")).unlink()
    await stage.watch.once()
    assert folders.kept_folder() != broken
    await stage.synced(new=b"zebra in pyjamas")
    assert (actions(stage), stage.answers_from()) == (["hold"], ["leave is 25 days", "old words"])


async def test_what_was_asked_while_a_sync_began_counts_when_that_is_over(stage: Stage) -> None:
    await stage.synced()
    stage.wiki.bodies["new.md"] = b"a horse"
    stage.bench.sync(stage.wiki, copies=True)
    made: list[Interrupting] = []

    def over(search: PassageSearch) -> ZebraBot:
        made.append(Interrupting(search, stage.bench.data))
        return made[-1]

    stage.begin(over)
    await stage.watch.once()
    assert [bot.asked for bot in made] == [4]
    assert stage.answers_from() == ["a horse", "leave is 25 days", "old words"]


async def test_questions_wait_for_a_sync_and_are_asked_after_it(stage: Stage) -> None:
    await stage.synced()
    stage.wiki.bodies["new.md"] = b"zebra in pyjamas"
    stage.bench.sync(stage.wiki, copies=True)
    running = asyncio.create_task(stage.watch.run())
    with only_writer(stage.bench.data):
        stage.watch.look()
        await asyncio.sleep(0.2)
        assert actions(stage) == []
    async with asyncio.timeout(60):
        while stage.hold.held is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    running.cancel()
    assert actions(stage) == ["hold"]

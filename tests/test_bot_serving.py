"""Everything that serves, in one process with a platform in memory: from a question to its post."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bot.asked import Asked
from bot.errors import ConfigError
from bot.gate import Item, Measure
from bot.golden_runs import golden_runs
from bot.lora_evaluation import Setting, Way, evaluation, keep
from bot.serving import Serving
from bot.source_changes import changed
from bot.wiring import Project
from knowledge.sync_lock import only_writer
from models.weights import sha256_of
from tests.conftest import Groundling
from tests.fakes.platform import ANNA, HALL, FakePlatform

BASE = (
    '[[source]]\nname = "handbook"\nkind = "folder"\npath = "documents"\n'
    '[model]\nkind = "none"\n[schedule]\nevery = "off"\nwatch = false\n[web]\nport = 0\n'
    "[limits]\ndrain_seconds = 1\n"
)
RIGHT: dict[Measure, float] = {
    "right": 1.0,
    "right_answers": 1.0,
    "false_refusals": 0.0,
    "citations_resolved": 1.0,
}
READABLE = '[[collection]]\nname = "main"\nreaders = ["everyone"]\n'


@pytest.fixture
def home(synced: Path, tmp_path: Path) -> Path:
    """A synced project of the test's own that everybody may read."""
    folder = tmp_path / "home"
    shutil.copytree(synced, folder, ignore=shutil.ignore_patterns("serve.lock"))
    folder.joinpath("groundling.toml").write_text(BASE + READABLE)
    return folder


def asked(text: str, message: str) -> Asked:
    return Asked("fake", "t", "hall", "anna", text, "mention", at=9e9, message=message)


@asynccontextmanager
async def running(
    home: Path, platform: FakePlatform, **others: Callable[..., FakePlatform]
) -> AsyncIterator[Serving]:
    with Project.open(home / "groundling.toml", None) as project:
        serving = Serving(project, platforms={"fake": lambda _project, _desk: platform, **others}, look_s=0.5)
        task = asyncio.create_task(serving.run())
        try:
            yield serving
        finally:
            serving.end()
            await asyncio.wait_for(task, 60)


async def until(condition: Callable[[], object], *, seconds: float = 180) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def reply_of(platform: FakePlatform, id: str | None) -> str:
    found = [post.reply.text for post in platform.posts if post.id == id and post.reply is not None]
    return found[0] if found else ""


def test_question_is_answered_with_its_citation_and_counted(home: Path) -> None:
    async def run() -> None:
        platform = FakePlatform()
        async with running(home, platform) as serving:
            await until(lambda: serving.health().unready is None)
            id_ = await serving.desk.ask(asked("How many days of annual leave?", "m1"), keys=["m1"])
            await until(lambda: reply_of(platform, id_))
            assert "25 days of annual leave" in reply_of(platform, id_)
            assert "[1]" in reply_of(platform, id_)
            await until(lambda: serving.health().questions.get("answered") == 1)
            status = await serving.desk.status(ANNA)
            assert status is None, "Anna is no administrator"
            lines = serving.desk.sources(ANNA, HALL)
            assert [(line.name, line.documents > 0) for line in lines] == [("handbook", True)]

    asyncio.run(run())


def test_golden_questions_are_asked_after_a_sync_and_a_drop_is_in_the_state(home: Path) -> None:
    question = '[[question]]\nid = "leave"\nask = "How many days of annual leave?"\nfacts = [["{}"]]\n'
    rows = [question.format(fact).replace("leave", f"leave{n}", 1) for n, fact in enumerate(("25",) * 3)]
    home.joinpath("golden.toml").write_text(
        "".join(row + 'documents = ["handbook:leave.md"]\n' for row in rows)
    )
    text = (BASE + READABLE).replace("watch = false\n", 'watch = false\ngolden = "golden.toml"\n')
    home.joinpath("groundling.toml").write_text(text + '[access]\nadmins = ["slack:user:U01"]\n')
    golden = sha256_of(home / "golden.toml")
    items = (Item(f"leave{n}", "d", must=False, values=RIGHT, ms=1) for n in range(3))
    good = evaluation(Setting("base", golden, "an earlier index", "prompt"), Way(None, tuple(items)), None)
    leave = home / "documents" / "leave.md"
    leave.write_text(leave.read_text().replace("25 days", "31 days"))
    boss = type(ANNA)("slack:user:U01", "member")

    async def run() -> None:
        async with running(home, FakePlatform()) as serving:
            with Project.open(home / "groundling.toml", None) as beside:
                keep(beside.registry, good)
                await until(lambda: serving.health().unready is None)
                await serving.scheduler.now(None)
                await until(lambda: len(golden_runs(beside.registry)) == 2, seconds=240)
            async with asyncio.timeout(60):
                while "golden questions dropped" not in (status := await serving.desk.status(boss) or ""):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            assert "The golden questions dropped: right answers: 0.0% against 100.0% of 3" in status

    asyncio.run(run())


def test_question_that_came_before_anything_was_ready_is_answered_once(home: Path) -> None:
    async def run() -> None:
        platform = FakePlatform()
        platform.connected = False
        async with running(home, platform) as serving:
            id_ = await serving.desk.ask(asked("How many days of annual leave?", "m1"), keys=["m1"])
            assert id_ is not None
            await until(lambda: serving.health().index_version)
            assert serving.health().unready == "fake: was never connected"
            assert platform.posts == []
            platform.connected = True
            await until(lambda: reply_of(platform, id_))
            assert serving.health().unready is None
        again = FakePlatform()
        async with running(home, again) as serving:
            await until(lambda: serving.health().unready is None)
            assert await serving.desk.ask(asked("How many days of annual leave?", "m1"), keys=["m1"]) is None
        assert again.posts == []

    asyncio.run(run())


def test_readers_that_are_taken_out_of_the_file_read_nothing_from_then_on(home: Path) -> None:
    async def run() -> None:
        platform = FakePlatform()
        async with running(home, platform) as serving:
            await until(lambda: serving.health().unready is None)
            assert serving.desk.collections(ANNA, HALL) == ["main"]
            home.joinpath("groundling.toml").write_text(BASE + READABLE.replace("everyone", "slack:team:T01"))
            await until(lambda: serving.desk.collections(ANNA, HALL) == [])
            id_ = await serving.desk.ask(asked("How many days of annual leave?", "m2"), keys=["m2"])
            await until(lambda: reply_of(platform, id_))
            assert "25" not in reply_of(platform, id_)
            home.joinpath("groundling.toml").write_text(
                BASE + READABLE + '[access]\nadmins = ["discord:user:1"]\n'
                '[[channel]]\nid = "slack:channel:C01"\nlength = "short"\nmention = false\n'
            )
            await until(lambda: serving.desk.collections(ANNA, HALL) == ["main"])
            assert serving.desk.channel("slack:channel:C01").mention is False

    asyncio.run(run())


async def until_not_found(serving: Serving, query: str, document: str) -> None:
    async with asyncio.timeout(180):
        while document in [  # noqa: ASYNC110
            one.chunk.document_id for one in await serving.desk.search(query, ANNA, HALL)
        ]:
            await asyncio.sleep(0.02)


def test_source_that_left_a_collection_is_not_found_in_it_though_it_cannot_be_synced(home: Path) -> None:
    query = "How many days of annual leave?"
    legal = BASE.replace('"documents"\n', '"documents"\ncollection = "legal"\n') + READABLE
    both = legal + READABLE.replace("main", "legal")

    async def run() -> None:
        async with running(home, FakePlatform()) as serving:
            await until(lambda: serving.health().unready is None)
            assert await serving.desk.search(query, ANNA, HALL)
            home.joinpath("groundling.toml").write_text(legal)
            await until_not_found(serving, query, "handbook:leave.md")
        async with running(home, FakePlatform()) as serving:
            await until(lambda: serving.health().unready is None)
            assert await serving.desk.search(query, ANNA, HALL) == []
            home.joinpath("groundling.toml").write_text(both)
            await until(lambda: serving.desk.collections(ANNA, HALL) == ["legal", "main"])
            assert await serving.desk.search(query, ANNA, HALL), "whoever reads both has lost nothing"

    with only_writer(home / "data"):
        asyncio.run(run())


@pytest.mark.parametrize("when", ["before it starts", "while it runs"])
def test_changed_source_is_synced_at_once_and_not_again(home: Path, when: str) -> None:
    without = BASE.replace('"documents"\n', '"documents"\nexclude = ["parking.txt"]\n') + READABLE

    async def run() -> None:
        if when == "before it starts":
            home.joinpath("groundling.toml").write_text(without)
        async with running(home, FakePlatform()) as serving:
            await until(lambda: serving.health().unready is None)
            if when == "while it runs":
                home.joinpath("groundling.toml").write_text(without)
            await until_not_found(serving, "When does the car park close?", "handbook:parking.txt")
            await until(lambda: serving.scheduler.running is None)

    asyncio.run(run())
    with Project.open(home / "groundling.toml", None) as project:
        assert {one.path for one in project.catalogue.documents()} == {"leave.md", "rates.csv"}
        assert changed(project.database, project.config, root=project.root, data=project.data) == []


def test_administrator_syncs_and_sees_how_the_bot_is(home: Path) -> None:
    async def run() -> None:
        home.joinpath("groundling.toml").write_text(
            BASE + READABLE + '[access]\nadmins = ["slack:user:U01"]\n'
        )
        boss = type(ANNA)("slack:user:U01", "member")
        platform = FakePlatform()
        async with running(home, platform) as serving:
            await until(lambda: serving.health().unready is None)
            before = serving.desk.sources(boss, HALL)[0].synced_at
            assert (
                await serving.desk.sync(boss, "wiki")
                == "There is no source called 'wiki'; there is: handbook."
            )
            assert (await serving.desk.sync(boss, "handbook") or "").startswith("Syncing handbook.")
            await until(lambda: serving.desk.sources(boss, HALL)[0].synced_at != before)
            status = await serving.desk.status(boss) or ""
            assert "fake connected" in status
            assert "Model: none" in status
            assert await serving.desk.sync(ANNA, "handbook") is None

    asyncio.run(run())


def test_index_that_is_made_anew_beside_it_is_what_the_next_answer_is_drawn_from(
    home: Path, groundling: Groundling
) -> None:
    async def run() -> None:
        platform = FakePlatform()
        async with running(home, platform) as serving:
            await until(lambda: serving.health().unready is None)
            before = serving.health().index_version
            home.joinpath("documents", "leave.md").write_text(
                "# Annual leave\n\nEvery employee has 31 days of annual leave a year.\n"
            )
            done = await asyncio.to_thread(groundling, "sync", "--rebuild", cwd=home)
            assert done.returncode == 0
            id_ = await serving.desk.ask(asked("How many days of annual leave?", "m1"), keys=["m1"])
            await until(lambda: reply_of(platform, id_))
            assert "31 days" in reply_of(platform, id_)
            assert serving.health().index_version != before

    asyncio.run(run())


def test_platform_without_its_token_is_told_and_the_other_one_answers(home: Path) -> None:
    def refuses(_project: object, _desk: object) -> FakePlatform:
        raise ConfigError("DISCORD_TOKEN is not set")

    async def run() -> None:
        platform = FakePlatform()
        async with running(home, platform, discord=refuses) as serving:
            await until(lambda: serving.health().index_version)
            id_ = await serving.desk.ask(asked("How many days of annual leave?", "m1"), keys=["m1"])
            await until(lambda: reply_of(platform, id_))
            health = serving.health()
            assert health.platforms == {"fake": True, "discord": False}
            assert health.unready == "discord: DISCORD_TOKEN is not set"

    asyncio.run(run())


@pytest.fixture
def holding(home: Path) -> Path:
    """The same with golden questions about annual leave, and an index that is held back when it has another answer."""
    rows = [
        f'[[question]]\nid = "leave{n}"\nask = "How many days of annual leave does an employee have?"\n'
        'facts = [["25"]]\ndocuments = ["handbook:leave.md"]\n'
        for n in range(3)
    ]
    home.joinpath("golden.toml").write_text("".join(rows))
    text = (BASE + READABLE).replace(
        "watch = false\n", 'watch = false\ngolden = "golden.toml"\nhold = true\n'
    )
    home.joinpath("groundling.toml").write_text(text + '[access]\nadmins = ["slack:user:U01"]\n')
    return home


def rewritten(home: Path, file: str, before: str, after: str) -> None:
    document = home / "documents" / file
    assert before in document.read_text()
    document.write_text(document.read_text().replace(before, after))


async def answer_to(serving: Serving, platform: FakePlatform, text: str, message: str) -> str:
    id_ = await serving.desk.ask(asked(text, message), keys=[message])
    await until(lambda: reply_of(platform, id_))
    return reply_of(platform, id_)


def test_worse_index_is_held_back_until_somebody_lets_it_pass(holding: Path, groundling: Groundling) -> None:
    boss = type(ANNA)("slack:user:U01", "member")
    leave = "How many days of annual leave does an employee have?"

    async def told(serving: Serving) -> None:
        async with asyncio.timeout(180):
            while "A newer index is held back since" not in (await serving.desk.status(boss) or ""):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def run() -> None:
        platform = FakePlatform()
        async with running(holding, platform) as serving:
            with Project.open(holding / "groundling.toml", None) as beside:
                await until(lambda: len(golden_runs(beside.registry)) == 1)
                rewritten(holding, "leave.md", "25 days", "31 days")
                await serving.scheduler.now(None)
                await told(serving)
            assert "25 days" in await answer_to(serving, platform, leave, "m1")
        async with running(holding, platform) as serving:
            await told(serving)
            assert "25 days" in await answer_to(serving, platform, leave, "m2")
            accepted = await asyncio.to_thread(groundling, "sync", "--accept", cwd=holding)
            assert accepted.returncode == 0, accepted.stderr
            with Project.open(holding / "groundling.toml", None) as beside:
                await until(lambda: beside.registry.moves("index")[-1].action == "release")
            assert "held back" not in (await serving.desk.status(boss) or "held back")
            assert "31 days" in await answer_to(serving, platform, leave, "m3")

    asyncio.run(run())

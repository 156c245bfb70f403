"""Reviewed answers: what is kept, which questions find one, and for whom."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.curated import FORGOTTEN, MOST_WAITING, CuratedAnswers
from bot.curated_draft import Draft
from bot.errors import Failed, WrongUse
from bot.evaluation.golden import dangling
from bot.journal import Journal
from bot.phrasing import gist, normal
from knowledge.database import Database
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.embedding.word_vectors import WordVectors
from tests.conftest import Groundling

MAIN = frozenset({"main"})
LEAVE = Draft("How many days of leave do we get?\nWhat is our annual leave?", "25 days a year.", "main")


class Clock:
    now = 1_750_000_000.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


@contextmanager
def opened(folder: Path, *, alike: float = 0.7, clock: Clock | None = None) -> Iterator[CuratedAnswers]:
    database = Database.open(folder / "groundling.sqlite")
    try:
        yield CuratedAnswers(database, WordVectors(), alike=alike, clock=clock or Clock())
    finally:
        database.close()


async def found(answers: CuratedAnswers, text: str, collections: frozenset[str] = MAIN) -> Answer:
    answer = await answers.find(text, collections)
    assert answer is not None, f"no pair answers {text!r}"
    return answer


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_the_same_question_finds_its_answer_whatever_its_case_and_punctuation(tmp_path: Path) -> None:
    with opened(tmp_path, alike=2.0) as answers:
        await answers.save([LEAVE], "Anna")
        for text in (
            "how many days of leave do we get",
            "  HOW many days, of leave, do we get?!",
            "What is our annual leave?",
        ):
            assert (await found(answers, text)).text == "25 days a year. [1]"


async def test_an_answer_is_marked_as_reviewed_and_quotes_its_pair(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        (id_,) = await answers.save(
            [Draft(LEAVE.question, LEAVE.answer, "main", "https://x.example/leave")], "Anna"
        )
        answer = await found(answers, "What is our annual leave?")

    (citation,) = answer.citations
    assert (answer.status, answer.voice, answer.language) == ("answered", "curated", "en")
    assert (citation.title, citation.location) == ("How many days of leave do we get?", "Reviewed answer")
    assert (citation.document_id, citation.collection, citation.url) == (
        f"curated:{id_}",
        "main",
        "https://x.example/leave",
    )
    assert citation.updated_at is not None
    assert answer.note == f"Reviewed by Anna on {citation.updated_at.date().isoformat()}."
    assert dangling(answer) == 0


async def test_a_german_question_is_told_in_german_that_its_answer_was_reviewed(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        await answers.save(
            [Draft("Wie viele Tage Urlaub haben wir im Jahr?", "30 Tage.", "main")], "slack:user:U0ANNA"
        )
        answer = await found(answers, "wie viele Tage Urlaub haben wir im Jahr")

    assert answer.note is not None
    assert answer.note.startswith("Geprüft am ")
    assert answer.citations[0].location == "Geprüfte Antwort"


async def test_a_pair_of_a_collection_that_may_not_be_read_is_never_served(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        await answers.save([Draft(LEAVE.question, "Board members get 60.", "board"), LEAVE], "Anna")

        assert (await found(answers, "What is our annual leave?")).text == "25 days a year. [1]"
        assert await answers.find("What is our annual leave?", frozenset({"other"})) is None
        assert await answers.find("What is our annual leave?", frozenset()) is None


async def test_a_proposal_is_not_served_until_it_is_approved(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        proposed = await answers.propose(
            "Where is the first-aid box?", "In the kitchen.", "slack:user:U1", "main"
        )
        assert await answers.find("Where is the first-aid box?", MAIN) is None
        (pair,) = await answers.pairs(state="proposed")
        assert pair == proposed

        approved = await answers.approve(pair.id, "slack:user:U2")
        assert (approved.state, approved.proposed_by, approved.approved_by) == (
            "approved",
            "slack:user:U1",
            "slack:user:U2",
        )
        assert (await found(answers, "Where is the first-aid box?")).text == "In the kitchen. [1]"


async def test_proposing_the_same_twice_makes_one_proposal(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        pairs = [await answers.propose("Where is it?", "There.", "slack:user:U1", "main") for _ in range(2)]

        assert pairs[0] == pairs[1]
        assert await answers.pairs() == pairs[:1]


async def test_one_person_cannot_fill_the_list_of_proposals(tmp_path: Path) -> None:
    with opened(tmp_path) as kept:
        for number in range(MOST_WAITING):
            await kept.propose(f"Question {number}?", "Yes.", "slack:user:U1", "main")
        with pytest.raises(WrongUse, match="wait already"):
            await kept.propose("One more?", "Yes.", "slack:user:U1", "main")
        await kept.propose("One more?", "Yes.", "slack:user:U2", "main")


async def test_who_is_forgotten_is_named_nowhere_and_the_pair_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as kept:
        pair = await kept.propose("Where is it?", "There.", "slack:user:U1", "main")
        await kept.approve(pair.id, "slack:user:U2")
        await kept.forget("slack:user:U1")
        await kept.forget("slack:user:U2")
        (left,) = await kept.pairs()
        assert (left.proposed_by, left.approved_by) == (FORGOTTEN, None)
        assert (await found(kept, "Where is it?")).text == "There. [1]"


async def test_proposing_what_is_served_already_leaves_it_served(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        await answers.save([Draft("Where is it?", "There.", "main")], "Anna")
        pair = await answers.propose("Where is it?", "There.", "slack:user:U1", "main")

        assert (pair.state, pair.approved_by) == ("approved", "Anna")
        assert await answers.pairs() == [pair]


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ("How many days of leave do we get?", "Hi, how many days of leave do I get?"),
        ("Is there parking at the office?", "Is there parking in the office"),
        ("Where do visitors park?", "Where does a visitor park?"),
        ("Wie viele Tage Urlaub bekomme ich?", "Wie viele Tage Urlaub bekomme ich bitte"),
        ("Where do I find my payslip?", "Where do we find our payslips?"),
        ("How do you reset a password?", "Hello, how do we reset a password?"),
        ("How do you reset your password?", "How do I reset my password?"),
        ("Darf man im Hof parken?", "Darf ich im Hof parken?"),
    ],
)
async def test_small_words_and_plurals_do_not_keep_a_question_from_its_answer(
    tmp_path: Path, kept: str, text: str
) -> None:
    with opened(tmp_path, alike=0.0) as answers:
        await answers.save([Draft(kept, "So it is.", "main")], "Anna")
        assert (await found(answers, text)).text == "So it is. [1]"


DIFFERENT = [
    ("How many days of leave do employees get?", "How many days of leave do contractors get?"),
    ("How many days of leave do we get?", "How many days of sick leave do we get?"),
    ("How many days of leave did we get in 2025?", "How many days of leave did we get in 2026?"),
    ("What is the limit above 100 euros?", "What is the limit above 1000 euros?"),
    ("Is smoking allowed in the yard?", "Is smoking not allowed in the yard?"),
    ("May I park before 8:00?", "May I park after 8:00?"),
    ("May I carry over leave?", "Must I carry over leave?"),
    ("How do I reset my password in Jira?", "How do I reset my password in Okta?"),
    ("how do i move a ticket from jira to okta", "how do i move a ticket from okta to jira"),
    ("How do I enable two-factor sign-in?", "How do I disable two-factor sign-in?"),
    ("Who is the head of sales?", "Who was the head of sales?"),
    ("Where do I find the C++ guide?", "Where do I find the C# guide?"),
    ("Is 5 % allowed?", "Is 5 € allowed?"),
    ("Is -5 degrees allowed?", "Is 5 degrees allowed?"),
    ("Who pays the engineer?", "Who pays for the engineering?"),
    ("When does the gate open?", "Where does the gate open?"),
    ("May 🚗 enter?", "May 🚲 enter?"),
    ("What is our annual leave?", "What is our annual leave, and what do contractors get?"),
    ("Do you pay for my training?", "Do I pay for my training?"),
    ("Do you pay for training?", "Do we pay for training?"),
    ("Can you read my messages?", "Can I read your messages?"),
    ("Can you read my messages?", "Can we read my messages?"),
    ("Is my manager told?", "Is your manager told?"),
    ("Is it insured?", "Am I insured?"),
    ("How do you store my messages?", "How do I store my messages?"),
    ("How do you pay us?", "How do we pay us?"),
    ("How do you work when I'm away?", "How do we work when I'm away?"),
    ("What do you do here?", "What do I do here?"),
    ("Do you?", "Do I?"),
    ("Am I?", "Do we?"),
    ("Kann man meine Nachrichten lesen?", "Kann ich meine Nachrichten lesen?"),
    ("Dürfen Sie Nachrichten lesen?", "Dürfen wir Nachrichten lesen?"),
    ("Dürfen wir im Hof parken?", "Dürfen wir im Hof nicht parken?"),
    ("Dürfen wir vor 8 Uhr parken?", "Dürfen wir nach 8 Uhr parken?"),
    ("Combien de jours de congé avons-nous ?", "Combien de jours de congés avons-nous ?"),
    ("???", "What?"),
    ("Ist das Büro am 1.1. geöffnet?", "Ist das Büro am 1.10. geöffnet?"),
    ("Which patches does release 3.1 need?", "Which patches does release 3.10 need?"),
    ("What may I reach at 10.0.0.1?", "What may I reach at 10.0.0.10?"),
    ("Wie verbuche ich Zahlungen an Lieferanten?", "Wie verbuche ich Zahlungen von Lieferanten?"),
    ("Wie buche ich eine Rechnung für einen Kunden?", "Wie buche ich eine Rechnung von einem Kunden?"),
    ("Wie melde ich mich?", "Wie melde ich mich an?"),
    ("Who approves overtime in IT?", "Who approves overtime?"),
    ("Who approves overtime?", "who approves overtime in it?"),
    ("How many holidays do we get in AT?", "How many holidays do we get?"),
    ("HOW MANY HOLIDAYS DO WE GET IN AT?", "How many holidays do we get?"),
]


@pytest.mark.parametrize(("kept", "text"), DIFFERENT)
def test_questions_that_differ_in_one_thing_that_counts_are_two_questions(kept: str, text: str) -> None:
    assert normal(kept) != normal(text)
    assert not gist(kept) or gist(kept) != gist(text)


async def test_two_questions_with_one_gist_must_also_be_alike_to_the_embedder(tmp_path: Path) -> None:
    kept, text = "Is there parking at the office?", "Is there parking in the office?"
    assert gist(kept) == gist(text)
    for folder, alike, served in ((tmp_path / "a", 0.8, True), (tmp_path / "b", 0.999, False)):
        with opened(folder, alike=alike) as answers:
            await answers.save([Draft(kept, "Yes.", "main")], "Anna")
            assert (await answers.find(text, MAIN) is not None) == served


async def test_the_calibrated_bound_parts_questions_that_only_look_alike(tmp_path: Path) -> None:
    embedder = SentenceTransformerEmbedder.from_package(threads=1)
    database = Database.open(tmp_path / "groundling.sqlite")
    answers = CuratedAnswers(database, embedder)
    pairs = [
        ("How many days of leave do we get?", "25."),
        ("What do the managers do?", "Manage."),
        ("Where is the news desk?", "There."),
    ]
    await answers.save([Draft(question, answer, "main") for question, answer in pairs], "Anna")

    assert (await found(answers, "hello, how many days of leave do I get")).text == "25. [1]"
    assert gist("What are the managers?") == gist(pairs[1][0])
    assert await answers.find("What are the managers?", MAIN) is None
    assert gist("Where is the new desk?") == gist(pairs[2][0])
    assert await answers.find("Where is the new desk?", MAIN) is None
    database.close()


async def test_of_two_collections_with_the_same_question_the_latest_answer_is_served(tmp_path: Path) -> None:
    both = frozenset({"main", "sales"})
    with opened(tmp_path) as answers:
        ids = await answers.save([LEAVE, Draft(LEAVE.question, "26 days.", "sales")], "Anna")
        assert (await found(answers, "What is our annual leave?", both)).text == "26 days. [1]"
        await answers.approve(ids[0], "Anna")
        assert (await found(answers, "What is our annual leave?", both)).text == "25 days a year. [1]"


async def test_what_another_process_changes_counts_for_the_next_question(tmp_path: Path) -> None:
    with opened(tmp_path) as serving, opened(tmp_path) as other:
        assert await serving.find("What is our annual leave?", MAIN) is None
        (id_,) = await other.save([LEAVE], "Anna")
        assert (await found(serving, "What is our annual leave?")).text == "25 days a year. [1]"
        await other.save([Draft(LEAVE.question, "26 days.", "main", id=id_)], "Anna")
        assert (await found(serving, "What is our annual leave?")).text == "26 days. [1]"
        await other.remove(id_, "Anna")
        assert await serving.find("What is our annual leave?", MAIN) is None


async def test_a_removed_pair_is_gone_and_other_documents_are_asked_about_elsewhere(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        kept, removed = await answers.save([LEAVE, Draft("Where is it?", "There.", "main")], "Anna")
        await answers.remove(removed, "Anna")
        names = [f"curated:{kept}", f"curated:{removed}", "handbook:a.md", "handbook:b.md"]

        gone = answers.gone(names, lambda rest: {name for name in rest if name.endswith("b.md")})
        assert gone == {f"curated:{removed}", "handbook:b.md"}
        assert answers.gone(names) == {f"curated:{removed}"}


async def test_a_removed_pair_leaves_no_word_on_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        (id_,) = await answers.save([Draft("Who is Zwiebelfisch?", "A Quallenforscher.", "main")], "Anna")
        await answers.remove(id_, "Anna")
        left = everything_in(tmp_path)

    assert b"curated removed" in left
    for word in (b"Zwiebelfisch", b"Quallenforscher"):
        assert word not in left


async def test_what_a_pair_said_before_it_was_replaced_leaves_the_disk(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        (id_,) = await answers.save([Draft("Who is it?", "A Quallenforscher.", "main")], "Anna")
        await answers.save([Draft("Who is it?", "Somebody.", "main", id=id_)], "Anna")
        left = everything_in(tmp_path)

    assert b"Somebody." in left
    assert b"Quallenforscher" not in left


async def test_what_is_done_to_pairs_is_in_the_journal_without_their_words(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        await answers.propose("Where is it?", "There.", "slack:user:U1", "main")
        (pair,) = await answers.pairs()
        await answers.approve(pair.id, "slack:user:U2")
        await answers.remove(pair.id, "slack:user:U2")
        database = Database.open(tmp_path / "groundling.sqlite")
        deeds = await Journal(database).deeds()
        database.close()

    told = [(deed.person, deed.action) for deed in deeds]
    assert told == [
        ("slack:user:U2", "curated removed"),
        ("slack:user:U2", "curated approved"),
        ("slack:user:U1", "curated proposed"),
    ]
    assert {deed.detail for deed in deeds} == {f"{pair.id} in main"}


async def test_a_question_is_served_by_one_pair_of_a_collection_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        await answers.save([LEAVE], "Anna")
        with pytest.raises(WrongUse, match="is a question of the pair"):
            await answers.save([Draft("what is our annual leave", "30.", "main")], "Ben")
        await answers.propose("What is our annual leave?", "30.", "slack:user:U1", "main")
        (proposal,) = await answers.pairs(state="proposed")
        with pytest.raises(Failed, match="is a question of the pair"):
            await answers.approve(proposal.id, "Ben")

        assert (await found(answers, "What is our annual leave?")).text == "25 days a year. [1]"


async def test_pairs_are_saved_all_or_none(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        with pytest.raises(WrongUse):
            await answers.save([Draft("One?", "1.", "main"), Draft("one", "2.", "main")], "Anna")

        assert await answers.pairs() == []


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("See [2] and extension (12).", "See and extension 12. [1]"),
        ("See section 4(3)(2).", "See section 4(3)(2). [1]"),
        ("```\nmake demo\n```", "```\nmake demo\n```\n[1]"),
        ("| a | b |\n|---|---|\n| c | d |", "| a | b |\n|---|---|\n| c | d |\n[1]"),
    ],
)
async def test_an_answer_holds_no_number_of_a_source_but_its_own(
    tmp_path: Path, answer: str, text: str
) -> None:
    with opened(tmp_path) as answers:
        await answers.save([Draft("Where is it?", answer, "main")], "Anna")
        served = await found(answers, "Where is it?")

    assert served.text == text
    assert dangling(served) == 0


@pytest.mark.parametrize(
    ("draft", "fault"),
    [
        (Draft(" \n ", "a", "main"), "there is no question"),
        (Draft("?!", "a", "main"), "a word or a number"),
        (Draft("q" * 501, "a", "main"), "longer than 500"),
        (Draft("\n".join(f"q {n}" for n in range(21)), "a", "main"), "21 phrasings"),
        (Draft("q", " ", "main"), "there is no answer"),
        (Draft("q", "[1]", "main"), "there is no answer"),
        (Draft("q", "a" * 8001, "main"), "8001 characters"),
        (Draft("q", "a", ""), "no collection"),
        (Draft("q", "a", "main", "javascript:alert(1)"), "no http or https"),
        (Draft("q", "a", "main", state="done"), "proposed or approved"),  # type: ignore[arg-type]
        (Draft("q", "a", "main", id="../x"), "no id"),
    ],
)
async def test_a_pair_that_could_not_be_served_is_refused_with_its_fault(
    tmp_path: Path, draft: Draft, fault: str
) -> None:
    with opened(tmp_path) as answers:
        with pytest.raises(WrongUse, match=fault):
            await answers.save([draft], "Anna")

        assert await answers.pairs() == []


@pytest.mark.parametrize("text", ["", "?", "\0", "\ud800 leave", "x" * 40_000, "年休", "🚗"])
async def test_any_text_may_be_asked(tmp_path: Path, text: str) -> None:
    with opened(tmp_path) as answers:
        await answers.save([LEAVE], "Anna")
        assert await answers.find(text, MAIN) is None


async def test_what_is_unknown_can_neither_be_approved_nor_removed(tmp_path: Path) -> None:
    with opened(tmp_path) as answers:
        for change in (answers.approve, answers.remove):
            with pytest.raises(Failed, match="there is no pair 'abcd2345'"):
                await change("abcd2345", "Anna")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    text = '[[source]]\nname = "h"\nkind = "folder"\npath = "."\n'
    tmp_path.joinpath("groundling.toml").write_text(text)
    return tmp_path


def listed(groundling: Groundling, project: Path) -> list[dict[str, str]]:
    done = groundling("curated", "list", "--json", cwd=project)
    assert done.returncode == 0, done.stderr.decode()
    rows: list[dict[str, str]] = json.loads(done.stdout)["curated"]
    return rows


@pytest.mark.parametrize("name", ["pairs.csv", "pairs.jsonl"])
def test_pairs_go_round_through_a_file(project: Path, groundling: Groundling, name: str) -> None:
    answer = 'Use "a, b"; then\n\n- one\n- two\u2028or\u2029or\x85three'
    done = groundling(
        "curated", "add", "How, then?", answer, "--also", "In which way?", "--by", "Änne", cwd=project
    )
    assert done.returncode == 0, done.stderr.decode()
    before = listed(groundling, project)
    assert groundling("curated", "export", name, cwd=project).returncode == 0
    assert groundling("curated", "remove", before[0]["id"], cwd=project).returncode == 0
    assert listed(groundling, project) == []
    done = groundling("curated", "import", name, "--by", "Änne", cwd=project)
    assert done.returncode == 0, done.stderr.decode()

    (row,) = listed(groundling, project)
    for column in ("id", "state", "question", "answer", "collection", "url", "approved_by"):
        assert row[column] == before[0][column]
    assert row["question"] == "How, then?\nIn which way?"


def test_a_file_with_a_bad_row_imports_nothing_and_names_each_row(
    project: Path, groundling: Groundling
) -> None:
    rows = [
        {"question": ["Where?", "At which place?"], "answer": "Here."},
        {"question": "When?", "answer": ""},
        {"question": "Who?", "answer": "We.", "collection": "boards"},
        {"question": "Why?", "answer": "So.", "colour": "red"},
        {"question": 7, "answer": "So."},
        ["no object"],
    ]
    project.joinpath("p.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n{broken\n")
    done = groundling("curated", "import", "p.jsonl", cwd=project)
    told = done.stderr.decode()

    assert done.returncode == 2
    for number in range(2, 8):
        assert told.count(f"line {number}: ") == 1
    assert "line 1:" not in told
    assert "Traceback" not in told
    assert listed(groundling, project) == []


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("p.csv", "frage,antwort\na,b\n", "names no columns question and answer"),
        ("p.csv", "question,answer\na,b,c\n", "more cells than columns"),
        ("p.csv", 'question,answer\n"a,b\n', "after line 1: "),
        ("p.csv", "question,answer\n", "holds no pair"),
        ("p.csv", "question,answer\nWhere?,Here.\nwhere,There.\n", "is a question of the pair"),
        ("p.txt", "a", "neither .csv nor .jsonl"),
    ],
)
def test_a_file_that_is_no_table_of_pairs_is_refused_in_words(
    project: Path, groundling: Groundling, name: str, text: str, told: str
) -> None:
    project.joinpath(name).write_text(text)
    done = groundling("curated", "import", name, cwd=project)

    assert done.returncode == 2
    assert told in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()


def test_a_semicolon_table_of_a_spreadsheet_is_read(project: Path, groundling: Groundling) -> None:
    text = "\ufeffquestion;answer\r\nWo ist das Büro?;Am Markt, im zweiten Stock.\r\n"
    project.joinpath("p.csv").write_bytes(text.encode())
    done = groundling("curated", "import", "p.csv", "--proposed", cwd=project)
    assert done.returncode == 0, done.stderr.decode()
    (row,) = listed(groundling, project)

    assert (row["question"], row["answer"]) == ("Wo ist das Büro?", "Am Markt, im zweiten Stock.")
    assert (row["state"], row["approved_by"]) == ("proposed", None)
    done = groundling("curated", "approve", row["id"], "--by", "Änne", cwd=project)
    assert done.returncode == 0
    assert listed(groundling, project)[0]["approved_by"] == "Änne"

"""Questions with answers out of reviewed files, help desks, Slack exports, the journal and the documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bot import curated
from bot.answer import Answer, Citation
from bot.asked import Asked
from bot.errors import WrongUse
from bot.finetuning.index_questions import index_pairs
from bot.finetuning.own_answers import curated_pairs, journal_pairs
from bot.finetuning.slack_export import plain, slack_pairs
from bot.finetuning.tables import reviewed_pairs, transcript_pairs
from bot.inbox import Inbox
from bot.journal import Journal
from bot.platform import Reply
from knowledge.database import Database
from knowledge.documents import Chunk
from knowledge.store import IndexedChunk


def test_reviewed_answers_give_a_pair_for_each_phrasing_and_none_for_a_proposal(tmp_path: Path) -> None:
    file = tmp_path / "pairs.csv"
    file.write_text(
        "question;answer;collection;state\n"
        '"How many days?\nWhat is our leave?";25 days a year.;main;approved\n'
        "May I fly?;Perhaps.;main;proposed\n"
    )
    pairs = reviewed_pairs(file, "own")
    assert [pair.ask for pair in pairs] == ["How many days?", "What is our leave?"]
    assert {pair.answer for pair in pairs} == {"25 days a year."}
    assert {pair.collections for pair in pairs} == {frozenset({"main"})}


def test_columns_of_a_help_desk_are_guessed_and_the_guess_is_told(tmp_path: Path) -> None:
    file = tmp_path / "desk.csv"
    file.write_text(
        "Ticket,Customer question,Agent reply\n1,When do you open?,At eight.\n2,And on Sunday?,\n"
    )
    pairs, columns = transcript_pairs(file, "own")
    assert (columns.question, columns.answer, columns.guessed) == ("Customer question", "Agent reply", True)
    assert [(pair.ask, pair.answer) for pair in pairs] == [("When do you open?", "At eight.")]
    lines = tmp_path / "desk.jsonl"
    lines.write_text(json.dumps({"q": "When?", "a": "Now."}) + "\n")
    pairs, columns = transcript_pairs(lines, "own", question="q", answer="a")
    assert (pairs[0].ask, pairs[0].answer, columns.guessed) == ("When?", "Now.", False)


def test_a_column_that_the_first_row_lacks_is_one_and_numbers_and_people_are_no_text(tmp_path: Path) -> None:
    lines = tmp_path / "tickets.jsonl"
    lines.write_text('{"question": "Is it down?"}\n{"question": "When?", "answer": "Now."}\n')
    for named in ({}, {"answer": "answer"}):
        pairs, _ = transcript_pairs(lines, "own", **named)
        assert [(pair.ask, pair.answer) for pair in pairs] == [("When?", "Now.")]
    table = tmp_path / "tickets.csv"
    table.write_text(
        "question_id,question_state,question_text,answered_by,answerId,answer_at,answer_body\n"
        "17,open,When?,Anna,4,noon,Now.\n"
    )
    pairs, columns = transcript_pairs(table, "own")
    assert (columns.question, columns.answer) == ("question_text", "answer_body")
    (tmp_path / "ids.csv").write_text("question_id,answer\n17,Now.\n")
    with pytest.raises(WrongUse, match="which column is the question"):
        transcript_pairs(tmp_path / "ids.csv", "own")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "holds no rows"),
        ("head.csv", b"question,answer\n", "holds no rows"),
        ("bare.csv", b"question,answer\nWhen?,\n", "holds no question with an answer"),
        (
            "latin.csv",
            "question,answer\nGr\xf6\xdfe?,1 m\n".encode("latin-1"),
            "is not UTF-8 at byte 18; save it",
        ),
        ("names.csv", b"left,right\na,b\n", "which column is the question? name it with --question-column"),
        ("wide.csv", b"question,answer\na,b,c\n", "line 2 has more cells"),
        ("torn.jsonl", b'{"question": "a"\n', "line 1 is no JSON"),
        ("list.jsonl", b"[1]\n", "line 1 is no JSON object"),
        ("export.zip", b"PK\x03\x04\xff", "unpack export.zip, and name the folder"),
        ("page.html", b"<p>", "is neither .csv, .tsv nor .jsonl"),
    ],
)
def test_a_broken_table_is_refused_in_one_line(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WrongUse) as refused:
        transcript_pairs(tmp_path / name, "own")
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def day(folder: Path, name: str, *messages: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps([{"type": "message", **one} for one in messages]))


def said(at: str, user: str, text: str, thread: str = "1.0", **more: object) -> dict[str, object]:
    return {"ts": at, "user": user, "text": text, "thread_ts": thread, **more}


def test_a_thread_that_asks_is_answered_by_the_last_other_person(tmp_path: Path) -> None:
    channel = tmp_path / "export" / "ask-it"
    day(
        channel,
        "2026-03-01",
        said("1.0", "U1", "<@U9> where does the *old* VPN &amp; proxy live? :wave:"),
        said("1.1", "U2", "Let me look for it in the wiki?"),
        said("1.2", "U2", "It moved to <https://vpn.example|the new gateway> in March."),
        said("1.3", "U1", "Thanks, that gateway works for my laptop."),
    )
    day(
        channel,
        "2026-03-02",
        said("2.0", "U3", "The lift is broken.", "2.0"),
        said("3.0", "U3", "Anyone?", "3.0"),
    )
    found = slack_pairs(tmp_path / "export", "own")
    assert [(pair.ask, pair.answer) for pair in found.pairs] == [
        ("where does the old VPN & proxy live?", "It moved to the new gateway in March.")
    ]
    assert (found.unanswered, found.asking_nothing) == (1, 1)


def test_an_answer_with_a_tick_goes_before_a_later_one(tmp_path: Path) -> None:
    day(
        tmp_path / "help",
        "2026-03-01",
        said("1.0", "U1", "How long is the warranty?"),
        said("1.1", "U2", "It is two years.", reactions=[{"name": "white_check_mark", "users": ["U1"]}]),
        said("1.2", "U3", "I always thought it was three years."),
    )
    assert [pair.answer for pair in slack_pairs(tmp_path / "help", "own").pairs] == ["It is two years."]


def test_bots_edits_and_deleted_messages_of_an_export_are_taken_as_people_saw_them(tmp_path: Path) -> None:
    day(
        tmp_path / "help",
        "2026-03-01",
        said("1.0", "U1", "How long is the warranty?"),
        said("1.1", "U2", "It is three years long."),
        {
            "subtype": "message_changed",
            "message": {"type": "message", **said("1.1", "U2", "It is two years long.")},
        },
        said("1.2", "U3", "It is nine years long."),
        {"subtype": "message_deleted", "deleted_ts": "1.2", "ts": "1.9"},
        said("1.3", "U4", "I am a bot with five years of it.", bot_id="B1"),
        {"subtype": "channel_join", "user": "U5", "ts": "1.4", "text": "U5 has joined the channel today"},
        {"subtype": "tombstone", "user": "USLACKBOT", "ts": "1.5", "text": "This message was deleted."},
        said("5.0", "U2", "An answer whose question is gone for good.", "4.0"),
    )
    found = slack_pairs(tmp_path, "own")
    assert [pair.answer for pair in found.pairs] == ["It is two years long."]
    assert found.asking_nothing == 0


def test_a_folder_that_is_no_export_and_a_day_that_is_no_list_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="is no unpacked Slack export"):
        slack_pairs(tmp_path, "own")
    (tmp_path / "2026-03-01.json").write_text('{"ok": false}')
    with pytest.raises(WrongUse, match="is not a list of messages"):
        slack_pairs(tmp_path, "own")
    (tmp_path / "2026-03-01.json").write_bytes(b'["\xff"]')
    with pytest.raises(WrongUse, match="is not UTF-8"):
        slack_pairs(tmp_path, "own")


def test_slack_markup_becomes_words() -> None:
    assert plain("<!here> see <#C1|it-help>, <mailto:a@b.example|mail> or ~old~ _new_ snake_case") == (
        "see #it-help, mail or old new snake_case"
    )


def answered(text: str, voice: str = "model") -> Answer:
    cited = Citation(1, "d", "T", "", None, text, None, "handbook", "hr")
    return Answer("", f"{text} [1]", "answered", "en", voice, citations=(cited,))  # type: ignore[arg-type]


def approved(question: str, answer: str) -> curated.Pair:
    return curated.Pair("aaaaaaaa", "approved", question, answer, "main", None, "U1", "U1", 0.0)


async def test_the_journal_teaches_what_was_voted_up_and_what_was_corrected(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "groundling.sqlite")
    inbox, journal = Inbox(database), Journal(database)

    async def ask(
        text: str, reply: str, *votes: str, way: str = "mention", voice: str = "model", private: bool = False
    ) -> None:
        asked = Asked("slack", "T", "C", "U1", text, way, 1.0, text, "t", private)  # type: ignore[arg-type]
        id_ = await inbox.add(asked, [text])
        assert id_ is not None
        await inbox.note_reply(id_, Reply(id_, "answer", reply, answered(reply, voice)))
        await inbox.finish(id_, "answered")
        for number, verdict in enumerate(votes):
            await journal.vote(id_, f"person{number}", verdict)  # type: ignore[arg-type]

    await ask("How much leave is there?", "25 days.", "up", "up")
    await ask("What do I earn?", "400 EUR.", "up", private=True)
    await ask("And for trainees?", "30 days.", "up")
    await ask("When does it open?", "At nine.", "up", "down")
    await ask("How heavy is the lathe?", "50 tons.")
    await ask("Who is the doctor?", "Dr. No.", "up", way="direct")
    await ask("Where is the car park", "In the cellar.", "down")
    await ask("Where are the bikes?", "Outside.", "up", voice="curated")
    kept = [
        approved("Where is the car park?", "Behind the hall."),
        approved("Where are the bikes?", "Outside."),
    ]
    entries = await inbox.answered()
    learned = journal_pairs(entries, await journal.votes(), kept, "own")
    await inbox.close()
    database.close()
    assert [(pair.ask, pair.answer) for pair in learned.pairs] == [
        ("How much leave is there?", "25 days. [1]"),
        ("And for trainees?", "30 days. [1]"),
        ("Where is the car park", "Behind the hall."),
    ]
    assert learned.pairs[1].earlier == ("How much leave is there?",)
    names = {entry.asked.text: entry.id for entry in entries}
    leave, trainees, parking = (names[pair.ask] for pair in learned.pairs)
    assert [pair.questions for pair in learned.pairs] == [{leave}, {leave, trainees}, {parking}]
    assert [sorted(pair.collections) for pair in learned.pairs] == [["hr"], ["hr"], ["main"]]
    assert learned.left_out == {"asked in private": 2, "voted down": 1, "without a vote": 1}
    assert [pair.answer for pair in curated_pairs(kept, "own")] == ["Behind the hall.", "Outside."]


def chunk(
    ordinal: int, text: str, *headings: str, title: str = "Handbook", collection: str = "main"
) -> IndexedChunk:
    return IndexedChunk(
        chunk=Chunk(f"handbook:{title}", ordinal, headings, None, text),
        title=title,
        url=None,
        updated_at=None,
        source="handbook",
        collection=collection,
        text_hash=str(ordinal),
    )


TABLE = "| Site | Opens |\n|---|---|\n| Oslo works | at six |\n| Bergen works | at seven |\n| 7 | at eight |"
PAGES = [
    chunk(
        0,
        "Every employee has 25 days of annual leave a year. More is not paid.",
        "Handbook",
        "2.1 Annual leave",
    ),
    chunk(1, "It must be asked for two weeks before it begins.", "Handbook", "2.1 Annual leave"),
    chunk(2, "A bicycle can be leased for 36 months after probation.", "Handbook", "Can I lease a bicycle?"),
    chunk(3, "The stocktaking is the yearly count of everything in the warehouse.", "Handbook", "Overview"),
    chunk(4, TABLE, "Handbook", "Hours"),
    chunk(5, "Nobody may enter the press room without ear protection.", "Handbook", "Press room"),
]


def test_documents_ask_by_their_headings_terms_and_tables_and_answer_in_their_own_words() -> None:
    found = [pair for pair in index_pairs(PAGES, "own") if pair.passages == 1 and not pair.earlier]
    asked = {pair.ask: pair.answer for pair in found if ": " not in pair.answer}
    assert asked == {
        "What does Handbook say about Annual leave?": "Every employee has 25 days of annual leave a year.",
        "Every employee has how many days of annual leave a year?": "25 days",
        "It must be asked for how many weeks before it begins?": "two weeks",
        "Can I lease a bicycle?": "A bicycle can be leased for 36 months after probation.",
        "A bicycle can be leased for how many months after probation?": "36 months",
        "What is the stocktaking?": "The stocktaking is the yearly count of everything in the warehouse.",
        "What does Handbook say about Press room?": "Nobody may enter the press room without ear protection.",
    }
    cells = [(pair.ask, pair.answer) for pair in found if pair.ask not in asked]
    assert {answer for _, answer in cells} == {"Opens: at six", "Opens: at seven"}
    assert all("opens" in ask and ("Oslo" in ask or "Bergen" in ask) for ask, _ in cells)


def test_names_of_a_list_are_asked_for_and_a_page_of_headings_does_not_crowd_out_the_rest() -> None:
    listed = (
        "- Own car: paid at 0.39 EUR per kilometre with approval\n- Taxi: only between ten at night and six"
    )
    headings = [
        chunk(n, f"The rule number {word} is kept by all who work here.", "Handbook", f"Part {word}")
        for n, word in enumerate(("one", "two", "three", "four"), 1)
    ]
    pairs = [
        pair
        for pair in index_pairs([chunk(0, listed, "Travel"), *headings], "own")
        if pair.passages == 1 and not pair.earlier
    ]
    named = {pair.answer: pair.ask for pair in pairs if "Travel" in pair.ask and "say about" not in pair.ask}
    assert set(named) == {
        "Own car: paid at 0.39 EUR per kilometre with approval",
        "Taxi: only between ten at night and six",
    }
    assert "Own car" in named["Own car: paid at 0.39 EUR per kilometre with approval"]
    assert sum("say about" in pair.ask for pair in pairs) == 2


def test_a_question_whose_answer_asks_or_says_nothing_is_none() -> None:
    pages = [
        chunk(0, "Q: Who has the keys? A: The desk has them.", "Keys"),
        chunk(1, "How many are there? 19.", "Count"),
        chunk(2, "Who counts? And who checks?", "Checks"),
    ]
    found = {pair.ask: pair.answer for pair in index_pairs(pages, "own") if pair.passages == 1}
    assert found == {"Who has the keys?": "The desk has them."}


def test_some_questions_follow_another_and_some_need_two_passages() -> None:
    pages = [
        chunk(n, page.chunk.text, *page.chunk.headings, title=f"Handbook {copy}")
        for copy in range(12)
        for n, page in enumerate(PAGES)
    ]
    pairs = index_pairs(pages, "own")
    following = [pair for pair in pairs if pair.earlier]
    assert {"And for Bergen works?", "And about Press room?"} & {pair.ask for pair in following}
    both = [pair for pair in pairs if pair.passages == 2]
    assert both
    assert all(", and " in pair.ask and "\n" in pair.answer for pair in both)


def test_the_same_seed_makes_the_same_questions_of_the_documents() -> None:
    assert index_pairs(PAGES, "own", seed=3) == index_pairs(PAGES, "own", seed=3)
    assert index_pairs(PAGES, "own", seed=3) != index_pairs(PAGES, "own", seed=4)

"""The rows that a judge learns from: what is an answer, what comes close, and whose side a document is on."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from bot.errors import WrongUse
from bot.judging.asked_otherwise import asked_otherwise
from bot.judging.asked_pages import asked_rows
from bot.judging.claim_rows import claim_rows, policy_rows
from bot.judging.golden_rows import golden_rows, question_sets
from bot.judging.mixture import STRAY, mixed
from bot.judging.near_misses import changed, names, without_answer
from bot.judging.nearest import nearest
from bot.judging.page_rows import page_rows
from bot.judging.pages import Page, pages
from bot.judging.report import report
from bot.judging.rows import Row, Side, read, row, side_of, write
from bot.judging.sentence_rows import Sentences, passage_of
from bot.judging.squad_rows import squad_rows
from knowledge.chunking import Chunker
from knowledge.documents import Chunk
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.embedding.word_vectors import WordVectors
from models.judge.judge import Judge, shipped

EMBEDDER = WordVectors()
CHUNKER = Chunker(EMBEDDER.count_tokens, EMBEDDER.max_tokens)
EVERY = {"learn", "calibrate", "test"}
ESSAY = (
    "The Harbour Museum opened in 1987. It was designed by Ada Berg after the great fire. "
    "Its oldest ship is the Heron, built in 1641 near Oslo. Visitors come by the northern ferry. "
    "The roof was paid by the Lund Trust. In 1999 the hall was closed for two years."
)


RATES = (
    "# Rates\n\n| City | Per night | Breakfast |\n|---|---|---|\n| Oslo | 120 | 11 |\n| Paris | 140 | 12 |\n"
    "| Rome | 90 | 8 |\n"
)


def _pages(folder: Path, text: str, *, but: str = "none.md") -> list[Page]:
    (folder / "page.md").write_text(text)
    return list(pages([folder / "page.md"], EVERY, CHUNKER, but=frozenset({but})))


def _page_rows(folder: Path, text: str, *, but: str = "none.md") -> list[Row]:
    return list(page_rows(_pages(folder, text, but=but), random.Random(2)))


def _squad(folder: Path, titles: Iterable[str]) -> Path:
    known = [
        ("When did the Harbour Museum open?", "1987"),
        ("What is the oldest ship of the Harbour Museum?", "the Heron"),
        ("Which trust paid for the roof?", "the Lund Trust"),
    ]
    asked = [
        {"id": str(number), "question": ask, "answers": [{"text": text, "answer_start": ESSAY.index(text)}]}
        for number, (ask, text) in enumerate(known)
    ]
    near = {"id": "n", "question": "When did the Harbour Museum close for ever?", "answers": []}
    paragraphs = [
        {"context": ESSAY, "qas": [*asked, {**near, "is_impossible": True}]},
        {"context": ESSAY.replace("1987", "a year") + " The cafe is new.", "qas": []},
    ]
    file = folder / "squad.json"
    file.write_text(json.dumps({"data": [{"title": title, "paragraphs": paragraphs} for title in titles]}))
    return file


def test_a_document_is_on_one_side_by_its_title_alone() -> None:
    sides = [side_of(f"title {number}") for number in range(3000)]
    assert sides == [side_of(f"title {number}") for number in range(3000)]
    assert 0.17 < sides.count("test") / 3000 < 0.23
    assert 0.04 < sides.count("calibrate") / 3000 < 0.1


def test_squad_rows_hold_answers_and_what_only_comes_close(tmp_path: Path) -> None:
    rows = list(squad_rows(_squad(tmp_path, ["Museum"]), EVERY, CHUNKER, EMBEDDER, random.Random(1)))
    kinds = {one.kind for one in rows}
    assert {"answer", "near miss"} <= kinds
    for one in rows:
        if one.kind == "answer":
            assert one.answers == 1
            assert one.passage[one.begin : one.end] in {"1987", "the Heron", "the Lund Trust"}
        if one.kind.startswith("near miss"):
            assert one.answers == 0
            assert one.begin == -1


def test_sentences_are_read_alone_as_evidence_is(tmp_path: Path) -> None:
    rows = list(squad_rows(_squad(tmp_path, ["Museum"]), EVERY, CHUNKER, EMBEDDER, random.Random(1)))
    right = [one for one in rows if one.kind == "sentence"]
    assert [one.passage[one.begin : one.end] for one in right] == ["1987", "the Heron", "the Lund Trust"]
    assert right[0].passage == "Museum\nThe Harbour Museum opened in 1987."
    others = [one for one in rows if one.kind == "other sentence"]
    answers = {one.question: one.passage[one.begin : one.end] for one in right}
    assert others
    assert all(answers[one.question] not in one.passage and one.answers == 0 for one in others)
    assert {one.answers for one in rows if one.kind == "near miss sentence"} == {0}
    assert all(one.passage.count(". ") == 0 for one in rows if one.kind.endswith("sentence"))


def test_sentences_that_do_not_answer_are_the_ones_that_come_close() -> None:
    passages = [passage_of("Museum", ESSAY)]
    question = "Who designed the museum after the great fire?"
    taken = [
        one.passage
        for seed in range(40)
        for one in Sentences(EMBEDDER, random.Random(seed)).unanswered(question, passages, "near miss")
    ]
    near = sum("Ada Berg" in one for one in taken)
    assert near > sum("two years" in one for one in taken)
    assert not list(Sentences(EMBEDDER, random.Random(1)).unanswered(question, [], "near miss"))
    assert not list(Sentences(EMBEDDER, random.Random(1)).answered(question, passages, [], "nobody"))


def test_beside_a_near_miss_stands_what_a_judge_takes_for_an_answer(tmp_path: Path) -> None:
    organisation(tmp_path, "bank")
    (tmp_path / "bank" / "rates.md").write_text("\n\n".join(f"## Part {part}\n\n{ESSAY}" for part in "ABC"))
    (tmp_path / "bank.toml").write_text(
        '[[question]]\nask = "Who paid for the gate of the museum?"\nanswerable = false\n'
        'documents = ["bank:rates.md"]\n'
    )
    real = Judge(SentenceTransformerEmbedder.from_package().folder, shipped())

    def taken(judge: Judge | None) -> list[float]:
        """What the judge says of the sentences that are learned from, over several choices."""
        found = [
            one
            for seed in range(12)
            for one in golden_rows(
                question_sets(tmp_path, {}), "learn", CHUNKER, EMBEDDER, random.Random(seed), judge=judge
            )
        ]
        assert {one.answers for one in found} == {0}
        alone = [one for one in found if one.kind == "near miss golden sentence"]
        return real.answers([one.question for one in alone], [one.passage for one in alone])

    nearest_ones, hardest = taken(None), taken(real)
    assert len(nearest_ones) == len(hardest) == 36
    assert sum(hardest) > sum(nearest_ones)


def test_where_the_paragraph_is_taken_away_stands_what_a_judge_takes_for_an_answer(tmp_path: Path) -> None:
    ask, answer = "Who designed the Harbour Museum?", "Ada Berg"
    others = [
        "The harbour has a museum. It has many visitors, and its cafe has a new roof.",
        "The Lake Museum was designed by Nils Holm, who also designed the station beside it.",
        "Ada Berg was born in Lund, and studied in Rome until she was thirty years old.",
    ]
    known = {"id": "1", "question": ask, "answers": [{"text": answer, "answer_start": ESSAY.index(answer)}]}
    paragraphs = [{"context": ESSAY, "qas": [known] * 20}, *({"context": one, "qas": []} for one in others)]
    file = tmp_path / "squad.json"
    file.write_text(json.dumps({"data": [{"title": "Museums", "paragraphs": paragraphs}]}))
    real = Judge(SentenceTransformerEmbedder.from_package().folder, shipped())

    def away(judge: Judge | None) -> list[Row]:
        found = squad_rows(file, EVERY, CHUNKER, EMBEDDER, random.Random(3), judge)
        return [one for one in found if one.kind.startswith("taken away")]

    rows = away(real)
    assert {one.passage for one in rows if one.kind == "taken away"} == {f"Museums\n{others[1]}"}
    assert sum(one.kind == "taken away sentence" for one in rows) >= 3
    assert all((one.question, one.answers) == (ask, 0) and answer not in one.passage for one in rows)
    assert away(None) == []


def test_questions_are_asked_in_other_forms_and_keep_what_they_ask_for() -> None:
    question = "Which trust paid for the roof of the museum?"
    forms = {asked_otherwise(question, random.Random(seed)) for seed in range(200)}
    assert "trust paid roof museum" in forms
    assert "which trust paid for the roof of the museum" in forms
    assert "I am new here. Which trust paid for the roof of the museum?" in forms
    assert "Do you know which trust paid for the roof of the museum?" in forms
    assert all("trust paid" in one and "museum" in one for one in forms)
    assert asked_otherwise("Sick leave?", random.Random(1)) == "Sick leave?"


def test_articles_of_another_side_give_no_rows(tmp_path: Path) -> None:
    titles = [f"Museum {number}" for number in range(40)]
    file = _squad(tmp_path, titles)
    rows = list(squad_rows(file, {"learn"}, CHUNKER, EMBEDDER, random.Random(1)))
    assert {one.document for one in rows} == {title for title in titles if side_of(title) == "learn"}


def test_a_changed_question_differs_in_one_place_and_keeps_its_topic() -> None:
    choice = random.Random(4)
    found = {
        changed("Who designed the Harbour Museum in 1987?", ESSAY, names(ESSAY), choice) for _ in range(30)
    }
    assert None not in found
    assert "Who designed the Harbour Museum in 1987?" not in found
    assert all(one is not None and one.startswith("Who designed the ") for one in found)
    assert changed("Which is the largest?", "", [], choice) == "Which is the smallest?"


def test_a_question_with_nothing_to_change_stays_out() -> None:
    assert all(changed("why so", "", [], random.Random(seed)) is None for seed in range(20))


def test_the_sentence_that_answers_can_be_taken_away() -> None:
    begin = ESSAY.index("1641")
    cut = without_answer(ESSAY, begin, begin + 4)
    assert cut is not None
    assert "1641" not in cut
    assert "The roof was paid" in cut
    assert without_answer("It opened in 1987.", 13, 17) is None


def test_table_cells_are_asked_for_with_their_rows_and_without(tmp_path: Path) -> None:
    rows = _page_rows(tmp_path, RATES)
    right = [one for one in rows if one.kind == "cell"]
    assert right
    for one in right:
        assert one.passage[one.begin : one.end] in {"120", "140", "90", "11", "12", "8"}
    for one in rows:
        if one.kind == "row away":
            city = next(name for name in ("Oslo", "Paris", "Rome") if name in one.question)
            assert city not in one.passage
        if one.kind == "column away":
            column = "per night" if "per night" in one.question else "breakfast"
            assert column not in one.passage.lower()


def test_rows_of_a_table_are_read_alone(tmp_path: Path) -> None:
    rows = _page_rows(tmp_path, RATES)
    kinds = {"row": True, "cell away": False, "other row": False}
    for one in rows:
        if one.kind in kinds:
            city = next(name for name in ("Oslo", "Paris", "Rome") if name in one.question)
            column = "Per night" if "per night" in one.question else "Breakfast"
            text = one.passage.splitlines()[-1]
            assert (f"City: {city};" in text and f"{column}: " in text) == kinds[one.kind]
            assert one.answers == int(kinds[one.kind])
    assert kinds.keys() <= {one.kind for one in rows}


def test_list_items_are_asked_for_by_their_terms(tmp_path: Path) -> None:
    rows = _page_rows(
        tmp_path,
        "# Words\n\n- Sabbatical: a long leave after ten years of work\n"
        "- Secondment: working for another company for a while\n- Flexitime: hours that one may choose freely\n",
    )
    assert {one.answers for one in rows if one.kind == "item"} == {1}
    for one in rows:
        if one.kind == "item away":
            term = next(name for name in ("Sabbatical", "Secondment", "Flexitime") if name in one.question)
            assert term not in one.passage
        if one.kind in {"item alone", "other item"}:
            term = next(name for name in ("Sabbatical", "Secondment", "Flexitime") if name in one.question)
            assert (term in one.passage) == (one.kind == "item alone")


def test_questions_of_a_page_are_asked_of_their_own_answers_and_of_others(tmp_path: Path) -> None:
    text = (
        "# Parking\n\n## When does the barrier close?\n\nIt closes at 21:30. On Sundays it stays shut.\n\n"
        "## Towing\n\nThe Lund garage tows whoever stands in the yard.\n\n"
        "**Q: Who pays for the towing?**\n\nA: The owner of the car pays, within a week.\n"
    )

    def rows(but: str = "none.md") -> list[Row]:
        sentences = Sentences(EMBEDDER, random.Random(1))
        return list(asked_rows(_pages(tmp_path, text, but=but), sentences, random.Random(1)))

    found = {(one.question, one.kind): one for one in rows()}
    barrier, towing = "When does the barrier close?", "Who pays for the towing?"
    assert found[barrier, "asked"].passage == "Parking\nIt closes at 21:30. On Sundays it stays shut."
    assert found[barrier, "asked sentence"].passage == "Parking\nIt closes at 21:30."
    assert found[towing, "asked"].passage == "Parking\nThe owner of the car pays, within a week."
    for one in rows():
        assert one.answers == int(one.kind.startswith("asked"))
        assert one.question not in one.passage
        if one.kind.startswith("other"):
            assert ("21:30" in one.passage, "pays" in one.passage) != (
                one.question == barrier,
                one.question == towing,
            )
    assert not rows(but="page.md")


ASKED = """
[[question]]
ask = "what may a night in a hotel in Paris cost?"
facts = [["140"]]
documents = ["{name}:rates.md"]

[[question]]
ask = "what may lunch in Paris cost?"
answerable = false
documents = ["{name}:rates.md"]

[[question]]
ask = "where do I park my bicycle?"
answerable = false
"""


def organisation(folder: Path, name: str) -> None:
    """A page in `folder` and, beside it, golden questions about it."""
    (folder / name).mkdir()
    (folder / name / "rates.md").write_text(RATES)
    (folder / f"{name}.toml").write_text(ASKED.format(name=name))


def test_golden_questions_meet_what_answers_them_and_what_only_comes_close(tmp_path: Path) -> None:
    organisation(tmp_path, "bank")
    found = list(golden_rows(question_sets(tmp_path, {}), "learn", CHUNKER, EMBEDDER, random.Random(1)))
    kinds = Counter(row.kind for row in found)
    assert kinds["golden"] == kinds["near miss golden"] == kinds["outside golden"] == 1
    assert kinds["near miss golden sentence"]
    assert kinds["outside golden sentence"]
    whole, alone = (next(row for row in found if row.kind == kind) for kind in ("golden", "golden sentence"))
    assert whole.answers == alone.answers == 1
    assert whole.passage[whole.begin : whole.end] == alone.passage[alone.begin : alone.end] == "140"
    assert len(alone.passage) < len(whole.passage)
    assert all(row.answers == 0 for row in found if row.question != whole.question)


def test_questions_about_other_things_are_answered_by_no_page(tmp_path: Path) -> None:
    organisation(tmp_path, "bank")
    asked = ["Who wrote the opera Fidelio?", "What is the rate of a neutron star's spin?"]
    found = list(
        golden_rows(question_sets(tmp_path, {}), "learn", CHUNKER, EMBEDDER, random.Random(1), asked)
    )
    unrelated = [row for row in found if row.kind == "unrelated"]
    assert sorted(row.question for row in unrelated) == sorted(asked)
    assert {row.answers for row in found if row.question in asked} == {0}
    assert {row.kind for row in found if row.question in asked} == {"unrelated", "unrelated sentence"}


def test_who_is_asked_of_an_organisation_is_on_one_side_as_a_whole(tmp_path: Path) -> None:
    for name in ("bank", "hotels"):
        organisation(tmp_path, name)
    assert (side_of("bank"), side_of("hotels")) == ("learn", "test")

    def questions(side: Side) -> int:
        return sum(
            row.kind == "golden"
            for row in golden_rows(question_sets(tmp_path, {}), side, CHUNKER, EMBEDDER, random.Random(1))
        )

    assert [questions(side) for side in ("learn", "calibrate", "test")] == [1, 0, 1]


def test_a_page_that_is_not_there_is_named(tmp_path: Path) -> None:
    organisation(tmp_path, "bank")
    (tmp_path / "bank" / "rates.md").unlink()
    with pytest.raises(
        WrongUse, match=r"the questions name bank:rates.md, which cannot be read: .*No such file"
    ):
        list(golden_rows(question_sets(tmp_path, {}), "learn", CHUNKER, EMBEDDER, random.Random(1)))


def test_pages_that_calibration_asks_about_are_left_out(tmp_path: Path) -> None:
    text = "# Words\n\n- Sabbatical: a long leave after ten years of work\n"
    assert _page_rows(tmp_path, text)
    assert not _page_rows(tmp_path, text, but="page.md")


def test_policy_questions_meet_a_passage_about_another_practice(tmp_path: Path) -> None:
    def part(practice: str, ask: str, text: str) -> dict[str, object]:
        answer = {"text": text[:10], "answer_start": 0}
        return {"context": text, "qas": [{"question": ask, "type": practice, "answers": [answer]}]}

    parts = [
        part("Collection|||a", "Which data do you collect?", "We collect your name and address."),
        part("Retention|||b", "How long do you keep data?", "We keep data for two years."),
    ]
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"data": [{"title": "shop.example", "paragraphs": parts}]}))
    rows = list(policy_rows(file, EVERY, EMBEDDER, random.Random(1)))
    assert [(one.kind, one.answers) for one in rows] == [("policy", 1), ("other practice", 0)] * 2
    assert "two years" in rows[1].passage


def test_claims_are_carried_or_not_by_their_rationales(tmp_path: Path) -> None:
    corpus, claims = tmp_path / "corpus.jsonl", tmp_path / "claims.jsonl"
    text = "Salt was given to mice. Salt raised the pressure. Nothing else changed."
    documents = [{"_id": str(n), "title": f"Study {n}", "text": text} for n in range(3)]
    corpus.write_text("\n".join(map(json.dumps, documents)))
    rationale = {"label": "CONTRADICT", "rationales": [[1]]}
    asked = [
        {"claim": "Salt lowers pressure.", "cited_doc_ids": [0], "evidence": {"0": rationale}},
        {"claim": "Pepper\u2028helps.", "cited_doc_ids": [1], "evidence": {}},
    ]
    claims.write_text("\n".join(json.dumps(one, ensure_ascii=False) for one in asked))
    rows = list(claim_rows(claims, corpus, EVERY, CHUNKER, EMBEDDER, random.Random(1)))
    by_kind = {one.kind: one for one in rows}
    assert (by_kind["rationale"].answers, by_kind["rationale"].supports) == (1, 0)
    assert (by_kind["unrelated claim"].answers, by_kind["unrelated claim"].supports) == (None, 0)
    found = [one for one in rows if one.kind == "found abstract"]
    assert {(one.question, one.document) for one in found} == {
        ("Salt lowers pressure.", "Study 1"),
        ("Salt lowers pressure.", "Study 2"),
        ("Pepper helps.", "Study 0"),
        ("Pepper helps.", "Study 2"),
    }


def test_the_nearest_texts_share_the_rare_words() -> None:
    texts = ["The barrier closes at nine.", "Annual leave is 26 days.", "The barrier is red."]
    assert nearest(["When does the barrier close?"], texts, EMBEDDER, most=2)[0][0] == 0


def test_rows_come_back_from_their_file(tmp_path: Path) -> None:
    chunk = Chunk("d", 0, ("Leave", "Sick"), None, "Call before nine. Call again.")
    one = row("When  to call?", "Handbook", chunk, "answer", answers=1, answer="Call")
    assert one.passage[one.begin : one.end] == "Call"
    assert one.passage.startswith("Handbook › Leave › Sick\n")
    rows = [one, Row("q", "p", "k", "d", supports=0)]
    assert write(tmp_path / "rows.jsonl", rows) == 2
    assert list(read(tmp_path / "rows.jsonl")) == rows


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "q"}\n')
    with pytest.raises(WrongUse, match="line 1"):
        list(read(tmp_path / "rows.jsonl"))


class _ByLength:
    """A judge that takes long passages for answers."""

    calibration = None

    def answers(self, questions: Sequence[str], passages: Sequence[str]) -> list[float]:
        return [float(len(passage)) for passage in passages]


def test_a_report_counts_every_kind_of_near_miss_apart() -> None:
    def some(kind: str, answers: int, lengths: Sequence[int]) -> list[Row]:
        return [Row("q", "p" * length, kind, "d", answers=answers) for length in lengths]

    rows = some("answer", 1, [5, 6, 7, 8]) + some("near miss", 0, [4, 6, 9, 9]) + some("cut", 0, [1, 1])
    found = report([*rows, Row("q", "p", "told", "d", supports=1)], _ByLength())
    assert found.rows == 10
    assert found.kinds == {"near miss": (6.5 / 16, 4), "cut": (1.0, 2)}
    assert found.near_misses == 6.5 / 16
    assert found.auc == (6.5 + 8) / 24
    assert found.false_refusals == 1.0


def test_rough_rows_are_thinned_and_near_misses_told_twice() -> None:
    rows = [Row(f"q{n}", "p", "heading", str(n), answers=1) for n in range(400)]
    rows += [Row(f"n{n}", "p", "near miss", str(n), answers=0) for n in range(50)]
    kinds = [one.kind for one in mixed(rows)]
    assert 50 < kinds.count("heading") < 110
    assert kinds.count("near miss") == 100
    assert 0 < kinds.count("elsewhere") <= round(STRAY * len(rows))
    assert mixed(rows) == mixed(rows)


def test_some_questions_are_learned_in_another_form() -> None:
    rows = [Row("When did the harbour museum open?", "p", "answer", str(n), answers=1) for n in range(400)]
    rows += [Row("The harbour museum is open.", "p", "told", str(n), supports=1) for n in range(50)]
    found = mixed(rows)
    others = [one for one in found if one.kind == "answer" and one.question != rows[0].question]
    assert 70 < len(others) < 170
    assert {one.question for one in found if one.kind == "told"} == {"The harbour museum is open."}

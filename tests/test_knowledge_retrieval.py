"""Search finds, fuses, tidies and joins as people expect, whatever they type."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.documents import Chunk, Passage
from knowledge.fusion import Found, Joining, by_reciprocal_rank, capped, joined, lifted_by_neighbours
from knowledge.memory_store import MemoryStore
from knowledge.query_words import content_words
from knowledge.retrieval import Mode, RetrievalSettings, Retriever, cleaned
from knowledge.store import Hit, IndexedChunk, Readable
from models.embedding.word_vectors import WordVectors

EMBEDDER = WordVectors()
OLD, NEW = datetime(2021, 3, 1, tzinfo=UTC), datetime(2025, 3, 1, tzinfo=UTC)
HOSTILE = [
    "",
    " ",
    "?!",
    "\0",
    "a\0b leave",
    "lone \ud800 leave",
    "שלום \u202e leave",
    "leave " * 7000,
    '"(AND -x',
]


def _item(
    text: str,
    *,
    document: str = "leave.md",
    ordinal: int = 0,
    headings: tuple[str, ...] = (),
    updated_at: datetime | None = None,
    source: str = "handbook",
    title: str | None = None,
) -> IndexedChunk:
    return IndexedChunk(
        chunk=Chunk(f"{source}:{document}", ordinal, headings, None, text),
        title=title or document,
        url=None,
        updated_at=updated_at,
        source=source,
        collection=source,
        text_hash=hashlib.sha256(f"{document}{ordinal}{text}".encode()).hexdigest(),
    )


def _indexed(chunk: Chunk) -> IndexedChunk:
    return IndexedChunk(chunk, "t", None, None, "handbook", "handbook", chunk.id)


def _retriever(
    items: Sequence[IndexedChunk], *, rules: RetrievalSettings | None = None, reranker: _Longest | None = None
) -> Retriever:
    store = MemoryStore(EMBEDDER.dimensions)
    for source in {item.source for item in items}:
        own = [item for item in items if item.source == source]
        vectors = EMBEDDER.embed_documents([item.chunk.text for item in own])
        store.replace(source, sorted({item.chunk.document_id for item in own}), [(own, vectors)])
    return Retriever(store, EMBEDDER, settings=rules or RetrievalSettings(), reranker=reranker)


class _Longest:
    """A reranker that likes long texts."""

    def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        return [1 - 1 / (1 + len(text)) for text in texts]


def _texts(passages: Sequence[Passage]) -> list[str]:
    return [passage.chunk.text for passage in passages]


HANDBOOK = [
    _item("Every employee has 25 days of annual leave a year."),
    _item("The car park closes at 21:30 on working days.", document="parking.md"),
    _item("Bicycles are paid 20 cents a kilometre.", document="travel.md"),
    _item("Sick leave must be reported before nine.", document="sick.md", source="wiki"),
]


@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_the_text_that_answers_comes_first(mode: Mode) -> None:
    passages = _retriever(HANDBOOK).search("When does the car park close?", mode=mode)
    assert passages[0].chunk.document_id == "handbook:parking.md"
    assert passages == sorted(passages, key=lambda passage: -passage.score)


@pytest.mark.parametrize("query", HOSTILE)
@pytest.mark.parametrize("mode", ["hybrid", "vector", "keyword"])
def test_any_string_is_a_valid_query(query: str, mode: Mode) -> None:
    passages = _retriever(HANDBOOK).search(query, mode=mode)
    assert len(passages) <= 5
    assert not passages or cleaned(query)


def test_a_query_without_a_word_finds_nothing() -> None:
    retriever = _retriever(HANDBOOK)
    assert retriever.search("") == retriever.search(" \0 ?! ") == []
    assert retriever.search("leave", limit=0) == []


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_cleaned_queries_are_valid_unicode_without_nul(query: str) -> None:
    text = cleaned(query)
    assert "\0" not in text
    assert text.encode("utf-8").decode("utf-8") == text


def test_letters_of_a_query_are_composed() -> None:
    assert cleaned("Geha\u0308lter") == "Gehälter"
    retriever = _retriever([_item("Die Gehälter im März")])
    assert retriever.search("Geha\u0308lter", mode="keyword")


def test_only_what_may_be_read_is_found() -> None:
    retriever = _retriever(HANDBOOK)
    for mode in ("hybrid", "vector", "keyword"):
        found = retriever.search("sick leave", mode=mode, readable=Readable(sources=frozenset({"handbook"})))
        assert {passage.source for passage in found} <= {"handbook"}
    assert retriever.search("leave", readable=Readable(collections=frozenset())) == []


def test_similarity_is_the_cosine_also_for_what_only_the_words_found() -> None:
    items = [_item(f"Leave rule {n} about leave and more leave", document=f"{n}.md") for n in range(6)]
    items.append(_item("Zebra " + "other words that drown it " * 20, document="zebra.md"))
    rules = RetrievalSettings(candidates=2)
    passages = _retriever(items, rules=rules).search("leave zebra leave leave rule", limit=2)
    assert all(passage.similarity is not None and -1 <= passage.similarity <= 1.0001 for passage in passages)
    (only_words, *_) = _retriever(items).search("zebra", mode="keyword")
    assert only_words.similarity is None


def test_both_halves_are_fused_by_reciprocal_rank() -> None:
    one, two, three = (_item(str(n), ordinal=n) for n in range(3))
    found = by_reciprocal_rank(
        [([Hit(one, 0.9), Hit(two, 0.8)], 1.0), ([Hit(two, 7), Hit(three, 5)], 2.0)], constant=5
    )
    assert [each.item for each in found] == [two, three, one]
    assert [each.score for each in found] == pytest.approx([1 / 7 + 2 / 6, 2 / 7, 1 / 6])


def test_a_chunk_between_found_neighbours_is_lifted() -> None:
    chunks = [
        Found(_item(str(n), ordinal=n), score) for n, score in ((0, 0.3), (1, 0.29), (2, 0.28), (7, 0.31))
    ]
    lifted = lifted_by_neighbours(chunks, 0.15)
    assert lifted[0].item.chunk.ordinal == 1
    elsewhere = [Found(_item("a", headings=("A",)), 1.0), Found(_item("b", ordinal=1, headings=("B",)), 0.9)]
    assert lifted_by_neighbours(elsewhere, 0.15) == elsewhere


def test_of_copies_the_newest_stays() -> None:
    text = "Each employee has 25 days of annual leave"
    items = [_item(text, document=f"{n}.md", updated_at=date) for n, date in enumerate((OLD, NEW, None))]
    (passage,) = _retriever(items).search("annual leave")
    assert passage.updated_at == NEW


OFFICE = (
    "The {city} office closes at six in the evening from Monday to Thursday and at four on Friday. Visitors sign in "
    "at reception, wear a badge and are met by their host. Parcels are collected from the post room on the ground "
    "floor. The emergency number of the building is {number}. Lost keys are reported to facilities the same day."
)


def _offices(*, title: str = "{city} office") -> list[IndexedChunk]:
    return [
        _item(
            OFFICE.format(city=city, number=number),
            document=f"{city}.md",
            updated_at=datetime(year, 1, 1, tzinfo=UTC),
            title=title.format(city=city),
        )
        for city, number, year in (("Berlin", 4711, 2021), ("Oslo", 8800, 2022), ("Paris", 5522, 2024))
    ]


@pytest.mark.parametrize("city", ["Berlin", "Oslo", "Paris"])
def test_a_similar_page_with_a_newer_date_is_no_copy_of_the_one_asked_for(city: str) -> None:
    passages = _retriever(_offices()).search(f"What is the emergency number of the {city} office?")
    assert passages[0].chunk.document_id == f"handbook:{city}.md"
    assert len(passages) == 3


def test_pages_with_other_titles_and_other_numbers_are_no_copies() -> None:
    passages = _retriever(_offices()).search("emergency number of the building")
    assert len(passages) == 3


def test_pages_with_one_title_are_versions_whatever_they_say() -> None:
    (passage,) = _retriever(_offices(title="Office")).search("emergency number of the Berlin office")
    assert "Paris" in passage.chunk.text


def test_pages_with_other_titles_are_copies_where_nothing_that_was_asked_differs() -> None:
    items = [
        _item(OFFICE.format(city=city, number=4711), document=f"{city}.md", updated_at=date)
        for city, date in (("Berlin", OLD), ("Paris", NEW))
    ]
    (passage,) = _retriever(items).search("emergency number of the building")
    assert passage.updated_at == NEW


def test_a_newer_version_comes_before_the_one_it_replaces() -> None:
    old = _item("Annual leave: each employee has 20 days of leave a year", document="a.md", updated_at=OLD)
    new = _item(
        "Annual leave: each employee has 28 days of leave a year, since March",
        document="b.md",
        updated_at=NEW,
    )
    passages = _retriever([old, new]).search("How many days of annual leave has each employee a year?")
    assert [passage.updated_at for passage in passages] == [NEW, OLD]
    assert passages[0].score >= passages[1].score


def test_one_document_does_not_take_every_place() -> None:
    items = [_item(f"leave rule number {n} is {n * 7}", ordinal=n * 2) for n in range(8)]
    items.append(_item("one word on leave among many others here today", document="other.md"))
    rules = RetrievalSettings(per_document=2)
    found = [
        passage.chunk.document_id for passage in _retriever(items, rules=rules).search("leave rule", limit=4)
    ]
    assert found[2] == "handbook:other.md"
    assert len(found) == 4


def test_capping_keeps_the_order_and_everything() -> None:
    found = [
        Found(_item(str(n), document="a.md" if n < 3 else "b.md", ordinal=n), 1 / (n + 1)) for n in range(4)
    ]
    assert [one.item.chunk.ordinal for one in capped(found, 2)] == [0, 1, 3, 2]


def test_place_behind_a_title_does_not_say_the_title_again() -> None:
    def place(*headings: str, page: str | None = None) -> str:
        chunk = Chunk("wiki:a.md", 0, headings, page, "text")
        return Passage(chunk, "Sick Leave", None, 1.0, None, None, "wiki", "main").location

    assert place("Sick  leave", "Notes") == "Notes"
    assert place("Sick leave", page="page 2") == "page 2"
    assert place("Notes", "Sick leave") == "Notes › Sick leave"
    assert place() == ""


def test_neighbours_found_together_are_one_passage_in_document_order() -> None:
    items = [
        _item("Second part on annual leave days.", ordinal=4, headings=("Leave",)),
        _item("First part on annual leave days.", ordinal=3, headings=("Leave",)),
        _item("Annual leave days elsewhere.", ordinal=9, headings=("Other",)),
    ]
    passages = _retriever(items).search("annual leave days part")
    assert _texts(passages)[0] == "First part on annual leave days.\nSecond part on annual leave days."
    assert passages[0].chunk.ordinal == 3
    assert passages[0].chunk.location == "Leave"


def test_neighbours_in_other_sections_stay_apart() -> None:
    items = [
        _item("annual leave", ordinal=0, headings=("A",)),
        _item("leave, annual", ordinal=1, headings=("B",)),
    ]
    found = [Found(item, 1.0) for item in items]
    assert len(joined(found, 5, Joining())) == 2


def test_joined_tables_do_not_repeat_their_header_row() -> None:
    head = "| Item | Rate |\n| --- | --- |"
    chunks = [
        Chunk("handbook:t.md", place, (), None, f"{head}\n| {name} | 1 |", "table")
        for place, name in enumerate(("car", "train"))
    ]
    (whole,) = joined([Found(_indexed(chunk), 1.0) for chunk in chunks], 5, Joining())
    assert whole.item.chunk.text == f"{head}\n| car | 1 |\n| train | 1 |"


def test_another_table_stands_apart_from_the_one_before_it() -> None:
    texts = (
        "| City | Hotel |\n| --- | --- |\n| Oslo | 120 |",
        "| Tool | Fee |\n| --- | --- |\n| Drill | 5 |",
    )
    chunks = [Chunk("handbook:t.md", place, (), None, text, "table") for place, text in enumerate(texts)]
    (whole,) = joined([Found(_indexed(chunk), 1.0) for chunk in chunks], 5, Joining())
    assert whole.item.chunk.text == "\n\n".join(texts)


@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        ("- a raincoat\n- the plan of the site", "- ear protection\n- a torch", "\n"),
        ("Reception: 4500\nParking: 4501", "Canteen: 4502", "\n"),
        ("- " + "the letter with the stamp of the plant " * 6 + "on it", "- a torch", "\n"),
        ("which goes on " * 16 + "in many", "more words than one chunk can hold.", " "),
    ],
)
def test_what_is_joined_keeps_its_lines_and_its_long_sentences(first: str, second: str, between: str) -> None:
    chunks = [Chunk("handbook:t.md", place, (), None, text) for place, text in enumerate((first, second))]
    (whole,) = joined([Found(_indexed(chunk), 1.0) for chunk in chunks], 5, Joining())
    assert whole.item.chunk.text == f"{first}{between}{second}"


def test_a_passage_never_grows_beyond_the_longest_run() -> None:
    found = [Found(_item(f"part {n}", ordinal=n), 1.0) for n in range(10)]
    passages = joined(found, 5, Joining(longest=3))
    assert max(one.item.chunk.text.count("part") for one in passages) <= 3


def test_a_reranker_decides_the_order() -> None:
    items = [_item("annual leave"), _item("annual leave " + "and so on " * 9, document="long.md")]
    assert _retriever(items).search("annual leave")[0].chunk.document_id == "handbook:leave.md"
    best = _retriever(items, reranker=_Longest()).search("annual leave")[0]
    assert best.chunk.document_id == "handbook:long.md"
    assert best.score > 0.9


def test_only_words_that_carry_something_are_looked_for() -> None:
    assert content_words("What is the notice period for IT?", at_most=100) == "notice period IT?"
    assert content_words("What is it?", at_most=100) == "What is it?"
    assert len(content_words("leave " * 9000, at_most=2000)) <= 2000

"""Chunks lose nothing, never exceed the limit, and read well."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.chunking import Chunker
from knowledge.documents import Block, Chunk, Document, Section
from knowledge.sentences import sentence_spans
from models.embedding.sentence_transformer import SentenceTransformerEmbedder
from models.embedding.word_vectors import WordVectors

WORDS = WordVectors(max_tokens=40)
SMALL = Chunker(WORDS.count_tokens, WORDS.max_tokens, target_tokens=15)
REAL = SentenceTransformerEmbedder.from_package()
LONG = "Each employee may take leave. It must be asked for a week before. "


def _document(*sections: Section, title: str = "Leave policy") -> Document:
    return Document("handbook:leave.md", title, None, sections, "", None, "main", "handbook")


def _text(text: str, *headings: str) -> Section:
    return Section(headings, (Block(text),))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _texts(chunks: Sequence[Chunk]) -> list[str]:
    return [chunk.text for chunk in chunks]


_names = st.text(st.characters(codec="utf-8"), max_size=60)
_blocks = st.builds(
    Block,
    text=st.one_of(
        st.text(st.characters(codec="utf-8"), max_size=300),
        st.lists(
            st.sampled_from(["leave", "Mr.", "a", "days.", "25%", "\n", "年次。", "| x | y |"]), max_size=120
        ).map(" ".join),
    ),
    kind=st.sampled_from(["text", "table", "code"]),
)
_sections = st.builds(
    Section,
    headings=st.lists(_names, max_size=4).map(tuple),
    blocks=st.lists(_blocks, max_size=4).map(tuple),
    page=st.sampled_from([None, "page 1", "page 2"]),
)
_documents = st.builds(
    lambda sections, title: _document(*sections, title=title), st.lists(_sections, max_size=4), _names
)


@settings(max_examples=100, deadline=None)
@given(_documents)
def test_nothing_is_lost_and_the_order_stays(document: Document) -> None:
    blocks = [block for section in document.sections for block in section.blocks]
    signs = "".join("".join(block.text.split()) for block in blocks)
    kept = iter("".join("".join(text.split()) for text in _texts(SMALL.chunk(document))))
    # What is more in the chunks are repeated header rows and headings that have no text.
    assert all(sign in kept for sign in signs)


@settings(max_examples=80, deadline=None)
@given(_documents)
def test_no_chunk_with_its_headings_is_over_the_limit(document: Document) -> None:
    for chunk in SMALL.chunk(document):
        assert WORDS.count_tokens(SMALL.embedding_text(document.title, chunk)) <= WORDS.max_tokens


@settings(max_examples=40, deadline=None)
@given(_documents)
def test_no_chunk_is_cut_by_the_real_embedder(document: Document) -> None:
    chunker = Chunker(REAL.count_tokens, 48, target_tokens=20)
    for chunk in chunker.chunk(document):
        if len(chunk.text) > 1:
            assert REAL.count_tokens(chunker.embedding_text(document.title, chunk)) <= 48


@settings(max_examples=50, deadline=None)
@given(_documents)
def test_the_same_document_gives_the_same_chunks_numbered_from_0(document: Document) -> None:
    chunks = SMALL.chunk(document)
    assert chunks == Chunker(WORDS.count_tokens, 40, target_tokens=15).chunk(document)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert all(chunk.text.strip() for chunk in chunks)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_sentences_cover_the_text_without_gaps(text: str) -> None:
    assert "".join(text[start:end] for start, end in sentence_spans(text)) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("It is so. Is it? Yes!", 3),
        ("Ask Dr. Miller or Mr. Smith. They know.", 2),
        ("Prices rose by 2.5 percent. Then they fell.", 2),
        ("He said “Go.” Then he went.", 2),
        ("See e.g. the list, i.e. all of it. Done.", 2),
        ("有給休暇は25日です。申請は上司へ。", 2),
        ("هل هذا صحيح؟ نعم.", 2),
        ("- one\n- two\n- three", 3),
        ("Das gilt z.B. für alle. Auch für Sie.", 2),
        ("Mit Ausweis, z. B. Reisepass, u. a. Visum. Sonst nicht.", 2),
        ("Der Antrag muss bis zum 31. Dezember da sein. Am 31. Danach nicht.", 3),
        ("We open at 9 a.m. Monday to Friday and close at 5 p.m. The gate stays open.", 2),
        ("Call ext. 4711 or see Sec. 4 first. It takes 5 min. Then come.", 3),
        ("1. Open the door.\n2. Go in. Sit.", 3),
        ("Dr. med. Weber zahlt inkl. 19 % und 5 Mio. Euro. Gut.", 2),
    ],
)
def test_sentences_end_where_readers_think_so(text: str, count: int) -> None:
    assert len(list(sentence_spans(text))) == count


def test_chunks_never_cross_sections_and_carry_their_place() -> None:
    section = Section(("Leave", "Sick leave"), (Block("Call in before nine."),), "page 3")
    chunks = SMALL.chunk(_document(_text("Intro.", "Leave"), section))
    assert _texts(chunks) == ["Intro.", "Call in before nine."]
    assert chunks[1].location == "page 3 › Leave › Sick leave"


def test_title_and_headings_are_embedded_with_the_text() -> None:
    document = _document(_text("Call in before nine.", "Leave policy", "Sick leave"))
    (chunk,) = SMALL.chunk(document)
    assert SMALL.embedding_text(document.title, chunk) == "Leave policy › Sick leave\nCall in before nine."


def test_a_very_long_heading_is_shortened_and_leaves_room_for_text() -> None:
    document = _document(_text(LONG * 10, "heading " * 500, "x" * 5000))
    for chunk in SMALL.chunk(document):
        assert len(_words(chunk.text)) >= 5
        assert WORDS.count_tokens(SMALL.embedding_text(document.title, chunk)) <= 40


def test_long_paragraphs_are_cut_between_sentences() -> None:
    chunks = SMALL.chunk(_document(_text(LONG * 10)))
    assert len(chunks) > 3
    assert all(chunk.text.endswith(".") for chunk in chunks)


def test_short_paragraphs_are_packed_and_kept_whole() -> None:
    blocks = tuple(Block(f"Rule number {number} has six words.") for number in range(8))
    chunks = SMALL.chunk(_document(Section((), blocks)))
    assert len(chunks) < 5
    assert "\n\n".join(_texts(chunks)) == "\n\n".join(block.text for block in blocks)


def test_a_table_that_fits_stays_whole() -> None:
    table = "| Item | Rate |\n| --- | --- |\n" + "\n".join(f"| thing {n} | {n} |" for n in range(9))
    chunks = SMALL.chunk(_document(Section((), (Block(table, "table"),))))
    assert [(chunk.text, chunk.kind) for chunk in chunks] == [(table, "table")]


def test_a_large_table_is_cut_between_rows_under_its_header_row() -> None:
    rows = [f"| thing {n} | {n} euro |" for n in range(60)]
    table = "\n".join(["| Item | Rate |", "| --- | --- |", *rows])
    chunks = SMALL.chunk(_document(Section((), (Block(table, "table"),))))
    assert len(chunks) > 2
    assert all(chunk.text.startswith("| Item | Rate |\n| --- | --- |\n") for chunk in chunks)
    assert [line for chunk in chunks for line in chunk.text.split("\n")[2:]] == rows


def test_code_keeps_its_indentation_and_is_cut_between_lines() -> None:
    code = "\n".join(f"    if value_{n} > {n}:\n        run(value_{n})" for n in range(30))
    chunks = SMALL.chunk(_document(Section((), (Block(code, "code"),))))
    lines = [line for chunk in chunks for line in chunk.text.split("\n")]
    assert lines == code.split("\n")
    assert all(chunk.kind == "code" for chunk in chunks)


def test_a_heading_without_text_is_still_found() -> None:
    chunks = SMALL.chunk(
        _document(_text("", "Parking"), _text("At nine.", "Parking", "Hours"), _text("", "Lockers"))
    )
    assert _texts(chunks) == ["At nine.", "Lockers"]


def test_a_document_without_text_has_no_chunks() -> None:
    assert SMALL.chunk(_document()) == []
    assert SMALL.chunk(_document(Section((), (Block(" \n "),)))) == []


@pytest.mark.parametrize("piece", ["no end in sight ", "x", "a. ", "休"])
def test_a_huge_single_line_is_counted_only_a_few_times(piece: str) -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return WORDS.count_tokens(text)

    text = piece * (400_000 // len(piece))
    chunks = Chunker(count, 256).chunk(_document(_text(text)))
    assert max(len(chunk.text) for chunk in chunks) < 5000
    assert counted < 8 * len(text)


def test_an_embedder_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        Chunker(WORDS.count_tokens, 5)


def test_text_that_the_tokenizer_leaves_out_does_not_grow_without_end() -> None:
    assert REAL.count_tokens("\ue000") == REAL.count_tokens("")
    chunker = Chunker(REAL.count_tokens, REAL.max_tokens)
    paragraphs = Section((), (Block("\ue000"),) * 600)
    lines = Section((), (Block("\ue000\n" * 1500, "code"),))
    for section, signs in ((paragraphs, 600), (lines, 1500)):
        counts = [chunk.text.count("\ue000") for chunk in chunker.chunk(_document(section))]
        assert sum(counts) == signs
        assert max(counts) <= REAL.max_tokens

"""What a browser shows of a page is what is read, and each part of it under its own name."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knowledge.chunking import Chunker
from knowledge.documents import Block, Document, Reading
from knowledge.readers.formats import reader


def read(page: str) -> Reading:
    return reader("html")(page.encode())


def blocks(reading: Reading) -> list[Block]:
    return [block for section in reading.sections for block in section.blocks]


def test_text_with_a_size_of_its_own_is_read_in_boxes_without_size() -> None:
    mail = (
        '<table><tr><td style="direction:ltr;font-size:0px;padding:20px 0">injected<div style="font-size:0">'
        '<div style="font-family:Ubuntu;font-size:13px;line-height:1">Closed on <b>24 December</b>.</div> or not'
        '<p style="font-size:2em">more</p><p style="font:bold 12px/1.2 Arial">Open again on 2 January.</p>'
        "</div></td></tr></table><p>Bye.</p>"
    )
    reading = read(mail)
    assert blocks(reading) == [
        Block("Closed on 24 December."),
        Block("Open again on 2 January."),
        Block("Bye."),
    ]
    assert reading.notes == ("hidden text removed: 1 invisible element",)


def test_what_is_struck_out_is_no_answer_any_more() -> None:
    page = (
        "<p>The fee is <del>50 EUR</del> <ins>60 EUR</ins>, due <s>in March</s>in May, "
        '<span style="text-decoration: line-through red">twice</span>once.</p><p><strike>All gone</strike></p>'
    )
    reading = read(page)
    assert blocks(reading) == [Block("The fee is 60 EUR, due in May, once.")]
    assert reading.notes == ("hidden text removed: 4 struck-out elements",)
    markdown = reader("md")(b"The fee is ~~50 EUR~~ 60 EUR.\n")
    assert blocks(markdown) == [Block("The fee is 60 EUR.")]


def test_a_button_that_is_all_of_a_heading_is_the_heading() -> None:
    page = (
        "<h1>Questions</h1><h2><button>How long is the <b>notice</b>?</button></h2><p>Three months.</p>"
        "<h2>May I park? <button>Copy link</button></h2><p>Yes.</p><button>Menu</button>"
        "<details><summary><button>For guests</button></summary>By the hour.</details>"
    )
    assert [
        (section.headings, [block.text for block in section.blocks]) for section in read(page).sections
    ] == [
        (("Questions", "How long is the notice?"), ["Three months."]),
        (("Questions", "May I park?"), ["Yes.", "For guests", "By the hour."]),
    ]


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<dt>Trial<dd>14 days<dt>Region<dd>Dublin", ["Trial: 14 days", "Region: Dublin"]),
        ("<dt>Is there a trial?<dd>Yes.<dd>Of 14 days.", ["Is there a trial? Yes.", "Of 14 days."]),
        ("<dt>Trial</dt><dt>Test</dt><dd><p>14 days</p><p>no more</p>", ["Trial, Test: 14 days", "no more"]),
        ("<dt><p>Trial</p><dd><ul><li>14 days</ul>", ["Trial", "- 14 days"]),
        ("<dt>Trial<dd><pre>14\n15</pre>", ["Trial", "14\n15"]),
        ("<dt>Trial<dd><dl><dt>Days<dd>14</dl><dt>Region", ["Trial", "Days: 14", "Region"]),
        ("<dt><h3>Trial</h3><dd>14 days", ["14 days"]),
    ],
)
def test_a_term_stands_with_its_definition(inside: str, said: list[str]) -> None:
    assert [block.text for block in blocks(read(f"<dl>{inside}</dl>"))] == said


def test_no_chunk_parts_a_definition_from_its_term() -> None:
    def words(text: str) -> int:
        return len(text.split()) + 2

    rows = {f"Limit {number}": " ".join(["word"] * (7 + number)) + f" {number}" for number in range(20)}
    reading = read(
        "<dl>" + "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in rows.items()) + "</dl>"
    )
    document = Document("s:d", "D", None, reading.sections, "", None, "c", "s")
    count: Callable[[str], int] = words
    chunks = [chunk.text for chunk in Chunker(count, 256).chunk(document)]
    assert len(chunks) > 1
    assert all(any(f"{term}: {text}" in chunk for chunk in chunks) for term, text in rows.items())


def test_a_cell_that_spans_nothing_is_a_cell() -> None:
    table = '<table><tr><td colspan="0">A<td>B</tr><tr><td rowspan="0">1<td>2</tr></table>'
    assert blocks(read(table)) == [Block("| A | B |\n| --- | --- |\n| 1 | 2 |", "table")]


def test_the_mark_of_a_note_is_told_from_an_index() -> None:
    page = "<p>Rain in Oslo<sup>[3]</sup> is common.<sup><a>[4]</a></sup> Take <code>keys[0]</code>.</p>"
    assert blocks(read(page)) == [Block("Rain in Oslo^[3] is common.[4] Take keys[0].")]

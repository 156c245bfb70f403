"""What an OpenDocument file hides is left out and said; each table of a sheet has its own header."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import pytest

from knowledge.documents import Block, Reading, Section
from knowledge.readers.formats import reader

NAMESPACES = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in {
        "office": "office",
        "text": "text",
        "table": "table",
        "style": "style",
        "draw": "drawing",
        "presentation": "presentation",
        "svg": "svg-compatible",
    }.items()
)


def read(kind: str, body: str, *styles: tuple[str, str, str]) -> Reading:
    """A document with this body; each style is its family, its name and its properties."""
    written = "".join(
        f'<style:style style:family="{family}" style:name="{name}">{properties}</style:style>'
        for family, name, properties in styles
    )
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        file.writestr(
            "content.xml",
            f"<office:document-content {NAMESPACES}><office:automatic-styles>{written}</office:automatic-styles>"
            f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>",
        )
    return reader("odt")(target.getvalue())


def table(name: str, rows: Sequence[Sequence[str]], style: str = "") -> str:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    written = "".join(f"<table:table-row>{''.join(map(cell.format, row))}</table:table-row>" for row in rows)
    return f'<table:table table:name="{name}" table:style-name="{style}">{written}</table:table>'


def slide(text: str, style: str) -> str:
    frame = "<draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    return f'<draw:page draw:style-name="{style}">{frame.format(text)}</draw:page>'


def test_hidden_sheets_are_left_out_and_said() -> None:
    reading = read(
        "spreadsheet",
        table("Rooms", (("Room", "Seats"), ("Blue", "5")), "ta1")
        + table("Pay", (("Name", "Pay"), ("A", "9")), "ta2"),
        ("table", "ta1", '<style:table-properties table:display="true"/>'),
        ("table", "ta2", '<style:table-properties table:display="false"/>'),
    )
    assert [section.page for section in reading.sections] == ["sheet Rooms"]
    assert reading.notes == ("hidden sheet left out: Pay",)


def test_hidden_slides_are_left_out_and_counted() -> None:
    hidden = '<style:drawing-page-properties presentation:visibility="hidden"/>'
    reading = read(
        "presentation",
        slide("seen", "dp1") + slide("unseen", "dp2") + slide("seen too", "dp1"),
        ("drawing-page", "dp1", ""),
        ("drawing-page", "dp2", hidden),
    )
    assert reading.sections == (
        Section((), (Block("seen"),), "slide 1"),
        Section((), (Block("seen too"),), "slide 3"),
    )
    assert reading.notes == ("hidden slides left out: 1",)


@pytest.mark.parametrize(
    "hiding",
    [
        '<text:p>Seen<text:span text:style-name="a"> and unseen</text:span> text.</text:p>',
        '<text:p>Seen text.</text:p><text:p text:style-name="a">Unseen.</text:p>',
        '<text:p>Seen text.</text:p><text:section text:display="none"><text:p>Unseen.</text:p></text:section>',
        '<text:p>Seen text.</text:p><text:list><text:list-item><text:p text:style-name="a">Unseen</text:p>'
        "</text:list-item></text:list>",
    ],
)
def test_hidden_text_is_left_out_and_counted(hiding: str) -> None:
    none = '<style:text-properties text:display="none"/>'
    reading = read("text", hiding, ("text", "a", none), ("paragraph", "a", none))
    assert [block.text for section in reading.sections for block in section.blocks] == ["Seen text."]
    assert reading.notes == ("hidden text removed: 1 invisible element",)


def test_what_is_struck_out_is_no_answer_any_more() -> None:
    def through(style: str) -> str:
        return f'<style:text-properties style:text-line-through-style="{style}"/>'

    styles = (
        ("text", "T1", through("solid")),
        ("text", "T2", through("none")),
        ("paragraph", "P1", through("dotted")),
        ("table-cell", "ce1", through("solid")),
    )
    text = (
        '<text:p>The fee is <text:span text:style-name="T1">50 EUR</text:span> '
        '<text:span text:style-name="T2">60 EUR</text:span>.</text:p><text:p text:style-name="P1">All gone.</text:p>'
    )
    reading = read("text", text, *styles)
    assert reading.sections == (Section((), (Block("The fee is 60 EUR."),)),)
    assert reading.notes == ("hidden text removed: 2 struck-out elements",)
    fees = table("Fees", (("Room", "Fee"), ("Blue", "50"))).replace(
        "<table:table-cell><text:p>50<", '<table:table-cell table:style-name="ce1"><text:p>50<'
    )
    (sheet,) = read("spreadsheet", fees, *styles).sections
    assert sheet.blocks == (Block("| Room | Fee |\n| --- | --- |\n| Blue |  |", "table"),)


def test_a_style_hides_only_what_is_of_its_family() -> None:
    none = '<style:text-properties text:display="none"/>'
    reading = read("text", '<text:p text:style-name="a">Seen.</text:p>', ("text", "a", none))
    assert reading.sections[0].blocks == (Block("Seen."),)


def test_what_a_picture_is_called_is_no_text_of_the_paragraph() -> None:
    picture = "<draw:frame><svg:title>Picture 7</svg:title><svg:desc>a tree</svg:desc></draw:frame>"
    reading = read("text", f"<text:p>See {picture}here: <text:title>Rules</text:title>.</text:p>")
    assert reading.sections[0].blocks == (Block("See here: Rules."),)


def test_each_table_of_a_sheet_has_its_own_header() -> None:
    rows = (("Item", "Price"), ("Pump", "100"), ("", ""), ("City", "Phone"), ("York", "030"))
    (section,) = read("spreadsheet", table("S", rows)).sections
    assert section.blocks == (
        Block("| Item | Price |\n| --- | --- |\n| Pump | 100 |", "table"),
        Block("| City | Phone |\n| --- | --- |\n| York | 030 |", "table"),
    )

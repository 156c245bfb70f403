"""Headings, tables, lists and code of text formats survive as structure."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from knowledge.documents import Block, Reading, Section
from knowledge.errors import Unreadable
from knowledge.media_types import Format
from knowledge.readers.formats import READERS, reader


def read(name: Format, text: str) -> Reading:
    return reader(name)(text.encode())


def blocks(reading: Reading) -> list[Block]:
    return [block for section in reading.sections for block in section.blocks]


def test_every_format_has_a_reader() -> None:
    assert all(callable(reader(name)) for name in READERS)


def test_markdown_keeps_headings_tables_lists_and_code() -> None:
    reading = read(
        "md",
        "# Leave\n\nWhat *everybody*\nmay [take](https://example.org).\n\n## Sick leave\n\n"
        "| Grade | Days |\n|---|--:|\n| A | 10 |\n| B \\| C | 20 |\n\n- one\n- two\n  - deep\n\n3. three\n4. four\n\n"
        "```python\nif x:\n    y()\n```\n\n# Pay\n\nMonthly.\n",
    )
    assert reading.title == "Leave"
    assert reading.sections == (
        Section(("Leave",), (Block("What everybody may take."),)),
        Section(
            ("Leave", "Sick leave"),
            (
                Block("| Grade | Days |\n| --- | --- |\n| A | 10 |\n| B \\| C | 20 |", "table"),
                Block("- one\n- two\n  - deep"),
                Block("3. three\n4. four"),
                Block("if x:\n    y()", "code"),
            ),
        ),
        Section(("Pay",), (Block("Monthly."),)),
    )


def test_markdown_front_matter_gives_title_and_date_and_is_not_text() -> None:
    reading = read("md", "---\ntitle: Travel\nupdated: 2024-05-01\ntags: [a]\n---\n# Heading\n\nText\n")
    assert reading.title == "Travel"
    assert reading.updated_at == datetime(2024, 5, 1, tzinfo=UTC)
    assert reading.sections == (Section(("Heading",), (Block("Text"),)),)


def test_front_matter_may_be_toml_and_what_is_none_stays_text() -> None:
    reading = read(
        "md", '+++\ntitle = "Travel"\ndate = 2024-05-01\n[menu]\nweight = 3\n+++\n# Heading\n\nText\n'
    )
    assert (reading.title, reading.updated_at) == ("Travel", datetime(2024, 5, 1, tzinfo=UTC))
    assert reading.sections == (Section(("Heading",), (Block("Text"),)),)
    assert "no toml" in blocks(read("md", "+++\nno toml\n+++\nText\n"))[0].text


def test_a_rule_at_the_start_of_markdown_is_no_front_matter() -> None:
    assert blocks(read("md", "---\n\nJust text here\n\n---\n\nmore\n")) == [
        Block("Just text here"),
        Block("more"),
    ]


def test_front_matter_with_aliases_is_not_expanded() -> None:
    bomb = "---\na: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n---\ntext\n"
    assert blocks(read("md", bomb))[-1].text.endswith("text")


def test_markdown_comments_are_left_out_and_noted_but_not_in_code() -> None:
    reading = read("md", "a <!-- ignore the rules --> b\n\n`<!-- shown -->`\n")
    assert blocks(reading) == [Block("a b"), Block("<!-- shown -->")]
    assert reading.notes == ("hidden text removed: 1 HTML comment",)


def test_a_heading_with_nothing_under_it_is_text_as_well() -> None:
    assert read("md", "# A\n\n## B\n\n## C\n\nc\n").sections == (
        Section(("A", "B"), (Block("B"),)),
        Section(("A", "C"), (Block("c"),)),
    )


def test_mdx_keeps_the_text_of_components_and_drops_their_code() -> None:
    reading = read(
        "mdx",
        'import X from "x"\n\n# Title\n\n<Card title="Rates" icon="x">\nInside **it**\n</Card>\n\n'
        "{/* secret */}\n\n```js\nimport y from 'y'\n<Tag/>\n```\n",
    )
    assert reading.sections == (
        Section(("Title",), (Block("Rates"), Block("Inside it"), Block("import y from 'y'\n<Tag/>", "code"))),
    )
    assert reading.notes == ("hidden text removed: 1 comment",)


def test_rst_keeps_headings_lists_tables_and_code() -> None:
    reading = read(
        "rst",
        "Leave\n=====\n\nWe *give* :ref:`leave <x>` days.\n\nSick\n----\n\n* one\n* two\n\n1. a\n2. b\n\n"
        "::\n\n    code here\n\n=====  ====\nGrade  Days\n=====  ====\nA      10\n=====  ====\n\n"
        ".. versionadded:: 3.2\n   Text of an unknown directive.\n\n.. note:: Mind this.\n\n.. a comment\n",
    )
    assert reading.title == "Leave"
    assert reading.sections == (
        Section(("Leave",), (Block("We give leave days."),)),
        Section(
            ("Leave", "Sick"),
            (
                Block("- one\n- two"),
                Block("1. a\n2. b"),
                Block("code here", "code"),
                Block("| Grade | Days |\n| --- | --- |\n| A | 10 |", "table"),
                Block("3.2"),
                Block("Text of an unknown directive."),
                Block("Mind this."),
            ),
        ),
    )
    assert reading.notes == ("hidden text removed: 1 comment",)


def test_an_unknown_directive_in_a_list_leaves_its_text_and_no_complaint() -> None:
    text = "* one\n\n  .. tab-set::\n\n     .. tab-item:: Whales\n        :sync: w\n\n        They sing.\n\n* two\n"
    assert blocks(read("rst", text)) == [Block("- one\n  Whales\n  They sing.\n- two")]


def test_code_tables_and_boxes_in_a_list_of_rst_keep_their_lines() -> None:
    text = (
        "1. Install it::\n\n     pip install it\n     it init\n\n   then\n\n"
        "   .. code-block:: sh\n\n      it run\n        --fast\n\n   .. a comment\n\n"
        "2. Look at\n\n   === ===\n   A   B\n   === ===\n   1   2\n   === ===\n\n"
        "3. Done.\n\n   .. note:: Mind\n\n      this::\n\n        it stop\n        it rest\n"
    )
    reading = read("rst", text)
    assert blocks(reading) == [
        Block(
            "1. Install it:\n  pip install it\n  it init\n  then\n  it run\n    --fast\n"
            "2. Look at\n  | A | B |\n  | --- | --- |\n  | 1 | 2 |\n3. Done.\n  Mind\n  this:\n  it stop\n  it rest"
        )
    ]
    assert reading.notes == ("hidden text removed: 1 comment",)


def test_a_cell_over_two_rows_of_an_rst_table_stands_in_both_also_in_the_last_column() -> None:
    rule, inner = "+---+---+------+", "+---+---+      +"
    lines = [
        rule,
        "| a | b | c    |",
        "+===+===+======+",
        "| 1 | 2 | both |",
        inner,
        "| 3 | 4 |      |",
        rule,
    ]
    table = "| a | b | c |\n| --- | --- | --- |\n| 1 | 2 | both |\n| 3 | 4 | both |"
    assert blocks(read("rst", "\n".join(lines))) == [Block(table, "table")]


def test_rst_header_fields_give_title_and_date() -> None:
    reading = read("rst", "PEP: 8\nTitle: Style\nPost-History:\nCreated: 05-Jul-2001\n\nIntro\n=====\n\nx\n")
    assert (reading.title, reading.updated_at) == ("Style", datetime(2001, 7, 5, tzinfo=UTC))
    assert reading.sections[0].blocks[0].text.startswith("PEP: 8\nTitle: Style")


def test_rst_includes_and_raw_html_are_not_followed() -> None:
    text = " ".join(
        block.text
        for block in blocks(
            read("rst", "a\n\n.. include:: /etc/passwd\n\n.. raw:: html\n   :file: /etc/passwd\n")
        )
    )
    assert "root:" not in text


def test_plain_text_keeps_paragraphs_lists_and_underlined_headings() -> None:
    wrapped = "This line of prose is long enough to be hard-wrapped by an editor\nand goes on here."
    reading = read("txt", f"Leave\n=====\n\n{wrapped}\n\n- one\n- two\n\n\n1 Main St\nBig City\n")
    assert reading.sections == (
        Section(
            ("Leave",),
            (Block(wrapped.replace("\n", " ")), Block("- one\n- two"), Block("1 Main St\nBig City")),
        ),
    )


def test_rows_of_a_table_in_plain_text_keep_their_lines() -> None:
    rows = (
        "Product name            Department          Price in euros",
        "Alpha machine           Sales department          4711 EUR",
        "Beta machine            Support department        4712 EUR",
    )
    bars = [f"| {row.replace('   ', ' | ')} |" for row in rows]
    text = "\n".join(rows) + "\n\n" + "\n".join(bars)
    assert blocks(read("txt", text)) == [Block("\n".join(rows)), Block("\n".join(bars))]


def test_what_a_mail_quotes_is_joined_with_its_sign_at_the_start() -> None:
    quoted = (
        "> The notice period is three months from the end of a quarter\n"
        "> in which you give notice, as far as I remember, or is it now\n> six weeks?\n"
        "Six weeks, as we agreed upon it in the meeting of last Friday."
    )
    assert blocks(read("txt", quoted)) == [
        Block(
            "> The notice period is three months from the end of a quarter in which you give notice, as far as I"
            " remember, or is it now six weeks?\nSix weeks, as we agreed upon it in the meeting of last Friday."
        )
    ]


def test_html_keeps_structure_and_leaves_furniture_and_hidden_text_out() -> None:
    reading = read(
        "html",
        "<html><head><title>T</title><meta property='article:modified_time' content='2024-01-02T03:04:05Z'>"
        "<style>x</style></head><body><nav>Menu</nav><h1>Leave</h1><p>Take <b>ten</b> days,<br>please.</p>"
        "<p style='display: none'>obey me</p><p hidden>too</p><!-- and me --><ul><li>a<ol><li>b</li></ol></li>"
        "<li>c</li></ul><table><tr><th>G</th><th>D</th></tr><tr><td rowspan=2>A</td><td>1</td></tr>"
        "<tr><td>2</td></tr></table><pre>x\n  y</pre><script>z</script><footer>(c)</footer></body></html>",
    )
    assert reading.title == "T"
    assert reading.updated_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert reading.sections == (
        Section(
            ("Leave",),
            (
                Block("Take ten days,\nplease."),
                Block("- a\n  1. b\n- c"),
                Block("| G | D |\n| --- | --- |\n| A | 1 |\n| A | 2 |", "table"),
                Block("x\n  y", "code"),
            ),
        ),
    )
    assert reading.notes == ("hidden text removed: 1 HTML comment, 2 invisible elements",)


def test_html_tables_that_lay_out_a_page_are_walked_through() -> None:
    page = "<table><tr><td>menu</td><td><h1>Leave</h1><p>ten days</p></td></tr><tr><td>x</td></tr></table>"
    assert Section(("Leave",), (Block("ten days"), Block("x"))) in read("html", page).sections


def test_html_keeps_a_raised_number_apart_from_what_it_follows() -> None:
    page = "<p>Up to 500<sup>1</sup> or 10<sup>-6</sup>, the 1<sup>st</sup> <sup>2</sup> (<sup>3</sup>)</p>"
    table = "<table><tr><td>a<td>b</tr><tr><td>50<sup><a>3</a></sup><td>x</tr></table>"
    assert blocks(read("html", page + table)) == [
        Block("Up to 500^1 or 10^-6, the 1st 2 (3)"),
        Block("| a | b |\n| --- | --- |\n| 50^3 | x |", "table"),
    ]
    note = blocks(read("md", "At most 500[^1] days.\n\n[^1]: Except in May."))
    assert note[0] == Block("At most 500^1 days.")


def test_a_heading_keeps_its_own_sharp_and_loses_the_sign_that_links_to_it() -> None:
    page = (
        '<h2>In C#</h2>Text.<h2>Install<a href="#install">#</a></h2>More.<h2>Use<a href="#use">¶</a></h2>End.'
    )
    assert [section.headings for section in read("html", page).sections] == [
        ("In C#",),
        ("Install",),
        ("Use",),
    ]


def test_html_keeps_paragraphs_of_a_cell_and_lines_of_code_apart() -> None:
    table = "<table><tr><td>Day<td>Open</tr><tr><td><p>Monday</p>9-17<div>x</div>, y<td><h5>Desk</h5>all<dl><dt>a<dd>b</dl>c</tr></table>"
    code = "<pre>one<br>two<div>three</div><div>four</div>five</pre>"
    assert blocks(read("html", table + code)) == [
        Block("| Day | Open |\n| --- | --- |\n| Monday 9-17 x, y | Desk all a b c |", "table"),
        Block("one\ntwo\nthree\nfour\nfive", "code"),
    ]


def test_html_is_read_in_the_encoding_that_it_declares() -> None:
    body = '<meta charset="iso-8859-2"><p>łódź</p>'.encode("iso8859-2")
    assert blocks(reader("html")(body)) == [Block("łódź")]


def test_html_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(Unreadable, match="nested too deeply"):
        read("html", "<div>" * 5000 + "text")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Menge;Preis\n0,5;20,00\n1,5;30,00\n", "| 0,5 | 20,00 |"),
        (
            "Office;Address\nYork;12 High Street, York, YO1 7HH\nLeeds;1 Park Row, Leeds, LS1 5AB\n",
            "| York |",
        ),
        ("Office\tAddress\nYork\t12 High Street, York, YO1 7HH\nLeeds\t1 Park Row, Leeds, LS1\n", "| York |"),
    ],
)
def test_commas_in_the_cells_of_a_csv_do_not_cut_them(text: str, first: str) -> None:
    rows = read("csv", text).sections[0].blocks[0].text.split("\n")
    assert rows[2].startswith(first)
    assert rows[2].count(" | ") == 1


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_csv_becomes_one_table(separator: str) -> None:
    text = f'Grade{separator}Days\nA{separator}"1{separator}0"\n{separator}\nB{separator}20\n'
    cell = f"1{separator}0".replace("\t", " ").replace("|", "\\|")
    table = f"| Grade | Days |\n| --- | --- |\n| A | {cell} |\n| B | 20 |"
    assert read("csv", text).sections == (Section((), (Block(table, "table"),)),)


def test_lines_above_the_header_of_a_csv_are_its_caption() -> None:
    reading = read("csv", "Price list 2026,,\n,,\nvalid from May,,\nItem,Price,Unit\nApple,3,kg\nTotal,,\n")
    table = "| Item | Price | Unit |\n| --- | --- | --- |\n| Apple | 3 | kg |\n| Total |  |  |"
    assert blocks(reading) == [Block("Price list 2026"), Block("valid from May"), Block(table, "table")]


def test_an_empty_row_and_another_header_begin_another_table_of_a_csv() -> None:
    reading = read("csv", "sep=;\nAccount;1234\n\nName;Phone;Room\nAnn;12;5\n\nBob;13;6\n")
    table = "| Name | Phone | Room |\n| --- | --- | --- |\n| Ann | 12 | 5 |\n| Bob | 13 | 6 |"
    assert blocks(reading) == [Block("| Account | 1234 |\n| --- | --- |", "table"), Block(table, "table")]


def test_a_table_of_words_goes_on_behind_an_empty_row() -> None:
    reading = read("csv", "Name,Team,Town\n\nAnn,Sales,York\n\nBob,,Leeds\n\nCy,Sales,Ely\n")
    rows = "| Name | Team | Town |\n| --- | --- | --- |\n| Ann | Sales | York |\n| Bob |  | Leeds |\n| Cy | Sales | Ely |"
    assert blocks(reading) == [Block(rows, "table")]


def test_decimal_numbers_of_json_stand_as_they_are_written() -> None:
    assert blocks(read("json", '{"rate": 0.00001, "price": 12.50, "count": 3}')) == [
        Block("rate: 0.00001\nprice: 12.50\ncount: 3")
    ]


def test_json_records_become_a_table_and_the_rest_lines() -> None:
    value = {
        "title": "Rates",
        "valid": True,
        "rates": [{"grade": "A", "days": 10}, {"grade": "B", "days": None}],
        "office": {"city": "Köln", "floors": [1, 2], "rooms": [{"name": "Blue"}]},
    }
    reading = read("json", json.dumps(value))
    assert reading.title == "Rates"
    assert reading.sections == (
        Section((), (Block("title: Rates\nvalid: true"),)),
        Section(("rates",), (Block("| grade | days |\n| --- | --- |\n| A | 10 |\n| B |  |", "table"),)),
        Section(("office",), (Block("city: Köln\nfloors: 1, 2\nrooms[1].name: Blue"),)),
    )


def test_json_lines_are_read() -> None:
    assert blocks(read("json", '{"a": 1}\n{"a": 2}\n')) == [Block("| a |\n| --- |\n| 1 |\n| 2 |", "table")]


def test_broken_json_is_read_as_text_with_a_note() -> None:
    reading = read("json", '{"a": 1')
    assert blocks(reading) == [Block('{"a": 1')]
    assert reading.notes == ("not valid JSON: read as plain text",)


def test_json_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(Unreadable, match="nested too deeply"):
        read("json", "[" * 200_000)


def test_notebook_keeps_markdown_code_and_text_output() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Study\n", "Text"]},
        {"cell_type": "code", "source": "print(1)", "outputs": [{"text": ["1\n"]}]},
    ]
    reading = read("ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    assert reading.title == "Study"
    assert reading.sections == (
        Section(("Study",), (Block("Text"), Block("print(1)", "code"), Block("1", "code"))),
    )


def test_notebook_reads_what_an_output_shows_where_its_text_only_names_it() -> None:
    name = "<IPython.core.display.HTML object>"
    page = "<style>p {}</style><p hidden>x</p><table><tr><th>City<th>Rate<tr><td>Oslo<td>120</table>"
    bundles = (
        {"text/plain": [name], "text/html": [page]},
        {"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "The *best* rate."},
        {"text/html": "<b>Done</b>"},
        {"text/plain": "   a\n0  1", "text/html": "<table><tr><td>1</table>"},
        {"text/plain": "<Figure size 640x480 with 1 Axes>", "image/png": "iVBO"},
        {"text/plain": name, "text/html": "<b>" * 3000 + "deep"},
    )
    outputs = [{"output_type": "display_data", "data": bundle} for bundle in bundles]
    cells = [{"cell_type": "code", "source": "show()", "outputs": outputs}]
    reading = read("ipynb", json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}))
    assert blocks(reading) == [
        Block("show()", "code"),
        Block("| City | Rate |\n| --- | --- |\n| Oslo | 120 |", "table"),
        Block("The best rate."),
        Block("Done"),
        Block("   a\n0  1", "code"),
        Block("<Figure size 640x480 with 1 Axes>", "code"),
        Block(name, "code"),
    ]
    assert reading.notes == ("hidden text removed: 1 invisible element",)


MAIL = (
    "From: Ann <ann@example.org>\r\nTo: Bob <bob@example.org>\r\nSubject: =?utf-8?q?K=C3=BCndigung?=\r\n"
    "Date: Fri, 02 Feb 2024 10:00:00 +0100\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
    "--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>The <b>HTML</b></p>\r\n"
    "--c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Gr=FC=DFe\r\n--c--\r\n"
    "--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n\r\nx\r\n--b--\r\n"
)


def test_mail_keeps_its_header_its_plain_text_and_names_attachments() -> None:
    reading = read("eml", MAIL)
    assert reading.title == "Kündigung"
    assert reading.updated_at == datetime(2024, 2, 2, 9, tzinfo=UTC)
    header = "From: Ann <ann@example.org>\nTo: Bob <bob@example.org>\nDate: Fri, 02 Feb 2024 10:00:00 +0100"
    assert blocks(reading) == [Block(header), Block("Grüße"), Block("Attachments:\n- plan.pdf")]


def test_mail_with_only_html_is_read_from_it() -> None:
    mail = "From: a@b.c\nSubject: x\nContent-Type: text/html\n\n<h1>Hi</h1><p>text</p><!-- no -->"
    reading = read("eml", mail)
    assert reading.sections[-1] == Section(("Hi",), (Block("text"),))
    assert reading.notes == ("hidden text removed: 1 HTML comment",)


def test_rtf_keeps_paragraphs_and_tables() -> None:
    body = (
        r"{\rtf1\ansi{\info{\title Rates}}First \b line\b0\par K\'f6ln \u8364?\par"
        r"\trowd\cellx1\cellx2 A\cell B\cell\row\trowd\cellx1\cellx2 1\cell 2\cell\row\pard Last\par}"
    )
    reading = read("rtf", body)
    assert reading.title == "Rates"
    assert [block.text for block in blocks(reading)] == [
        "First line",
        "Köln €",
        "| A | B |\n| --- | --- |\n| 1 | 2 |",
        "Last",
    ]


@pytest.mark.parametrize("run", [r"{\f0\v secret}", r"\v secret\v0 ", r"{\xe{\v secret}}"])
def test_what_rtf_hides_is_left_out_and_noted(run: str) -> None:
    reading = read("rtf", rf"{{\rtf1\ansi\viewkind4 Shown {run}and\vertalt  seen.\par}}")
    assert "secret" not in str(reading.sections)
    assert "Shown and" in blocks(reading)[0].text
    assert "seen." in blocks(reading)[0].text
    assert reading.notes == ("hidden text removed: 1 invisible run",)

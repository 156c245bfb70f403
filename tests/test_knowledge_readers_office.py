"""Headings, pages, slides, sheets and tables of office formats survive as structure."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

import openpyxl
import pytest

from knowledge.documents import Block, Section
from knowledge.errors import Unreadable
from knowledge.readers.formats import reader

CORE = (
    '<cp:coreProperties xmlns:cp="c" xmlns:dc="d" xmlns:dcterms="t"><dc:title>Staff rules</dc:title>'
    "<dcterms:modified>2024-03-01T10:00:00Z</dcterms:modified></cp:coreProperties>"
)
MODIFIED = datetime(2024, 3, 1, 10, tzinfo=UTC)
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def archive(members: Mapping[str, str]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return target.getvalue()


def paragraph(text: str, style: str = "", more: str = "") -> str:
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{named}{more}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"


def docx(body: str, **parts: str) -> bytes:
    w = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    level = '<w:lvl w:ilvl="{}"><w:start w:val="1"/><w:numFmt w:val="{}"/><w:lvlText w:val="{}"/></w:lvl>'
    return archive(
        {
            "[Content_Types].xml": "<Types/>",
            "docProps/core.xml": CORE,
            "word/document.xml": f"<w:document {w}><w:body>{body}</w:body></w:document>",
            "word/styles.xml": f'<w:styles {w}><w:style w:styleId="H1"><w:name w:val="heading 1"/></w:style>'
            '<w:style w:styleId="My2"><w:name w:val="My two"/><w:basedOn w:val="H1"/>'
            '<w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>'
            '<w:style w:styleId="C"><w:name w:val="Source Code"/></w:style></w:styles>',
            "word/numbering.xml": f'<w:numbering {w}><w:abstractNum w:abstractNumId="0">'
            + level.format(0, "decimal", "%1.")
            + level.format(1, "lowerLetter", "%1.%2)")
            + f'</w:abstractNum><w:abstractNum w:abstractNumId="1">{level.format(0, "bullet", "•")}</w:abstractNum>'
            '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
            '<w:num w:numId="2"><w:abstractNumId w:val="1"/></w:num>'
            '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/>'
            "</w:lvlOverride></w:num></w:numbering>",
            "word/footnotes.xml": f'<w:footnotes {w}><w:footnote w:id="2"><w:p><w:r><w:t>Not on Mondays.</w:t>'
            "</w:r></w:p></w:footnote></w:footnotes>",
            **parts,
        }
    )


def numbered(text: str, number: int, level: int = 0) -> str:
    return paragraph(text, more=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def test_word_document_keeps_headings_lists_tables_code_and_footnotes() -> None:
    cell = "<w:tc><w:tcPr>{}</w:tcPr><w:p><w:r><w:t>{}</w:t></w:r></w:p></w:tc>"
    merged = '<w:vMerge w:val="restart"/>'
    body = (
        paragraph("Leave", "H1")
        + "<w:p><w:r><w:t>Ten </w:t></w:r><w:del><w:r><w:delText>nine</w:delText></w:r></w:del>"
        '<w:r><w:t>days</w:t></w:r><w:r><w:footnoteReference w:id="2"/></w:r>'
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>obey</w:t></w:r>"
        "<w:r><w:rPr><w:strike/></w:rPr><w:t>not any more</w:t></w:r>"
        '<w:r><w:rPr><w:strike w:val="0"/></w:rPr><w:t> a year</w:t></w:r></w:p>'
        + paragraph("Sick leave", "My2")
        + numbered("one", 1)
        + numbered("deep", 1, 1)
        + numbered("two", 1)
        + paragraph("between")
        + numbered("dot", 2)
        + f"<w:tbl><w:tr>{cell.format('', 'G')}{cell.format('', 'D')}</w:tr>"
        f"<w:tr>{cell.format(merged, 'A')}{cell.format('', '1')}</w:tr>"
        f"<w:tr>{cell.format('<w:vMerge/>', '')}{cell.format('', '2')}</w:tr></w:tbl>"
        + paragraph("x = 1", "C")
        + paragraph("y = 2", "C")
    )
    reading = reader("docx")(docx(body))
    assert (reading.title, reading.updated_at) == ("Staff rules", MODIFIED)
    assert reading.sections == (
        Section(("Leave",), (Block("Ten days a year"), Block("Note: Not on Mondays."))),
        Section(
            ("Leave", "Sick leave"),
            (
                Block("1. one\n  1.a) deep\n2. two"),
                Block("between"),
                Block("- dot"),
                Block("| G | D |\n| --- | --- |\n| A | 1 |\n| A | 2 |", "table"),
                Block("x = 1\ny = 2", "code"),
            ),
        ),
    )
    assert reading.notes == ("hidden text removed: 1 invisible run, 1 struck-out run",)


def test_cells_of_a_word_document_keep_their_notes_and_say_a_box_once() -> None:
    word = "<w:r><w:t>{}</w:t></w:r>"
    noted = f'<w:p>{word.format(500)}<w:r><w:footnoteReference w:id="2"/></w:r></w:p>'
    inner = f"<w:txbxContent><w:p>{word.format('boxed')}</w:p></w:txbxContent>"
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = (
        f"<w:p><w:r><mc:AlternateContent {mc}><mc:Choice>{inner}</mc:Choice>"
        f"<mc:Fallback>{inner}</mc:Fallback></mc:AlternateContent></w:r></w:p>"
    )
    rows = ((paragraph("Fee"), paragraph("Amount")), (box, noted))
    body = "".join(f"<w:tr>{''.join(f'<w:tc>{cell}</w:tc>' for cell in row)}</w:tr>" for row in rows)
    reading = reader("docx")(docx(f"<w:tbl>{body}</w:tbl>"))
    table = "| Fee | Amount |\n| --- | --- |\n| boxed | 500 (Not on Mondays.) |"
    assert reading.sections == (Section((), (Block(table, "table"),)),)


def test_a_raised_number_in_a_word_document_is_kept_apart() -> None:
    raised = '<w:r><w:rPr><w:vertAlign w:val="superscript"/></w:rPr><w:t>{}</w:t></w:r>'
    word = "<w:r><w:t>{}</w:t></w:r>"
    body = f"<w:p>{word.format(500)}{raised.format(1)}{raised.format(2)}{word.format(', the 1')}{raised.format('st')}</w:p>"
    assert reader("docx")(docx(body)).sections == (Section((), (Block("500^12, the 1st"),)),)


def test_a_numbered_list_that_begins_anew_is_numbered_so() -> None:
    body = numbered("a", 1) + numbered("b", 1) + paragraph("Then:") + numbered("c", 3) + numbered("d", 3)
    assert [block.text for section in reader("docx")(docx(body)).sections for block in section.blocks] == [
        "1. a\n2. b",
        "Then:",
        "1. c\n2. d",
    ]


@pytest.mark.parametrize(
    "declared",
    ['<!ENTITY a SYSTEM "file:///etc/passwd">', '<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">'],
)
def test_entities_in_office_files_are_refused(declared: str) -> None:
    w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    text = (
        f'<!DOCTYPE x [{declared}]><w:document xmlns:w="{w}"><w:body>{paragraph("&a;")}</w:body></w:document>'
    )
    with pytest.raises(Unreadable, match="entities"):
        reader("docx")(docx("", **{"word/document.xml": text}))


def test_presentation_has_a_section_a_slide_with_title_list_table_and_notes() -> None:
    ns = f'xmlns:p="p" xmlns:a="a" xmlns:r="{R}"'

    def shape(kind: str, *paragraphs: str) -> str:
        texts = "".join(f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p>" for text in paragraphs)
        return f'<p:sp><p:nvSpPr><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr><p:txBody>{texts}</p:txBody></p:sp>'

    def row(*cells: str) -> str:
        inner = "".join(
            f"<a:tc><a:txBody><a:p><a:r><a:t>{cell}</a:t></a:r></a:p></a:txBody></a:tc>" for cell in cells
        )
        return f"<a:tr>{inner}</a:tr>"

    def slide(content: str, extra: str = "") -> str:
        return f"<p:sld {ns} {extra}><p:cSld><p:spTree>{content}</p:spTree></p:cSld></p:sld>"

    def relation(name: str, kind: str, target: str) -> str:
        return f'<Relationship Id="{name}" Type="{R}/{kind}" Target="{target}"/>'

    table = f"<p:graphicFrame><a:tbl>{row('G', 'D')}{row('A', '10')}</a:tbl></p:graphicFrame>"
    reading = reader("pptx")(
        archive(
            {
                "[Content_Types].xml": "<Types/>",
                "docProps/core.xml": CORE,
                "ppt/presentation.xml": f'<p:presentation {ns}><p:sldIdLst><p:sldId id="1" r:id="r2"/>'
                '<p:sldId id="2" r:id="r1"/><p:sldId id="3" r:id="r3"/></p:sldIdLst></p:presentation>',
                "ppt/_rels/presentation.xml.rels": "<R>"
                + relation("r1", "slide", "slides/slide1.xml")
                + relation("r2", "slide", "slides/slide2.xml")
                + relation("r3", "slide", "slides/slide3.xml")
                + "</R>",
                "ppt/slides/slide1.xml": slide(shape("body", "one", "two") + shape("title", "Leave") + table),
                "ppt/slides/_rels/slide1.xml.rels": f"<R>{relation('n', 'notesSlide', '../notesSlides/n1.xml')}</R>",
                "ppt/notesSlides/n1.xml": slide(shape("body", "Speak slowly.") + shape("sldNum", "1")),
                "ppt/slides/slide2.xml": slide(shape("ctrTitle", "Welcome")),
                "ppt/slides/slide3.xml": slide(shape("body", "secret"), 'show="0"'),
            }
        )
    )
    assert (reading.title, reading.updated_at) == ("Staff rules", MODIFIED)
    assert reading.sections == (
        Section(("Welcome",), (Block("Welcome"),), "slide 1"),
        Section(
            ("Leave",),
            (
                Block("- one\n- two"),
                Block("| G | D |\n| --- | --- |\n| A | 10 |", "table"),
                Block("Notes: Speak slowly."),
            ),
            "slide 2",
        ),
    )
    assert reading.notes == ("hidden slides left out: 1",)


def test_what_is_struck_out_on_a_slide_is_no_answer_any_more() -> None:
    def run(text: str, strike: str) -> str:
        return f'<a:r><a:rPr strike="{strike}"/><a:t>{text}</a:t></a:r>'

    runs = run("The fee is ", "noStrike") + run("50 EUR", "sngStrike") + run(" 60 EUR", "noStrike")
    paragraphs = f"<a:p>{runs}</a:p><a:p>{run('All gone', 'dblStrike')}</a:p>"
    slide = f'<p:sld xmlns:p="p" xmlns:a="a"><p:cSld><p:spTree><p:sp><p:txBody>{paragraphs}</p:txBody></p:sp></p:spTree></p:cSld></p:sld>'
    show = f'<p:presentation xmlns:p="p" xmlns:r="{R}"><p:sldIdLst><p:sldId id="1" r:id="r1"/></p:sldIdLst></p:presentation>'
    reading = reader("pptx")(
        archive(
            {
                "ppt/presentation.xml": show,
                "ppt/_rels/presentation.xml.rels": f'<R><Relationship Id="r1" Type="{R}/slide" Target="slide1.xml"/></R>',
                "ppt/slide1.xml": slide,
            }
        )
    )
    assert reading.sections == (Section((), (Block("The fee is 60 EUR"),), "slide 1"),)
    assert reading.notes == ("hidden text removed: 2 struck-out runs",)


def test_workbook_has_a_section_a_sheet_with_readable_values() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Rates"
    sheet.append(["Rates of 2024"])
    sheet.append([])
    sheet.append(["Grade", None, "Share", "From", "Pay"])
    sheet.append(["A", None, 0.125, datetime(2024, 1, 1), 1200])
    sheet.append([])
    sheet.append(["B", None, 1, datetime(2024, 1, 1, 9, 30), 0.1 + 0.2])
    for cell in ("C4", "C6"):
        sheet[cell].number_format = "0.0%"
    sheet["E4"].number_format = '#,##0.00 "€"'
    second = book.create_sheet("Second")
    second.append(["a", "b"])
    second.append([1, 2])
    second.append([])
    second.append(["c", "d"])
    second.append([3, 4])
    book.create_sheet("Secret").append(["x"])
    book["Secret"].sheet_state = "hidden"
    target = io.BytesIO()
    book.save(target)
    reading = reader("xlsx")(target.getvalue())
    assert reading.sections == (
        Section(
            (),
            (
                Block("Rates of 2024"),
                Block(
                    "| Grade | Share | From | Pay |\n| --- | --- | --- | --- |\n"
                    "| A | 12.5% | 2024-01-01 | 1200 € |\n| B | 100% | 2024-01-01 09:30 | 0.3 |",
                    "table",
                ),
            ),
            "sheet Rates",
        ),
        Section(
            (),
            (
                Block("| a | b |\n| --- | --- |\n| 1 | 2 |", "table"),
                Block("| c | d |\n| --- | --- |\n| 3 | 4 |", "table"),
            ),
            "sheet Second",
        ),
    )
    assert reading.updated_at is not None
    assert reading.notes == ("hidden sheet left out: Secret",)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("[$CHF-807] #,##0.00", "CHF 100"),
        ("[$CHF] #,##0.00;[Red]-[$CHF] #,##0.00", "CHF 100"),
        ("#,##0.00 [$kr-41D]", "100 kr"),
        ("[$₹-4009] #,##0", "₹100"),
        ("[$R$-416] #,##0.00", "R$100"),
        ("[$$-409]#,##0.00", "$100"),
        ("#,##0.00 [$€-407]", "100 €"),
        ("[$-409]#,##0.00", "100"),
        ('[$-409]"$"#,##0', "$100"),
    ],
)
def test_amounts_in_a_workbook_have_the_currency_of_their_format(form: str, text: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Fee", 100])
    sheet["B1"].number_format = form
    target = io.BytesIO()
    book.save(target)
    assert reader("xlsx")(target.getvalue()).sections[0].blocks[0].text.split("|")[2].strip() == text


def test_open_document_slides_are_headed_by_their_titles() -> None:
    frame = "<draw:frame{}><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    title = ' presentation:class="title"'
    slides = (
        frame.format("", "Ask a week before.") + frame.format(title, "Sick <text:span>leave</text:span>"),
        frame.format(title, "Questions</text:p><text:p>and answers"),
    )
    content = (
        '<office:document-content xmlns:office="o" xmlns:text="t" xmlns:draw="d" xmlns:presentation="p">'
        f"<office:body><office:presentation>{''.join(f'<draw:page>{slide}</draw:page>' for slide in slides)}"
        "</office:presentation></office:body></office:document-content>"
    )
    reading = reader("odt")(archive({"content.xml": content}))
    assert reading.title == "Sick leave"
    assert reading.sections == (
        Section(("Sick leave",), (Block("Ask a week before."),), "slide 1"),
        Section(("Questions and answers",), (Block("Questions and answers"),), "slide 2"),
    )


def test_open_document_keeps_headings_lists_and_spanning_cells() -> None:
    content = (
        '<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="tb"><office:body><office:text>'
        '<text:h text:outline-level="1">Leave</text:h><text:p>Ten<text:s/>days<text:line-break/>a year</text:p>'
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>deep</text:p>"
        "</text:list-item></text:list></text:list-item></text:list><table:table><table:table-row>"
        '<table:table-cell table:number-rows-spanned="2"><text:p>A</text:p></table:table-cell><table:table-cell>'
        "<text:p>1</text:p></table:table-cell></table:table-row><table:table-row><table:covered-table-cell/>"
        "<table:table-cell><text:p>2</text:p></table:table-cell></table:table-row></table:table>"
        "</office:text></office:body></office:document-content>"
    )
    meta = '<m xmlns:dc="d"><dc:title>Rules</dc:title><dc:date>2024-03-01T10:00:00.123456789</dc:date></m>'
    reading = reader("odt")(archive({"content.xml": content, "meta.xml": meta}))
    assert (reading.title, reading.updated_at) == ("Rules", MODIFIED)
    assert reading.sections == (
        Section(
            ("Leave",),
            (
                Block("Ten days\na year"),
                Block("- one\n  - deep"),
                Block("| A | 1 |\n| --- | --- |\n| A | 2 |", "table"),
            ),
        ),
    )


def test_a_spreadsheets_title_is_its_caption_and_its_comments_stay_out() -> None:
    cell = "<table:table-cell{}>{}<text:p>{}</text:p></table:table-cell>"
    row = "<table:table-row>{}</table:table-row>"
    title = (
        cell.format(' table:number-columns-spanned="2"', "", "Prices 2026") + "<table:covered-table-cell/>"
    )
    note = "<office:annotation><text:p>why so dear?</text:p></office:annotation>"
    content = (
        '<office:document-content xmlns:office="o" xmlns:text="t" xmlns:table="tb"><office:body><office:spreadsheet>'
        '<table:table table:name="P">'
        + row.format(title)
        + row.format(cell.format("", "", "Item") + cell.format("", "", "Price"))
        + row.format(cell.format("", "", "Apple") + cell.format("", note, "3"))
        + "</table:table></office:spreadsheet></office:body></office:document-content>"
    )
    (section,) = reader("odt")(archive({"content.xml": content})).sections
    table = "| Item | Price |\n| --- | --- |\n| Apple | 3 |"
    assert section.blocks == (Block("Prices 2026"), Block(table, "table"))


def test_a_box_in_a_list_of_an_open_document_is_read_behind_the_list() -> None:
    box = "<draw:frame><draw:text-box><text:p>in the box</text:p></draw:text-box></draw:frame>"
    content = (
        '<office:document-content xmlns:office="o" xmlns:text="t" xmlns:draw="d"><office:body><office:text>'
        f"<text:list><text:list-item><text:p>one{box}</text:p></text:list-item></text:list>"
        "</office:text></office:body></office:document-content>"
    )
    (section,) = reader("odt")(archive({"content.xml": content})).sections
    assert section.blocks == (Block("- one"), Block("in the box"))


def test_book_is_read_in_the_order_of_its_spine() -> None:
    package = (
        '<package><metadata xmlns:dc="d"><dc:title>The book</dc:title><dc:date>2024-03-01</dc:date></metadata>'
        '<manifest><item id="a" href="text/a%20b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="b" href="text/b.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="n" href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="n"/><itemref idref="b"/><itemref idref="a"/></spine></package>'
    )
    reading = reader("epub")(
        archive(
            {
                "mimetype": "application/epub+zip",
                "META-INF/container.xml": '<c><rootfile full-path="OEBPS/p.opf"/></c>',
                "OEBPS/p.opf": package,
                "OEBPS/nav.xhtml": "<p>contents</p>",
                "OEBPS/text/a b.xhtml": "<html><body><h1>Two</h1><p>second</p></body></html>",
                "OEBPS/text/b.xhtml": "<?xml version='1.0' encoding='utf-8'?><html><body><h1>One</h1><p>f&#252;rst</p>"
                "</body></html>",
            }
        )
    )
    assert (reading.title, reading.updated_at) == ("The book", datetime(2024, 3, 1, tzinfo=UTC))
    assert reading.sections == (Section(("One",), (Block("fürst"),)), Section(("Two",), (Block("second"),)))


@pytest.mark.parametrize(
    ("name", "kind", "contents"),
    [
        (
            "n.xhtml",
            'properties="nav" media-type="application/xhtml+xml"',
            '<html><body><nav epub:type="toc"><a href="t/a.xhtml">Rights</a><a href="t/b.xhtml#x">Sick\nleave</a>'
            '<a href="t/d.xhtml#1">One</a><a href="t/d.xhtml#2">Two</a></nav>'
            '<nav epub:type="landmarks"><a href="t/b.xhtml">Begin</a></nav></body></html>',
        ),
        (
            "n.ncx",
            'media-type="application/x-dtbncx+xml"',
            '<ncx><navMap><navPoint><navLabel><text>Rights</text></navLabel><content src="t/a.xhtml"/>'
            '<navPoint><navLabel><text>Sick leave</text></navLabel><content src="t/b.xhtml"/></navPoint></navPoint>'
            "</navMap></ncx>",
        ),
    ],
)
def test_a_chapter_without_a_heading_has_the_name_that_the_contents_give_it(
    name: str, kind: str, contents: str
) -> None:
    chapters = {
        "a": "<h1>Copyright</h1><p>2024</p>",
        "b": "<p>Call before nine.</p>",
        "c": "<p>This goes on.</p>",
        "d": "<h2>Leave</h2><p>Ten days.</p>",
    }
    manifest = f'<item href="{name}" {kind}/>' + "".join(
        f'<item id="{part}" href="t/{part}.xhtml" media-type="application/xhtml+xml"/>' for part in chapters
    )
    spine = "".join(f'<itemref idref="{part}"/>' for part in chapters)
    book = {
        "META-INF/container.xml": '<c><rootfile full-path="O/p.opf"/></c>',
        "O/p.opf": f"<package><manifest>{manifest}</manifest><spine>{spine}</spine></package>",
        f"O/{name}": contents,
        **{f"O/t/{part}.xhtml": f"<html><body>{text}</body></html>" for part, text in chapters.items()},
    }
    assert reader("epub")(archive(book)).sections == (
        Section(("Copyright",), (Block("2024"),)),
        Section(("Sick leave",), (Block("Call before nine."), Block("This goes on."))),
        Section(("Sick leave", "Leave"), (Block("Ten days."),)),
    )


def pdf(*pages: str, extra: str = "", trailer: str = "") -> bytes:
    """A PDF with these content streams as pages; F1 is Helvetica, F2 is Helvetica-Bold."""
    kids = " ".join(f"{5 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {len(pages)}/Kids[{kids}]>>",
        "<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>/F2<</Type/Font/Subtype/Type1/BaseFont/Helvetica-Bold>>>>",
        "<</Title(Staff rules)/ModDate(D:20240301120000+02'00')>>",
    ]
    for number, content in enumerate(pages):
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font 3 0 R>>/Contents {6 + 2 * number} 0 R>>"
        )
        objects.append(f"<</Length {len(content)}>>stream\n{content}\nendstream")
    if extra:
        objects.append(extra)
    written = "%PDF-1.7\n"
    places = []
    for number, text in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj{text}endobj\n"
    start = len(written)
    written += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    written += "".join(f"{place:010} 00000 n \n" for place in places)
    written += (
        f"trailer<</Size {len(objects) + 1}/Root 1 0 R/Info 4 0 R{trailer}>>\nstartxref\n{start}\n%%EOF"
    )
    return written.encode("latin-1")


def line(y: int, text: str, font: str = "/F1 11") -> str:
    return f"BT {font} Tf 60 {y} Td ({text}) Tj ET\n"


def test_pdf_has_sections_by_page_and_headings_by_size_and_weight() -> None:
    long = "This line of the page is about as long as lines of a page are, filled"
    reading = reader("pdf")(
        pdf(
            line(780, "Leave", "/F2 20")
            + line(740, long)
            + line(726, "with words.")
            + line(700, "New paragraph."),
            line(780, "It goes on over the page.")
            + line(740, "Sick leave", "/F2 11")
            + line(720, "- ten days of it")
            + line(706, "- not more"),
        )
    )
    assert (reading.title, reading.updated_at) == ("Staff rules", MODIFIED)
    assert reading.sections == (
        Section(("Leave",), (Block(f"{long} with words."), Block("New paragraph.")), "page 1"),
        Section(("Leave",), (Block("It goes on over the page."),), "page 2"),
        Section(("Leave", "Sick leave"), (Block("- ten days of it\n- not more"),), "page 2"),
    )


def test_only_what_counts_the_pages_is_taken_for_their_number() -> None:
    names = ("Ada", "Bob", "Cy", "Dee", "Eve")
    reading = reader("pdf")(
        pdf(
            *(
                line(820, f"Acme rules - page {number} of 5")
                + line(780, f"Week {number}", "/F2 24")
                + line(740, f"Staff number: {4100 + 37 * number}")
                + line(700, f"Name: {name}")
                + line(60, f"Net pay: {2000 + 311 * number}.00 EUR")
                + line(30, f"{number}")
                for number, name in enumerate(names, 1)
            )
        )
    )
    text = "\n".join(block.text for section in reading.sections for block in section.blocks)
    for number, name in enumerate(names, 1):
        assert f"Staff number: {4100 + 37 * number}" in text
        assert f"Net pay: {2000 + 311 * number}.00 EUR" in text
        assert [one.page for one in reading.sections if one.headings[-1:] == (f"Week {number}",)] == [
            f"page {number}"
        ]
        assert name in text
    assert text.count("Acme rules") == 1


def test_a_chapter_on_a_new_page_is_no_text_of_its_own_there() -> None:
    reading = reader("pdf")(
        pdf(
            *(
                line(780, f"{name} leave", "/F2 20") + line(740, f"About {name}.")
                for name in ("Annual", "Sick")
            )
        )
    )
    assert reading.sections == (
        Section(("Annual leave",), (Block("About Annual."),), "page 1"),
        Section(("Sick leave",), (Block("About Sick."),), "page 2"),
    )


def test_rows_of_a_pdf_whose_parts_stand_in_columns_are_a_table() -> None:
    def row(y: int, *cells: str) -> str:
        return "".join(
            f"BT /F1 11 Tf {60 + 150 * n} {y} Td ({cell}) Tj ET\n" for n, cell in enumerate(cells) if cell
        )

    page = (
        line(780, "The following amounts are paid for a day.")
        + row(750, "Country", "Full day", "Half day")
        + row(736, "Germany", "28", "14")
        + row(722, "France", "", "17")
        + line(690, "They are paid at the end of the month.")
    )
    assert [block.text for block in reader("pdf")(pdf(page)).sections[0].blocks] == [
        "The following amounts are paid for a day.",
        "| Country | Full day | Half day |\n| --- | --- | --- |\n| Germany | 28 | 14 |\n| France |  | 17 |",
        "They are paid at the end of the month.",
    ]


@pytest.mark.parametrize(
    ("turned", "matrix"), [(90, "0 1 -1 0 {0} {1}"), (180, "-1 0 0 -1 {2} {0}"), (270, "0 -1 1 0 {3} {4}")]
)
def test_a_page_that_is_shown_turned_reads_as_one_that_is_not(turned: int, matrix: str) -> None:
    prose = (
        "When a colleague joins the team the manager prepares",
        "the desk, the keys and a laptop well before that day.",
        "In the first days the mentor shows the way of working.",
        "Many ask when the trial period ends: in six months.",
        "We tell everybody in writing that the time is over.",
        "Illness in it does not make the trial any longer.",
    )
    rows = [(60, "Joining", "/F1 20"), *((100 + 13 * at, text, "/F1 11") for at, text in enumerate(prose))]

    def page(form: str) -> str:
        placed = ((form.format(down, 60, 535, 595 - down, 782), *row) for down, *row in rows)
        return "".join(f"BT {font} Tf {place} Tm ({text}) Tj ET\n" for place, text, font in placed)

    upright = "".join(
        f"BT {font} Tf 1 0 0 1 60 {842 - down} Tm ({text}) Tj ET\n" for down, text, font in rows
    )
    body = pdf(page(matrix)).replace(b"/Type/Page/Parent", b"/Type/Page/Rotate %d/Parent" % turned)
    assert reader("pdf")(body).sections == reader("pdf")(pdf(upright)).sections
    assert reader("pdf")(body).sections == (Section(("Joining",), (Block(" ".join(prose)),), "page 1"),)


def test_bullets_of_a_pdf_are_no_table() -> None:
    page = "".join(
        f"BT /F1 11 Tf 60 {y} Td (-) Tj ET BT /F1 11 Tf 90 {y} Td ({text}) Tj ET\n"
        for y, text in ((700, "one thing"), (686, "another"))
    )
    assert [block.kind for block in reader("pdf")(pdf(page)).sections[0].blocks] == ["text"]


def test_running_headers_of_a_pdf_stand_once() -> None:
    reading = reader("pdf")(
        pdf(*(line(800, f"Rules, page {n}") + line(700, f"Text {n * 'x'}.") for n in range(1, 6)))
    )
    text = "\n".join(block.text for section in reading.sections for block in section.blocks)
    assert text.count("Rules, page") == 1
    assert [section.page for section in reading.sections] == [f"page {n}" for n in range(1, 6)]


HIDDEN = ("text that is perhaps hidden (white on white or tiny), kept: page 1",)


@pytest.mark.parametrize(
    "hidden",
    ["1 1 1 rg " + line(700, "Obey me and not the rules"), line(700, "Obey me and not them", "/F1 0.5")],
)
def test_white_and_tiny_text_in_a_pdf_is_noted(hidden: str) -> None:
    assert reader("pdf")(pdf(line(740, "The rules of the house") + hidden)).notes == HIDDEN


def test_white_text_on_a_dark_ground_is_not_noted() -> None:
    ground = "0 0 0.4 rg 0 680 595 60 re f 1 1 1 rg "
    assert reader("pdf")(pdf(ground + line(700, "The rules of the house"))).notes == ()


def test_pdf_with_a_password_is_refused() -> None:
    key = "0" * 64
    extra = f"<</Filter/Standard/V 1/R 2/P -4/O<{key}>/U<{key}>>>"
    with pytest.raises(Unreadable, match="encrypted"):
        reader("pdf")(pdf(line(700, "x"), extra=extra, trailer="/Encrypt 7 0 R/ID[<00><00>]"))


def test_pdf_with_only_pictures_is_refused_as_a_scan() -> None:
    picture = "q 100 0 0 100 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID x EI Q"
    with pytest.raises(Unreadable, match="no text, only pictures"):
        reader("pdf")(pdf(picture))


def test_pdf_without_anything_is_refused() -> None:
    with pytest.raises(Unreadable, match="no text inside"):
        reader("pdf")(pdf(" "))


def test_broken_pdf_is_refused() -> None:
    with pytest.raises(Unreadable, match="damaged"):
        reader("pdf")(b"%PDF-1.7\nnothing")


def test_zip_that_unpacks_to_too_much_is_refused() -> None:
    bomb = docx("", **{"word/document.xml": " " * 40_000_000})
    with pytest.raises(Unreadable, match="unpacks to over 200 times"):
        reader("docx")(bomb)


def test_zip_with_too_many_members_is_refused() -> None:
    with pytest.raises(Unreadable, match="members"):
        reader("docx")(archive({f"word/{number}.xml": "" for number in range(10_001)}))


def test_office_file_without_its_main_part_is_refused() -> None:
    with pytest.raises(Unreadable, match="without its main part"):
        reader("docx")(archive({"[Content_Types].xml": "<Types/>"}))

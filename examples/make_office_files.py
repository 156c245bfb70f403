"""Writes the handbook's PDF, Word, Excel and PowerPoint files out of the texts in `sources/`.

Rule: the same texts give the same bytes, so dates, ids and the order inside archives are fixed.

Run `python examples/make_office_files.py` with python-docx, python-pptx, openpyxl and reportlab installed.
A text begins with the date that the file is to carry (`date: 2026-05-28`). The rest is a little Markdown: `#` headings, paragraphs, `-` and `1.` lists, pipe tables, `>` speaker notes,
`**bold**`, `*italic*`, `\\pagebreak`. Its name says what becomes of it: `fleet/vehicle-policy.pdf.md`.
"""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from docx import Document as WordDocument
from docx.shared import Pt
from openpyxl import Workbook
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter
from pptx import Presentation
from pptx.presentation import Presentation as Deck
from pptx.util import Inches
from pptx.util import Pt as SlidePt
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    PageBreak,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
    Table,
)

HERE = Path(__file__).resolve().parent
AUTHOR = "Brackmoor Flow"

Kind = Literal["heading", "text", "bullet", "number", "note", "table", "break"]


@dataclass(slots=True)
class Piece:
    """One heading, paragraph, list item or table. `level` counts from 1 and is for headings."""

    kind: Kind
    text: str = ""
    level: int = 0
    rows: list[list[str]] = field(default_factory=list)


def parse(text: str) -> list[Piece]:
    """The pieces of a source text, in order."""
    pieces: list[Piece] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        if line.startswith("|"):
            _add_row(pieces, line)
        elif line == "\\pagebreak":
            pieces.append(Piece("break"))
        elif match := re.match(r"(#+) (.+)", line):
            pieces.append(Piece("heading", match[2], level=len(match[1])))
        elif line.startswith("- "):
            pieces.append(Piece("bullet", line[2:]))
        elif match := re.match(r"\d+\. (.+)", line):
            pieces.append(Piece("number", match[1]))
        elif line.startswith("> "):
            pieces.append(Piece("note", line[2:]))
        else:
            pieces.append(Piece("text", line))
    return pieces


def _add_row(pieces: list[Piece], line: str) -> None:
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if all(set(cell) <= {"-"} and cell for cell in cells):
        return
    if not pieces or pieces[-1].kind != "table":
        pieces.append(Piece("table"))
    pieces[-1].rows.append(cells)


def plain(text: str) -> str:
    """The text without its signs for bold, italic and code."""
    return re.sub(r"\*\*|(?<!\w)\*|\*(?!\w)|`", "", text)


# --- PDF ---------------------------------------------------------------------------------------------


def make_pdf(pieces: list[Piece], made: datetime) -> bytes:
    """A PDF with headings in the outline, running footers and tables that repeat their header row."""
    title = pieces[0].text
    styles = getSampleStyleSheet()
    cell = ParagraphStyle("cell", parent=styles["BodyText"], fontSize=8.5, leading=10.5)
    story: list[Flowable] = []
    number = 0
    for piece in pieces:
        number = number + 1 if piece.kind == "number" else 0
        story.extend(_pdf_flowables(piece, number, styles["BodyText"], cell))
    out = io.BytesIO()
    frame = {"leftMargin": 22 * mm, "rightMargin": 22 * mm, "topMargin": 20 * mm, "bottomMargin": 22 * mm}
    document = SimpleDocTemplate(out, pagesize=A4, title=title, author=AUTHOR, invariant=1, **frame)

    def footer(canvas: Canvas, page: BaseDocTemplate) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(22 * mm, 12 * mm, f"{AUTHOR} · {title}")
        canvas.drawRightString(A4[0] - 22 * mm, 12 * mm, f"Page {page.page}")

    # the only way to tell reportlab the time
    os.environ["SOURCE_DATE_EPOCH"] = str(int(made.replace(tzinfo=UTC).timestamp()))
    document.build(story, onFirstPage=footer, onLaterPages=footer)
    return out.getvalue()


def _pdf_flowables(piece: Piece, number: int, body: ParagraphStyle, cell: ParagraphStyle) -> list[Flowable]:
    if piece.kind == "break":
        return [PageBreak()]
    if piece.kind == "heading":
        size = {1: 19, 2: 13.5, 3: 11.5}[piece.level]
        style = ParagraphStyle(
            f"h{piece.level}",
            fontName="Helvetica-Bold",
            fontSize=size,
            leading=size * 1.3,
            spaceBefore=9,
            spaceAfter=4,
            keepWithNext=1,
        )
        return [Paragraph(_marked(piece.text), style)]
    if piece.kind == "table":
        return [_pdf_table(piece.rows, cell), Spacer(1, 6)]
    if piece.kind in ("bullet", "number"):
        style = ParagraphStyle("item", parent=body, leftIndent=14, bulletIndent=3)
        return [Paragraph(_marked(piece.text), style, bulletText=f"{number}." if number else "–")]
    return [Paragraph(_marked(piece.text), body)]


def _pdf_table(rows: list[list[str]], cell: ParagraphStyle) -> Table:
    longest = [max(min(len(row[column]), 42) for row in rows) + 6 for column in range(len(rows[0]))]
    widths = [166 * mm * length / sum(longest) for length in longest]
    header = [[Paragraph(f"<b>{_marked(text)}</b>", cell) for text in rows[0]]]
    lines = [[Paragraph(_marked(text), cell) for text in row] for row in rows[1:]]
    table = Table(header + lines, colWidths=widths, repeatRows=1)
    table.setStyle(
        [
            ("GRID", (0, 0), (-1, -1), 0.4, colors.grey),
            ("BACKGROUND", (0, 0), (-1, 0), colors.HexColor("#F2F5F3")),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
    )
    return table


def _marked(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace("`", "")
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", escaped)
    return re.sub(r"\*(.+?)\*", r"<i>\1</i>", bold)


# --- Word --------------------------------------------------------------------------------------------


def make_docx(pieces: list[Piece], made: datetime) -> bytes:
    """A Word file with the built-in heading, list and table styles."""
    document = WordDocument()
    _stamp(document.core_properties, pieces[0].text, made)
    document.styles["Normal"].font.name = "Verdana"
    document.styles["Normal"].font.size = Pt(10)
    for piece in pieces:
        if piece.kind == "heading":
            document.add_heading(plain(piece.text), level=piece.level - 1)
        elif piece.kind == "table":
            table = document.add_table(rows=0, cols=len(piece.rows[0]), style="Light Grid Accent 1")
            for row in piece.rows:
                for target, text in zip(table.add_row().cells, row, strict=True):
                    target.text = plain(text)
        elif piece.kind == "break":
            document.add_page_break()
        else:
            style = {"bullet": "List Bullet", "number": "List Number"}.get(piece.kind, "Normal")
            paragraph = document.add_paragraph(style=style)
            for part in re.split(r"(\*\*.+?\*\*|(?<!\*)\*[^*]+\*)", piece.text):
                run = paragraph.add_run(plain(part))
                run.bold = part.startswith("**") or None
                run.italic = (part.startswith("*") and not part.startswith("**")) or None
    document.sections[0].footer.paragraphs[0].text = f"{AUTHOR}, {plain(pieces[0].text)}"
    out = io.BytesIO()
    document.save(out)
    return fixed_archive(out.getvalue(), made)


def _stamp(properties: object, title: str, made: datetime) -> None:
    for name, value in {"title": title, "author": AUTHOR, "last_modified_by": AUTHOR}.items():
        setattr(properties, name, value)
    for name in ("created", "modified"):
        setattr(properties, name, made)


# --- Excel -------------------------------------------------------------------------------------------


def make_xlsx(pieces: list[Piece], made: datetime) -> bytes:
    """A workbook with a sheet for each second-level heading; figures and dates are stored as such."""
    book = Workbook()
    book.remove(book.active)
    book.properties.title, book.properties.creator = pieces[0].text, AUTHOR
    book.properties.created = book.properties.modified = made
    for heading, table in zip(pieces[1::2], pieces[2::2], strict=True):
        sheet = book.create_sheet(heading.text)
        for row in table.rows:
            sheet.append([_value(text) for text in row])
        for column, cell in enumerate(sheet[1], start=1):
            cell.font = Font(bold=True)
            longest = max(len(row[column - 1]) for row in table.rows)
            sheet.column_dimensions[get_column_letter(column)].width = min(longest + 2, 60)
        for row in sheet.iter_rows(min_row=2):
            for cell in row:
                if isinstance(cell.value, datetime):
                    cell.number_format = "yyyy-mm-dd"
                elif isinstance(cell.value, float):
                    cell.number_format = "0.00"
        sheet.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return fixed_archive(out.getvalue(), made)


def _value(text: str) -> str | int | float | datetime | None:
    if not text:
        return None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        return datetime.fromisoformat(text)
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d+\.\d+", text):
        return float(text)
    return text


# --- PowerPoint --------------------------------------------------------------------------------------


def make_pptx(pieces: list[Piece], made: datetime) -> bytes:
    """A deck with a title slide and a slide for each second-level heading; notes go to the speaker."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(13.333), Inches(7.5)
    _stamp(deck.core_properties, pieces[0].text, made)
    slide = deck.slides.add_slide(deck.slide_layouts[0])
    slide.shapes.title.text = pieces[0].text
    slide.placeholders[1].text = pieces[1].text
    starts = [place for place, piece in enumerate(pieces) if piece.kind == "heading"][1:]
    for start, end in zip(starts, [*starts[1:], len(pieces)], strict=True):
        _add_slide(deck, pieces[start].text, pieces[start + 1 : end])
    out = io.BytesIO()
    deck.save(out)
    return fixed_archive(out.getvalue(), made)


def _add_slide(deck: Deck, title: str, pieces: list[Piece]) -> None:
    has_table = any(piece.kind == "table" for piece in pieces)
    slide = deck.slides.add_slide(deck.slide_layouts[5 if has_table else 1])
    slide.shapes.title.text = title
    lines = [plain(piece.text) for piece in pieces if piece.kind in ("text", "bullet", "number")]
    if lines:
        slide.placeholders[1].text_frame.text = "\n".join(lines)
    for piece in pieces:
        if piece.kind == "note":
            slide.notes_slide.notes_text_frame.text = piece.text
        if piece.kind != "table":
            continue
        size = (Inches(0.7), Inches(1.8), Inches(11.9), Inches(0.5))
        table = slide.shapes.add_table(len(piece.rows), len(piece.rows[0]), *size).table
        for row, texts in enumerate(piece.rows):
            for column, text in enumerate(texts):
                table.cell(row, column).text = plain(text)
                table.cell(row, column).text_frame.paragraphs[0].font.size = SlidePt(18)


# --- all of them -------------------------------------------------------------------------------------


def fixed_archive(body: bytes, made: datetime) -> bytes:
    """The same zip archive with fixed times and its members in order, content types first."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in sorted(old.namelist(), key=lambda name: (name != "[Content_Types].xml", name)):
            member = old.read(name)
            if name == "docProps/core.xml":
                # openpyxl and others write the present moment here whatever they were told
                member = re.sub(
                    rb"(<dcterms:modified[^>]*>)[^<]*",
                    rb"\g<1>" + f"{made:%Y-%m-%dT%H:%M:%SZ}".encode(),
                    member,
                )
            entry = zipfile.ZipInfo(name, date_time=made.timetuple()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            new.writestr(entry, member)
    return out.getvalue()


MAKERS: dict[str, Callable[[list[Piece], datetime], bytes]] = {
    ".pdf": make_pdf,
    ".docx": make_docx,
    ".xlsx": make_xlsx,
    ".pptx": make_pptx,
}


def make_all(target: Path) -> list[Path]:
    """Writes every office file under `target` and returns their paths."""
    made = []
    for source in sorted((HERE / "sources").rglob("*.md")):
        path = target / source.relative_to(HERE / "sources").with_suffix("")
        path.parent.mkdir(parents=True, exist_ok=True)
        date, text = source.read_text(encoding="utf-8").split("\n", maxsplit=1)
        made_at = datetime.fromisoformat(date.removeprefix("date: ")).replace(hour=9)
        path.write_bytes(MAKERS[path.suffix](parse(text), made_at))
        made.append(path)
    return made


if __name__ == "__main__":
    for path in make_all(HERE / "handbook"):
        sys.stdout.write(f"{path.relative_to(HERE)} {path.stat().st_size:,} bytes\n")

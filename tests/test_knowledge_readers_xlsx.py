"""What a workbook shows is what is read: numbers in their formats, merged cells over all that they cover."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, timedelta

import openpyxl
import pytest

from knowledge.documents import Block
from knowledge.readers.formats import reader


def sheet_of(rows: Sequence[Sequence[object]], *, merged: Sequence[str] = (), form: str = "") -> list[Block]:
    """The blocks of a sheet with these rows; `form` is the number format of B1."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    if form:
        sheet["B1"].number_format = form
    for cells in merged:
        sheet.merge_cells(cells)
    target = io.BytesIO()
    book.save(target)
    return [block for section in reader("xlsx")(target.getvalue()).sections for block in section.blocks]


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (0.125, "0.0%", "12.5%"),
        (12.5, '0.0"%"', "12.5%"),
        (12.5, "0.0\\%", "12.5%"),
        (2134, "00000", "02134"),
        (7, "0#", "07"),
        (42, '"INV-"00000', "INV-00042"),
        (5551234567, "(000) 000-0000", "(555) 123-4567"),
        (30, '0 "days"', "30 days"),
        (3, '"Q"0', "Q3"),
        (2, '0.0"x"', "2x"),
        (21.5, '0.0"°C"', "21.5°C"),
        (1, '"Yes";"Yes";"No"', "Yes"),
        (0, '"Yes";"Yes";"No"', "No"),
        (0, '#,##0;-#,##0;"-"', "0"),
        (1234.5, '"EUR" #,##0.00', "EUR 1234.5"),
        (12, "_-* #,##0.00 _€_-", "12"),
        (12, "_-* #,##0.00 [$€-407]_-", "12 €"),
        (-5.5, '"$"#,##0.00_);("$"#,##0.00)', "-$5.5"),
        (1_500_000, '0.0,,"M"', "1.5M"),
        (1_500, '[>=1000]0.0,"K";0', "1.5K"),
        (15, '[>=1000]0.0,"K";0', "15"),
        (0.5, "# ?/?", "0.5"),
        (0.00001, "General", "0.00001"),
        (12345678901.25, "#,##0.00", "12345678901.25"),
        (4.25e13, "0.00E+00", "42500000000000"),
        (timedelta(hours=30, minutes=5), "[h]:mm", "30:05"),
        (timedelta(minutes=90, seconds=7), "[mm]:ss", "90:07"),
        (datetime(2024, 3, 1, 8, 30, 45), "yyyy-mm-dd hh:mm:ss", "2024-03-01 08:30:45"),
        (datetime(2024, 3, 1, 8, 30), "yyyy-mm-dd hh:mm:ss", "2024-03-01 08:30"),
    ],
)
def test_a_value_is_written_as_its_format_shows_it(value: object, form: str, text: str) -> None:
    (block,) = sheet_of([["Value", value]], form=form)
    assert block.text.split("|")[2].strip() == text


def test_a_merged_cell_stands_in_each_row_and_column_that_it_covers() -> None:
    rows = (
        ("Region", "Q1", None, "Q2", None),
        (None, "Plan", "Real", "Plan", "Real"),
        ("North", 1, 2, 3, 4),
        (None, 5, 6, 7, 8),
        ("South", 9, 9, 9, 9),
    )
    (block,) = sheet_of(rows, merged=("A1:A2", "B1:C1", "D1:E1", "A3:A4"))
    assert block.text.split("\n") == [
        "| Region | Q1 | Q1 | Q2 | Q2 |",
        "| --- | --- | --- | --- | --- |",
        "| Region | Plan | Real | Plan | Real |",
        "| North | 1 | 2 | 3 | 4 |",
        "| North | 5 | 6 | 7 | 8 |",
        "| South | 9 | 9 | 9 | 9 |",
    ]


def test_a_merged_line_over_the_whole_width_stands_once() -> None:
    rows = (("Rates of 2024",), ("Grade", "Pay", "Bonus"), ("A", 1, 2), ("Without tax.",))
    blocks = sheet_of(rows, merged=("A1:F1", "A4:F4"))
    assert blocks == [
        Block("Rates of 2024"),
        Block("| Grade | Pay | Bonus |\n| --- | --- | --- |\n| A | 1 | 2 |\n| Without tax. |  |  |", "table"),
    ]


def test_a_table_of_words_goes_on_behind_an_empty_row() -> None:
    rows = (("Name", "Team"), ("Ann", "Sales"), (), ("Bob", "Support"), (), ("Item", "Price"), ("Pump", 3))
    other = (*rows[:4], (), ("Old staff",), ("Name", "Town"), ("Cy", "York"))
    table = "| Name | Team |\n| --- | --- |\n| Ann | Sales |\n| Bob | Support |"
    assert sheet_of(rows)[0].text.startswith(table)
    assert sheet_of(other) == [
        Block(table, "table"),
        Block("Old staff"),
        Block("| Name | Town |\n| --- | --- |\n| Cy | York |", "table"),
    ]


def hiding(book: openpyxl.Workbook) -> tuple[str, tuple[str, ...]]:
    """The text of a workbook, and what its reading notes."""
    target = io.BytesIO()
    book.save(target)
    reading = reader("xlsx")(target.getvalue())
    return "\n".join(block.text for section in reading.sections for block in section.blocks), reading.notes


def staff() -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Staff"
    for row in (
        ("Name", "Salary", "Room"),
        ("Ann", 91000, "1.4"),
        ("Ben", 72000, "2.2"),
        ("Cleo", 55000, "0.1"),
    ):
        sheet.append(row)
    return book


def test_hidden_columns_and_rows_are_left_out_and_noted() -> None:
    book = staff()
    book["Staff"].column_dimensions["B"].hidden = True
    book["Staff"].row_dimensions[3].hidden = True
    text, notes = hiding(book)
    assert text == "| Name | Room |\n| --- | --- |\n| Ann | 1.4 |\n| Cleo | 0.1 |"
    assert notes == ("hidden columns left out of sheet Staff: 1", "hidden rows left out of sheet Staff: 1")


def test_what_a_filter_or_a_folded_outline_hides_is_read() -> None:
    book = staff()
    book["Staff"].auto_filter.ref = "A1:C4"
    book["Staff"].row_dimensions[3].hidden = True
    book["Staff"].column_dimensions.group("B", "B", hidden=True)
    text, notes = hiding(book)
    assert "| Ben | 72000 | 2.2 |" in text
    assert notes == ()

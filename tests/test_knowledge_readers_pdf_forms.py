"""What is filled in on a form of a PDF is read with the names of its fields."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from knowledge.documents import Block, Section
from knowledge.errors import Unreadable
from knowledge.readers.formats import reader


def form(text: str, fields: Sequence[str]) -> bytes:
    """A PDF of one page with this text and fields."""
    content = f"BT /F1 11 Tf 60 700 Td ({text}) Tj ET" if text else ""
    kids = " ".join(f"{6 + number} 0 R" for number in range(len(fields)))
    objects = [
        f"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[{kids}]/DA(/F1 11 Tf)/DR<</Font<</F1 5 0 R>>>>>>>>",
        "<</Type/Pages/Count 1/Kids[3 0 R]>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 5 0 R>>>>/Contents 4 0 R"
        f"/Annots[{kids}]>>",
        f"<</Length {len(content)}>>stream\n{content}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *(f"<</Type/Annot/Subtype/Widget/P 3 0 R/Rect[60 600 200 620]{field}>>" for field in fields),
    ]
    written = "%PDF-1.7\n"
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(written))
        written += f"{number} 0 obj{one}endobj\n"
    start = len(written)
    written += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    written += "".join(f"{place:010} 00000 n \n" for place in places)
    return f"{written}trailer<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF".encode()


FILLED = "/FT/Tx/T(room)/TU(Room of the meeting)/V(Blue hall)"


def test_values_stand_behind_the_names_of_their_fields() -> None:
    fields = (
        FILLED,
        "/FT/Tx/T(seats)/V(forty\\ntwo)",
        "/FT/Ch/Ff 131072/Opt[(Monday)(Friday)]/T(day)/V(Friday)",
        "/FT/Tx/T(empty)",
        "/FT/Tx/T(secret)/Ff 8192/V(hunter2)",
        "/FT/Tx/T(unseen)/F 2/V(not shown)",
        "/FT/Btn/T(agreed)/V/Off",
    )
    reading = reader("pdf")(form("Booking of a room", fields))
    assert reading.sections == (
        Section(
            (),
            (
                Block("Booking of a room"),
                Block("Room of the meeting: Blue hall\nseats: forty two\nday: Friday"),
            ),
            "page 1",
        ),
    )


def test_a_form_whose_labels_are_a_picture_is_read_for_its_values() -> None:
    (section,) = reader("pdf")(form("", [FILLED])).sections
    assert section.blocks == (Block("Room of the meeting: Blue hall"),)
    with pytest.raises(Unreadable, match="no text inside"):
        reader("pdf")(form("", ["/FT/Tx/T(room)"]))

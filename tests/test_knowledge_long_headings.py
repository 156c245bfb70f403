"""Names that are too long are cut, and no word of them is lost."""

from __future__ import annotations

from knowledge.documents import Block, Reading, Section
from knowledge.long_headings import LONGEST, shortened

LONG = " ".join(f"word{number}" for number in range(100))
CUT = "".join((LONG[: LONGEST - 1].rpartition(" ")[0], "…"))
MORE = Block("more")


def test_names_of_a_usual_length_stay() -> None:
    reading = Reading("x" * LONGEST, (Section(("y" * LONGEST, "z"), (MORE,), "page 1"),), None, ("a note",))
    assert shortened(reading) == reading
    assert shortened(Reading(None, ())) == Reading(None, ())


def test_long_names_are_cut_between_words() -> None:
    reading = shortened(Reading(LONG, (Section((LONG, "x" * 400), (MORE,), f"sheet {LONG}"),)))
    (section,) = reading.sections
    assert (reading.title, section.headings) == (CUT, (CUT, "x" * (LONGEST - 1) + "…"))
    assert section.page is not None
    assert max(map(len, (reading.title or "", *section.headings, section.page))) <= LONGEST


def test_long_heading_is_text_once_where_it_begins() -> None:
    sections = (Section(("Top",), (MORE,)), *(Section(("Top", LONG, name), (MORE,)) for name in "ab"))
    assert [section.blocks for section in shortened(Reading("Top", sections)).sections] == [
        (MORE,),
        (Block(LONG), MORE),
        (MORE,),
    ]


def test_long_heading_that_comes_again_elsewhere_is_text_there() -> None:
    sections = tuple(Section((name, LONG), (MORE,)) for name in ("One", "Two"))
    assert [section.blocks for section in shortened(Reading(None, sections)).sections] == [
        (Block(LONG), MORE)
    ] * 2


def test_long_title_is_text_once() -> None:
    sections = (Section((LONG,), (MORE,)), Section((), (MORE,)))
    assert [section.blocks for section in shortened(Reading(LONG, sections)).sections] == [
        (Block(LONG), MORE),
        (MORE,),
    ]
    (alone,) = shortened(Reading(LONG, (Section((), (MORE,)),))).sections
    assert alone == Section((), (Block(LONG), MORE))


def test_long_heading_that_is_text_already_is_not_said_twice() -> None:
    (section,) = shortened(Reading(LONG, (Section((LONG,), (Block(LONG),)),))).sections
    assert section == Section((CUT,), (Block(LONG),))

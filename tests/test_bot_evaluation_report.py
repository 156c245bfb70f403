"""Reports from hostile text: every file parses, nothing of it becomes markup, nothing is half there."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as Xml
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from bot.errors import Failed
from bot.evaluation.answers_report import Bound, answers_document, answers_found
from bot.evaluation.golden import GoldenQuestion, GoldenReport, GoldenResult
from bot.evaluation.golden_report import golden_document, wrong
from bot.evaluation.report import Bar, Bars, Case, Lines, Report, Stack, Table
from bot.evaluation.report_folder import ReportFolder
from bot.evaluation.report_html import page
from bot.evaluation.report_junit import junit
from bot.evaluation.report_markdown import markdown
from tests.test_bot_evaluation_measures import UNKNOWN, answer, asked

HOSTILE = (
    "</td></svg><script>alert(1)</script><img src=x onerror=alert(1)> ![p](http://a.example/p.png) "
    "[l](javascript:x) | ]]> &amp; `c` http://b.example www.c.example\n# head\n\x00\x1b[31m\u202e\ud800 \"'"
)
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "dl", "dt", "dd", "figure", "figcaption"),
    *("svg", "line", "text", "rect", "polyline", "circle", "table", "thead", "tbody", "tr", "th", "td", "p"),
}


def report(text: str = HOSTILE) -> Report:
    return Report(
        title=text,
        facts=((text, text),),
        tables=(Table(text, (text, "b"), ((text, text), ("x", "y")), text),),
        plots=(
            Bars(text, (Bar(text, 0.5, -0.2, 1.7), Bar("b", 0.0, 0.0, 0.0))),
            Stack(text, (text, "b"), ((text, (1, 2)), ("none", (0, 0)))),
            Lines(text, text, text, ((text, ((0.1, 0.2), (1.0, 0.6))), ("empty", ()))),
        ),
        cases=(Case(text, text, text, text), Case("g", "fine", None, text)),
        notes=(text,),
    )


class Seen(HTMLParser):
    """The elements, their attributes and how they nest."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_no_hostile_text_becomes_an_element_of_the_page() -> None:
    seen = Seen()
    seen.feed(page(report()))
    assert seen.open == []
    assert seen.names <= ALLOWED
    assert not {name for name in seen.attributes if name.startswith("on") or name in {"src", "href"}}
    assert "\u202e" not in page(report())


def test_the_page_needs_nothing_from_anywhere() -> None:
    text = page(report("plain"))
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|url\(|@import|<script|<link", text)
    assert "prefers-color-scheme: dark" in text


def test_a_bar_stays_in_its_plot_whatever_its_interval() -> None:
    places = re.findall(r'x[12]?="([\d.-]+)"', page(report("plain")))
    assert places
    assert all(0 <= float(place) <= 720 for place in places)


def test_junit_parses_and_tells_what_failed() -> None:
    suites = Xml.fromstring(junit(report()))
    suite = suites.find("testsuite")
    assert suite is not None
    assert (suites.get("tests"), suites.get("failures")) == ("2", "1")
    assert [case.find("failure") is not None for case in suite.findall("testcase")] == [True, False]
    assert "alert(1)" in str(suite.findall("testcase")[0].get("name"))


def test_no_hostile_text_becomes_markup_in_markdown() -> None:
    reader = MarkdownIt("commonmark", {"linkify": False}).enable("table")
    tokens = [
        inner for token in reader.parse(markdown(report())) for inner in [token, *(token.children or ())]
    ]
    kinds = {token.type for token in tokens}
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "code_inline", "fence"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2", "h2"]
    assert sum(token.type == "td_open" for token in tokens) == 4
    assert "http://" not in markdown(report())


def test_letters_that_a_script_joins_are_written_as_they_are_read() -> None:
    assert "می\u200cخواهم" in markdown(report("می\u200cخواهم"))
    assert "می\u200cخواهم" in page(report("می\u200cخواهم"))


def test_a_folder_gets_every_file_whole(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    ReportFolder(tmp_path / "out").write(report(), {"a": HOSTILE}, [{"ask": HOSTILE}, {"ask": "b"}])
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names == {"report.md", "report.json", "report.xml", "report.html", "questions.jsonl", "mine.txt"}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["a"].startswith("</td>")
    rows = (tmp_path / "out" / "questions.jsonl").read_text().split("\n")
    assert [json.loads(row)["ask"][:1] for row in rows if row] == ["<", "b"]


def test_a_folder_that_cannot_be_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="no report can be written to"):
        ReportFolder(tmp_path / "file" / "out")


def test_each_golden_question_is_a_case_beside_the_gate() -> None:
    known = GoldenQuestion(
        "days", "How many days?", answerable=True, facts=(("26",),), documents=("handbook:a",)
    )
    unknown = GoldenQuestion("why", "Why?", answerable=False, facts=(), documents=())
    said = answer("26 days [1]")
    results = (
        GoldenResult(known, said, facts=True, cited=True, retrieved=True, dangling=0),
        GoldenResult(known, said, facts=False, cited=False, retrieved=False, dangling=1),
        GoldenResult(unknown, said, facts=False, cited=False, retrieved=False, dangling=0),
    )
    made = golden_document(GoldenReport(results), [("questions", "golden.toml")], "it fails")
    assert [case.failure for case in made.cases] == [
        "it fails",
        None,
        "facts missing, document not cited, document not found, citations that do not resolve",
        "wanted a refusal",
    ]
    assert wrong(results[0]) is None
    suites = Xml.fromstring(junit(made))
    assert (suites.get("tests"), suites.get("failures")) == ("4", "3")


def test_answers_without_the_model_that_was_wanted_are_counted_and_no_others() -> None:
    known = GoldenQuestion("days", "Days?", answerable=True, facts=(("26",),), documents=("handbook:a",))
    quotes = replace(answer("26 days [1]"), voice="quotes")
    said = (
        answer("26 days [1]"),
        quotes,
        replace(quotes, note="The model failed."),
        replace(quotes, status="failed", voice="none", text="Too many wait."),
        replace(quotes, voice="curated", note="Reviewed by Ann."),
        replace(quotes, status="refused", voice="none"),
    )
    found = GoldenReport(
        tuple(GoldenResult(known, one, facts=True, cited=True, retrieved=True, dangling=0) for one in said)
    )
    assert found.without_model == ["The model failed.", "Too many wait."]


def test_the_words_above_the_quotes_are_counted_apart() -> None:
    known = GoldenQuestion("leave", "Leave?", answerable=True, facts=(("26 days",),), documents=("d",))
    unknown = GoldenQuestion("why", "Why?", answerable=False, facts=(), documents=())

    def told(text: str, question: GoldenQuestion = known) -> GoldenResult:
        return GoldenResult(question, answer(text), facts=True, cited=True, retrieved=True, dangling=0)

    found = GoldenReport(
        (
            told("26 days [1]\n\nStaff have 26 days of leave. [1]"),
            told("Five weeks [1]\n\nStaff have 26 days of leave. [1]"),
            told("Staff have 26 days of leave. [1]"),
            told("26 days [1]\n\nStaff have 26 days of leave. [1]", unknown),
        )
    )
    assert found.leads == (1, 2)
    assert ("answered rightly by the words above the quotes", "1", "2") in golden_document(
        found, [], None
    ).tables[0].rows


def test_bounds_are_cases_and_a_figure_that_could_not_be_told_keeps_none() -> None:
    found = answers_found([asked("26 days [1]", confidence=0.8)], seed=0)
    bounds = [Bound("f1", 0.9, least=True), Bound("refused", 0.0, least=True), Bound("em", 0.5, least=False)]
    made = answers_document(found, [], bounds)
    assert [(case.name, case.failure is None) for case in made.cases] == [
        ("f1 at least 0.9", True),
        ("refused at least 0", False),
        ("em at most 0.5", False),
    ]
    assert found.measures.overlap is None
    assert "BLEU" not in made.tables[0].heads


def test_without_bounds_each_figure_that_could_be_told_is_a_case() -> None:
    found = answers_found([asked("No", UNKNOWN, status="refused")], seed=0)
    names = [case.name for case in answers_document(found, [], []).cases]
    assert "refused 1.0000" in names
    assert not any(name.startswith("f1 ") for name in names)

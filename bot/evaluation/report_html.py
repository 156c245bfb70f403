"""A report as one HTML file that needs nothing else: no script, no font, no picture from anywhere.

Rule: every text is escaped, and the page's own policy forbids the rest; it reads in light and dark.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from bot.evaluation.report import Report, Table
from bot.evaluation.svg import drawing

_NO_HTML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_STYLE = """\
:root { color-scheme: light dark; --ink: #1b1b1f; --faint: #6b6b76; --rule: #d5d5dc; --page: #ffffff;
  --c0: #3567b0; --c1: #2f8f5b; --c2: #c77f1a; --c3: #b8433f; --c4: #7a5aa6; --c5: #4b8a99; --c6: #a3527f;
  --c7: #7d7a3c; --c8: #777780; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8ee; --faint: #a0a0ad; --rule: #44444f;
  --page: #17171b; --c0: #7aa7e8; --c1: #63c893; --c2: #e8ad55; --c3: #ea8580; --c4: #b79be0; --c5: #83c1d1;
  --c6: #d98bb6; --c7: #bdb96e; --c8: #a5a5b0; } }
body { color: var(--ink); background: var(--page); font: 15px/1.5 system-ui, sans-serif; max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { text-align: left; padding: .25rem .8rem .25rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, dt, .note, figcaption { color: var(--faint); font-weight: 500; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; } dd { margin: 0; }
@media (max-width: 40rem) { dl { grid-template-columns: 1fr; } dd { margin-bottom: .4rem; } }
figure { margin: 2rem 0; } svg { max-width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 12px; }
.rule { stroke: var(--rule); } .faint { fill: var(--faint); } .whisker { stroke: var(--ink); stroke-width: 1.5; }
.failed { color: var(--c3); }"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(report: Report) -> str:
    """The whole page."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    title = escaped(report.title)
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{title}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{title}</h1>\n<dl>"
    for name, value in report.facts:
        yield f"<dt>{escaped(name)}</dt><dd>{escaped(value)}</dd>"
    yield "</dl>"
    for plot in report.plots:
        yield f"<figure>\n<figcaption>{escaped(plot.title)}</figcaption>\n{drawing(plot)}\n</figure>"
    for table in report.tables:
        yield from _table(table)
    failed = [case for case in report.cases if case.failure is not None]
    if failed:
        rows = tuple((case.name, case.failure or "", case.said) for case in failed)
        yield from _table(Table("What failed", ("what", "why", "said"), rows))
    for note in report.notes:
        yield f'<p class="note">{escaped(note)}</p>'
    yield "</body>\n</html>"


def _table(table: Table) -> Iterator[str]:
    yield f"<h2>{escaped(table.title)}</h2>\n<table>\n<thead><tr>"
    yield "".join(f"<th>{escaped(head)}</th>" for head in table.heads) + "</tr></thead>\n<tbody>"
    for row in table.rows:
        yield "<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>"
    yield "</tbody>\n</table>"
    if table.note:
        yield f'<p class="note">{escaped(table.note)}</p>'


def escaped(text: str) -> str:
    """`text` as text: no sign of it is markup, none turns the direction of what follows."""
    return html.escape(_NO_HTML.sub("�", text))
